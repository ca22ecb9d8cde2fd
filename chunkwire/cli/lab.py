"""`chunkwire lab`: origin, gateways and the page, in one process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chunkwire.cli import flags

if TYPE_CHECKING:
    import trio

    from chunkwire.lab.laboratory import Lab
    from chunkwire.net.listen import Address
    from chunkwire.server.routes import Resource

SUMMARY = "a page that shows the wire, live: an origin, two gateways, and octets to touch and break"
EPILOG = """\
examples:
  chunkwire lab                  the page on http://127.0.0.1:8000/
  chunkwire lab --open           and a browser that shows it
  chunkwire lab --clock fixed    no stamp of the time in the streams: each run has the same octets"""

DEFAULT_LAB: Final = "127.0.0.1:8000"
_DEFAULT_BUFFER: Final = "127.0.0.1:8090"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the lab's flags."""
    flags.add_listen(parser, DEFAULT_LAB)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")


def run(options: argparse.Namespace) -> int:
    """Serve the lab until Ctrl-C."""
    import logging

    import trio

    from chunkwire.net.triosleep import SleeperClock

    if not options.verbose:
        logging.getLogger("chunkwire").setLevel(logging.WARNING)
    trio.run(_serve, options, clock=SleeperClock())
    return 0


async def _serve(options: argparse.Namespace) -> None:
    import trio

    from chunkwire.lab.laboratory import Lab
    from chunkwire.origin.resources import origin_resources

    resources = origin_resources()
    lab = Lab(resources)
    async with trio.open_nursery() as nursery:
        await nursery.start(lab.run, name="lab")
        bound = await _start_all(nursery, lab, resources, options)
        for line in _announcement(bound):
            print(line, flush=True)
        if options.open:
            _open_browser(f"http://{bound['lab']}/")
        await trio.sleep_forever()


async def _start_all(
    nursery: trio.Nursery, lab: Lab, resources: Sequence[Resource], options: argparse.Namespace
) -> dict[str, Address]:
    """Start origin, gateways and page on their usual ports, or on free ones; return where each listens."""
    from functools import partial

    from chunkwire.cli.demo import start_one
    from chunkwire.forward.gateway import serve_gateway
    from chunkwire.forward.settings import GatewaySettings
    from chunkwire.forward.shape import parse_mode
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.net.dial import parse_url
    from chunkwire.server.serving import serve

    watchers = lab.seat.watchers
    origin = partial(serve, resources=resources, record_for=watchers.record_for("origin"))
    bound = {"origin": await start_one(nursery, "origin", flags.DEFAULT_ORIGIN, origin)}
    for mode, usual in (("exact", flags.DEFAULT_GATEWAY), ("buffer", _DEFAULT_BUFFER)):
        gateway = partial(
            serve_gateway,
            upstreams=[Upstream(parse_url(f"http://{bound['origin']}"))],
            settings=GatewaySettings(mode=parse_mode(mode)),
            record_for=watchers.record_for(f"gateway {mode}"),
        )
        bound[mode] = await start_one(nursery, f"gateway {mode}", usual, gateway)
    lab.about["addresses"] = {name: str(where) for name, where in bound.items()}
    page = partial(serve, resources=lab.resources, record_for=lab.record_for)
    bound["lab"] = await start_one(nursery, "page", options.listen, page)
    return bound


def _announcement(bound: dict[str, Address]) -> list[str]:
    origin, exact, buffer = bound["origin"], bound["exact"], bound["buffer"]
    request = "GET /generate?n=3 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
    return [
        f"the lab: http://{bound['lab']}/",
        "",
        f"  origin            {origin}   curl -sN --raw {origin}/generate?n=3",
        f"  gateway exact     {exact}   curl -sN --raw {exact}/generate?n=3",
        f"  gateway buffer    {buffer}   curl -sN --raw {buffer}/generate?n=3",
        f"  by hand           printf '{request}' | nc {origin.host} {origin.port}",
        "",
        "  what you send with curl or nc is on the page too; Ctrl-C ends the lab",
    ]


def _open_browser(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        print(f"chunkwire: found no browser to open {url} with", file=sys.stderr)
