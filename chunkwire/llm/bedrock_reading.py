"""What the binary messages of Bedrock mean, and a whole answer of Converse.

The rule here: the events of a ConverseStream; InvokeModel wraps Anthropic's own objects, base64 in `{"bytes": …}`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
    ToolCall,
    Usage,
)
from chunkwire.llm.endings import ENDINGS
from chunkwire.llm.errors import NO_REASON
from chunkwire.llm.eventstream import BinaryMessage as Frame
from chunkwire.llm.eventstream import BrokenMessage, MessageDecoder
from chunkwire.llm.names import kind_of_name
from chunkwire.llm.reading import AnswerReader, ToolIndex
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, load_object, number_at, text_at

_STOPS: Final[Mapping[str, StopReason]] = {
    "end_turn": StopReason.STOP,
    "stop_sequence": StopReason.STOP,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "tool_use": StopReason.TOOL_CALLS,
    "guardrail_intervened": StopReason.FILTER,
    "content_filtered": StopReason.FILTER,
}


class ConverseInterpreter:
    """What the messages of a ConverseStream mean, and those of InvokeModel: each says which it is."""

    ending = ENDINGS["bedrock"]

    def __init__(self) -> None:
        self._inner = anthropic.MessagesInterpreter()
        self._is_stopped = False
        self._is_finished = False
        self._calls = ToolIndex()

    @property
    def is_complete(self) -> bool:
        """`messageStop` was seen, or Anthropic's own inside of InvokeModel; metadata may be missing."""
        return self._is_stopped or self._inner.is_complete

    @property
    def is_finished(self) -> bool:
        """One body held all of it, or a reason to stop was seen inside of InvokeModel."""
        return self._is_finished or self._inner.is_finished

    def done(self) -> None:
        """Take `[DONE]`, which is not the end here."""

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Return what a message, or a whole body, means."""
        block = number_at(payload, "contentBlockIndex")
        match name:
            case "":
                yield from self._take_whole(payload)
            case "chunk":
                octets = base64.b64decode(text_at(payload, "bytes"), validate=True)
                yield from self._inner.take("", load_object(octets))
            case "messageStart":
                yield Started("", "")
            case "contentBlockStart" if isinstance(at(payload, "start", "toolUse"), dict):
                call = at(payload, "start", "toolUse")
                yield ToolCall(self._calls.of(block), text_at(call, "toolUseId"), text_at(call, "name"), "")
            case "contentBlockDelta":
                yield from self._take_delta(block, at(payload, "delta"))
            case "messageStop":
                self._is_stopped = True
                yield Stop(_STOPS.get(text_at(payload, "stopReason"), StopReason.OTHER))
            case "metadata" if isinstance(at(payload, "usage"), dict):
                yield _usage_of(at(payload, "usage"))

    def _take_delta(self, block: object, delta: object) -> Iterator[AnswerEvent]:
        if text := delta_at(delta, "text"):
            yield Text(text)
        thought = at(delta, "reasoningContent")
        if isinstance(thought, dict) and "signature" not in thought:
            yield Reasoning(delta_at(thought, "text"))
        if more := delta_at(delta, "toolUse", "input"):
            yield ToolCall(self._calls.of(block), "", "", more)

    def _take_whole(self, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        message = at(payload, "output", "message")
        if not isinstance(message, dict):
            yield from self._inner.take("", payload)
            return
        self._is_finished = True
        for index, block in enumerate(items_at(message, "content")):
            if isinstance(call := at(block, "toolUse"), dict):
                start = ToolCall(self._calls.of(index), text_at(call, "toolUseId"), text_at(call, "name"), "")
                yield replace(start, arguments=dump(at(call, "input") or {}))
            elif thought := text_at(block, "reasoningContent", "reasoningText", "text"):
                yield Reasoning(thought)
            elif text := text_at(block, "text"):
                yield Text(text)
        yield Stop(_STOPS.get(text_at(payload, "stopReason"), StopReason.OTHER))
        if isinstance(at(payload, "usage"), dict):
            yield _usage_of(at(payload, "usage"))


class BedrockReader(AnswerReader[Frame]):
    """Read an answer that comes as binary messages."""

    unit = "message"

    def __init__(self) -> None:
        super().__init__(ConverseInterpreter())
        self._decoder = MessageDecoder()

    def _read(self, octets: bytes, found: list[AnswerEvent]) -> None:
        if not self._units and self._is_other():
            return
        frames: list[Frame] = []
        broken: BrokenMessage | None = None
        try:
            self._decoder.feed(octets, frames)
        except BrokenMessage as error:
            broken = error
        for frame in frames:
            if not self._take(frame, found):
                return
        if broken is not None and not self.is_complete:
            found.append(self._fail(ErrorKind.BROKEN, str(broken)))

    def _is_other(self) -> bool:
        """Say whether this is a text: a message begins with the highest octet of its length, which is 0."""
        return self._head.lstrip()[:1] > b" "

    @property
    def _is_inside(self) -> bool:
        return not self._decoder.is_between_messages

    def _meanings(self, unit: Frame) -> Iterator[AnswerEvent]:
        kind = unit.headers.get(":message-type", "event")
        if kind != "event":
            yield _error_of(unit)
        elif name := unit.headers.get(":event-type", ""):
            yield from self._interpreter.take(name, load_object(unit.payload))


def _usage_of(usage: object) -> Usage:
    cached = count_at(usage, "cacheReadInputTokens")
    return Usage(count_at(usage, "inputTokens"), count_at(usage, "outputTokens"), cached=cached)


def _error_of(frame: Frame) -> ProviderError:
    """Return the error of an `exception`, named by its type, or of an unmodelled `error`, which has no payload."""
    name = frame.headers.get(":exception-type") or frame.headers.get(":error-code", "")
    try:
        message = text_at(load_object(frame.payload), "message")
    except ValueError:
        message = ""
    message = message or frame.headers.get(":error-message", "") or name or NO_REASON
    return ProviderError(kind_of_name(name) or ErrorKind.SERVER, message)
