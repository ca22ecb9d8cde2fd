"""Answer a request in its own dialect: refuse, or stream events at their moments, or give one body.

The rule here: what a client of the provider could notice is in the dialect; what this adds (waiting,
framing, faults) was wished for.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Final

from chunkwire.llm import route
from chunkwire.llm.answer import ErrorKind
from chunkwire.llm.dialect import Dialect, Piece, Reply
from chunkwire.llm.question import Field, ModelRequest, Question, RequestRefused, refuse
from chunkwire.origin.mock.composition import compose
from chunkwire.origin.mock.framing import Due, lay_out, schedule
from chunkwire.origin.mock.settings import MockFault, MockSettings, parse_failure, with_wishes
from chunkwire.origin.scenarios import FAULTS
from chunkwire.origin.scenarios.playing import HOLD_S, check_version, play, play_fault
from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk
from chunkwire.origin.settings import caps_of
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import ChunkedBody, Responder
from chunkwire.wire.durations import format_duration

MAX_BODY_OCTETS: Final = 32 << 20  # of a request: Anthropic's own limit, for images and long documents
_SEEDED_CREATED: Final = 1_700_000_000  # Unix seconds: one seed, one stream, octet for octet
_NO_CACHE: Final[Field] = (b"Cache-Control", b"no-cache")

# What a share of the requests meets with `failures`, each as likely as the other.
_FAILURES: Final = ("429", "500", "503", "overloaded@3", "cut=4", "early-end=4", "reset=4", "page")
_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>\n"


async def answer_question(settings: MockSettings, request: IncomingRequest, response: Responder) -> None:
    """Answer as the provider would whose path was asked for; the request may ask for more than the settings do."""
    dialect = route(request.path)
    if dialect is None:
        raise Refusal(404, "not-found", f"no dialect of language models at {request.path}")
    asked = ModelRequest(
        request.head.method, request.head.target, request.head.fields, await request.read_body(MAX_BODY_OCTETS)
    )
    chance = random.Random()
    try:
        wishes = with_wishes(settings, asked.fields)
        chance.seed(wishes.seed)
        question = _understand(dialect, asked, wishes)
        if chance.random() < wishes.failures:
            picked = chance.choice(_FAILURES)
            if picked == "page":
                await response.fixed(200, ((b"Content-Type", b"text/html"),), _PAGE)
                return
            wishes = _failing(wishes, picked)
        if wishes.failure is not None and wishes.failure.after is None:
            raise RequestRefused(replace(wishes.failure.error, retry_after=wishes.retry_after))
        if wishes.quirk:
            await _send_quirk(response, dialect, QUIRKS[wishes.quirk], wishes=wishes, chance=chance)
            return
        created = int(time.time()) if wishes.seed is None else _SEEDED_CREATED
        answer = compose(question, wishes, dialect, chance=chance, created=created)
        events = schedule(dialect.write(answer, question), wishes, chance)
        _check_duration(events, request)
    except RequestRefused as refused:
        await _reply(response, dialect.write_error(refused.error), dialect, chance)
        return
    if question.is_stream:
        await _stream(response, dialect, question, events=events, wishes=wishes, chance=chance)
        return
    await response.pacer.wait_until(response.exchange.began + events[-1].moment)
    await _reply(response, dialect.write_whole(answer, question), dialect, chance)


def check_key(dialect: Dialect, asked: ModelRequest, wishes: MockSettings) -> None:
    """Take a request whose key is accepted.

    Raises:
        RequestRefused: it has another key, or none.
    """
    key = dialect.key_of(asked)
    if wishes.keys and key not in wishes.keys:
        kind = ErrorKind.WRONG_KEY
        raise refuse("expected an API key that this mock knows, got " + ("another" if key else "none"), kind)


def check_model(model: str, wishes: MockSettings) -> None:
    """Take a model that exists.

    Raises:
        RequestRefused: it does not.
    """
    if wishes.models and model not in wishes.models:
        raise refuse(f"The model {model!r:.80} does not exist.", ErrorKind.NOT_FOUND)


def _understand(dialect: Dialect, asked: ModelRequest, wishes: MockSettings) -> Question:
    check_key(dialect, asked, wishes)
    question = dialect.parse_request(asked)
    check_model(question.model, wishes)
    return question


def _failing(wishes: MockSettings, picked: str) -> MockSettings:
    name, _, after = picked.partition("=")
    if after:
        return replace(wishes, fault=MockFault(name, int(after)))
    return replace(wishes, failure=parse_failure(picked))


def _check_duration(events: list[Due], request: IncomingRequest) -> None:
    most = caps_of(request).max_duration
    if events[-1].moment > most:
        raise refuse(f"expected an answer of at most {format_duration(most)}, got {format_duration(events[-1].moment)}")


async def _stream(
    response: Responder,
    dialect: Dialect,
    question: Question,
    *,
    events: list[Due],
    wishes: MockSettings,
    chance: random.Random,
) -> None:
    fault = FAULTS[wishes.fault.name] if wishes.fault is not None else None
    if wishes.fault is not None and wishes.fault.after is not None:
        events = events[: wishes.fault.after]
    if fault is not None:
        check_version(response, fault)
    if fault is not None and fault.breaks_head:
        await play(response, fault)
        return
    fields = ((b"Content-Type", dialect.stream_type(question)), _NO_CACHE, _request_id(dialect, chance))
    async with response.chunked(fields=fields) as body:
        ping = dialect.keep_alive if wishes.keep_alive else None
        quiet = 0.0
        for frame in lay_out(events, wishes.framing, chance):
            while ping is not None and quiet + wishes.keep_alive < frame.moment:
                quiet += wishes.keep_alive
                await _send(body, Due(quiet, ping))
            await _send(body, frame)
            quiet = frame.moment
        if fault is not None:
            await play_fault(body, fault, hold=quiet + HOLD_S)


async def _send_quirk(
    response: Responder, dialect: Dialect, quirk: Quirk, *, wishes: MockSettings, chance: random.Random
) -> None:
    """Send a quirk's content, whatever was asked, a piece a chunk and at the pace of tokens."""
    if dialect.name not in quirk.dialects:
        raise refuse(
            f"x-chunkwire-quirk: expected a quirk of {dialect.name}, got {quirk.name} of {', '.join(quirk.dialects)}"
        )
    events = schedule([Piece(octets, is_token=True) for octets in quirk.pieces], wishes, chance)
    fields = ((b"Content-Type", quirk.content_type), _NO_CACHE, _request_id(dialect, chance))
    async with response.chunked(fields=fields) as body:
        for frame in lay_out(events, wishes.framing, chance):
            await _send(body, frame)
        if quirk.is_cut:
            body.cut()


async def _send(body: ChunkedBody, frame: Due) -> None:
    await body.wait_until(frame.moment)
    await body.send_chunk(frame.octets)


async def _reply(response: Responder, reply: Reply, dialect: Dialect, chance: random.Random) -> None:
    await response.fixed(reply.status, (*reply.fields, _request_id(dialect, chance)), reply.body)


def _request_id(dialect: Dialect, chance: random.Random) -> Field:
    return (dialect.request_id_field, b"req_%024x" % chance.getrandbits(96))
