"""`/frames?plan=…` sends planned frames at planned times; `/trailers` sends the trailers in its parameters.

A plan is a comma-separated list of SIZE[:EXT]@MS: decimal octets, a chunk-ext without its first `;`, decimal
milliseconds since the head was sent. `0@MS` is the last-chunk; without one the body is cut. Instead of a plan,
`octets=` has all octets after the head, for framings that no plan or fault has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import Field
from chunkwire.origin.settings import OriginSettings, caps_of
from chunkwire.origin.streams import check_chunks, status_with_body
from chunkwire.server.query import bad_value, shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import FRAMING_NAMES, TEXT, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire import abnf
from chunkwire.wire.durations import format_duration
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError

# A quoted string in an ext may contain the characters that end a step: 6:note="a, b"@100
_STEP: Final = re.compile(r"""(\d{1,16})(?::((?:[^",@]|"(?:[^"\\]|\\.)*")+))?@(\d+(?:\.\d+)?)""", re.ASCII)
_FIELD_NAME: Final = re.compile(abnf.TOKEN)
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ALPHABET: Final = b"abcdefghijklmnopqrstuvwxyz"  # the data of a plan without a text


@dataclass(frozen=True, slots=True)
class PlannedFrame:
    """One frame of a plan.

    Attributes:
        size: octets of chunk-data; 0 is the last-chunk.
        ext: with its leading `;`, or empty.
        moment: seconds since the head was sent.
    """

    size: int
    ext: bytes
    moment: float


def parse_plan(text: str, settings: OriginSettings) -> tuple[PlannedFrame, ...]:
    """Return the frames of a plan.

    Raises:
        Refusal: 400, with the step that is wrong.
    """
    steps: list[PlannedFrame] = []
    position = 0
    while position < len(text) or not steps:
        found = _STEP.match(text, position)
        if not found or (found.end() < len(text) and text[found.end()] != ","):
            raise bad_value("plan", "SIZE[:EXT]@MS,SIZE[:EXT]@MS,…", text[position:])
        ext = b";" + found[2].encode() if found[2] else b""
        steps.append(PlannedFrame(int(found[1]), ext, float(found[3]) / 1000))
        _check_step(steps, found[0], settings)
        position = found.end() + 1
    if text.endswith(","):
        raise bad_value("plan", "a step after the last comma", text[-20:])
    return tuple(steps)


def _check_step(steps: list[PlannedFrame], text: str, settings: OriginSettings) -> None:
    step = steps[-1]
    before = steps[-2] if len(steps) > 1 else PlannedFrame(1, b"", 0.0)
    if not before.size:
        raise bad_value("plan", "nothing after the last-chunk (size 0)", text)
    if step.moment < before.moment:
        raise bad_value("plan", f"moments that do not go back (the step before is at {before.moment * 1000:g})", text)
    if step.moment > settings.max_duration:
        raise bad_value("plan", f"moments within {format_duration(settings.max_duration)}", text)
    if step.size > settings.max_chunk_octets:
        raise bad_value("plan", f"chunks of at most {settings.max_chunk_octets} octets", text)
    try:
        encode_last_chunk(ext=step.ext) if not step.size else encode_chunk(b"x", step.ext)
    except LocalError as error:
        raise Refusal(400, "parameter", f"plan: {error}, in {shown(text)!r}") from error


async def frames(request: IncomingRequest, response: Responder) -> None:
    """Send the frames of `plan` at their times, with the data of `text` and the trailers of `trailer`.

    With `octets`: send these after the head, then a FIN. `status` and `header` determine the head.
    """
    query, settings = request.query, caps_of(request)
    status = status_with_body(query, "status")
    head = tuple(checked_header(text) for text in query.values("header"))
    if all(name.lower() != b"content-type" for name, _ in head):
        head = (TEXT, *head)
    if query.values("octets"):
        await _send_octets(request, response, status, head)
        return
    steps = parse_plan(query.text("plan", "5@0,6@500,0@1000"), settings)
    check_chunks(request, len(steps), "plan")
    if sum(step.size for step in steps) > settings.max_octets:
        raise bad_value("plan", f"at most {settings.max_octets} octets in all", query.text("plan"))
    fields = tuple(_trailer(text) for text in query.values("trailer"))
    if fields and steps[-1].size:
        raise bad_value("trailer", "a plan with a last-chunk (0@MS)", query.text("plan"))
    _check_trailers(fields)
    async with response.chunked(status, head, trailers=fields) as body:
        for step, data in with_data(steps, query.text("text")):
            await body.wait_until(step.moment)
            if data:
                await body.send_chunk(data, step.ext)
            else:
                await body.finish(ext=step.ext)
        if steps[-1].size:
            body.cut()


async def _send_octets(request: IncomingRequest, response: Responder, status: int, head: tuple[Field, ...]) -> None:
    """Send the octets of `octets` after the head of a chunked response, in one write, and close the connection."""
    for name in ("plan", "text", "trailer"):
        if request.query.values(name):
            raise bad_value("octets", f"no {name} beside it", request.query.text("octets"))
    if not response.is_chunked:
        raise Refusal(400, "parameter", "octets: expected HTTP/1.1, to HTTP/1.0 no framing is sent")
    octets = request.query.octets("octets")
    response.must_close = True
    async with response.chunked(status, head) as body:
        if octets:
            await body.send_octets(octets)
        body.cut()


async def trailers(request: IncomingRequest, response: Responder) -> None:
    """Send each parameter as a trailer, listed in Trailer and in the content; to HTTP/1.0 in the content alone."""
    fields = tuple(_checked_trailer(name, value, parameter=name) for name, value in request.query.pairs)
    _check_trailers(fields)
    async with response.chunked(fields=(TEXT,), trailers=fields) as body:
        where = b"follow the last-chunk" if response.is_chunked else b"are not sent: HTTP/1.0 has no chunks"
        await body.send_chunk(b"%d trailers %b\n" % (len(fields), where))
        for name, value in fields:
            await body.send_chunk(b"%b: %b\n" % (name, value))


def with_data(frames: Iterable[PlannedFrame], text: str) -> Iterator[tuple[PlannedFrame, bytes]]:
    """Yield each frame with its data: a text that is repeated endlessly, the alphabet for ""."""
    octets, sent = text.encode() or _ALPHABET, 0
    for frame in frames:
        start = sent % len(octets)
        yield frame, (octets * ((start + frame.size) // len(octets) + 1))[start : start + frame.size]
        sent += frame.size


def _trailer(text: str) -> Field:
    name, colon, value = text.partition(":")
    if not colon:
        raise bad_value("trailer", "NAME:VALUE", text)
    return _checked_trailer(name, value.strip(" \t"), parameter="trailer")


def checked_header(text: str) -> Field:
    """Return a field line of the response head; refuse a malformed one, and one of `FRAMING_NAMES`."""
    name, colon, value = (part.strip(" \t").encode() for part in text.partition(":"))
    if not colon or not _FIELD_NAME.fullmatch(name):
        raise bad_value("header", "NAME:VALUE", text)
    if _CONTROL.search(value):
        raise bad_value("header", "a value without control octets", text)
    if name.lower() in FRAMING_NAMES:
        raise bad_value("header", "a field that does not frame the message", text)
    return (name, value)


def _checked_trailer(name: str, value: str, *, parameter: str) -> Field:
    """Return a trailer field; refuse a malformed one, and one that must not be a trailer."""
    field = (name.encode(), value.encode())
    _check_trailers((field,), f"{shown(parameter)}: ")
    return field


def _check_trailers(fields: tuple[Field, ...], where: str = "") -> None:
    """Refuse fields that one body may not have as its trailers; `where` is put in front of the message."""
    try:
        encode_last_chunk(fields)
    except LocalError as error:
        raise Refusal(400, "parameter", f"{where}{error}") from error


PLANNED: Final = (
    Resource(
        "/frames",
        frames,
        "these frames, SIZE[:EXT]@MS,…, with the data of text; 0@MS is the last-chunk, without it the body is cut",
        "--raw '{origin}/frames?plan=5@0,6:a=1@500,0@1000&text=hello+world&trailer=X-T:1'",
        parameters=frozenset({"plan", "text", "trailer", "status", "header", "octets"}),
    ),
    Resource(
        "/trailers",
        trailers,
        "each NAME=VALUE as a trailer",
        "--raw '{origin}/trailers?X-Checksum=abc'",
        parameters=None,
    ),
)
