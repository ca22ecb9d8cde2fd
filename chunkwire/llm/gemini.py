"""Gemini: a stream of GenerateContentResponse objects, each in a `data:` event.

The rule here: no `event:` line, no comment, no `[DONE]`: Google's SDK fails on each of them. The stream ends with the
body; its last event has the `finishReason` and the usage. A request without `alt=sse` gets one JSON array of the same
objects instead of events.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final
from urllib.parse import unquote

from chunkwire.llm.answer import (
    Answer,
    AnswerEvent,
    ErrorKind,
    ProviderError,
    Reasoning,
    Started,
    Stop,
    StopReason,
    Text,
    Usage,
    WholeToolCall,
)
from chunkwire.llm.asking import arguments_of, gemini_body
from chunkwire.llm.dialect import EVENT_STREAM, JSON, Dialect, Piece
from chunkwire.llm.errors import STATUS_OF
from chunkwire.llm.openai import logprob
from chunkwire.llm.question import Message, ModelRequest, Question, Role, Tool, count_of, refuse, required, text_of
from chunkwire.llm.reading import Interpreter
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

MAX_CANDIDATES: Final = 8  # as the service
MAX_LOGPROBS: Final = 20  # as the service
_TOOL_CHOICES: Final[Mapping[str, str]] = {"ANY": "required", "NONE": "none"}
_UNDERSCORE: Final = re.compile("_([a-z])")
# Members of a request whose values are the caller's own JSON, where names are not changed.
_OWN_NAMES: Final = frozenset(
    {"parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "args", "response"}
)
_STOPS: Final[Mapping[str, StopReason]] = {
    "STOP": StopReason.STOP,
    "MAX_TOKENS": StopReason.LENGTH,
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), StopReason.FILTER),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), StopReason.FILTER),
    "MODEL_ARMOR": StopReason.FILTER,
}
# The output of the model, mostly a tool call, was malformed, and the service does not return it.
_FAILURES: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"}
    | {"TOO_MANY_TOOL_CALLS", "UNEXPECTED_TOOL_CALL"}
)
_FINISH: Final[Mapping[StopReason, str]] = {
    StopReason.LENGTH: "MAX_TOKENS",
    StopReason.FILTER: "SAFETY",
    StopReason.REFUSAL: "SAFETY",
}
_STATUS: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.BAD_REQUEST: "INVALID_ARGUMENT",
    ErrorKind.WRONG_KEY: "INVALID_ARGUMENT",
    ErrorKind.FORBIDDEN: "PERMISSION_DENIED",
    ErrorKind.NOT_FOUND: "NOT_FOUND",
    ErrorKind.TOO_LARGE: "INVALID_ARGUMENT",
    ErrorKind.RATE_LIMIT: "RESOURCE_EXHAUSTED",
    ErrorKind.OVERLOADED: "UNAVAILABLE",
    ErrorKind.TIMEOUT: "DEADLINE_EXCEEDED",
}


class GenerateContentInterpreter(Interpreter):
    """The meaning of the events of generated content, and of a whole answer, which has the form of one event."""

    finish = "an event with a finishReason"

    def __init__(self) -> None:
        super().__init__()
        # index of the candidate that is the answer: the lowest in the first event with candidates; None before it
        self._index: int | None = None

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Yield the meaning of an event; `name` is ignored, as the service names no events."""
        if isinstance(inner := at(payload, "response"), dict):  # Code Assist wraps the API's objects
            payload = inner
        usage, candidate = at(payload, "usageMetadata"), self._candidate_in(payload)
        blocked = text_at(payload, "promptFeedback", "blockReason")
        if not (isinstance(usage, dict) or isinstance(candidate, dict) or blocked):
            return
        if not self._is_started:
            self._is_started = True
            yield Started(text_at(payload, "responseId"), text_at(payload, "modelVersion"))
        for part in items_at(candidate, "content", "parts"):
            yield from self._take_part(part)
        if isinstance(usage, dict):
            yield _usage_of(usage)
        finish = text_at(candidate, "finishReason")
        if finish in _FAILURES:
            yield ProviderError(ErrorKind.BROKEN, text_at(candidate, "finishMessage") or f"finishReason is {finish!r}")
        elif finish and finish != "FINISH_REASON_UNSPECIFIED":
            self.is_finished = True
            reason = _STOPS.get(finish, StopReason.OTHER)
            yield Stop(StopReason.TOOL_CALLS if reason is StopReason.STOP and len(self._calls) else reason)
        elif blocked:
            self.is_finished = True
            yield Stop(StopReason.FILTER)

    def _candidate_in(self, payload: object) -> object:
        """Return the candidate that is the answer; None if the event does not have it. A missing index is 0."""
        candidates = items_at(payload, "candidates")
        if self._index is None and candidates:
            self._index = min(number_at(each, "index") or 0 for each in candidates)
        return next((each for each in candidates if (number_at(each, "index") or 0) == self._index), None)

    def _take_part(self, part: object) -> Iterator[AnswerEvent]:
        if text := delta_at(part, "text"):
            yield Reasoning(text) if at(part, "thought") is True else Text(text)
        call = at(part, "functionCall")
        if isinstance(call, dict):  # whole: the API sends arguments in pieces only if a request asks for it
            id_, name, arguments = text_at(call, "id"), text_at(call, "name"), dump(at(call, "args") or {})
            # Some proxies repeat a part: the same id, name and arguments are the same call. Some use the name as the
            # id: other arguments are another call. Without an id, each part is another call.
            key = (id_, name, hash(arguments)) if id_ else len(self._calls)  # a hash: arguments may be long
            yield from self._calls.begin(key, id_, name, arguments)


class Gemini(Dialect):
    """`POST …/models/{model}:streamGenerateContent?alt=sse`, under /v1, /v1beta or Vertex's longer paths."""

    name = "gemini"
    path = re.compile(r"/models/.*:(?:streamGenerateContent|generateContent)\Z")
    build_body = staticmethod(gemini_body)
    request_path = "models/{model}:streamGenerateContent?alt=sse"
    whole_path = "models/{model}:generateContent"
    default_base = b"/v1beta"
    key_field = b"x-goog-api-key"
    sends_key_field = True
    request_id_field = b"x-goog-request-id"
    statuses: ClassVar = {**STATUS_OF, ErrorKind.WRONG_KEY: 400, ErrorKind.TOO_LARGE: 400}
    keep_alive = None  # the SDK fails on everything but data
    interpreter = GenerateContentInterpreter

    def matches_payload(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is a piece of generated content, or all of it."""
        return isinstance(payload.get("candidates"), list) or "promptFeedback" in payload

    def key_of(self, request: ModelRequest) -> str | None:
        """Return the key in a request, which may also be the parameter `key`."""
        return super().key_of(request) or request.query("key") or None

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        model, _, method = request.path.rpartition("/models/")[2].rpartition(":")
        body = _cased(request.body_object())
        is_stream = method == "streamGenerateContent"
        config = at(body, "generationConfig")
        question = Question(
            unquote(model.encode("latin-1")),
            tuple(_messages(body)),
            tuple(_tools(body)),
            is_stream=is_stream,
            max_tokens=number_at(config, "maxOutputTokens"),
            form="array" if is_stream and request.query("alt") != "sse" else "",
            choices=count_of(config, "candidateCount", most=MAX_CANDIDATES),
            wants_reasoning=at(config, "thinkingConfig", "includeThoughts") is True,
            schema=_schema(config),
            top_logprobs=_top_logprobs(config),
        )
        choice = at(body, "toolConfig", "functionCallingConfig")
        names = [name for name in items_at(choice, "allowedFunctionNames") if isinstance(name, str)]
        mode = text_at(choice, "mode").upper()
        return question.choosing(_TOOL_CHOICES.get(mode, "auto"), names[0] if names and mode == "ANY" else "")

    def stream_type(self, question: Question) -> bytes:
        """Return the Content-Type of the stream, or of the array."""
        return JSON if question.form == "array" else EVENT_STREAM

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, one piece per event or element of the array; see `Dialect`."""
        payloads = list(self._payloads(answer, question))
        if question.form != "array":
            return [Piece(encode_event(dump(payload)), is_token) for payload, is_token in payloads]
        pieces: list[Piece] = []
        for number, (payload, is_token) in enumerate(payloads):
            before = ",\r\n" if number else "["
            after = "\n]\n" if number == len(payloads) - 1 else ""
            pieces.append(Piece(f"{before}{dump(payload)}{after}".encode(), is_token))
        return pieces

    def _payloads(self, answer: Answer, question: Question) -> Iterator[tuple[dict[str, object], bool]]:
        """Yield each event's object and its `Piece.is_token`: one event for each part of the answer.

        The last one has the finishReason and the usage, or is the error. An answer without parts is an empty text.
        """
        parts: list[tuple[object, tuple[str, ...]]] = [(_thought(text), ()) for text in answer.reasoning]
        parts += [({"text": text}, (text,)) for text in answer.text]
        parts += [(_call_part(call), ()) for call in answer.tool_calls]
        if not parts and answer.error is None:
            parts = [({"text": ""}, ())]
        for number, (part, tokens) in enumerate(parts, 1):
            is_last = number == len(parts) and answer.error is None
            yield _payload(answer, question, [part], tokens, is_last=is_last), True
        if answer.error is not None:
            yield self.error_body(answer.error, answer.error.status or self.statuses[answer.error.kind]), False

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer; see `Dialect`."""
        parts: list[object] = [_thought("".join(answer.reasoning))] if answer.reasoning else []
        parts += [{"text": "".join(answer.text)}] if answer.text or not answer.tool_calls else []
        parts += [_call_part(call) for call in answer.tool_calls]
        return _payload(answer, question, parts, answer.text, is_last=True)

    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the body of an error response, which is also the data of an error event."""
        body: dict[str, object] = {
            "code": status,
            "message": error.message,
            "status": _STATUS.get(error.kind, "INTERNAL"),
        }
        if error.kind is ErrorKind.WRONG_KEY:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            body["details"] = [{"@type": info, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]
        return {"error": body}


def _payload(
    answer: Answer, question: Question, parts: list[object], tokens: tuple[str, ...], *, is_last: bool = False
) -> dict[str, object]:
    more: dict[str, object] = {"finishReason": _FINISH.get(answer.stop, "STOP")} if is_last else {}
    if question.top_logprobs is not None and tokens:
        more["logprobsResult"] = _logprobs(tokens, question.top_logprobs)
    if question.top_logprobs is not None and is_last:
        more["avgLogprobs"] = logprob(0)
    content = {"parts": parts, "role": "model"}
    candidates = [{"content": content, "index": index, **more} for index in range(question.choices)]
    usage: dict[str, object] = {}
    if is_last:
        thoughts = {"thoughtsTokenCount": answer.usage.reasoning} if answer.usage.reasoning else {}
        usage["usageMetadata"] = {
            "promptTokenCount": answer.usage.prompt,
            "candidatesTokenCount": answer.usage.completion - answer.usage.reasoning,
            "totalTokenCount": answer.usage.total,
            **thoughts,
            **({"cachedContentTokenCount": answer.usage.cached} if answer.usage.cached else {}),
        }
    return {"candidates": candidates, **usage, "modelVersion": answer.model, "responseId": answer.id}


def _logprobs(tokens: tuple[str, ...], count: int) -> dict[str, object]:
    """Return a LogprobsResult of tokens, whose probabilities are made up.

    Args:
        count: alternatives of each token, the most probable first; the first one is the token itself.
    """

    def candidate(token: str, rank: int = 0) -> dict[str, object]:
        return {
            "token": token + "'" * rank,  # an invented alternative
            "tokenId": zlib.crc32(token.encode()) % 262_144,
            "logProbability": logprob(rank),
        }

    found: dict[str, object] = {"chosenCandidates": [candidate(token) for token in tokens]}
    if count:
        found["topCandidates"] = [{"candidates": [candidate(token, rank) for rank in range(count)]} for token in tokens]
    return found


def _thought(text: str) -> dict[str, object]:
    return {"text": text, "thought": True}


def _call_part(call: WholeToolCall) -> dict[str, object]:
    return {"functionCall": {"id": call.id, "name": call.name, "args": arguments_of(call)}}


def _usage_of(usage: object) -> Usage:
    thoughts = count_at(usage, "thoughtsTokenCount")
    return Usage(
        count_at(usage, "promptTokenCount"),
        count_at(usage, "candidatesTokenCount") + thoughts,  # candidatesTokenCount leaves them out
        thoughts,
        count_at(usage, "cachedContentTokenCount"),
    )


def _cased(value: object, depth: int = 8) -> object:
    """Return a request's JSON with its names in camel case: the service takes both cases, and the SDK mixes them.

    The values of `_OWN_NAMES` are not changed, and neither is what is nested more than `depth` levels deep.
    """
    if isinstance(value, list):
        return [_cased(item, depth - 1) for item in value] if depth else value
    if not isinstance(value, dict) or not depth:
        return value
    found: dict[str, object] = {}
    for key, member in value.items():
        name = _UNDERSCORE.sub(lambda match: match[1].upper(), key)
        found[name] = member if name in _OWN_NAMES else _cased(member, depth - 1)
    return found


def _schema(config: object) -> object:
    """Return the JSON Schema that the answer must fit, {} for any JSON, None for a text."""
    if text_at(config, "responseMimeType") != "application/json":
        return None
    return at(config, "responseJsonSchema") or at(config, "responseSchema") or {}


def _top_logprobs(config: object) -> int | None:
    """Return how many alternatives of each token a request asks for; None if it asks for no probabilities.

    Raises:
        RequestRefused: as the service would.
    """
    most, is_on = number_at(config, "logprobs"), at(config, "responseLogprobs") is True
    if most is not None and not (is_on and 0 <= most <= MAX_LOGPROBS):
        beside = f"0 to {MAX_LOGPROBS}" if is_on else "responseLogprobs: true beside it"
        raise refuse(f"generation_config.logprobs: expected {beside}, got {most}")
    return (most or 0) if is_on else None


def _messages(body: object) -> Iterator[Message]:
    if system := text_of(at(body, "systemInstruction", "parts")):
        yield Message("system", system)
    required(body, "contents", list)
    for number, item in enumerate(items_at(body, "contents")):
        role = text_at(item, "role") or "user"
        if role not in ("user", "model", "function"):
            raise refuse(f"contents[{number}].role: expected user or model, got {role!r:.60}")
        parts = items_at(item, "parts")
        is_result = role == "function" or any(isinstance(at(part, "functionResponse"), dict) for part in parts)
        speaker: Role = "tool" if is_result else "assistant" if role == "model" else "user"
        yield Message(speaker, text_of(parts))


def _tools(body: object) -> Iterator[Tool]:
    for tool in items_at(body, "tools"):
        for function in items_at(tool, "functionDeclarations"):
            schema = at(function, "parametersJsonSchema") or at(function, "parameters")
            if name := text_at(function, "name"):
                yield Tool(name, schema)
