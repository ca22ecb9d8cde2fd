"""Anthropic messages: named events, each with its name again as `type` in its data.

The rule here: `message_start`, then blocks (`content_block_start`, deltas, `content_block_stop`), `message_delta`
with the stop reason and the usage, `message_stop`. `ping` may come anywhere. The SDK skips an event without its
`event:` line, so every one is written with it. Bedrock's InvokeModel has the same objects in binary messages.

Some proxies repeat `message_start`, or the start of a block: the second one is ignored. A block may have the index of
an earlier one. Before the first block, the start of another message replaces that of the first; later it is an error,
because the answer would mix two messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

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
)
from chunkwire.llm.asking import messages_body, tool_use
from chunkwire.llm.dialect import JSON, Dialect, Piece
from chunkwire.llm.errors import STATUS_OF
from chunkwire.llm.question import ModelRequest, Question, refuse, required, stream_flag, tools_in, two_sided
from chunkwire.llm.reading import Interpreter
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

SIGNATURE: Final = "c2lnbmF0dXJl"  # written in each thinking block: "signature" in base64; not checked in requests
_VERSION: Final = b"2023-06-01"
_NO_SAMPLING_VERSION: Final = b"2026-10-21"  # from this version on, `_SAMPLING` is refused
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_FOREIGN: Final = ("n", "logprobs", "top_logprobs", "response_format")  # of OpenAI's form; the service refuses them
STOPS: Final[Mapping[str, StopReason]] = {  # what a stop_reason that is read means
    "end_turn": StopReason.STOP,
    "stop_sequence": StopReason.STOP,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "tool_use": StopReason.TOOL_CALLS,
    "refusal": StopReason.FILTER,
}
STOP_REASON: Final[Mapping[StopReason, str]] = {  # what is written; "end_turn" for the others
    StopReason.LENGTH: "max_tokens",
    StopReason.TOOL_CALLS: "tool_use",
    StopReason.FILTER: "refusal",
    StopReason.REFUSAL: "refusal",
}
_TOOL_CHOICES: Final[Mapping[str, str]] = {"any": "required", "tool": "required"}
_FORMATS: Final = (("output_config", "format"), ("output_format",))  # where a request may have the schema of its answer
THINKS: Final = ("enabled", "adaptive")  # the types of `thinking` that ask for reasoning
_MAX_BLOCKS: Final = 4096  # of one answer, without its tool calls; a long answer has about ten
_KEY_CHARACTERS: Final = 40  # kept of a block's index, which may be any JSON; a number has fewer
_EVENT_PREFIXES: Final = ("message_start", "message_delta", "message_stop", "content_block_")  # of the types of events
_ERROR_TYPE: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.BAD_REQUEST: "invalid_request_error",
    ErrorKind.WRONG_KEY: "authentication_error",
    ErrorKind.FORBIDDEN: "permission_error",
    ErrorKind.NOT_FOUND: "not_found_error",
    ErrorKind.TOO_LARGE: "request_too_large",
    ErrorKind.RATE_LIMIT: "rate_limit_error",
    ErrorKind.TIMEOUT: "timeout_error",
    ErrorKind.OVERLOADED: "overloaded_error",
}


class MessagesInterpreter(Interpreter):
    """The meaning of the events of a message."""

    terminal = "event: message_stop"
    finish = "a stop_reason"

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, object] = {}
        self._id: str | None = None  # of the message; None before its start
        self._has_blocks = False
        # The blocks other than tool_use, by index: type and text in the start of an open one, None for an ended one.
        self._others: dict[str, tuple[str, str] | None] = {}

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Yield the meaning of an event's object, which has a `type`; without one, the event's name is the type."""
        key = _key_of(at(payload, "index"))
        match text_at(payload, "type") or name:
            case "message_start":
                yield from self._start_message(at(payload, "message"))
            case "content_block_start":
                self._has_blocks = True
                yield from self._start_block(key, at(payload, "content_block"))
            case "content_block_delta":
                self._has_blocks = True
                yield from self._take_delta(key, at(payload, "delta"))
            case "content_block_stop":
                self._calls.end(key)
                if key in self._others:
                    self._others[key] = None
            case "message_delta":
                yield from self._take_end(at(payload, "delta"), at(payload, "usage"))
            case "message_stop":
                self.is_complete = True
            case "message":  # a whole message, not a stream; also the name that SSE gives an event without one
                yield from self._take_whole(payload)

    def _start_message(self, message: object) -> Iterator[AnswerEvent]:
        id_ = text_at(message, "id")
        is_another = id_ not in ("", self._id)
        if self._has_blocks and self._id and is_another:
            raise ValueError("expected one message, got the start of another in it")
        if self._id is None or (is_another and not self._has_blocks):
            self._id = id_
            self._note_usage(at(message, "usage"))
            yield Started(id_, text_at(message, "model"))

    def _take_whole(self, message: dict[str, object]) -> Iterator[AnswerEvent]:
        if not isinstance(at(message, "content"), list):
            return
        yield Started(text_at(message, "id"), text_at(message, "model"))
        for index, block in enumerate(items_at(message, "content")):
            yield from self._start_block(_key_of(index), block)
        yield from self._take_end(message, at(message, "usage"))

    def _start_block(self, key: str, block: object) -> Iterator[AnswerEvent]:
        kind = text_at(block, "type")
        if kind == "tool_use":
            # Anthropic's streams have {} here, and deltas follow. Some proxies, and whole messages, have it all here.
            given = at(block, "input")
            arguments = dump(given) if given and isinstance(given, dict) else ""
            self._others.pop(key, None)
            yield from self._calls.begin(key, text_at(block, "id"), text_at(block, "name"), arguments)
            return
        start = (kind, delta_at(block, "thinking") or delta_at(block, "text"))
        if self._others.get(key) == start:
            return
        if len(self._others) >= _MAX_BLOCKS:
            raise ValueError(f"expected at most {_MAX_BLOCKS} blocks, got more")
        self._others[key] = start
        if kind in ("thinking", "redacted_thinking"):
            yield Reasoning(start[1])
        elif start[1]:
            yield Text(start[1])

    def _take_delta(self, key: str, delta: object) -> Iterator[AnswerEvent]:
        if text := delta_at(delta, "text"):
            yield Text(text)
        if thought := delta_at(delta, "thinking"):
            yield Reasoning(thought)
        more = delta_at(delta, "partial_json")
        if more and key not in self._others:  # a server_tool_use, which the provider runs, is no call
            yield from self._calls.more(key, more)

    def _take_end(self, delta: object, usage: object) -> Iterator[AnswerEvent]:
        if reason := text_at(delta, "stop_reason"):
            self.is_finished = True
            yield Stop(STOPS.get(reason, StopReason.OTHER))
        self._note_usage(usage)
        if number_at(usage, "output_tokens") is not None:
            yield Usage(
                count_at(self._usage, "input_tokens"),
                count_at(self._usage, "output_tokens"),
                count_at(self._usage, "output_tokens_details", "thinking_tokens"),
                count_at(self._usage, "cache_read_input_tokens"),
            )

    def _note_usage(self, usage: object) -> None:
        """Keep the latest of each count; a null changes none."""
        if isinstance(usage, dict):
            self._usage |= {key: value for key, value in usage.items() if value is not None}


def _key_of(index: object) -> str:
    """Return the key of a block: its index as a text."""
    return repr(index)[:_KEY_CHARACTERS]


class AnthropicMessages(Dialect):
    """`POST /v1/messages`."""

    name = "anthropic"
    id_prefix = "msg_"
    call_prefix = "toolu_"
    path = re.compile(r"/v1/messages\Z")
    build_body = staticmethod(messages_body)
    request_path = "v1/messages"  # the SDK's base_url has no /v1
    request_fields = ((b"accept", JSON), (b"anthropic-version", _VERSION))
    key_field = b"x-api-key"  # as documented; the SDK sends a bearer token, which `key_of` reads, too
    sends_key_field = True
    request_id_field = b"request-id"
    statuses: ClassVar = {**STATUS_OF, ErrorKind.OVERLOADED: 529}
    keep_alive = encode_event('{"type":"ping"}', "ping")
    interpreter = MessagesInterpreter

    def matches_payload(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is an event of a streamed message, or a whole message."""
        kind = text_at(payload, "type")
        is_message = kind == "message" and isinstance(payload.get("content"), list) and "role" in payload
        return is_message or kind.startswith(_EVENT_PREFIXES)

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        version = request.get(b"anthropic-version")
        if version is None:
            raise refuse("anthropic-version: header is required")
        return parse_body(request.body_object(), version=version)

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, one piece per event; see `Dialect`."""
        return [
            Piece(encode_event(dump(payload), str(payload["type"])), is_token)
            for payload, is_token in self.payloads(answer, question)
        ]

    def payloads(self, answer: Answer, question: Question) -> Iterator[tuple[dict[str, object], bool]]:
        """Yield each event's object, and its `Piece.is_token`."""
        start = {**self.whole(answer, question), "content": [], "stop_reason": None}
        yield {"type": "message_start", "message": {**start, "usage": _usage(Usage(answer.usage.prompt, 1))}}, False
        index = -1
        for index, (block, deltas) in enumerate(_blocks(answer)):
            if index:
                yield {"type": "content_block_stop", "index": index - 1}, False
            kind = block["type"]
            yield {"type": "content_block_start", "index": index, "content_block": block}, kind == "tool_use"
            if kind == "text":
                yield {"type": "ping"}, False
            for more in deltas:
                event = {"type": "content_block_delta", "index": index, "delta": more}
                yield event, more["type"] != "signature_delta"
        if answer.error is not None:
            yield self.error_body(answer.error, 0), False
            return
        yield {"type": "content_block_stop", "index": index}, False
        delta = {"stop_reason": STOP_REASON.get(answer.stop, "end_turn"), "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": _usage(answer.usage)}, False
        yield {"type": "message_stop"}, False

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the whole message as one object; see `Dialect`."""
        content: list[object] = []
        if answer.reasoning:
            content.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": SIGNATURE})
        if answer.text:
            content.append({"type": "text", "text": "".join(answer.text)})
        content += map(tool_use, answer.tool_calls)
        return {
            "id": answer.id,
            "type": "message",
            "role": "assistant",
            "model": answer.model,
            "content": content,
            "stop_reason": STOP_REASON.get(answer.stop, "end_turn"),
            "stop_sequence": None,
            "usage": _usage(answer.usage),
        }

    def error_body(self, error: ProviderError, status: int) -> dict[str, object]:
        """Return the body of an error response, which is also the data of an error event."""
        return {"type": "error", "error": {"type": _ERROR_TYPE.get(error.kind, "api_error"), "message": error.message}}


def parse_body(body: dict[str, object], *, version: bytes = _VERSION, model: str = "") -> Question:
    """Return the question in the body of a request.

    Args:
        model: the one in the request's path (Bedrock); "" for the one in the body.

    Raises:
        RequestRefused: the service would refuse it.
    """
    model = model or str(required(body, "model", str))
    required(body, "max_tokens", int)
    refuse_foreign(body)
    messages = tuple(two_sided(body, lambda block: text_at(block, "type") == "tool_result"))
    if version >= _NO_SAMPLING_VERSION and (refused := [name for name in _SAMPLING if name in body]):
        raise refuse(f"{refused[0]}: not supported from version {_NO_SAMPLING_VERSION.decode()} on")
    question = Question(
        model,
        messages,
        tools_in(items_at(body, "tools"), "input_schema"),
        is_stream=stream_flag(body),
        max_tokens=number_at(body, "max_tokens"),
        is_parallel=at(body, "tool_choice", "disable_parallel_tool_use") is not True,
        wants_reasoning=text_at(body, "thinking", "type") in THINKS,
        schema=next(filter(None, (at(body, *place, "schema") for place in _FORMATS)), None),
    )
    mode = text_at(body, "tool_choice", "type")
    return question.choosing(_TOOL_CHOICES.get(mode, mode), text_at(body, "tool_choice", "name"))


def refuse_foreign(body: object, before: str = "") -> None:
    """Refuse members of OpenAI's form: several answers, probabilities, a format.

    Args:
        before: the beginning of the error's text.

    Raises:
        RequestRefused: there is such a member; the text is the service's own.
    """
    for name in _FOREIGN:
        if at(body, name) is not None:
            raise refuse(f"{before}{name}: Extra inputs are not permitted")


def _blocks(answer: Answer) -> Iterator[tuple[dict[str, object], list[dict[str, str]]]]:
    """Yield the start of each block of an answer, at least of one, and the block's deltas."""
    if answer.reasoning:
        thoughts = [{"type": "thinking_delta", "thinking": text} for text in answer.reasoning]
        signature = {"type": "signature_delta", "signature": SIGNATURE}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signature]
    if answer.text or not answer.tool_calls:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in answer.text]
    for call in answer.tool_calls:
        deltas = [{"type": "input_json_delta", "partial_json": more} for more in call.arguments]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas


def _usage(usage: Usage) -> dict[str, int]:
    cached = {"cache_read_input_tokens": usage.cached} if usage.cached else {}
    return {"input_tokens": usage.prompt, **cached, "output_tokens": usage.completion}
