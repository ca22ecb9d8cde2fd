"""Answer a request in its dialect: refuse it, stream events at their moments, or send one body.

The rule here: the dialect makes the octets; this module adds waits, framing and faults, by the settings.
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
from chunkwire.origin.mock.settings import MockFault, MockSettings, parse_failure, with_fields
from chunkwire.origin.scenarios import FAULTS
from chunkwire.origin.scenarios.playing import HOLD_S, check_version, play, play_fault
from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk
from chunkwire.origin.settings import caps_of
from chunkwire.server.body import ChunkedBody
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.wire.durations import format_duration

MAX_BODY_OCTETS: Final = 32 << 20  # of a request: Anthropic's own limit, for images and long documents
_SEEDED_CREATED: Final = 1_700_000_000  # Unix seconds: one seed, one stream, octet for octet
_NO_CACHE: Final[Field] = (b"Cache-Control", b"no-cache")

# The random failures of the setting `failures`, equally likely.
_FAILURES: Final = ("429", "500", "503", "overloaded@3", "cut=4", "early-end=4", "reset=4", "page")
_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>\n"


async def answer_question(settings: MockSettings, request: IncomingRequest, response: Responder) -> None:
    """Answer as the provider of this path would; fields of the request override the settings.

    A whole answer is sent when its last event would be due, without keep-alives and without `MockSettings.fault`.
    """
    dialect = route(request.path)
    if dialect is None:
        raise Refusal(404, "not-found", f"no dialect of language models at {request.path}")
    asked = ModelRequest(
        request.head.method, request.head.target, request.head.fields, await request.read_body(MAX_BODY_OCTETS)
    )
    chance = random.Random()
    try:
        settings = with_fields(settings, asked.fields)
        chance.seed(settings.seed)
        check_key(dialect, asked, settings)
        question = dialect.parse_request(asked)
        check_model(question.model, settings)
        if chance.random() < settings.failures:
            picked = chance.choice(_FAILURES)
            if picked == "page":
                await response.fixed(200, ((b"Content-Type", b"text/html"),), _PAGE)
                return
            settings = _failing(settings, picked)
        if settings.failure is not None and settings.failure.after is None:
            raise RequestRefused(replace(settings.failure.error, retry_after=settings.retry_after))
        if settings.quirk:
            await _send_quirk(request, response, dialect, QUIRKS[settings.quirk], settings=settings, chance=chance)
            return
        created = int(time.time()) if settings.seed is None else _SEEDED_CREATED
        answer = compose(question, settings, dialect, chance=chance, created=created)
        events = schedule(dialect.write(answer, question), settings, chance)
        _check_duration(events, request)
    except RequestRefused as refused:
        await _reply(response, dialect.write_error(refused.error), dialect, chance)
        return
    if question.is_stream:
        await _stream(response, dialect, question, events=events, settings=settings, chance=chance)
        return
    await response.pacer.wait_until(response.exchange.began + events[-1].moment)
    await _reply(response, dialect.write_whole(answer, question), dialect, chance)


def check_key(dialect: Dialect, asked: ModelRequest, settings: MockSettings) -> None:
    """Refuse a request whose key is not accepted.

    Raises:
        RequestRefused: it has another key, or none.
    """
    key = dialect.key_of(asked)
    if settings.keys and key not in settings.keys:
        kind = ErrorKind.WRONG_KEY
        raise refuse("expected an API key that this mock knows, got " + ("another" if key else "none"), kind)


def check_model(model: str, settings: MockSettings) -> None:
    """Refuse a model that does not exist.

    Raises:
        RequestRefused: it does not.
    """
    if settings.models and model not in settings.models:
        raise refuse(f"The model {model!r:.80} does not exist.", ErrorKind.NOT_FOUND)


def _failing(settings: MockSettings, picked: str) -> MockSettings:
    name, _, after = picked.partition("=")
    if after:
        return replace(settings, fault=MockFault(name, int(after)))
    return replace(settings, failure=parse_failure(picked))


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
    settings: MockSettings,
    chance: random.Random,
) -> None:
    fault = FAULTS[settings.fault.name] if settings.fault is not None else None
    if settings.fault is not None and settings.fault.after is not None:
        events = events[: settings.fault.after]
    if fault is not None:
        check_version(response, fault)
    if fault is not None and fault.breaks_head:
        await play(response, fault)
        return
    fields = ((b"Content-Type", dialect.stream_type(question)), _NO_CACHE, _request_id(dialect, chance))
    async with response.chunked(fields=fields) as body:
        ping = dialect.keep_alive if settings.keep_alive else None
        quiet = 0.0
        for frame in lay_out(events, settings.framing, chance):
            while ping is not None and quiet + settings.keep_alive < frame.moment:
                quiet += settings.keep_alive
                await _send(body, Due(quiet, ping))
            await _send(body, frame)
            quiet = frame.moment
        if fault is not None:
            await play_fault(body, fault, hold=quiet + HOLD_S)


async def _send_quirk(
    request: IncomingRequest,
    response: Responder,
    dialect: Dialect,
    quirk: Quirk,
    *,
    settings: MockSettings,
    chance: random.Random,
) -> None:
    """Send a quirk's content instead of an answer; its pieces are events at the pace of tokens.

    Raises:
        RequestRefused: the quirk is of another dialect, or would last too long; nothing has been sent.
    """
    if dialect.name not in quirk.dialects:
        raise refuse(
            f"x-chunkwire-quirk: expected a quirk of {dialect.name}, got {quirk.name} of {', '.join(quirk.dialects)}"
        )
    events = schedule([Piece(octets, is_token=True) for octets in quirk.pieces], settings, chance)
    _check_duration(events, request)
    fields = ((b"Content-Type", quirk.content_type), _NO_CACHE, _request_id(dialect, chance))
    async with response.chunked(fields=fields) as body:
        for frame in lay_out(events, settings.framing, chance):
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
