"""What the chunks of a chat completion mean, and a whole completion, from OpenAI and from all who speak its form.

The rule here: what OpenAI sends, then what vLLM, llama.cpp, Ollama, LiteLLM, OpenRouter, DeepSeek, Mistral, Groq,
Together, xAI, Perplexity, TGI and others were seen to send in its place. Of several choices the first one is the
answer. Where one thing stands in two places (`reasoning` and `reasoning_content`), it is taken once.
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
from chunkwire.llm.errors import error_in
from chunkwire.llm.names import kind_of_name
from chunkwire.llm.reading import ToolIndex
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, number_at, text_at

_STOPS: Final[Mapping[str, StopReason]] = {
    "stop": StopReason.STOP,
    "eos": StopReason.STOP,  # Together
    "eos_token": StopReason.STOP,  # TGI
    "stop_sequence": StopReason.STOP,
    "end_turn": StopReason.STOP,
    "complete": StopReason.STOP,  # Cohere
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,  # Mistral
    "tool_calls": StopReason.TOOL_CALLS,
    "tool_use": StopReason.TOOL_CALLS,
    "tool_call": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.FILTER,
    "safety": StopReason.FILTER,
    "sensitive": StopReason.FILTER,  # Z.ai
    "refusal": StopReason.REFUSAL,
}
# Finish reasons of an answer that was broken off: vLLM and SGLang, OpenRouter, DeepSeek, Z.ai, Cohere. Whatever begins
# with "error" is one too: OpenRouter and Mistral, and Cohere's error_toxic and error_limit.
_FAILURES: Final = frozenset(
    {
        "abort",
        "cancelled",
        "canceled",
        "failed",
        "insufficient_system_resource",
        "network_error",
        "timeout",
        "user_cancel",
    }
)
_REASONING: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
_BESIDE_CONTENT: Final = frozenset(
    {*_REASONING, "reasoning_details", "audio", "refusal", "tool_calls", "function_call"}
)


class ChatInterpreter:
    """The state of one chat completion being read."""

    ending = ENDINGS["openai"]

    def __init__(self) -> None:
        self.is_complete = False
        self.is_finished = False
        self._is_started = False
        self._is_refusal = False
        self._has_deltas = False
        self._index: int | None = None  # of the choice that is the answer: the first one there is
        self._calls = ToolIndex()
        self._open: dict[object, tuple[str, str, int]] = {}  # id, name and number of the latest call of an index

    def done(self) -> None:
        """Take `[DONE]`."""
        self.is_complete = True

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        """Return what a chunk means; its event's name says nothing but that there is one."""
        is_whole = name == "" or text_at(payload, "object") == "chat.completion"
        if error := text_at(payload, "x_groq", "error"):  # "why a stream was stopped early"
            yield ProviderError(kind_of_name(error) or ErrorKind.SERVER, error)
            return
        choices = items_at(payload, "choices")
        if self._index is None and choices:
            self._index = min(number_at(choice, "index") or 0 for choice in choices)
        for choice in choices:
            if not self._is_started:  # Azure's first chunk, of filter results, has no choices and no id
                self._is_started = True
                yield Started(text_at(payload, "id"), text_at(payload, "model"))
            if (number_at(choice, "index") or 0) == self._index:
                yield from self._take_choice(choice, is_whole=is_whole)
        for place in (payload, at(payload, "x_groq"), choices[0] if choices else None):  # the last one is Moonshot's
            if isinstance(usage := at(place, "usage"), dict) and usage:
                yield _usage_in(usage)
                break

    def _take_choice(self, choice: object, *, is_whole: bool) -> Iterator[AnswerEvent]:
        if at(choice, "error") and (error := error_in(choice)) is not None:  # OpenRouter
            yield error
            return
        delta, message = at(choice, "delta"), at(choice, "message")
        has_message = not delta and isinstance(message, dict)
        if not has_message:
            yield from self._take_delta(delta if isinstance(delta, dict) else {"content": at(choice, "text")})
            self._has_deltas = True
        elif isinstance(message, dict) and not self._has_deltas:  # beside deltas it is all of them once more
            yield from self._take_delta(message)
        finish = (text_at(choice, "finish_reason") or text_at(choice, "finishReason")).lower()  # Gemini had the latter
        if finish in _FAILURES or finish.startswith("error"):
            kind = kind_of_name(finish, text_at(choice, "native_finish_reason")) or ErrorKind.SERVER
            yield ProviderError(kind, f"the answer was broken off: finish_reason is {finish!r}")
        elif finish and finish != "null":
            self.is_finished = True
            yield Stop(self._reason(finish))
        else:
            self.is_finished = self.is_finished or (is_whole and has_message)

    def _take_delta(self, delta: dict[str, object]) -> Iterator[AnswerEvent]:
        is_plain = _BESIDE_CONTENT.isdisjoint(delta)
        if not is_plain and (thought := _reasoning_in(delta)):
            yield Reasoning(thought)
        elif not is_plain and any(at(detail, "data") for detail in items_at(delta, "reasoning_details")):
            yield Reasoning("")  # OpenRouter: what the provider keeps to itself
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                yield Text(content)
        else:
            for part in content if isinstance(content, list) else [content]:
                yield from self._take_part(part)
        if not is_plain:
            yield from self._take_rest(delta)

    def _take_rest(self, delta: dict[str, object]) -> Iterator[AnswerEvent]:
        """Yield what stands beside the content."""
        if not delta.get("content") and (spoken := delta_at(delta, "audio", "transcript")):
            yield Text(spoken)
        if refusal := delta_at(delta, "refusal"):
            yield from self._refuse(refusal)
        found = delta.get("tool_calls")
        for call in found if isinstance(found, list) else [found]:  # TGI: one, and no list
            if isinstance(call, dict):
                yield self._take_call(call)
        if isinstance(at(delta, "function_call"), dict):
            yield self._take_call({"index": 0, "function": at(delta, "function_call")})

    def _take_part(self, part: object) -> Iterator[AnswerEvent]:
        """Yield what a content means, or a part of one where it is a list: Mistral, Databricks, Cohere."""
        kind = text_at(part, "type")
        if kind == "refusal":
            yield from self._refuse(delta_at(part, "refusal"))
        elif kind in ("thinking", "reasoning"):
            if thought := _thought_in(part):
                yield Reasoning(thought)
        elif text := delta_at([part], 0) or delta_at(part, "text") or delta_at(part, "text", "value"):
            yield Text(text)

    def _refuse(self, text: str) -> Iterator[AnswerEvent]:
        self._is_refusal = True
        if text:
            yield Text(text)

    def _take_call(self, call: object) -> ToolCall:
        """Return a delta of a call: a new id begins a new one, whatever its index says (Gemini: always 0, or none)."""
        key: object = text_at(call, "index") or number_at(call, "index")
        function = next((part for name in ("function", "custom") if isinstance(part := at(call, name), dict)), call)
        id_, name = text_at(call, "id"), text_at(function, "name")
        known_id, known_name, number = self._open.get(key, ("", "", -1))
        is_named = known_id != "" or known_name != ""
        is_new = number < 0 or (is_named and name != "" and id_ != known_id and (id_ != "" or key is None))
        if is_new:
            number = self._calls.of(len(self._calls))
        begins = is_new or not is_named
        if begins:
            self._open[key] = (id_, name, number)
        arguments = at(function, "arguments")
        more = dump(arguments) if isinstance(arguments, dict) else delta_at(function, "arguments")
        more = more or delta_at(function, "input")
        return ToolCall(number, id_ if begins else "", name if begins else "", more)

    def _reason(self, finish: str) -> StopReason:
        reason = _STOPS.get(finish, StopReason.OTHER)
        if reason is StopReason.STOP and len(self._calls):  # a named tool_choice ends so, and so do some servers
            return StopReason.TOOL_CALLS
        return StopReason.REFUSAL if reason is StopReason.STOP and self._is_refusal else reason


def _reasoning_in(delta: object) -> str:
    for key in _REASONING:
        if thought := delta_at(delta, key):
            return thought
    details = items_at(delta, "reasoning_details")  # OpenRouter's own, beside `reasoning` with the same text
    return "".join(delta_at(detail, "text") or delta_at(detail, "summary") for detail in details)


def _thought_in(part: object) -> str:
    """Return the text of a part of reasoning: a text, or a list of parts of text."""
    for key in ("thinking", "reasoning", "text", "summary"):
        value = at(part, key)
        text = "".join(delta_at(item, "text") for item in value) if isinstance(value, list) else delta_at([value], 0)
        if text:
            return text
    return ""


def _usage_in(usage: object) -> Usage:
    cached = count_at(usage, "prompt_tokens_details", "cached_tokens")
    return Usage(
        count_at(usage, "prompt_tokens") or count_at(usage, "input_tokens"),
        count_at(usage, "completion_tokens") or count_at(usage, "output_tokens"),
        count_at(usage, "completion_tokens_details", "reasoning_tokens") or count_at(usage, "reasoning_tokens"),
        cached or count_at(usage, "cached_tokens") or count_at(usage, "prompt_cache_hit_tokens"),  # Moonshot, DeepSeek
    )
