"""`chunkwire forward UPSTREAM …`: the gateway."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    import trio

    from chunkwire.cli.serving import Place
    from chunkwire.forward.settings import GatewaySettings
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.net.listen import Address

SUMMARY = "the gateway: relay a server's streams frame by frame, byte for byte"
EPILOG = """\
In front of language models use --on-client-fin cancel: when a client closes its side, the upstream request is ended at
  once. The default, keep, takes a FIN for a half-close, and continues the stream until a write fails.

examples:
  chunkwire forward http://127.0.0.1:8081            in front of `chunkwire serve`
  chunkwire forward https://api.example/v1 -l :9000  a path in UPSTREAM is a prefix of every target
  chunkwire forward http://a:8081 http://b:8081      b where a cannot be reached
  curl -sN --raw 127.0.0.1:8080/generate             the frames, as the origin wrote them"""


def poll(text: str) -> float:
    """Return seconds of polling: 0, `50us`, or `always` (infinite)."""
    return math.inf if text.strip() == "always" else flags.duration(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gateway's flags."""
    add = parser.add_argument
    add("upstream", nargs="+", metavar="UPSTREAM", help="http:// or https:// URL; several: in this order")
    flags.add_listen(parser, flags.DEFAULT_GATEWAY)
    add = parser.add_argument_group("heads").add_argument
    add("--preserve-host", action="store_true", help="send the client's Host upstream")
    add("--forwarded", action="store_true", help="add Forwarded and X-Forwarded-For, -Proto, -Host")
    add("--cafile", metavar="FILE", help="trust the certificates in FILE instead of the system's")
    add = parser.add_argument_group("clients that leave").add_argument
    fin = (
        "after a FIN, which may be a half-close (nc): keep continues the stream until a write fails; cancel ends the "
        "upstream request at once, as clients of language models expect (default: keep)"
    )
    add("--on-client-fin", choices=("keep", "cancel"), default="keep", help=fin)
    gone = "after a reset: cancel resets the upstream request, drain reads the response to its end (default: cancel)"
    add("--on-client-gone", choices=("cancel", "drain"), default="cancel", help=gone)
    add_modes(parser)
    add_limits(parser)
    flags.add_serving(parser)
    what = "poll for octets this long before sleeping, while polls find some: 0, 50us, always (default: 50us)"
    parser.add_argument_group("speed").add_argument("--poll", type=poll, default=50e-6, metavar="TIME", help=what)


def add_modes(parser: argparse.ArgumentParser) -> None:
    """Add --mode, --fault and --barrier; the log and a response field name a mode or fault that is applied."""
    add = parser.add_argument_group("modes (to teach and to test)").add_argument
    modes = "exact; reframe (one chunk per read); coalesce=OCTETS or coalesce=50ms; buffer (hold to the end); slice=N"
    add("--mode", default="exact", metavar="MODE", help=modes)
    fault = "break chunked responses as /fault/NAME does, after N chunks (default: 3)"
    add("--fault", metavar="NAME[=N]", help=fault)
    what = "for `probe URL --barrier-at ADDR`: hold each frame of its streams until it acknowledges the one before"
    add("--barrier", action="store_true", help=what)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the gateway's timeouts and limits."""
    flags.add_each(
        parser.add_argument_group("deadlines (`off` is none)"),
        ("connect-timeout", flags.timeout, "10s", "name, TCP and TLS of an upstream"),
        ("head-timeout", flags.timeout, "5m", "a whole request head; people type"),
        ("keep-alive-timeout", flags.timeout, "75s", "between two requests of a connection"),
        ("response-timeout", flags.timeout, "2m", "from the request sent to the response head"),
        ("send-timeout", flags.timeout, "30s", "without an octet taken by a peer"),
        ("idle-timeout", flags.timeout, "off", "without an octet inside a body"),
        ("grace", flags.grace, "10s", "for streams after Ctrl-C or SIGTERM; 0 ends them at once"),
    )
    flags.add_each(
        parser.add_argument_group("limits"),
        ("max-connections", flags.count, "20000", "at once; the next ones wait in the kernel's backlog"),
        ("max-head-octets", flags.count, "64k", "octets of a head, over it 431"),
        ("max-fields", flags.count, "128", "field lines of a head, over it 431"),
        ("max-streams-per-client", flags.whole_number, "0", "exchanges at once from one address, over it 429; 0: any"),
        ("max-informational", flags.whole_number, "5", "1xx responses passed on before a final one, over it 502"),
        ("max-ext-octets", flags.whole_number, "4096", "octets of one chunk extension"),
        ("max-overhead", flags.whole_number, "16k", "octets of framing beyond 16 + 2 x size of each chunk, summed"),
        ("max-trailer-octets", flags.whole_number, "8k", "octets of a trailer section"),
        ("max-trailer-fields", flags.whole_number, "64", "field lines of a trailer section"),
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a drain (Ctrl-C, SIGTERM) is over."""
    from chunkwire.cli.output_files import check_outputs, files_read
    from chunkwire.cli.serving import page_beside, run_server
    from chunkwire.forward.access import log_json, log_text
    from chunkwire.forward.gateway import serve_gateway

    settings = _settings(options)
    if options.stamps is not None and (options.mode != "exact" or options.fault):
        raise LocalError("contradictory flags: --stamps with --mode or --fault, which change offsets in the body")
    check_outputs(options, ["save"], files_read(options))
    upstreams = _upstreams(options, settings)

    async def server(place: Place, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        page = page_beside(place, f"gateway {settings.mode}", options.save, upstreams=upstreams)
        async with page as (site, record_for):
            await serve_gateway(
                place.address,
                upstreams,
                settings=settings,
                record_for=record_for,
                on_end=log_json if options.log_json else log_text,
                admin=place.admin,
                admin_site=site,
                metrics=place.metrics,
                reuse_port=place.reuse_port,
                certificate=place.certificate,
                handle_signals=True,
                task_status=task_status,
            )

    return run_server(options, "gateway", server)


def _upstreams(options: argparse.Namespace, settings: GatewaySettings) -> list[Upstream]:
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.net.dial import parse_url
    from chunkwire.net.tls import make_tls

    urls = [parse_url(text) for text in options.upstream]
    if queries := [url.target.decode("ascii") for url in urls if b"?" in url.target]:
        raise LocalError(f"expected no query in UPSTREAM, whose path is a prefix of every target, got {queries[0]!r}")
    tls = make_tls(options.cafile) if options.cafile or any(url.scheme == "https" for url in urls) else None
    return [
        Upstream(
            url,
            tls if url.scheme == "https" else None,
            settings.connect_timeout,
            settings.head_limits,
            has_stamps=options.stamps is not None,
        )
        for url in urls
    ]


def _settings(options: argparse.Namespace) -> GatewaySettings:
    from chunkwire.forward.settings import GatewaySettings
    from chunkwire.forward.shape import parse_fault, parse_mode
    from chunkwire.wire.limits import HeadLimits, Limits

    return flags.settings_of(
        GatewaySettings,
        options,
        has_barriers=options.barrier,
        mode=flags.parsed("--mode", parse_mode, options.mode),
        fault=flags.parsed("--fault", parse_fault, options.fault) if options.fault else None,
        head_limits=flags.settings_of(HeadLimits, options),
        limits=flags.settings_of(Limits, options),
    )
