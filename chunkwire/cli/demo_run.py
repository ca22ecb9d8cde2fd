"""`chunkwire demo` at work: the servers of one process, the table of one stream, and what it shows."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Final

import trio

from chunkwire import client
from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.stopping import run_until_stopped
from chunkwire.cli.terminal import paint_of, say
from chunkwire.forward.gateway import serve_gateway
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import parse_mode
from chunkwire.forward.upstreams import Upstream
from chunkwire.lab.laboratory import Lab
from chunkwire.lab.puzzling import learning
from chunkwire.net.dial import parse_url
from chunkwire.net.listen import Address, ListenError, parse_address
from chunkwire.origin.resources import origin_resources
from chunkwire.record.values import EndRecord, FrameRecord, Record, RequestRecord
from chunkwire.server.serving import serve
from chunkwire.server.tap import RecordFor
from chunkwire.tools.paint import Paint, number
from chunkwire.wire.durations import exact_duration
from chunkwire.wire.errors import LocalError, leaf_errors, quoted

_POINTS: Final = ("origin.sent", "gateway.sent", "client.received")
_END_SECONDS: Final = 5.0  # for the servers to record the end, after the client has received it


def run(options: argparse.Namespace) -> int:
    """Run the demo to its end, with --keep until Ctrl-C; return the exit code."""
    flags.tcp_address("--admin", options.admin)  # refuses a wrong one
    if "admin" in options.given and not options.keep:
        raise LocalError("--admin without --keep: only --keep serves the page")
    if not options.verbose:
        logging.getLogger("chunkwire").setLevel(logging.WARNING)  # the access logs would stand between the rows
    return run_until_stopped(partial(show, options))


@dataclass(slots=True)
class Point:
    """The records of one place; its times are converted by the wall-clock time of its request."""

    wall: float = 0.0
    frames: list[FrameRecord] = field(default_factory=list)
    end: EndRecord | None = None

    def at(self, record: FrameRecord) -> float:
        """Return the time of a frame at this place, in s since the epoch."""
        return self.wall + record.t


@dataclass(slots=True)
class DemoTrace:
    """Gathers the records of the one stream at three places.

    Attributes:
        shown: frames of which `rows` has returned a row.
        ended: set once all three have reported its end; records that come later are of other streams.
    """

    points: dict[str, Point] = field(default_factory=lambda: {name: Point() for name in _POINTS})
    shown: int = 0
    ended: trio.Event = field(default_factory=trio.Event)

    def record(self, record: Record) -> None:
        """Process one record from any of the three places."""
        if self.ended.is_set():
            return  # a later stream, with --keep
        name = "client.received" if record.point == "client.sent" else record.point
        point = self.points.get(name)
        if point is None:
            return
        if isinstance(record, RequestRecord):
            point.wall = record.wall - record.t
        elif record.way == "response" and isinstance(record, FrameRecord):
            point.frames.append(record)
        elif record.way == "response" and isinstance(record, EndRecord):
            point.end = record
            if all(other.end is not None for other in self.points.values()):
                self.ended.set()

    def rows(self, paint: Paint) -> list[str]:
        """Return a row for each frame that all three places have, and that no earlier call returned."""
        origin, gateway, client = (self.points[name] for name in _POINTS)
        rows = []
        while self.shown < min(len(point.frames) for point in (origin, gateway, client)):
            n = self.shown
            frame = client.frames[n]
            wrote = origin.at(origin.frames[n])
            cells = (
                f"chunk {frame.n}" if frame.size else "last-chunk",
                frame.line,
                f"{(wrote - client.wall) * 1000:.1f} ms",
                f"{(gateway.at(gateway.frames[n]) - wrote) * 1000:+.2f} ms",
                f"{(client.at(frame) - wrote) * 1000:+.2f} ms",
            )
            rows.append((row_of(*cells) + paint.octets(frame.data or b"")).rstrip())
            self.shown += 1
        return rows

    @property
    def fault(self) -> tuple[str, str] | None:
        """Why the octets cannot be called equal, as a word and a sentence; None if they can."""
        ends = [point.end for point in self.points.values() if point.end is not None]
        if len(ends) < len(self.points):
            missing = ", ".join(name for name, point in self.points.items() if point.end is None)
            return "undecided", f"no end of the stream was recorded within {_END_SECONDS:g} s at {missing}"
        if len({end.sha256 for end in ends}) > 1:
            return "different", "the octets are not the same at all three places"
        if verdicts := {end.framing for end in ends if end.framing != "complete"}:
            return "incomplete", f"the octets are equal, but the stream ended as {', '.join(sorted(verdicts))}"
        return None

    @property
    def is_prompt(self) -> bool:
        """Each chunk reached the client before the origin wrote the next one; the last-chunk is not compared."""
        origin, client = self.points["origin.sent"], self.points["client.received"]
        pairs = zip(client.frames, origin.frames[1:], strict=False)
        return all(client.at(had) < origin.at(wrote) for had, wrote in pairs if wrote.size)


def row_of(name: str, size: str, origin: str, gateway: str, client: str) -> str:
    """Return the cells of one line of the table, up to the data."""
    return f"  {name:<10}{size:>5}{origin:>12}{gateway:>12}{client:>12}  "


async def show(options: argparse.Namespace) -> int:
    """Start both servers, watch one stream through them, and print whether the octets are equal."""
    paint = paint_of(options)
    trace = DemoTrace()
    async with trio.open_nursery() as nursery:
        lab = make_lab() if options.keep else None
        origin, gateway = await start(nursery, trace.record, lab)
        print(heading(options, origin, gateway, paint))
        await watch(options, gateway, trace, paint)
        print(*verdict(trace, paint), *more(options, origin, gateway), sep="\n", flush=True)
        if lab is not None:
            await nursery.start(lab.relays.run, name="lab")
            serve_page = partial(serve, resources=lab.resources, record_for=lab.record_for)
            page = await start_one(nursery, "page", options.admin, serve_page)
            print(f"    http://{page}/  is a page that shows it, live", flush=True)
            await trio.sleep_forever()
        nursery.cancel_scope.cancel()
    return ExitCode.OK if trace.fault is None else ExitCode.FINDING


def make_lab() -> Lab:
    """Return the lab that the page shows."""
    return Lab(origin_resources(), others=learning())


async def start(nursery: trio.Nursery, record_to: Callable[[Record], None], lab: Lab | None) -> tuple[Address, Address]:
    """Start origin and gateway on their usual ports, or on free ones; return where they listen.

    Args:
        lab: its page shows them; None for none.
    """

    def record_for(place: str) -> RecordFor:
        return (lambda _: record_to) if lab is None else lab.seat.watchers.record_for(place, record_to)

    origin = partial(serve, resources=origin_resources(), record_for=record_for("origin"))
    bound = await start_one(nursery, "origin", flags.DEFAULT_ORIGIN, origin)
    return bound, await start_gateway(nursery, bound, "exact", flags.DEFAULT_GATEWAY, record_for)


async def start_gateway(
    nursery: trio.Nursery, origin: Address, mode: str, usual: str, record_for: Callable[[str], RecordFor]
) -> Address:
    """Start a gateway in front of an origin; as `start_one`."""
    name = f"gateway {mode}"
    gateway = partial(
        serve_gateway,
        upstreams=[Upstream(parse_url(f"http://{origin}"))],
        settings=GatewaySettings(mode=parse_mode(mode)),
        record_for=record_for(name),
    )
    return await start_one(nursery, name, usual, gateway)


async def start_one(nursery: trio.Nursery, name: str, usual: str, serve: Callable[..., Awaitable[None]]) -> Address:
    """Start a server on its usual port; if that is taken, on a free one, which is printed.

    Raises:
        ListenError: it cannot be bound for another reason.
    """
    where = parse_address(usual)
    try:
        bound: list[Address] = await nursery.start(serve, where, name=name)
    except* ListenError as failed:
        if any(isinstance(error, ListenError) and error.taken is None for error in leaf_errors(failed)):
            raise
        bound = await nursery.start(serve, Address(where.host, 0), name=name)
        say(f"port {where.port} is in use; the {name} takes {bound[0].port}")
    return bound[0]


async def watch(options: argparse.Namespace, gateway: Address, trace: DemoTrace, paint: Paint) -> None:
    """Read the stream through the gateway, print a row for each frame, and wait until the trace has its end."""
    url = f"http://{gateway}{target_of(options)}"
    async with client.open("GET", url, record_to=trace.record) as stream:
        if stream.head.status != HTTPStatus.OK:
            raise LocalError(f"{target_of(options)}: the origin refuses it: {(await stream.text()).strip()}")
        async for _ in stream.reads(whole_frames=False):
            for row in trace.rows(paint):
                print(row, flush=True)
    with trio.move_on_after(_END_SECONDS):
        await trace.ended.wait()
    for row in trace.rows(paint):
        print(row)


def target_of(options: argparse.Namespace) -> str:
    """Return path and query of the stream."""
    return f"/generate?n={options.chunks}&interval={exact_duration(options.interval)}"


def heading(options: argparse.Namespace, origin: Address, gateway: Address, paint: Paint) -> str:
    """Return the lines above the table."""
    arrow = paint("quiet", "──▶")
    row1 = row_of("", "size", "origin", "gateway", "client")
    row2 = row_of("", "hex", "wrote", "passed on", "had it") + "data"
    return "\n".join(
        (
            f"GET {target_of(options)}, watched at three places on one clock",
            "",
            f"  {paint('sent', 'origin')} {origin}  {arrow}  {paint('mark', 'gateway')} {gateway}  {arrow}  "
            + paint("good", "client"),
            paint("quiet", "  times since the request; + is after the origin wrote"),
            "",
            paint("quiet", row1.rstrip()),
            paint("quiet", row2),
        )
    )


def verdict(trace: DemoTrace, paint: Paint) -> list[str]:
    """Return the lines below the table: the first chunk as octets, the hashes, and what they mean."""
    lines = [""]
    received = trace.points["client.received"]
    if received.frames and received.frames[0].size:
        octets = f"{received.frames[0].line}\r\n".encode() + (received.frames[0].data or b"") + b"\r\n"
        lines.append(f"  chunk 1 on the wire:  {paint('mark', quoted(octets, len(octets))[1:-1])}")
    for name, said in (("origin.sent", "the origin sent"), ("client.received", "the client had")):
        end = trace.points[name].end
        if end is not None:
            lines.append(f"  {said + ':':<21} SHA-256 {end.sha256[:32]}…")
    if trace.fault is not None:
        word, sentence = trace.fault
        return [*lines, f"  {paint('bad', word)}: {sentence}"]
    end = received.end
    assert end is not None
    counts = f"{number(end.chunks, 'chunk')}, {number(end.octets, 'octet')}, {end.wire_octets} on the wire"
    lines.append(f"  {paint('good', 'equal')}: {counts}")
    if end.chunks > 1 and trace.is_prompt:
        lines.append("  prompt: each chunk was at the client before the origin wrote the next one")
    return lines


def more(options: argparse.Namespace, origin: Address, gateway: Address) -> list[str]:
    """Return what to try next."""
    if not options.keep:
        return ["", "  next: chunkwire demo --keep, and look yourself: curl, nc, chunkwire watch"]
    request = "GET /generate?n=3 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
    tries = (
        (f"curl -sN --raw {gateway}/generate", "each frame, size line and all"),
        (f"chunkwire watch '{gateway}/generate?n=5'", "when each of them came"),
        (f"curl -s {origin}/", "what else the origin can stream"),
        (f"printf '{request}' | nc {origin.host} {origin.port}", ""),
    )
    lines = [f"    {command:<46}  {what}".rstrip() for command, what in tries]
    return ["", "  both keep serving until Ctrl-C; in another terminal:", *lines]
