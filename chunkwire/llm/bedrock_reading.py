"""Read Bedrock's answers: streams of binary messages, and whole answers as JSON, of Converse and of InvokeModel.

The rule here: what the messages mean; `eventstream` decodes them. InvokeModel's messages are Anthropic's objects, in
base64 in `{"bytes": …}`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from chunkwire.llm import anthropic
from chunkwire.llm.answer import (
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
from chunkwire.llm.errors import NO_REASON, error_in, kind_of_name, kind_of_status
from chunkwire.llm.eventstream import BinaryMessage, BrokenMessage, MessageDecoder
from chunkwire.llm.reading import AnswerReader, Interpreter
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, load_object, number_at, text_at

_STOPS: Final[Mapping[str, StopReason]] = {
    **anthropic.STOPS,
    "guardrail_intervened": StopReason.FILTER,
    "content_filtered": StopReason.FILTER,
}


class ConverseInterpreter(Interpreter):
    """The meaning of the messages of a stream, and of a whole answer."""

    terminal = "messageStop"

    def __init__(self) -> None:
        super().__init__()
        self._inner = anthropic.MessagesInterpreter()
        self._has_blocks = False

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Yield the meaning of a message, by its event type; see `Interpreter`.

        A repeated `messageStart` or `contentBlockStart` is ignored; a `messageStart` after the beginning of a block is
        an error, because the answer would mix two messages.
        """
        block = number_at(payload, "contentBlockIndex")
        self._has_blocks = self._has_blocks or name.startswith("contentBlock")
        match name:
            case "":
                yield from self._take_whole(payload)
            case "chunk":
                inner = load_object(base64.b64decode(text_at(payload, "bytes"), validate=True))
                error = error_in(inner)
                yield from self._take_inner(inner) if error is None else [error]
            case "messageStart" if self._has_blocks:
                raise ValueError("expected one message, got the start of another in it")
            case "messageStart" if not self._is_started:
                self._is_started = True
                yield Started("", "")
            case "contentBlockStart" if isinstance(at(payload, "start", "toolUse"), dict):
                call = at(payload, "start", "toolUse")
                yield from self._calls.begin(block, text_at(call, "toolUseId"), text_at(call, "name"))
            case "contentBlockDelta":
                yield from self._take_delta(block, at(payload, "delta"))
            case "contentBlockStop":
                self._calls.end(block)
            case "messageStop":
                yield self._stop(payload)
            case "metadata" if isinstance(at(payload, "usage"), dict):
                yield _usage_of(at(payload, "usage"))

    def _take_inner(self, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Yield the meaning of an object in Anthropic's form."""
        yield from self._inner.take("", payload)
        self.is_complete, self.is_finished = self._inner.is_complete, self._inner.is_finished

    def _take_delta(self, block: object, delta: object) -> Iterator[AnswerEvent]:
        if text := delta_at(delta, "text"):
            yield Text(text)
        thought = at(delta, "reasoningContent")
        if isinstance(thought, dict) and "signature" not in thought:
            yield Reasoning(delta_at(thought, "text"))
        if more := delta_at(delta, "toolUse", "input"):
            yield from self._calls.more(block, more)

    def _take_whole(self, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        message = at(payload, "output", "message")
        if not isinstance(message, dict):
            yield from self._take_inner(payload)
            return
        for index, block in enumerate(items_at(message, "content")):
            if isinstance(call := at(block, "toolUse"), dict):
                arguments = dump(at(call, "input") or {})
                yield from self._calls.begin(index, text_at(call, "toolUseId"), text_at(call, "name"), arguments)
            elif thought := text_at(block, "reasoningContent", "reasoningText", "text"):
                yield Reasoning(thought)
            elif text := text_at(block, "text"):
                yield Text(text)
        yield self._stop(payload)
        if isinstance(at(payload, "usage"), dict):
            yield _usage_of(at(payload, "usage"))

    def _stop(self, payload: object) -> Stop | ProviderError:
        reason = text_at(payload, "stopReason")
        if reason.startswith("malformed_"):  # the output of the model was malformed
            return ProviderError(ErrorKind.BROKEN, f"the answer was broken off: stopReason is {reason!r}")
        self.is_complete = True  # the metadata may be missing
        return Stop(_STOPS.get(reason, StopReason.OTHER))


class BedrockReader(AnswerReader):
    """Read an answer that comes as binary messages."""

    unit = "message"

    def __init__(self) -> None:
        super().__init__(ConverseInterpreter())
        self._decoder = MessageDecoder()

    def _decode(self, octets: bytes) -> tuple[Sequence[BinaryMessage], str]:
        messages: list[BinaryMessage] = []
        try:
            if self._units or not self._is_no_stream():
                self._decoder.feed(octets, messages)
        except BrokenMessage as error:
            return messages, str(error)
        return messages, ""

    def _is_no_stream(self) -> bool:
        """Say whether the body is text: a message begins with the highest octet of its length, which is 0 or 1."""
        return self._head.lstrip()[:1] > b" "

    @property
    def _is_inside(self) -> bool:
        return not self._decoder.is_between_messages

    def _meanings(self, unit: BinaryMessage) -> Iterator[AnswerEvent]:
        kind = unit.headers.get(":message-type", "event")
        if kind != "event":
            yield _error_of(unit)
        elif name := unit.headers.get(":event-type", ""):
            yield from self._interpreter.take(name, load_object(unit.payload or b"{}"))


def _usage_of(usage: object) -> Usage:
    cached = count_at(usage, "cacheReadInputTokens")
    return Usage(count_at(usage, "inputTokens"), count_at(usage, "outputTokens"), cached=cached)


def _error_of(message: BinaryMessage) -> ProviderError:
    """Return the error in an `exception`, or in an `error`: one that AWS does not define, which has no payload."""
    headers = message.headers
    name = headers.get(":exception-type") or headers.get(":error-code", "")
    payload: dict[str, object] = {}
    with suppress(ValueError):
        payload = load_object(message.payload)
    reason = text_at(payload, "message") or headers.get(":error-message", "") or name or NO_REASON
    original = number_at(payload, "originalStatusCode")  # of the model, in a modelStreamErrorException
    kind = kind_of_name(name) or ErrorKind.SERVER
    return ProviderError(kind if original is None else kind_of_status(original), reason)
