"""`chunkwire forward UPSTREAM …`: the gateway."""

from __future__ import annotations

import argparse
import math
import sys

from chunkwire.cli import flags

SUMMARY = "the gateway: relay a server's streams frame by frame, byte for byte"
EPILOG = """\
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
    parser.add_argument(
        "upstream", nargs="+", metavar="UPSTREAM", help="http:// or https:// URL; several: in this order"
    )
    flags.add_listen(parser, flags.DEFAULT_GATEWAY)
    heads = parser.add_argument_group("heads")
    heads.add_argument("--preserve-host", action="store_true", help="send the client's Host upstream")
    heads.add_argument("--forwarded", action="store_true", help="add Forwarded and X-Forwarded-For, -Proto, -Host")
    heads.add_argument("--cafile", metavar="FILE", help="trust the certificates in FILE instead of the system's")
    clients = parser.add_argument_group("clients that leave")
    clients.add_argument(
        "--on-client-fin",
        choices=("keep", "cancel"),
        default="keep",
        help="a FIN may be a half-close (nc) or a departure: stream on, or end the upstream request (default: keep)",
    )
    clients.add_argument(
        "--on-client-gone",
        choices=("cancel", "drain"),
        default="cancel",
        help="end the upstream request with a reset, or read it to its end (default: cancel)",
    )
    add_deadlines(parser)
    speed = parser.add_argument_group("speed")
    speed.add_argument(
        "--poll",
        type=poll,
        default=50e-6,
        metavar="TIME",
        help="look for more octets this long before sleeping, while that pays: 0, 50us, always (default: 50us)",
    )


def add_deadlines(parser: argparse.ArgumentParser) -> None:
    """Add the gateway's deadlines: name, default and what it is measured between."""
    group = parser.add_argument_group("deadlines (`off` is none)")
    for name, default, what in (
        ("connect-timeout", "10s", "name, TCP and TLS of an upstream"),
        ("head-timeout", "5m", "a whole request head; people type"),
        ("keep-alive-timeout", "75s", "between two requests of a connection"),
        ("response-timeout", "2m", "from the request sent to the response head"),
        ("send-timeout", "30s", "without an octet taken by a peer"),
        ("idle-timeout", "off", "without an octet inside a body"),
        ("grace", "10s", "for streams after SIGTERM"),
    ):
        group.add_argument(
            f"--{name}",
            type=flags.timeout,
            default=flags.timeout(default),
            metavar="TIME",
            help=f"{what} (default: {default})",
        )


def run(options: argparse.Namespace) -> int:
    """Serve until the drain that SIGTERM starts is over."""
    import trio

    from chunkwire.forward.gateway import serve_gateway
    from chunkwire.forward.settings import Settings
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.net.dial import make_tls, parse_url
    from chunkwire.net.listen import Address, parse_address

    settings = Settings(
        preserve_host=options.preserve_host,
        forwarded=options.forwarded,
        on_client_fin=options.on_client_fin,
        on_client_gone=options.on_client_gone,
        connect_timeout=options.connect_timeout,
        head_timeout=options.head_timeout,
        keep_alive_timeout=options.keep_alive_timeout,
        response_timeout=options.response_timeout,
        send_timeout=options.send_timeout,
        idle_timeout=options.idle_timeout,
        grace=options.grace,
        poll=options.poll,
    )
    address = parse_address(options.listen)
    urls = [parse_url(text) for text in options.upstream]
    tls = make_tls(options.cafile) if any(url.scheme == "https" for url in urls) else None
    upstreams = [
        Upstream(url, tls if url.scheme == "https" else None, settings.connect_timeout, settings.head_limits)
        for url in urls
    ]

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(_serve, name="gateway")
            for where in bound if not options.quiet else ():
                print(f"listening on http://{where}", file=sys.stderr, flush=True)

    async def _serve(task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
        await serve_gateway(address, upstreams, settings=settings, handle_signals=True, task_status=task_status)

    trio.run(main)
    return 0
