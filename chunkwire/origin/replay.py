"""Replay a recording: exactly its frames, at the recorded times, with its end and its faults.

`plan_replays` makes a plan from records (pure), and a resource executes it. Frames that ended in one read are sent in
one write. A frame that came in several reads is sent whole, when its last octet came. Content that was not recorded is
replaced by as many dots as octets came, and a body that was not chunked is sent with a chunk for each read; the replay
is then not exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from chunkwire.net.heads import Field
from chunkwire.record.values import (
    DataRecord,
    EndRecord,
    FrameRecord,
    HeadRecord,
    Record,
    RequestRecord,
    TrailersRecord,
)
from chunkwire.server.body import ChunkedBody
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import BODYLESS, Responder
from chunkwire.server.routes import KNOWN_METHODS, Resource
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError

REPLAY_PATH: Final = "/replay"
_METHODS: Final = tuple(
    sorted(KNOWN_METHODS - {"CONNECT", "HEAD", "OPTIONS"}, key=lambda method: (method != "GET", method))
)
# Fields that belong to the recorded connection, or that the replaying server sets.
_LEFT_OUT: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "upgrade"})
_ENDINGS: Final = {"complete": "complete", "reset": "reset", "timeout": "silence", "client-gone": "silence"}


@dataclass(frozen=True, slots=True)
class ReplayWrite:
    """One write.

    Attributes:
        t: s from the response head, at the speed of the plan.
        octets: as on the wire.
        chunks: whole chunks in it; content: octets of chunk-data.
        read: the number of the recorded read that its octets came in; 0 for none.
    """

    t: float
    octets: bytes
    chunks: int = 0
    content: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One recorded response.

    Attributes:
        path: of the request, without its query; "/replay" if the recording has no request.
        ending: "complete", "cut", "reset" or "silence" (cut after a time without octets).
        ends_at: the time of the end, in s from the head.
        inexact: why the octets are not the recorded ones; "" if they are, by their SHA-256.
    """

    path: str
    status: int
    fields: tuple[Field, ...]
    steps: tuple[ReplayWrite, ...]
    ending: str
    ends_at: float
    inexact: str


def plan_replays(records: Iterable[Record], *, speed: float = 1.0) -> list[Replay]:
    """Return the responses of a recording that have a final head, in order.

    Args:
        speed: factor of the speed, above 0; 2 halves every pause.

    Raises:
        LocalError: the recording has no response with a final head, keeps only the first octets of a frame, or does not
            say how much of a partial one came.
    """
    streams: dict[tuple[str | None, str, int], list[Record]] = {}
    requests: dict[tuple[str | None, int], RequestRecord] = {}
    for record in records:
        if isinstance(record, RequestRecord):
            requests.setdefault((record.hop, record.stream), record)
        elif record.way == "response":
            streams.setdefault((record.hop, record.point, record.stream), []).append(record)
    found = []
    for (hop, _, stream), its_records in streams.items():
        heads = [record for record in its_records if isinstance(record, HeadRecord) and not 0 < record.status < 200]
        if heads:
            found.append(_plan(heads[-1], requests.get((hop, stream)), its_records, speed))
    if not found:
        raise LocalError("expected a response with its final head in the recording, got none")
    return found


def _plan(head: HeadRecord, request: RequestRecord | None, records: Sequence[Record], speed: float) -> Replay:
    end = next((record for record in records if isinstance(record, EndRecord)), None)
    pieces = list(_pieces(records))
    sha256 = hashlib.sha256(b"".join(piece.octets for piece in pieces)).hexdigest()
    last = end.t if end is not None else max((record.t for record in records), default=head.t)
    if end is not None and end.data:
        pieces.append(ReplayWrite(end.t, end.data))
    status = head.status or 200
    has_last_chunk = status in BODYLESS or any(isinstance(record, FrameRecord) for record in records)
    is_last_chunk_added = end is not None and end.framing == "complete" and not has_last_chunk
    if end is not None and is_last_chunk_added:
        pieces.append(ReplayWrite(end.t, encode_last_chunk()))
    is_exact = end is not None and sha256 == end.sha256 and not is_last_chunk_added
    return Replay(
        path=request.target.partition("?")[0] if request is not None else REPLAY_PATH,
        status=status,
        fields=tuple(
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in head.fields
            if name.lower() not in _LEFT_OUT
        ),
        steps=tuple(_steps(pieces, began=head.t, speed=speed)),
        ending=_ENDINGS.get(end.framing, "cut") if end is not None else "cut",
        ends_at=max(0.0, last - head.t) / speed,
        inexact="" if is_exact else _why_inexact(records, end),
    )


def _why_inexact(records: Sequence[Record], end: EndRecord | None) -> str:
    if end is None:
        return "their end is not in the recording"
    if any(record.data is None and record.size for record in records if isinstance(record, FrameRecord | DataRecord)):
        return "their content is not in the recording, and dots replace it"
    if any(isinstance(record, FrameRecord) for record in records):
        return "the recording lacks octets of their framing"
    return "they were not chunked, and are sent in chunks"


def _steps(pieces: Iterable[ReplayWrite], *, began: float, speed: float) -> Iterator[ReplayWrite]:
    """Yield a write for each read."""
    for number, same in groupby(pieces, key=lambda piece: piece.read):
        read = list(same)
        octets = b"".join(piece.octets for piece in read)
        chunks, content = sum(piece.chunks for piece in read), sum(piece.content for piece in read)
        yield ReplayWrite(max(0.0, read[0].t - began) / speed, octets, chunks, content, number)


def _pieces(records: Sequence[Record]) -> Iterator[ReplayWrite]:
    """Yield the write of each record of a body."""
    last: FrameRecord | None = None
    for record in records:
        if isinstance(record, FrameRecord):
            data = _data(record, _octets_of_partial(record, records) if record.partial else record.size)
            raw = record.line.encode("latin-1") + b"\r\n" + data
            is_whole = bool(record.size) and not record.partial
            end = b"\r\n" if is_whole else b""
            yield ReplayWrite(record.t, raw + end, int(is_whole), len(data), record.read)
            last = None if record.size else record
        elif isinstance(record, DataRecord) and record.size:
            data = _data(record, record.size)
            yield ReplayWrite(record.t, encode_chunk(data), 1, len(data), record.read)
        elif isinstance(record, TrailersRecord):
            lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in record.fields)
            yield ReplayWrite(record.t, record.data if record.data is not None else lines, read=record.read)
    if last is not None:
        yield ReplayWrite(last.t, b"\r\n", read=last.read)  # the empty line after the last-chunk and its trailers


def _data(record: FrameRecord | DataRecord, octets: int | None) -> bytes:
    """Return the content of a frame, or this many dots where it was not recorded.

    Raises:
        LocalError: the recording has only its first octets; or neither content nor their number (None).
    """
    if record.cut:
        raise LocalError(f"expected all of frame {record.n}, got its first octets: the recording keeps no more of one")
    if record.data is not None:
        return record.data
    if octets is None:
        raise LocalError(f"expected the end of the body in the recording: it says how much of frame {record.n} came")
    return b"." * octets


def _octets_of_partial(partial: FrameRecord, records: Sequence[Record]) -> int | None:
    """Return how many octets of a partial chunk's data came; None if the recording does not say."""
    whole = sum(each.size for each in records if isinstance(each, FrameRecord) and not each.partial)
    ends = [each.octets for each in records if isinstance(each, EndRecord)]
    return min(partial.size, max(0, ends[0] - whole)) if ends else None


def replay_resources(replays: Sequence[Replay]) -> tuple[Resource, ...]:
    """Return a resource for each path of a recording, and `/replay` for its first response, unless it is such a path.

    Several responses of one path are given in turn.
    """
    by_path: dict[str, list[Replay]] = {}
    for replay in replays:
        by_path.setdefault(replay.path, []).append(replay)
    by_path.setdefault(REPLAY_PATH, [replays[0]])
    return tuple(_resource(path, its) for path, its in by_path.items())


def _resource(path: str, replays: list[Replay]) -> Resource:
    given = 0

    async def play(request: IncomingRequest, response: Responder) -> None:
        nonlocal given
        replay = replays[given % len(replays)]
        given += 1
        if replay.status in BODYLESS:
            await response.fixed(replay.status, replay.fields)
            return
        if not response.is_chunked:
            raise Refusal(400, "replay-version", f"{path}: expected HTTP/1.1, to HTTP/1.0 no framing is sent")
        async with response.chunked(replay.status, fields=replay.fields) as body:
            await _play(replay, body)

    seconds, writes = replays[0].ends_at, len(replays[0].steps)
    summary = f"a recording: {writes} writes over {seconds:.2f} s, {replays[0].ending}"
    return Resource(path, play, summary, f"--raw '{{origin}}{path}'", methods=_METHODS, parameters=None)


async def _play(replay: Replay, body: ChunkedBody) -> None:
    for step in replay.steps:
        await body.wait_until(step.t)
        await body.send_octets(step.octets, chunks=step.chunks, octets=step.content)
    await body.wait_until(replay.ends_at)
    if replay.ending == "complete":
        body.mark_complete()
    elif replay.ending == "reset":
        body.reset()
    else:
        body.cut()
