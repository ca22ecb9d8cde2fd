"""`codec`: frames a second through the codec alone, for bodies of different chunk sizes. No socket, no relay.

The scanner is given a body in reads of 64 KiB, as by a mover: octets that it does not approve are given again, in front
of the next read. h11, which many Python servers use, is given the same reads.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.processes import Trouble
from bench.results import Column, Round, Table
from bench.rounds import Plan, interleave
from bench.workshop import Workshop
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.frames import Event
from chunkwire.wire.lines import Buffer
from chunkwire.wire.pattern import FastPath
from chunkwire.wire.reader import FrameReader
from chunkwire.wire.scanner import ChunkedScanner

COLUMNS = (
    Column("frames_per_s", "frames", "M/s", 1e-6),
    Column("ns_per_frame", "a frame", "µs", 1e-3),
    Column("mb_per_s", "MB/s"),
    Column("frames", "n"),
)
READ_OCTETS = 65536
SECONDS, QUICK_SECONDS = 0.3, 0.01
BODY_OCTETS, QUICK_BODY_OCTETS = 8 << 20, 1 << 17


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of body.

    Attributes:
        sizes: of chunk-data, repeated in this order.
        ext: chunk-ext of each chunk, with its `;`.
    """

    shows: str
    sizes: Sequence[int]
    ext: bytes = b""


def _mix(count: int, least: int, most: int) -> list[int]:
    return random.Random(1).choices(range(least, most + 1), k=count)


SHAPES: Mapping[str, Shape] = {
    "32": Shape("chunks of 32 B", [32]),
    "1k": Shape("chunks of 1 KiB", [1024]),
    "64k": Shape("chunks of 64 KiB", [65536]),
    "mix": Shape("chunks of 16 to 47 B, mixed", _mix(997, 16, 47)),
    "wide": Shape("chunks of 1 B to 4 KiB, mixed: more sizes than are cached", _mix(9973, 1, 4096)),
    "ext": Shape("chunks of 64 B, each with a chunk-ext", [64], b";t=4"),
}
Work: TypeAlias = Callable[["Body"], None]


@dataclass(frozen=True, slots=True)
class Body:
    """A body: its chunk-data, and its reads as on the wire."""

    data: Sequence[bytes]
    ext: bytes
    reads: Sequence[bytes]
    wire_octets: int


def make_body(shape: Shape, octets: int) -> Body:
    """Return a body of about `octets` octets."""
    data: list[bytes] = []
    left = octets
    while left > 0:
        size = shape.sizes[len(data) % len(shape.sizes)]
        data.append(b"x" * size)
        left -= size + 8
    wire = b"".join(encode_chunk(each, shape.ext) for each in data) + encode_last_chunk()
    reads = [wire[at : at + READ_OCTETS] for at in range(0, len(wire), READ_OCTETS)]
    return Body(data, shape.ext, reads, len(wire))


class NoFastPath(FastPath):
    """Takes no chunk, so that the scanner's plain loop takes all of them."""

    __slots__ = ()

    def skip(
        self, buffer: Buffer, start: int, *, end: int, sizes: Mapping[bytes, int], ext: bytes, seen: int
    ) -> tuple[int, int, int]:
        """Return that no chunk was taken."""
        return start, 0, 0


def scan_by_loop(body: Body) -> None:
    """Scan a body as a relay does, without the pattern."""
    scanner = ChunkedScanner()
    scanner._fast_path = NoFastPath()  # only this measurement needs it, so the scanner has no option
    _scan(scanner, body, None)


def scan(body: Body) -> None:
    """Scan a body as a relay does."""
    _scan(ChunkedScanner(), body, None)


def scan_watched(body: Body) -> None:
    """Scan a body as a watched relay does: with an event for each part of each frame."""
    _scan(ChunkedScanner(), body, [])


def _scan(scanner: ChunkedScanner, body: Body, events: list[Event] | None) -> None:
    buffer, held = bytearray(2 * READ_OCTETS), 0
    for read in body.reads:
        end = held + len(read)
        buffer[held:end] = read
        approved = scanner.scan(buffer, end, events)
        held = end - approved
        if held:
            buffer[:held] = buffer[approved:end]
        if events is not None:
            events.clear()
    scanner.end_of_input()


def read_frames(body: Body) -> None:
    """Assemble whole frames."""
    reader = FrameReader()
    for read in body.reads:
        reader.feed(read)
    reader.end_of_input()


def encode(body: Body) -> None:
    """Write each frame."""
    for data in body.data:
        encode_chunk(data, body.ext)
    encode_last_chunk()


def read_with_h11(body: Body) -> None:
    """Read the body with h11, to its EndOfMessage."""
    import h11

    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "origin")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for read in body.reads:
        connection.receive_data(read)
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.EndOfMessage):
                return
    raise Trouble("h11 did not reach the end of the body")


WORKS: Mapping[str, Work] = {
    "scan": scan,
    "scan, loop only": scan_by_loop,
    "scan, watched": scan_watched,
    "frames": read_frames,
    "encode": encode,
    "h11": read_with_h11,
}


def codec(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each shape of body."""
    del workshop  # nothing is compiled or started
    for name in plan.choose(SHAPES):
        shape = SHAPES[name]
        body = make_body(shape, QUICK_BODY_OCTETS if plan.is_quick else BODY_OCTETS)
        seconds = QUICK_SECONDS if plan.is_quick else SECONDS
        measures = {
            each: lambda work=work, body=body, seconds=seconds: _repeat(work, body, seconds)
            for each, work in WORKS.items()
        }
        rows = interleave(measures, plan.rounds, what=f"codec/{name}")
        yield Table(f"codec/{name}", f"{shape.shows}, in reads of 64 KiB", COLUMNS, rows)


def _repeat(work: Work, body: Body, seconds: float) -> Round:
    """Do the work once, then measure it for `seconds` of CPU time."""
    work(body)
    times, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds or not times:
        work(body)
        times += 1
    frames = len(body.data) * times
    return Round(
        {
            "frames": float(frames),
            "frames_per_s": frames / took,
            "ns_per_frame": took / frames * 1e9,
            "mb_per_s": body.wire_octets * times / took / 1e6,
        }
    )
