"""What rewrites a response body: relay modes and faults, for teaching and tests; and without chunks for HTTP/1.0.

A mover calls a shaper (`net.movers.Shaper`) with events that the scanner approved. The chunks of a mode are written by
the encoder; a trailer section, and the frames before a fault, are sent unchanged. A last-chunk is sent only if it came
or if the operator asked for a fault that sends one. The log and a response field name the mode or fault.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.net.movers import Shaper
from chunkwire.origin.scenarios import FAULTS, Scenario, find_scenario
from chunkwire.wire.durations import exact_duration, parse_duration
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import ChunkwireError, LocalError
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk
from chunkwire.wire.nearest import near

BUFFER_OCTETS: Final = 16 * 1024 * 1024  # at most gathered by `buffer` and `coalesce=50ms`: it bounds the memory
MAX_COALESCE_OCTETS: Final = BUFFER_OCTETS  # also the most for `slice=N`
MAX_COALESCE_SECONDS: Final = 999_999.0  # eleven days, as good as the end of a stream


class ModeName(enum.StrEnum):
    """The relay modes."""

    EXACT = "exact"
    REFRAME = "reframe"
    COALESCE = "coalesce"
    BUFFER = "buffer"
    SLICE = "slice"


@dataclass(frozen=True, slots=True)
class Mode:
    """A relay mode and its parameter.

    Attributes:
        octets: for COALESCE, how many are gathered; for SLICE, octets of chunk-data in a chunk.
        seconds: for COALESCE, how long octets are gathered.
    """

    name: ModeName = ModeName.EXACT
    octets: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.octets:
            return f"{self.name}={self.octets}"
        return f"{self.name}={exact_duration(self.seconds)}" if self.seconds else str(self.name)


EXACT_MODE: Final = Mode()


def parse_mode(text: str) -> Mode:
    """Return the mode that `exact`, `reframe`, `buffer`, `slice=N`, `coalesce=OCTETS` or `coalesce=50ms` names.

    Raises:
        LocalError: one line that says what is expected.
    """
    name, _, value = text.partition("=")
    if name in (ModeName.EXACT, ModeName.REFRAME, ModeName.BUFFER) and not value:
        return Mode(ModeName(name))
    is_count = re.fullmatch(r"[1-9]\d{0,8}", value) is not None and int(value) <= MAX_COALESCE_OCTETS
    if name in (ModeName.SLICE, ModeName.COALESCE) and is_count:
        return Mode(ModeName(name), octets=int(value))
    seconds = parse_duration(value) if re.search("[a-z]", value) else None  # a bare number is octets
    if name == ModeName.COALESCE and seconds and seconds <= MAX_COALESCE_SECONDS:
        return Mode(ModeName.COALESCE, seconds=seconds)
    hint = near(name, [*ModeName]) if name not in [*ModeName] else ""
    raise LocalError(f"expected exact, reframe, buffer, slice=N, coalesce=OCTETS or coalesce=50ms, got {text!r}{hint}")


def shaper(mode: Mode, *, is_chunked: bool) -> Shaper | None:
    """Return the shaper of a mode; None if the body is relayed unchanged.

    A body that is not chunked has no chunks to merge or split: only the modes that gather octets change it.

    Args:
        is_chunked: the body is sent to the client in chunks; False also if it came chunked and is sent without chunks.
    """
    match mode.name:
        case ModeName.REFRAME:
            return Gatherer(is_chunked=True) if is_chunked else None
        case ModeName.COALESCE:
            return Gatherer(is_chunked=is_chunked, octets=mode.octets, seconds=mode.seconds)
        case ModeName.BUFFER:
            return Gatherer(is_chunked=is_chunked, octets=BUFFER_OCTETS)
        case ModeName.SLICE:
            return Slicer(mode.octets) if is_chunked else None
        case ModeName.EXACT:
            return None


class _ShaperBase:
    """What shapers share; these methods are for a shaper that keeps no octets."""

    error: ChunkwireError | None = None

    @property
    def due(self) -> float | None:
        """None, as no octets are kept."""
        return None

    def flush(self) -> bytes:
        """Return no octets, as none are kept."""
        return b""


class Dechunker(_ShaperBase):
    """Chunk-data alone, for an HTTP/1.0 client; extensions and trailers are dropped (RFC 9112 §7.1.3)."""

    def feed(self, events: list[Event]) -> bytes:
        """Return the content of these events."""
        return _content(events)


class Slicer(_ShaperBase):
    """The same data in chunks of at most `octets`; extensions are dropped, trailers kept."""

    def __init__(self, octets: int) -> None:
        self._octets = octets

    def feed(self, events: list[Event]) -> bytes:
        """Return these events' data in slices."""
        data, size = _content(events), self._octets
        frames = [encode_chunk(data[at : at + size]) for at in range(0, len(data), size)]
        return b"".join(frames) + _ending(events)


class Gatherer(_ShaperBase):
    """Data gathered up to a number of octets or for a time, then sent together; extensions are dropped.

    It is sent as one chunk if `is_chunked`. With neither limit it is due at once, so that the data of one receive
    becomes one chunk, as in proxies that re-frame.
    """

    def __init__(self, *, is_chunked: bool, octets: int = 0, seconds: float = 0.0) -> None:
        self._is_chunked = is_chunked
        self._octets = octets
        self._seconds = seconds
        self._kept = bytearray()
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        """When the gathered data must be sent, on trio's clock; None for no such time."""
        return self._due

    def feed(self, events: list[Event]) -> bytes:
        """Return the gathered data if it reaches the limit or the last-chunk has come; else no octets.

        At the end of a body without chunks the mover calls `flush`.
        """
        self._kept += _content(events)
        if self._kept and not self._octets and self._due is None:
            self._due = trio.current_time() + self._seconds
        ending = _ending(events)
        if ending or len(self._kept) >= (self._octets or BUFFER_OCTETS):
            return self.flush() + (ending if self._is_chunked else b"")
        return b""

    def flush(self) -> bytes:
        """Return the gathered data."""
        kept, self._kept, self._due = bytes(self._kept), bytearray(), None
        return encode_chunk(kept) if kept and self._is_chunked else kept


class FaultPlayed(ChunkwireError):
    """A requested fault has been sent; `fault.ending` says how the connection ends."""

    def __init__(self, fault: Scenario) -> None:
        super().__init__(f"fault {fault.name}: {fault.summary}")
        self.fault = fault


class FaultShaper(_ShaperBase):
    """The unchanged body for `after` frames, or up to an earlier last-chunk, then the octets of a fault."""

    def __init__(self, fault: Scenario, after: int) -> None:
        self._fault = fault
        self._frames_left = after
        self.error = None

    def feed(self, events: list[Event]) -> bytes:
        """Return the octets of these events up to the fault, and then those of the fault."""
        sent: list[bytes] = []
        for event in events:
            if not self._frames_left or isinstance(event, LastChunk):
                return b"".join(sent) + self._play()
            sent.append(event.raw)
            if isinstance(event, DataEnd):
                self._frames_left -= 1
        return b"".join(sent) + (b"" if self._frames_left else self._play())

    def _play(self) -> bytes:
        self.error = FaultPlayed(self._fault)
        return self._fault.tail or b""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault, and the number of whole chunks before it: unused if the fault breaks the head or slices every chunk."""

    fault: Scenario
    after: int = 3

    def __str__(self) -> str:
        return f"{self.fault.name}={self.after}"


def parse_fault(text: str) -> FaultPlan:
    """Return the plan of NAME or NAME=CHUNKS, with the names of `/fault/NAME`.

    Raises:
        LocalError: another form, or no such fault; one line.
    """
    name, equals, value = text.partition("=")
    if equals and not re.fullmatch(r"\d{1,9}", value):
        raise LocalError(f"expected a fault as NAME or NAME=CHUNKS, got {text!r}")
    return FaultPlan(find_scenario(name, FAULTS), int(value) if equals else 3)


def fault_shaper(plan: FaultPlan) -> Shaper:
    """Return the shaper that adds a fault to a chunked body; see `Scenario.slice_octets`."""
    return Slicer(plan.fault.slice_octets) if plan.fault.slice_octets else FaultShaper(plan.fault, plan.after)


def _content(events: list[Event]) -> bytes:
    return b"".join(event.octets for event in events if isinstance(event, Data))


def _ending(events: list[Event]) -> bytes:
    """Return the last-chunk without its extension, and its trailer section, if it is among these events; else b"".

    The encoder refuses to write some trailers that a relay accepts (`abnf.UNWRITTEN_TRAILERS`).
    """
    last = events[-1] if events else None
    return b"0" + last.raw[len(last.line) :] if isinstance(last, LastChunk) else b""
