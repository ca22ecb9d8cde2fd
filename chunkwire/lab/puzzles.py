"""Puzzles: three hops in front of an origin, one of them faulty; the answer is the hop and its setting.

The rule here: hops are real gateways, and the evidence against a wrong answer is measured on them then. A puzzle
depends only on its kind and its seed, so that it can be set again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from chunkwire import client
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import ModeName, parse_fault, parse_mode
from chunkwire.lab.lessons.judgement import Judgement, right, shown_octets, wrong
from chunkwire.lab.lessons.netcats import NetcatProgram
from chunkwire.lab.lessons.session import start_hop
from chunkwire.net.heads import Field
from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from chunkwire.origin.scenarios import FAULTS
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder
from chunkwire.server.routes import Resource
from chunkwire.server.serving import serve
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import ChunkwireError, LocalError
from chunkwire.wire.frames import Data

HOPS: Final = 3
MAX_SEED: Final = 9999
"""Of a random seed: short enough to be read aloud."""
STREAM: Final = "/stream"
STEP_SECONDS: Final = 0.3
"""Between the writes of the stream: long enough to see that a hop holds; the whole stream takes 1.2 s."""
SILENCE_SECONDS: Final = 2.0
"""Without an octet, until a measurement reports a stream as stalled: far above `STEP_SECONDS`."""
MAX_READINGS: Final = 3
"""Measurements of two hops that send the same octets at different times: a busy machine may have delayed one."""
SAME_SECONDS: Final = 0.14
"""Times that differ by less count as equal: nearly half of `STEP_SECONDS`. On a busy machine few reads are later."""

TAIL_OCTETS: Final = 24
"""Octets shown of the end of a body: the last-chunk, or what was sent in its place."""

_WRITES: Final = (
    (encode_chunk(b"line 1\n", b";n=1"), 1, 7),
    (encode_chunk(b"line 2\n") + encode_chunk(b"line 3\n"), 2, 14),
    (encode_chunk(b"line 4 is a longer one\n"), 1, 23),
    (encode_chunk(b"line 5\n") + encode_chunk(b"line 6\n"), 2, 14),
)
"""The writes of the origin: octets, number of chunks, octets of chunk-data. Two of them have two chunks each."""


@dataclass(frozen=True, slots=True)
class PuzzleKind:
    """The settings that a faulty hop may have in puzzles of one kind: values of `--mode` or `--fault`."""

    title: str
    settings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its settings, without their values."""
        return tuple(sorted({setting.partition("=")[0] for setting in self.settings}))


KINDS: Final = (
    PuzzleKind("a hop that holds", ("buffer", "coalesce=700ms", "coalesce=30")),
    PuzzleKind("a hop that changes frames", ("reframe", "slice=4", "slice=10", "tiny=0", "coalesce=20")),
    PuzzleKind("a hop that ends the stream", ("cut=3", "early-end=4", "no-terminator=4", "reset=3", "stall=3")),
    PuzzleKind("a hop that breaks the framing", ("bad-size=3", "missing-crlf=2", "stall-in-size=3", "giant-size=4")),
)
ANY_KIND: Final = PuzzleKind("one of the four", tuple(setting for kind in KINDS for setting in kind.settings))


@dataclass(frozen=True, slots=True)
class Puzzle:
    """One puzzle: the faulty hop, from 1 beside the origin to `HOPS` beside the client, and its setting."""

    kind: PuzzleKind
    seed: int
    hop: int
    setting: str

    @property
    def solution(self) -> str:
        """The answer, for a learner who gives up."""
        return f"It was hop {self.hop}: {self.setting}."


def make_puzzle(number: int | None, seed: int) -> Puzzle:
    """Return the puzzle of a kind (from 1; None for any) and a seed.

    Raises:
        LocalError: there is no kind of this number.
    """
    if number is not None and not 1 <= number <= len(KINDS):
        raise LocalError(f"expected a kind from 1 to {len(KINDS)}, got {number}")
    kind = ANY_KIND if number is None else KINDS[number - 1]
    chance = random.Random(f"{number} {seed}")
    return Puzzle(kind, seed, chance.randint(1, HOPS), chance.choice(kind.settings))


class UnmarkedSettings(GatewaySettings):
    """Settings of a gateway whose responses do not name its mode or fault, which is the answer."""

    __slots__ = ()

    def marks(self, *, is_chunked: bool) -> tuple[Field, ...]:
        """Return no field."""
        return ()


def hop_settings(setting: str) -> UnmarkedSettings:
    """Return the settings of a hop, as `--mode` and `--fault` take them; `exact` has no fault.

    Without a value, `slice` is `slice=4` and `coalesce` is `coalesce=30`.

    Raises:
        LocalError: there is no such setting, or its value is wrong.
    """
    name = setting.partition("=")[0]
    setting = {"slice": "slice=4", "coalesce": "coalesce=30"}.get(setting, setting)
    if name in FAULTS:
        return UnmarkedSettings(fault=parse_fault(setting))
    if name not in list(ModeName):
        raise LocalError(f"expected a setting: {', '.join((*list(ModeName)[1:], *FAULTS))}; got {setting!r:.60}")
    return UnmarkedSettings(mode=parse_mode(setting))


async def _stream(request: IncomingRequest, response: Responder) -> None:
    """Write the stream of all puzzles."""
    async with response.chunked(fields=(TEXT,), trailers=((b"X-Lines", b"6"),)) as body:
        for number, (octets, chunks, size) in enumerate(_WRITES):
            await body.wait_until(number * STEP_SECONDS)
            await body.send_octets(octets, chunks=chunks, octets=size)
        await body.wait_until(len(_WRITES) * STEP_SECONDS)


@dataclass(frozen=True, slots=True)
class SeenStream:
    """The stream as a client received it at one place."""

    frames: tuple[tuple[str, float], ...]  # of each whole frame the size line, and when it was whole, in s
    end: str  # how the body ended, as `framing` of the wire record: "cut", "reset" and "timeout" (a stall) are apart
    sha256: str  # of the body's octets on the wire
    tail: bytes = b""  # the last of them, at most `TAIL_OCTETS`

    def looks_equal_to(self, other: SeenStream) -> bool:
        """Say whether a client cannot tell them apart: the same octets and end, and frames at about the same times."""
        if self.sha256 != other.sha256 or self.end != other.end or len(self.frames) != len(other.frames):
            return False
        pairs = zip(self.frames, other.frames, strict=True)
        return all(abs(mine[1] - others[1]) < SAME_SECONDS for mine, others in pairs)

    def lines(self, name: str) -> tuple[str, ...]:
        """Return three lines: the size lines of the first nine frames, the times below them, and the last octets."""
        shown = self.frames[:9]
        widths = [max(len(line), 4) for line, _ in shown]
        more = " …" if len(self.frames) > len(shown) else ""
        sizes = "".join(f" {line:>{width}}" for (line, _), width in zip(shown, widths, strict=True))
        times = "".join(f" {t:>{width}.1f}" for (_, t), width in zip(shown, widths, strict=True))
        ends = "…" * (len(self.tail) == TAIL_OCTETS) + shown_octets(self.tail)
        return f"{name:<9} size{sizes}{more}  {self.end}", f"{'':<9}    s{times}", f"{'':<9} ends {ends}"


async def read_stream(where: Address) -> SeenStream:
    """Read the stream at a place; `end` is "no response" where no head came."""
    frames: list[tuple[str, float]] = []
    octets = b""
    end = "no response"
    url = f"http://{where}{STREAM}"
    with suppress(ChunkwireError):  # no head came: `end` says so
        async with client.open("GET", url, idle_timeout=SILENCE_SECONDS, head_timeout=2 * SILENCE_SECONDS) as stream:
            with suppress(ChunkwireError):  # the verdict has how the body ended
                async for read in stream.reads():
                    octets += read.octets
                    lines = [frame.line for frame in read.frames if not isinstance(frame, Data)]
                    frames += [(line.decode("latin-1"), read.t) for line in lines]
            end = stream.verdict.framing or "unknown"
    return SeenStream(tuple(frames), end, hashlib.sha256(octets).hexdigest(), octets[-TAIL_OCTETS:])


@asynccontextmanager
async def set_up(puzzle: Puzzle) -> AsyncIterator[tuple[Address, ...]]:
    """Start the origin and the hops; give where each listens, the origin first. They end with the block.

    What is raised here or in the block leaves in the ExceptionGroup of a nursery (`wire.errors.leaf_errors`).
    """
    free = Address("127.0.0.1", 0)
    resources = (*origin_resources(), Resource(STREAM, _stream, "six lines", "--raw {origin}/stream"))
    async with trio.open_nursery() as nursery:
        serve_origin = partial(serve, resources=resources, on_end=lambda entry: None)
        places: list[Address] = list(await nursery.start(serve_origin, free, name="origin"))
        for number in range(1, HOPS + 1):
            setting = puzzle.setting if number == puzzle.hop else "exact"
            settings = replace(hop_settings(setting), name=f"hop-{number}")
            places.append(await start_hop(nursery, places[-1], settings))
        yield tuple(places)
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class ShownPuzzle:
    """A puzzle as the learner sees it."""

    title: str
    seed: int
    again: str  # the command that sets it again
    path: str  # the places from the client to the origin
    places: tuple[tuple[str, str], ...]  # name and URL of each, the origin first
    commands: tuple[str, ...]  # to look at the stream with
    settings: tuple[str, ...]  # the names that an answer may have; a value is not needed


def again(puzzle: Puzzle, number: int | None) -> str:
    """Return the command that sets a puzzle again; `number` is as for `make_puzzle`."""
    return " ".join(f"chunkwire puzzle {number or ''} --seed {puzzle.seed}".split())


def shown(puzzle: Puzzle, number: int | None, places: Sequence[Address], nc: NetcatProgram) -> ShownPuzzle:
    """Return a puzzle that has been set up at these places, for the learner; `number` is as for `make_puzzle`."""
    outer = f"http://{places[-1]}{STREAM}"
    request = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    hops = " ──▶ ".join(place_name(n) for n in reversed(range(len(places))))
    return ShownPuzzle(
        f"{puzzle.kind.title}: seed {puzzle.seed}",
        puzzle.seed,
        again(puzzle, number),
        f"client ──▶ {hops}",
        tuple((place_name(n), f"http://{where}{STREAM}") for n, where in enumerate(places)),
        (f"chunkwire watch {outer}", f"curl -sN --raw {outer}", nc.piped(request, places[-1])),
        puzzle.kind.names,
    )


def parse_answer(words: Sequence[str]) -> tuple[int, str]:
    """Return the hop and the setting of an answer such as `2 buffer` or `hop 2 buffer`.

    Raises:
        LocalError: it has another form.
    """
    words = words[1:] if words and words[0].lower() == "hop" else words
    if len(words) != 2:
        raise LocalError("expected the number of a hop and one of the settings")
    hop = words[0].lower().removeprefix("hop").strip("- ")
    if not hop.isdecimal() or len(hop) > 3:
        raise LocalError(f"expected the number of a hop, got {words[0]!r:.60}")
    return int(hop), words[1].lower()


def place_name(number: int) -> str:
    """Return what a place is called: "hop 1" for 1; 0 is the origin."""
    return f"hop {number}" if number else "origin"


async def judge_answer(puzzle: Puzzle, places: Sequence[Address], hop: int, setting: str) -> Judgement:
    """Judge an answer; the evidence against a wrong one is measured at these places, which takes seconds.

    Raises:
        LocalError: there is no such hop or setting.
        ExceptionGroup: of a ListenError, if the hop with another setting cannot listen.
    """
    if not 1 <= hop <= HOPS:
        raise LocalError(f"expected a hop from 1 to {HOPS}, got {hop}")
    if setting.partition("=")[0] not in (*ModeName, *FAULTS):
        raise LocalError(f"expected one of these settings: {', '.join(puzzle.kind.names)}; got {setting!r:.60}")
    claimed_settings = hop_settings(setting)
    before, after = await _read_streams(places[hop - 1], places[hop])
    pair = (*before.lines(place_name(hop - 1)), *after.lines(place_name(hop)))
    if hop < puzzle.hop:
        return wrong(f"Hop {hop} passes on what it gets, unchanged and at once:", evidence=pair)
    if hop > puzzle.hop:
        (origin,) = await _read_streams(places[0])
        pair = (*origin.lines("origin"), *before.lines(place_name(hop - 1)))
        return wrong(f"What hop {hop} gets already differs from what the origin wrote:", evidence=pair)
    if setting in (puzzle.setting, puzzle.setting.partition("=")[0]):
        return right(f"Yes: hop {hop} has {puzzle.setting}.", *pair)
    if claimed_settings == UnmarkedSettings():
        return wrong(f"Hop {hop} is not sound:", evidence=pair)
    async with trio.open_nursery() as nursery:
        claimed_hop = await start_hop(nursery, places[hop - 1], replace(claimed_settings, name="claimed"))
        claimed, after = await _read_streams(claimed_hop, places[hop])
        for _ in range(MAX_READINGS - 1):
            if claimed.sha256 == after.sha256 and not claimed.looks_equal_to(after):
                claimed, after = await _read_streams(claimed_hop, places[hop])
        nursery.cancel_scope.cancel()
    if claimed.looks_equal_to(after):
        return right(f"Yes: hop {hop}; it has {puzzle.setting}, which looks the same here.", *pair)
    evidence = (*after.lines(place_name(hop)), *claimed.lines("yours"))
    return wrong(
        f"Hop {hop} is the faulty one, but {setting} is wrong: a hop with {setting} in its place gives this:",
        evidence=evidence,
    )


async def _read_streams(*places: Address) -> tuple[SeenStream, ...]:
    seen: dict[int, SeenStream] = {}

    async def read_one(number: int) -> None:
        seen[number] = await read_stream(places[number])

    async with trio.open_nursery() as nursery:
        for number in range(len(places)):
            nursery.start_soon(read_one, number, name=f"stream at {places[number]}")
    return tuple(seen[number] for number in range(len(places)))
