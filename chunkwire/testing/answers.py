"""Turn a response of a run into octets: its events in the run's kind, their framing, and a fault if one is requested.

The rule here: pure; a request and a step in, octets out. `responding` writes them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import Answer, ErrorKind, ProviderError, StopReason, Usage, WholeToolCall
from chunkwire.llm.dialect import Dialect, Reply
from chunkwire.llm.errors import kind_of_status
from chunkwire.llm.question import ModelRequest, Question
from chunkwire.llm.shape import dump
from chunkwire.origin.mock.composition import prompt_tokens, tokens
from chunkwire.origin.plan import parse_plan, with_data
from chunkwire.origin.scenarios import EVENTS, SCENARIOS, Ending, Scenario, Write
from chunkwire.origin.scenarios.values import head_of
from chunkwire.origin.settings import DEFAULT_ORIGIN_SETTINGS
from chunkwire.testing.steps import Break, ContentStep, CountedUnit, StatusReply
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError
from chunkwire.wire.frames import Chunk
from chunkwire.wire.reader import decode
from chunkwire.wire.sse import encode_comment, encode_event

SAMPLE: Final = "Grüße, 世界 🌍!"  # the content of an answer without one
_MESSAGES: Final = ("Grüße", "世界")  # of a WebSocket without content
_PLAIN: Final = SCENARIOS["event-per-chunk"]
_TEXT: Final = b"text/plain; charset=utf-8"
_LINES: Final = b"application/x-ndjson"
_SSE: Final = b"text/event-stream"
_CREATED: Final = 1_700_000_000  # Unix seconds: the same request gets the same octets


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A parsed request in a dialect of language models."""

    dialect: Dialect
    question: Question


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """A response as it will be written; see `Scenario`."""

    head: bytes
    writes: tuple[Write, ...]
    ending: Ending


def understand(kind: str, request: ModelRequest) -> AskedModel | None:
    """Parse a request to a run of language models; None if it is no POST, or its path does not belong to the kind.

    Raises:
        RequestRefused: the provider would refuse it.
    """
    for dialect in _dialects_of(kind):
        if request.method == b"POST" and dialect.matches_path(request.path):
            return AskedModel(dialect, dialect.parse_request(request))
    return None


def paths_of(kind: str) -> list[str]:
    """Return paths that requests to a run of language models may have, such as `/chat/completions`."""
    return ["/" + each.request_path.partition("?")[0] for each in _dialects_of(kind) if each.name != "azure"]


def _dialects_of(kind: str) -> list[Dialect]:
    families = {name: "openai" if name == "azure" else name.partition("-")[0] for name in DIALECTS}
    return [dialect for name, dialect in DIALECTS.items() if families[name] == kind]


def check_content(kind: str, step: ContentStep) -> None:
    """Raise what `steps.naming` catches if the answer to a sample request cannot be made.

    Where an answer of a language model breaks is checked at the request, as the number of its events depends on it.
    """
    if kind == "websocket":
        messages_before_end(step)
        return
    if (dialect := DIALECTS.get(kind)) is None:
        wire_answer(kind, step, None)
        return
    if step.fault is not None:
        step = replace(step, fault=replace(step.fault, after=None))
    wire_answer(kind, step, AskedModel(dialect, Question("m", ())))


def status_reply(step: StatusReply, asked: AskedModel | None) -> Reply:
    """Return a response with a status: with the step's body, else the dialect's body for this error, else none.

    The step's fields replace those of the same name.
    """
    if step.body is None and asked is not None and step.status >= 400:
        error = ProviderError(kind_of_status(step.status), f"the test answers {step.status}", step.status)
        reply = asked.dialect.write_error(error)
    elif step.body is None or isinstance(step.body, str):
        reply = Reply(step.status, ((b"Content-Type", _TEXT),), (step.body or "").encode())
    else:
        reply = Reply(step.status, ((b"Content-Type", b"application/json"),), dump(step.body).encode())
    given = {name.lower() for name, _ in step.fields}
    wait = () if step.retry_after is None else ((b"Retry-After", b"%.10g" % step.retry_after),)
    own = (field for field in (*reply.fields, *wait) if field[0].lower() not in given)
    return Reply(step.status, (*own, *step.fields), reply.body)


def unexpected_reply(kind: str, path: str, message: str) -> Reply:
    """Return the 400 to a request that a run does not expect; in a dialect's form, so that its SDK shows the message.

    Clients do not repeat a request after a 400, as they may after a 5xx.
    """
    dialects = _dialects_of(kind)
    if not dialects:
        return Reply(400, ((b"Content-Type", _TEXT),), f"{message}\n".encode())
    dialect = next((each for each in dialects if each.matches_path(path)), dialects[0])
    return dialect.write_error(ProviderError(ErrorKind.BAD_REQUEST, message, 400))


def wire_answer(kind: str, step: ContentStep, asked: AskedModel | None, *, accepts_gzip: bool = True) -> WireAnswer:
    """Return an answer as octets; a gzip scenario is replaced by a similar one if gzip is not accepted.

    Raises:
        LocalError: the answer has fewer events, chunks or octets than its fault names, or cannot be made.
    """
    if kind == "frames":
        return _planned(step)
    scenario = step.framing or _PLAIN
    if scenario.is_gzip and not accepts_gzip:
        scenario = _PLAIN if scenario.is_legal else SCENARIOS["early-end"]
    if asked is not None and not asked.question.is_stream and step.quirk is None:
        reply = asked.dialect.write_whole(answer_of(step, asked.question), asked.question)
        if scenario is _PLAIN or reply.status != 200:
            return _whole(reply, step.fault)
        events, content_type = [reply.body], b"application/json"
    else:
        events, content_type = events_of(kind, step, asked)
    scenario = scenario.of(events, content_type)
    fault = step.fault
    if fault is None and step.quirk is not None and step.quirk.is_cut:
        fault = Break("cut", CountedUnit.EVENTS, len(events))
    if fault is None:
        return WireAnswer(scenario.head, scenario.writes, scenario.ending)
    return _broken(scenario, events, fault)


def events_of(kind: str, step: ContentStep, asked: AskedModel | None) -> tuple[list[bytes], bytes]:
    """Return the events of an answer as octets, and their media type."""
    if step.quirk is not None:
        return list(step.quirk.pieces), step.quirk.content_type
    if asked is not None:
        pieces = asked.dialect.write(answer_of(step, asked.question), asked.question)
        return [piece.octets for piece in pieces], asked.dialect.stream_type(asked.question)
    items = step.value if isinstance(step.value, Sequence) else None
    if isinstance(items, str):
        items = [items]
    match kind:
        case "sse":
            return ([encode_sse(item) for item in items] if items is not None else [*EVENTS]), _SSE
        case "ndjson":
            lines = items if items is not None else [{"text": SAMPLE}, {"done": True}]
            return [json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n" for line in lines], _LINES
        case _:
            return [str(item).encode() for item in (items if items is not None else [SAMPLE]) if item], _TEXT


def messages_before_end(step: ContentStep) -> list[str]:
    """Return the messages that a WebSocket sends before its Close frame or its fault.

    Raises:
        LocalError: it has fewer than the fault names.
    """
    value = [step.value] if isinstance(step.value, str) else step.value
    messages = [str(each) for each in (value if isinstance(value, list) else _MESSAGES)]
    return messages if step.fault is None else messages[: _count_before(step.fault, len(messages))]


def encode_sse(item: object) -> bytes:
    """Return an event: a text is its data; a mapping has data, event, id and retry, or only a comment.

    Raises:
        LocalError: it is not a valid event.
    """
    if isinstance(item, str):
        return encode_event(item)
    if isinstance(item, Mapping) and item.keys() == {"comment"}:
        return encode_comment(str(item["comment"]))
    if not isinstance(item, Mapping) or not {"data", "event", "id", "retry"}.issuperset(item):
        raise LocalError(f"expected an event of data, event, id and retry, or of a comment, got {item!r:.60}")
    for name, kind in (("event", str), ("id", str), ("retry", int)):
        if name in item and not isinstance(item[name], kind):
            raise LocalError(f"{name}: expected {'a text' if kind is str else 'milliseconds'}, got {item[name]!r:.40}")
    data = item.get("data")
    text = data if isinstance(data, str) or data is None else json.dumps(data, ensure_ascii=False, allow_nan=False)
    return encode_event(text, item.get("event"), id=item.get("id"), retry=item.get("retry"))


def answer_of(step: ContentStep, question: Question) -> Answer:
    """Return the answer of a model; the same step and question give the same ids."""
    value = SAMPLE if step.value is None and not step.tool_calls else step.value or ""
    words = (
        tuple(tokens(value)) if isinstance(value, str) else tuple(map(str, value if isinstance(value, list) else ()))
    )
    chance = random.Random(f"{words}{step.tool_calls}")
    calls = tuple(
        WholeToolCall(f"call_{chance.getrandbits(64):016x}", name, (dump(arguments),))
        for name, arguments in step.tool_calls
    )
    return Answer(
        f"answer-{chance.getrandbits(64):016x}",
        question.model,
        _CREATED,
        tuple(filter(None, words)),
        calls,
        Usage(prompt_tokens(question), len(words) + len(calls)),
        StopReason.TOOL_CALLS if calls else StopReason.STOP,
        error=ProviderError(ErrorKind(step.error), f"the test fails: {step.error}") if step.error else None,
    )


def _whole(reply: Reply, fault: Break | None) -> WireAnswer:
    """Return a response with Content-Length; with a fault only the first octets of its content, half by default."""
    lines = [b"HTTP/1.1 %d OK" % reply.status, *(b"%b: %b" % field for field in reply.fields)]
    head = b"\r\n".join([*lines, b"Content-Length: %d" % len(reply.body)]) + b"\r\n\r\n"
    if fault is None:
        return WireAnswer(head, (Write(reply.body),), Ending.KEEP)
    after = fault.after if fault.after is not None and fault.unit is CountedUnit.OCTETS else len(reply.body) // 2
    if after >= len(reply.body):
        raise LocalError(f"after_octets: expected fewer than the {len(reply.body)} octets of the answer, got {after}")
    ending = Ending.CLOSE if fault.ending is Ending.KEEP else fault.ending
    return WireAnswer(head, (Write(reply.body[:after]),), ending)


def _broken(scenario: Scenario, events: Sequence[bytes], fault: Break) -> WireAnswer:
    """Return an answer that ends with a fault after a number of events, chunks or octets."""
    frames = decode(b"".join(write.octets for write in scenario.writes)) if scenario.is_chunked else ()
    chunks = [frame for frame in frames if isinstance(frame, Chunk)]
    if not scenario.is_legal or b"".join(chunk.data for chunk in chunks) != b"".join(events):
        raise LocalError(f"expected a legal framing in chunks that keeps the content, beside a fault, got {scenario}")
    if fault.unit is CountedUnit.OCTETS:
        left = _count_before(fault, len(b"".join(events)))
    else:
        units = events if fault.unit is CountedUnit.EVENTS else [chunk.data for chunk in chunks]
        left = len(b"".join(units[: _count_before(fault, len(units))]))
    writes: list[Write] = []
    for chunk in chunks:
        if not left:
            break
        writes.append(Write(_start_of(chunk, left, is_announced=not fault.tail)))
        left -= min(left, len(chunk.data))
    if fault.tail:
        writes.append(Write(fault.tail))
    return WireAnswer(scenario.head, tuple(writes), fault.ending)


def _count_before(fault: Break, units: int) -> int:
    """Return how many events, chunks or octets come before a fault.

    Raises:
        LocalError: the answer has only `units` of them.
    """
    if fault.after is None:
        return units // 2
    if fault.after > units:
        raise LocalError(
            f"after_{fault.unit}: expected at most the {units} {fault.unit} of the answer, got {fault.after}"
        )
    return fault.after


def _start_of(chunk: Chunk, octets: int, *, is_announced: bool) -> bytes:
    """Return a chunk, or if it has more data than `octets`, its beginning with so many.

    Args:
        is_announced: the size line of the beginning is that of the chunk, so that it is cut; else the beginning is a
            whole chunk.
    """
    if octets >= len(chunk.data):
        return chunk.line + b"\r\n" + chunk.data + b"\r\n"
    if is_announced:
        return chunk.line + b"\r\n" + chunk.data[:octets]
    return encode_chunk(chunk.data[:octets], chunk.ext)


def _planned(step: ContentStep) -> WireAnswer:
    """Return the frames of a plan with their times; without a last-chunk the connection is closed."""
    writes: list[Write] = []
    moment = 0.0
    frames = parse_plan(str(step.value or "5@0,6@0,0@0"), DEFAULT_ORIGIN_SETTINGS)
    for frame, data in with_data(frames, step.text):
        raw = encode_chunk(data, frame.ext) if data else encode_last_chunk(ext=frame.ext)
        writes.append(Write(raw, frame.moment - moment))
        moment = frame.moment
    return WireAnswer(head_of(_TEXT), tuple(writes), Ending.CLOSE if frames[-1].size else Ending.KEEP)
