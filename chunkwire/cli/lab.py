"""`chunkwire lab`: origin, gateways and the page, in one process."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from chunkwire.cli import flags

if TYPE_CHECKING:
    import trio

    from chunkwire.lab.laboratory import Lab
    from chunkwire.lab.lessons.front import ClassFront
    from chunkwire.lab.listing import Listing
    from chunkwire.net.listen import Address

SUMMARY = "a page that shows the wire, live: an origin, two gateways, and octets to touch and break"
EPILOG = """\
with --class nothing but the lab is open, and it is reached by the names of --host alone (and by loopback's)

examples:
  chunkwire lab                  the page on http://127.0.0.1:8000/
  chunkwire lab --open           and a browser that shows it
  chunkwire lab --clock fixed    each run has the same octets, and yours with nc are equal
  chunkwire lab --class -l 0.0.0.0:8000 --host lab.uni.example      one for a class: each learner takes a seat"""

DEFAULT_LAB: Final = "127.0.0.1:8000"
_DEFAULT_BUFFER: Final = "127.0.0.1:8090"
_LOOPBACK: Final = re.compile(r"127(?:\.\d+){3}|localhost|::1", re.ASCII)


def host_name(text: str) -> str:
    """Return a name by which a class reaches the lab, in the form of a Host field without port."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]", text):
        raise argparse.ArgumentTypeError(f"expected a name such as lab.uni.example, without a port, got {text!r}")
    return text.lower()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the lab's flags."""
    flags.add_listen(parser, DEFAULT_LAB)
    parser.set_defaults(listen=None)  # only the default address may be replaced by a free one
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    flags.add_clock(parser)
    group = parser.add_argument_group("a class on one machine")
    group.add_argument("--class", dest="is_class", action="store_true", help="give each learner a seat of their own")
    group.add_argument(
        "--host",
        type=host_name,
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the class reaches the lab; may be repeated",
    )


def run(options: argparse.Namespace) -> int:
    """Serve the lab until Ctrl-C."""
    import logging
    from functools import partial

    from chunkwire.cli.stopping import run_until_stopped
    from chunkwire.net.triosleep import SleeperClock
    from chunkwire.wire.errors import LocalError

    host = flags.tcp_address("-l", options.listen or DEFAULT_LAB, default_port=options.default_port).host
    if options.is_class and not options.host:
        raise LocalError("--class takes --host NAME, the name by which the learners' browsers reach this machine")
    if options.host and not options.is_class:
        raise LocalError("--host is for --class; without it the lab is this machine's alone")
    if not options.is_class and not _LOOPBACK.fullmatch(host):
        raise LocalError(f"without --class the lab stays on loopback, got {host}")
    if not options.verbose:
        logging.getLogger("chunkwire").setLevel(logging.WARNING)
    return run_until_stopped(partial(_serve, options), clock=SleeperClock())


async def _serve(options: argparse.Namespace) -> NoReturn:
    import trio

    from chunkwire.lab.guard import Guard
    from chunkwire.lab.laboratory import Lab
    from chunkwire.lab.lessons.front import ClassFront
    from chunkwire.lab.lessons.on_page import PageLessons
    from chunkwire.lab.listing import Listing
    from chunkwire.lab.puzzling import learning
    from chunkwire.lab.seat import Seats
    from chunkwire.origin.resources import origin_resources

    front = ClassFront(options.host[0]) if options.is_class else None
    listing = Listing(origin_resources())
    about: dict[str, object] = {"clock": options.clock, "isClass": options.is_class}
    lab = Lab(
        listing.resources,
        seats=Seats(is_class=options.is_class),
        guard=Guard(frozenset(options.host)),
        about=about,
        others=PageLessons(front.of).resources if front is not None else learning(),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(lab.relays.run, name="lab")
        bound = {} if options.is_class else await _start_others(nursery, lab, listing, options)
        page = await _start_page(nursery, lab, front, options)
        listing.lab = f"http://{page}/"
        for line in _announcement(page, bound) if bound else _class_announcement(page, options.host):
            print(line, flush=True)
        if options.open:
            _open_browser(f"http://{page}/")
        await trio.sleep_forever()


async def _start_page(
    nursery: trio.Nursery, lab: Lab, front: ClassFront | None, options: argparse.Namespace
) -> Address:
    """Start the page: on a free port only if the usual one is taken, none was given, and no class knows the address.

    Raises:
        ListenError: it cannot be bound.
    """
    from functools import partial

    from chunkwire.cli.demo import start_one
    from chunkwire.origin.settings import OriginSettings
    from chunkwire.server.serving import serve

    settings = OriginSettings(clock=options.clock)
    page = partial(serve, resources=lab.resources, settings=settings, record_for=lab.record_for)
    where = flags.tcp_address("-l", options.listen or DEFAULT_LAB, default_port=options.default_port)
    if front is not None:
        [behind] = await nursery.start(page, "127.0.0.1:0", name="page")
        bound: list[Address] = await nursery.start(front.serve, where, behind, name="class")
        return bound[0]
    if options.listen is not None:
        bound = await nursery.start(page, where, name="page")
        return bound[0]
    return await start_one(nursery, "page", DEFAULT_LAB, page)


async def _start_others(
    nursery: trio.Nursery, lab: Lab, listing: Listing, options: argparse.Namespace
) -> dict[str, Address]:
    """Start origin and gateways on their usual ports, or on free ones; return where each listens."""
    from functools import partial

    from chunkwire.cli.demo import start_gateway, start_one
    from chunkwire.origin.settings import OriginSettings
    from chunkwire.server.serving import serve

    watchers = lab.seat.watchers
    settings = OriginSettings(clock=options.clock)
    origin = partial(serve, resources=listing.served, settings=settings, record_for=watchers.record_for("origin"))
    bound = {"origin": await start_one(nursery, "origin", flags.DEFAULT_ORIGIN, origin)}
    for mode, usual in (("exact", flags.DEFAULT_GATEWAY), ("buffer", _DEFAULT_BUFFER)):
        bound[mode] = await start_gateway(nursery, bound["origin"], mode, usual, watchers.record_for)
    lab.about["addresses"] = {name: str(where) for name, where in bound.items()}
    return bound


def _class_announcement(page: Address, hosts: Sequence[str]) -> list[str]:
    return [
        f"the lab of this class: {', '.join(f'http://{host}:{page.port}/' for host in hosts)}",
        "each learner takes a seat there, and sees and touches nothing else; Ctrl-C ends the lab",
    ]


def _announcement(page: Address, bound: dict[str, Address]) -> list[str]:
    origin, exact, buffer = bound["origin"], bound["exact"], bound["buffer"]
    request = "GET /generate?n=3 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
    return [
        f"the lab: http://{page}/",
        "",
        f"  origin            {origin}   curl -sN --raw '{origin}/generate?n=3'",
        f"  gateway exact     {exact}   curl -sN --raw '{exact}/generate?n=3'",
        f"  gateway buffer    {buffer}   curl -sN --raw '{buffer}/generate?n=3'",
        f"  by hand           printf '{request}' | nc {origin.host} {origin.port}",
        "",
        "  what you send with curl or nc is on the page too; Ctrl-C ends the lab",
    ]


def _open_browser(url: str) -> None:
    import webbrowser

    if not webbrowser.open(url):
        print(f"chunkwire: found no browser to open {url} with", file=sys.stderr)
