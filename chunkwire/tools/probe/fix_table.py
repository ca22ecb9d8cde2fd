"""The table of fixes, as data.

Each row was read on its `checked` date in the software's documentation, source or issues, and where the software can
be started here, the test in `proof` shows the hold and its end. Rows stand in the order in which they are offered.
"""

from __future__ import annotations

from typing import Final

from chunkwire.tools.probe.fix import BUFFERED, Fix, Whose
from chunkwire.tools.probe.fix_vendors import VENDORS
from chunkwire.tools.probe.verdict import ACCEL, INCREMENTAL, NO_TRANSFORM, Kind

_HELD: Final = BUFFERED | {Kind.COMPRESSED, Kind.HEAD_HELD}
_CODED: Final = frozenset({Kind.COMPRESSED})
_SILENT: Final = frozenset({Kind.IDLE_CUT})
_CACHED: Final = frozenset({Kind.CACHED})
_TIMED: Final = frozenset({Kind.FOR_TIME, Kind.HOLDS})

_NGINX: Final = r"nginx|openresty|tengine"
_CADDY: Final = r"\bcaddy\b"
_PYTHON: Final = r"uvicorn|hypercorn|gunicorn|daphne|wsgiserver|granian"
_APACHE: Final = r"apache"

# A location of nginx, with what is added to it.
_LOCATION: Final = "location / {{\n  proxy_pass http://origin;{}\n}}"

NGINX: Final = (
    Fix(
        software="nginx",
        kinds=_HELD,
        says=_NGINX,
        change="proxy_buffering off;",
        before=_LOCATION.format(""),
        after=_LOCATION.format("\n  proxy_buffering off;"),
        whose=Whose.OPERATOR,
        proof="test_nginx.py::test_buffering_off_frees_the_stream",
    ),
    Fix(
        software="nginx",
        kinds=_HELD,
        says=_NGINX,
        change="X-Accel-Buffering: no in the response",
        sets="X-Accel-Buffering: no",
        tried=ACCEL,
        whose=Whose.APPLICATION,
        proof="test_nginx.py::test_the_field_of_the_response_frees_the_stream",
    ),
    Fix(
        software="nginx",
        versions="before 1.29.7, where HTTP/1.1 became the default",
        kinds=BUFFERED,
        says=_NGINX,
        arrived=r"HTTP/1\.0",
        change="proxy_http_version 1.1; for frames below 4 KiB",
        before=_LOCATION.format(""),
        after=_LOCATION.format("\n  proxy_http_version 1.1;"),
        whose=Whose.OPERATOR,
        proof="test_nginx.py::test_http_1_1_frees_small_frames",
    ),
    Fix(
        software="nginx",
        kinds=_CODED,
        says=_NGINX,
        change="gzip off; for this location",
        before=_LOCATION.format(""),
        after=_LOCATION.format("\n  gzip off;"),
        whose=Whose.OPERATOR,
        proof="test_nginx.py::test_gzip_off_frees_the_stream",
    ),
    Fix(
        software="nginx",
        kinds=_SILENT,
        says=_NGINX,
        change="proxy_read_timeout longer than any pause (default 60s)",
        before=_LOCATION.format(""),
        after=_LOCATION.format("\n  proxy_read_timeout 1h;"),
        whose=Whose.OPERATOR,
        proof="test_nginx.py::test_a_longer_read_timeout_frees_a_silent_stream",
    ),
)

HAPROXY: Final = (
    Fix(
        software="HAProxy",
        kinds=_TIMED,
        seconds=(0.15, 0.26),
        change="option http-no-delay (HAProxy, in defaults or in frontend and backend)",
        before="defaults\n  mode http",
        after="defaults\n  mode http\n  option http-no-delay",
        whose=Whose.OPERATOR,
        proof="test_haproxy.py::test_http_no_delay_frees_the_stream",
    ),
    Fix(
        software="HAProxy",
        kinds=_SILENT,
        says=r"haproxy",
        change="timeout server and timeout client longer than any pause",
        before="timeout server 50s\ntimeout client 50s",
        after="timeout server 1h\ntimeout client 1h",
        whose=Whose.OPERATOR,
        source="HAProxy configuration manual, timeout server",
    ),
)

NAGLE: Final = (
    Fix(
        software="any",
        kinds=_TIMED,
        seconds=(0.03, 0.06),
        change="TCP_NODELAY on the socket towards the client: Nagle's algorithm waits for a delayed ACK",
        before="connection = listener.accept()",
        after="connection = listener.accept()\nset TCP_NODELAY on connection",
        whose=Whose.OPERATOR,
        proof="test_delays.py::test_nodelay_frees_what_nagle_held",
    ),
)

CADDY: Final = (
    Fix(
        software="Caddy",
        versions="before 2.9 (caddy#6471 flushes)",
        kinds=_CODED,
        says=_CADDY,
        change="encode { gzip; match { header Content-Type text/html* } }",
        before="encode gzip",
        after="encode {\n  gzip\n  match {\n    header Content-Type text/html*\n  }\n}",
        whose=Whose.OPERATOR,
        proof="test_caddy.py::test_a_matcher_that_leaves_events_out_frees_the_stream",
    ),
    Fix(
        software="Caddy",
        versions="2.7 and up (caddy#5257)",
        kinds=_CODED,
        says=_CADDY,
        change="Cache-Control: no-transform in the response (Caddy 2.7 and up)",
        sets="Cache-Control: no-transform",
        tried=NO_TRANSFORM,
        whose=Whose.APPLICATION,
        source="caddy#5257",
    ),
    Fix(
        software="Caddy",
        kinds=BUFFERED,
        says=_CADDY,
        change="reverse_proxy { flush_interval -1 }",
        before="reverse_proxy origin",
        after="reverse_proxy origin {\n  flush_interval -1\n}",
        whose=Whose.OPERATOR,
        source="Caddy documentation, reverse_proxy: streaming; event streams need no setting",
    ),
)

GO: Final = (
    Fix(
        software="Go httputil.ReverseProxy",
        versions="before Go 1.16 (golang/go#41642), or where the response has a Content-Length",
        kinds=BUFFERED,
        says=r"oauth2-proxy|\bgo\b|golang",
        change="ReverseProxy.FlushInterval = -1",
        before="proxy := httputil.NewSingleHostReverseProxy(origin)",
        after="proxy := httputil.NewSingleHostReverseProxy(origin)\nproxy.FlushInterval = -1",
        whose=Whose.OPERATOR,
        source="golang/go#41642",
    ),
)

APACHE: Final = (
    Fix(
        software="Apache httpd",
        kinds=BUFFERED,
        says=_APACHE,
        change="ProxyPass ... flushpackets=on",
        before="ProxyPass / http://origin/",
        after="ProxyPass / http://origin/ flushpackets=on",
        whose=Whose.OPERATOR,
        source="Apache documentation, mod_proxy; 2.4.71 streams without it (test_apache.py)",
    ),
    Fix(
        software="Apache httpd",
        kinds=_CODED,
        says=_APACHE,
        change="SetEnv no-gzip 1 for this location",
        before="SetOutputFilter DEFLATE",
        after="SetOutputFilter DEFLATE\nSetEnv no-gzip 1",
        whose=Whose.OPERATOR,
        source="Apache documentation, mod_deflate; 2.4.71 streams with it on (test_apache.py)",
    ),
)

NODE: Final = (
    Fix(
        software="Node compression middleware",
        kinds=_CODED,
        is_silent=True,
        change="Cache-Control: no-transform in the response",
        sets="Cache-Control: no-transform",
        tried=NO_TRANSFORM,
        whose=Whose.APPLICATION,
        proof="test_node.py::test_no_transform_frees_the_stream",
    ),
    Fix(
        software="Node compression middleware",
        kinds=_CODED,
        is_silent=True,
        change="res.flush() after each event, if this is Node's compression",
        tried=NO_TRANSFORM,
        before="res.write(event);",
        after="res.write(event);\nres.flush();",
        whose=Whose.APPLICATION,
        proof="test_node.py::test_a_flush_after_each_event_frees_the_stream",
    ),
)

PYTHON: Final = (
    Fix(
        software="Starlette GZipMiddleware",
        versions="before 1.5.0, which flushes; event streams are left alone since 0.46",
        kinds=_CODED,
        says=_PYTHON,
        change="upgrade Starlette to 1.5.0, or leave the route out of GZipMiddleware",
        before="starlette<1.5",
        after="starlette>=1.5",
        whose=Whose.APPLICATION,
        source="starlette#2871, starlette 1.5.0 release notes (#3419)",
    ),
    Fix(
        software="Django GZipMiddleware",
        kinds=_CODED,
        says=_PYTHON,
        change="Content-Encoding: identity in the response",
        sets="Content-Encoding: identity",
        whose=Whose.APPLICATION,
        source="django#19336 (closed: it is not flushed); it skips a response that has the field",
    ),
)

CHUNKWIRE: Final = (
    Fix(
        software="chunkwire forward",
        kinds=BUFFERED | _TIMED,
        says=r"chunkwire-mode",
        change="--mode exact",
        before="chunkwire forward ORIGIN --mode buffer",
        after="chunkwire forward ORIGIN --mode exact",
        whose=Whose.OPERATOR,
        proof="test_gateway.py::test_the_exact_mode_frees_the_stream",
    ),
)

MITMPROXY: Final = (
    Fix(
        software="mitmproxy",
        kinds=frozenset({Kind.TO_END}),
        is_silent=True,
        change="--set stream_large_bodies=1, if this is mitmproxy",
        before="mitmdump --mode reverse:ORIGIN",
        after="mitmdump --mode reverse:ORIGIN --set stream_large_bodies=1",
        whose=Whose.OPERATOR,
        proof="test_mitmproxy.py::test_streaming_every_body_frees_the_stream",
    ),
)

ENVOY: Final = (
    Fix(
        software="Envoy",
        kinds=BUFFERED,
        says=r"envoy|istio",
        change="response_body_mode: STREAMED or NONE in ext_proc, and no other filter that reads whole bodies",
        before="processing_mode:\n  response_body_mode: BUFFERED",
        after="processing_mode:\n  response_body_mode: STREAMED",
        whose=Whose.OPERATOR,
        source="Envoy documentation, ext_proc processing modes",
    ),
    Fix(
        software="Envoy",
        kinds=_CODED,
        says=r"envoy|istio",
        change="leave text/event-stream out of the compressor's content_type",
        before="content_type: [text/html, text/event-stream]",
        after="content_type: [text/html]",
        whose=Whose.OPERATOR,
        source="Envoy documentation, compressor filter",
    ),
    Fix(
        software="Envoy",
        kinds=_SILENT | {Kind.CUT},
        says=r"envoy|istio",
        change="timeout: 0s on the route (default 15s) and a longer stream_idle_timeout (default 5m)",
        before="route: { cluster: origin }",
        after="route: { cluster: origin, timeout: 0s }\nstream_idle_timeout: 1h",
        whose=Whose.OPERATOR,
        source="Envoy documentation, FAQ: timeouts",
    ),
)

TRAEFIK: Final = (
    Fix(
        software="Traefik",
        versions="before traefik#11583 (2025)",
        kinds=_CODED,
        says=r"traefik",
        change="excludedContentTypes: text/event-stream in the compress middleware",
        before="compress: {}",
        after="compress:\n  excludedContentTypes: [text/event-stream]",
        whose=Whose.OPERATOR,
        source="Traefik documentation, compress; traefik#11583",
    ),
    Fix(
        software="Traefik",
        kinds=BUFFERED,
        says=r"traefik",
        change="no buffering middleware on this router",
        before="middlewares: [buffering]",
        after="middlewares: []",
        whose=Whose.OPERATOR,
        source="Traefik documentation, buffering",
    ),
)

ANY: Final = (
    Fix(
        software="",
        kinds=_CODED,
        change="Cache-Control: no-transform in the response",
        sets="Cache-Control: no-transform",
        tried=NO_TRANSFORM,
        whose=Whose.APPLICATION,
        source="RFC 9111 §5.2.2.6; not every coder obeys it (nginx does not)",
    ),
    Fix(
        software="",
        kinds=_HELD | {Kind.FOR_TIME},
        change="X-Accel-Buffering: no in the response",
        sets="X-Accel-Buffering: no",
        tried=ACCEL,
        whose=Whose.APPLICATION,
        source="nginx's field, which others read too",
    ),
    Fix(
        software="",
        kinds=_HELD | {Kind.FOR_TIME},
        change="Incremental: ?1 in the response",
        sets="Incremental: ?1",
        tried=INCREMENTAL,
        whose=Whose.APPLICATION,
        source="RFC 10036",
    ),
    Fix(
        software="",
        kinds=_SILENT,
        change="a comment line (: ping) more often than that, or a longer read timeout at this hop",
        before="data: an event\n\n(silence)\n\ndata: the next event",
        after="data: an event\n\n: ping\n\ndata: the next event",
        whose=Whose.APPLICATION,
        source="WHATWG HTML §9.2.7",
    ),
    Fix(
        software="",
        kinds=_CACHED,
        change="Cache-Control: no-store in the response",
        sets="Cache-Control: no-store",
        whose=Whose.APPLICATION,
        source="RFC 9111 §5.2.2.5",
    ),
    Fix(
        software="",
        kinds=frozenset({Kind.ORIGIN_BURSTS}),
        change="write and flush each event when it is made; look for what gathers them in the application",
        before="write(event)",
        after="write(event)\nflush()",
        whose=Whose.APPLICATION,
        source="the origin's own stamps",
    ),
)

FIXES: Final[tuple[Fix, ...]] = (
    *NGINX,
    *HAPROXY,
    *NAGLE,
    *CADDY,
    *GO,
    *APACHE,
    *NODE,
    *PYTHON,
    *MITMPROXY,
    *ENVOY,
    *TRAEFIK,
    *CHUNKWIRE,
    *VENDORS,
    *ANY,
)
