"""`chunkwire lab` at work: the servers and what is printed about them."""

from __future__ import annotations

import argparse
import logging
import re
import webbrowser
from functools import partial
from typing import Final, NoReturn

import trio

from chunkwire.cli import flags
from chunkwire.cli.demo_run import start_gateway, start_one
from chunkwire.cli.stopping import run_until_stopped
from chunkwire.cli.terminal import say
from chunkwire.lab.guard import Guard
from chunkwire.lab.laboratory import Lab
from chunkwire.lab.lessons.front import ClassFront
from chunkwire.lab.lessons.on_page import PageLessons
from chunkwire.lab.listing import Listing
from chunkwire.lab.puzzling import learning
from chunkwire.lab.seat import Seats
from chunkwire.net.listen import Address
from chunkwire.net.triosleep import SleeperClock
from chunkwire.origin.resources import origin_resources
from chunkwire.origin.settings import OriginSettings
from chunkwire.server.serving import serve
from chunkwire.wire.errors import LocalError

_DEFAULT_BUFFER: Final = "127.0.0.1:8090"
_LOOPBACK: Final = re.compile(r"127(?:\.\d+){3}|localhost|::1", re.ASCII)


def run(options: argparse.Namespace) -> int:
    """Serve the lab until Ctrl-C."""
    where = flags.tcp_address("-l", options.listen or flags.DEFAULT_PAGE, default_port=options.default_port)
    if options.is_class and not options.host:
        raise LocalError("--class takes --host NAME, the name by which the learners' browsers reach this machine")
    if options.host and not options.is_class:
        raise LocalError("--host is for --class; without it the lab is this machine's alone")
    if not options.is_class and not _LOOPBACK.fullmatch(where.host):
        raise LocalError(f"without --class the lab stays on loopback, got {where.host}")
    if not options.verbose:
        logging.getLogger("chunkwire").setLevel(logging.WARNING)
    return run_until_stopped(partial(_serve, options, where), clock=SleeperClock())


async def _serve(options: argparse.Namespace, where: Address) -> NoReturn:
    front = ClassFront() if options.is_class else None
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
        page = await _start_page(nursery, lab, front, options, where)
        listing.lab = f"http://{page}/"
        if bound:
            print(*_announcement(page, bound), sep="\n", flush=True)
        else:
            if _LOOPBACK.fullmatch(where.host) and not all(map(_LOOPBACK.fullmatch, options.host)):
                say(f"the page is on loopback, where only this machine reaches it; for a class: -l 0.0.0.0:{page.port}")
            print(f"the lab of this class: {', '.join(f'http://{host}:{page.port}/' for host in options.host)}")
            print("each learner takes a seat there and sees only that one; Ctrl-C ends the lab", flush=True)
        if options.open and not webbrowser.open(listing.lab):
            say(f"found no browser to open {listing.lab} with")
        await trio.sleep_forever()


async def _start_page(
    nursery: trio.Nursery, lab: Lab, front: ClassFront | None, options: argparse.Namespace, where: Address
) -> Address:
    """Start the page; where neither -l nor --class is given, on a free port if the usual one is taken.

    Raises:
        ListenError: it cannot be bound.
    """
    settings = OriginSettings(clock=options.clock)
    page = partial(serve, resources=lab.resources, settings=settings, record_for=lab.record_for)
    if front is not None:
        [behind] = await nursery.start(page, "127.0.0.1:0", name="page")
        bound: list[Address] = await nursery.start(front.serve, where, behind, name="class")
        return bound[0]
    if options.listen is not None:
        bound = await nursery.start(page, where, name="page")
        return bound[0]
    return await start_one(nursery, "page", str(where), page)


async def _start_others(
    nursery: trio.Nursery, lab: Lab, listing: Listing, options: argparse.Namespace
) -> dict[str, Address]:
    """Start origin and gateways on their usual ports, or on free ones; return where each listens."""
    watchers = lab.seat.watchers
    settings = OriginSettings(clock=options.clock)
    origin = partial(serve, resources=listing.served, settings=settings, record_for=watchers.record_for("origin"))
    bound = {"origin": await start_one(nursery, "origin", flags.DEFAULT_ORIGIN, origin)}
    for mode, usual in (("exact", flags.DEFAULT_GATEWAY), ("buffer", _DEFAULT_BUFFER)):
        bound[mode] = await start_gateway(nursery, bound["origin"], mode, usual, watchers.record_for)
    lab.about["addresses"] = {name: str(where) for name, where in bound.items()}
    return bound


def _announcement(page: Address, bound: dict[str, Address]) -> list[str]:
    origin, exact, buffer = bound["origin"], bound["exact"], bound["buffer"]
    request = "GET /generate?n=3 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
    return [
        f"the lab: http://{page}/",
        "",
        f"  origin          {origin}  curl -sN --raw '{origin}/generate?n=3'",
        f"  gateway exact   {exact}  curl -sN --raw '{exact}/generate?n=3'",
        f"  gateway buffer  {buffer}  curl -sN --raw '{buffer}/generate?n=3'",
        f"  by hand         printf '{request}' | nc {origin.host} {origin.port}",
        "",
        "  what you send with curl or nc is on the page too; Ctrl-C ends the lab",
    ]
