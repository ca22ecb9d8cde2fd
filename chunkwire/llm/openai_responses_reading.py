"""What the events of a response mean, and a whole response.

The rule here: what OpenAI sends, and what proxies leave out of it: event names, deltas before the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

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
from chunkwire.llm.errors import NO_REASON, error_in, reason_in
from chunkwire.llm.reading import ToolIndex
from chunkwire.llm.shape import at, count_at, delta_at, items_at, number_at, text_at

_INCOMPLETE: Final[Mapping[str, StopReason]] = {
    "max_output_tokens": StopReason.LENGTH,
    "content_filter": StopReason.FILTER,
}

_CALLS: Final = ("function_call", "custom_tool_call")


class ResponsesInterpreter:
    """What the events of a response mean."""

    ending = ENDINGS["openai-responses"]
    is_finished = False

    def __init__(self) -> None:
        self.is_complete = False
        self._is_started = False
        self._is_refusal = False
        self._with_content: set[int | None] = set()  # the indexes of the items of which text or a call came
        self._with_reasoning: set[int | None] = set()  # and of those of which reasoning came
        self._with_arguments: set[int | None] = set()  # of those calls whose arguments came
        self._calls = ToolIndex()

    def done(self) -> None:
        """Take `[DONE]`, which is not the end here."""

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Return what an event means; its `type` decides, since the `event:` line may be absent."""
        kind = text_at(payload, "type") or name
        match kind:
            case "response.created" | "response.in_progress" if not self._is_started:
                self._is_started = True
                yield Started(text_at(payload, "response", "id"), text_at(payload, "response", "model"))
            case "response.output_item.added":
                yield from self._begin_item(payload, at(payload, "item"))
            case "response.output_item.done":
                yield from self._end_item(payload, at(payload, "item"))
            case "response.completed" | "response.incomplete" | "response.done":
                yield from self._finish(at(payload, "response"))
            case "response.failed" | "response.cancelled":
                yield _error_of(payload)
            case _ if kind.endswith((".delta", ".done")):
                yield from self._take_delta(kind, payload)
            case _ if text_at(payload, "object") == "response":  # a whole response in place of a stream
                yield from self._finish(payload, is_whole=True)

    def _take_delta(self, kind: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        more, index = delta_at(payload, "delta"), number_at(payload, "output_index")
        match kind:
            case "response.output_text.done" | "response.refusal.done" if index not in self._with_content:
                part = {**payload, "type": kind.split(".")[1]}  # nothing of it came before
                yield from self._take_item(payload, {"content": [part]})
            case "response.function_call_arguments.done" if index not in self._with_arguments:
                yield from self._add_arguments(index, delta_at(payload, "arguments"))
            case "response.output_text.delta" | "response.refusal.delta" if more:
                self._with_content.add(index)
                self._is_refusal = self._is_refusal or kind == "response.refusal.delta"
                yield Text(more)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" if more:
                yield from self._add_arguments(index, more)
            case _ if kind.startswith("response.reasoning") and more:
                self._with_reasoning.add(index)
                yield Reasoning(more)

    def _add_arguments(self, index: int | None, arguments: str) -> Iterator[AnswerEvent]:
        self._with_arguments.add(index)
        if arguments:
            yield ToolCall(self._calls.of(index), "", "", arguments)

    def _begin_item(self, payload: dict[str, object], item: object) -> Iterator[AnswerEvent]:
        match text_at(item, "type"):
            case kind if kind in _CALLS:
                self._with_content.add(number_at(payload, "output_index"))
                index = self._calls.of(number_at(payload, "output_index"))
                arguments = delta_at(item, "arguments") or delta_at(item, "input")
                if arguments:
                    self._with_arguments.add(number_at(payload, "output_index"))
                yield ToolCall(index, text_at(item, "call_id"), text_at(item, "name"), arguments)
            case "reasoning":
                yield Reasoning("")  # there may be no word of it before the answer

    def _end_item(self, payload: dict[str, object], item: object) -> Iterator[AnswerEvent]:
        """Yield what an item says, where nothing of it came before."""
        index = number_at(payload, "output_index")
        if index not in self._with_content | self._with_reasoning:
            yield from self._take_item(payload, item)
        elif index not in self._with_arguments and text_at(item, "type") in _CALLS:
            yield from self._add_arguments(index, delta_at(item, "arguments") or delta_at(item, "input"))

    def _finish(self, response: object, *, is_whole: bool = False) -> Iterator[AnswerEvent]:
        status = text_at(response, "status")
        if status in ("failed", "cancelled") or at(response, "error"):
            yield _error_of({"response": response})
            return
        if not self._is_started:
            self._is_started = True
            yield Started(text_at(response, "id"), text_at(response, "model"))
        for number, item in enumerate(items_at(response, "output") if None not in self._with_content else ()):
            if not (self._with_reasoning and text_at(item, "type") == "reasoning"):
                yield from self._end_item({"output_index": number}, item)
        if is_whole and status in ("queued", "in_progress"):
            return
        self.is_complete = True
        if status == "incomplete":
            reason = _INCOMPLETE.get(text_at(response, "incomplete_details", "reason"), StopReason.OTHER)
        elif self._is_refusal:
            reason = StopReason.REFUSAL
        else:
            reason = StopReason.TOOL_CALLS if len(self._calls) else StopReason.STOP
        yield Stop(reason)
        if isinstance(at(response, "usage"), dict):
            yield Usage(
                count_at(response, "usage", "input_tokens"),
                count_at(response, "usage", "output_tokens"),
                count_at(response, "usage", "output_tokens_details", "reasoning_tokens"),
                count_at(response, "usage", "input_tokens_details", "cached_tokens"),
            )

    def _take_item(self, payload: dict[str, object], item: object) -> Iterator[AnswerEvent]:
        """Yield what a whole item says."""
        if text_at(item, "type") in _CALLS:
            yield from self._begin_item(payload, item)
        for part in items_at(item, "summary"):
            if thought := text_at(part, "text"):
                self._with_reasoning.add(number_at(payload, "output_index"))
                yield Reasoning(thought)
        for part in items_at(item, "content"):
            self._is_refusal = self._is_refusal or text_at(part, "type") == "refusal"
            if text := text_at(part, "text") or text_at(part, "refusal"):
                self._with_content.add(number_at(payload, "output_index"))
                yield Reasoning(text) if text_at(part, "type") == "reasoning_text" else Text(text)


def _error_of(payload: dict[str, object]) -> ProviderError:
    """Return the error of a response that failed or was cancelled."""
    found = error_in(at(payload, "response"))
    return found or ProviderError(ErrorKind.SERVER, reason_in(payload) or NO_REASON)
