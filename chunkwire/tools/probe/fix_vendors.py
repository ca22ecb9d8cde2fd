"""Rows of the table of fixes for what vendors run: gateways, tunnels and content delivery networks.

None of these can be started here, so each row stands on a source, and says which.
"""

from __future__ import annotations

from typing import Final

from chunkwire.tools.probe.fix import BUFFERED, Fix, Whose
from chunkwire.tools.probe.verdict import POST, Kind

_CODED: Final = frozenset({Kind.COMPRESSED})
_CACHED: Final = frozenset({Kind.CACHED})

VENDORS: Final = (
    Fix(
        software="AWS API Gateway (REST)",
        kinds=BUFFERED,
        says=r"api gateway|execute-api",
        change="responseTransferMode: STREAM on the integration (REST APIs only; 15 min in all)",
        before="responseTransferMode: BUFFERED",
        after="responseTransferMode: STREAM",
        whose=Whose.OPERATOR,
        source="API Gateway developer guide, response transfer mode",
    ),
    Fix(
        software="AWS API Gateway (HTTP)",
        kinds=BUFFERED,
        says=r"api gateway|execute-api",
        change="an HTTP API does not stream: a REST API, a load balancer or a function URL does",
        before="an HTTP API",
        after="a REST API with responseTransferMode: STREAM",
        whose=Whose.VENDOR,
        source="API Gateway developer guide, response transfer mode",
    ),
    Fix(
        software="AWS CloudFront",
        kinds=_CODED,
        says=r"cloudfront",
        change="Compress objects automatically: No, for this behavior",
        before="Compress objects automatically: Yes",
        after="Compress objects automatically: No",
        whose=Whose.OPERATOR,
        source="CloudFront developer guide, serving compressed files",
    ),
    Fix(
        software="Azure API Management",
        kinds=BUFFERED,
        says=r"azure-api|api management",
        change='<forward-request buffer-response="false"/>, and no logging or validating of bodies',
        before="<forward-request />",
        after='<forward-request buffer-response="false" />',
        whose=Whose.OPERATOR,
        source="API Management documentation, server-sent events; 4 min of silence end the stream",
    ),
    Fix(
        software="Azure Application Gateway",
        kinds=BUFFERED,
        says=r"application-gateway|appgw",
        change="response buffers off, in the gateway's global configuration",
        before="Response buffers: Enabled",
        after="Response buffers: Disabled",
        whose=Whose.OPERATOR,
        source="Application Gateway documentation, server-sent events",
    ),
    Fix(
        software="Cloudflare tunnel",
        kinds=BUFFERED,
        says=r"trycloudflare",
        tried=POST,
        change="POST instead of GET, or a named tunnel: a quick tunnel holds a GET",
        before="cloudflared tunnel --url http://origin",
        after="cloudflared tunnel run NAME",
        whose=Whose.VENDOR,
        source="cloudflared#1449",
    ),
    Fix(
        software="Cloudflare tunnel",
        kinds=BUFFERED,
        says=r"cloudflare",
        change="Content-Type: text/event-stream in the response: other types are held in a tunnel",
        sets="Content-Type: text/event-stream",
        whose=Whose.APPLICATION,
        source="cloudflared#199, #1095",
    ),
    Fix(
        software="Fastly",
        kinds=BUFFERED,
        says=r"fastly",
        change="set beresp.do_stream = true; in vcl_fetch",
        before="sub vcl_fetch {\n  return(deliver);\n}",
        after="sub vcl_fetch {\n  set beresp.do_stream = true;\n  return(deliver);\n}",
        whose=Whose.OPERATOR,
        source="Fastly documentation, streaming miss",
    ),
    Fix(
        software="bunny.net",
        kinds=_CACHED,
        says=r"bunnycdn|b-cdn",
        change="Cache-Control: no-cache in the response: without it an event stream is cached for a month",
        sets="Cache-Control: no-cache",
        whose=Whose.APPLICATION,
        source="bunny.net documentation, server-sent events",
    ),
)
