"""Answer a request in its own dialect: refuse, or stream events at their moments, or give one body.

The rule here: what a client of the provider could notice is in the dialect; what this adds (waiting,
framing, faults) was wished for.
"""

from __future__ import annotations

import random
import time
from dataclasses import replace
from functools import partial
from typing import Final

from chunkwire.llm import route
from chunkwire.llm.answer import ErrorKind
from chunkwire.llm.dialect import Dialect, Reply
from chunkwire.llm.question import Field, ModelRequest, Question, RequestRefused, refuse
from chunkwire.origin.mock.composition import compose
from chunkwire.origin.mock.framing import Due, lay_out, schedule
from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockFault, MockSettings, parse_failure, with_wishes
from chunkwire.origin.scenarios import FAULTS
from chunkwire.origin.scenarios.playing import HOLD_S, check_version, play, play_fault
from chunkwire.origin.settings import caps_of
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import ChunkedBody, Responder
from chunkwire.server.routes import Resource
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


def _understand(dialect: Dialect, asked: ModelRequest, wishes: MockSettings) -> Question:
    key = dialect.key_of(asked)
    if wishes.keys and key not in wishes.keys:
        kind = ErrorKind.WRONG_KEY
        raise refuse("expected an API key that this mock knows, got " + ("another" if key else "none"), kind)
    question = dialect.parse_request(asked)
    if wishes.models and question.model not in wishes.models:
        raise refuse(f"The model {question.model!r:.80} does not exist.", ErrorKind.NOT_FOUND)
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
        ping = dialect.keep_alive() if wishes.keep_alive else None
        quiet = 0.0
        for frame in lay_out(events, wishes.framing, chance):
            while ping is not None and quiet + wishes.keep_alive < frame.moment:
                quiet += wishes.keep_alive
                await _send(body, Due(quiet, ping))
            await _send(body, frame)
            quiet = frame.moment
        if fault is not None:
            await play_fault(body, fault, hold=quiet + HOLD_S)


async def _send(body: ChunkedBody, frame: Due) -> None:
    await body.wait_until(frame.moment)
    await body.send_chunk(frame.octets)


async def _reply(response: Responder, reply: Reply, dialect: Dialect, chance: random.Random) -> None:
    await response.fixed(reply.status, (*reply.fields, _request_id(dialect, chance)), reply.body)


def _request_id(dialect: Dialect, chance: random.Random) -> Field:
    return (dialect.request_id_field, b"req_%024x" % chance.getrandbits(96))


def _resource(path: str, summary: str, model: str, *, body: str, more: str = "") -> Resource:
    example = f"-d '{body}' {more}'{{origin}}{path.replace('{model}', model)}'"
    return Resource(path, partial(answer_question, DEFAULT_MOCK), summary, example, methods=("POST",), parameters=None)


_CHAT_BODY: Final = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Say hello"}]}'
_RESPONSES_BODY: Final = '{"model":"m","stream":true,"input":"Say hello"}'
_MESSAGES_BODY: Final = '{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"Say hello"}]}'
_GEMINI_BODY: Final = '{"contents":[{"role":"user","parts":[{"text":"Say hello"}]}]}'
_CONVERSE_BODY: Final = '{"messages":[{"role":"user","content":[{"text":"Say hello"}]}]}'
_INVOKE_BODY: Final = (
    '{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"Say hello"}]}'
)

MOCKED: Final = (
    _resource("/v1/chat/completions", "OpenAI chat completions, mocked", "m", body=_CHAT_BODY),
    _resource("/openai/deployments/{model}/chat/completions", "the same at Azure's path", "m", body=_CHAT_BODY),
    _resource("/v1/responses", "OpenAI responses, mocked", "m", body=_RESPONSES_BODY),
    _resource(
        "/v1/messages",
        "Anthropic messages, mocked",
        "m",
        body=_MESSAGES_BODY,
        more="-H 'anthropic-version: 2023-06-01' ",
    ),
    *(
        _resource(f"/{version}/models/{{model}}:{method}", summary, "m", body=_GEMINI_BODY)
        for version in ("v1beta", "v1")
        for method, summary in (
            ("streamGenerateContent", "Gemini, mocked; with ?alt=sse as events"),
            ("generateContent", "Gemini in one body"),
        )
    ),
    _resource("/model/{model}/converse-stream", "Bedrock ConverseStream, mocked", "m", body=_CONVERSE_BODY),
    _resource("/model/{model}/converse", "Bedrock Converse in one body", "m", body=_CONVERSE_BODY),
    _resource(
        "/model/{model}/invoke-with-response-stream",
        "Bedrock InvokeModel of Anthropic's models",
        "m",
        body=_INVOKE_BODY,
    ),
    _resource("/model/{model}/invoke", "the same in one body", "m", body=_INVOKE_BODY),
)


def mock_resources(settings: MockSettings = DEFAULT_MOCK) -> tuple[Resource, ...]:
    """Return the resources of all providers, answering as `settings` say where a request does not."""
    responder = partial(answer_question, settings)
    return tuple(replace(resource, responder=responder) for resource in MOCKED)
