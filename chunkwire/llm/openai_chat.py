"""OpenAI chat completions, of OpenAI and of other servers with the same API, and Azure's path to them.

The rule here: `data: {chat.completion.chunk}` events without a type, ended by `data: [DONE]`; the usage chunk, with
empty `choices`, comes last before it and only on request. Reading takes what OpenAI sends, and the other forms that
vLLM, llama.cpp, Ollama, LiteLLM, OpenRouter, DeepSeek, Mistral, Groq, Together, xAI, Perplexity, TGI and others were
seen to send. Of several choices the one with the lowest index is the answer. Reasoning that comes in two members at
once (`reasoning` and `reasoning_content`) is read once. A departure: the random `obfuscation` padding of the real
service is not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
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
    ToolCall,
    Usage,
)
from chunkwire.llm.asking import chat_body, chat_call
from chunkwire.llm.dialect import Piece
from chunkwire.llm.errors import error_in, kind_of_name
from chunkwire.llm.openai import (
    CHAT_ROLES,
    OpenAIDialect,
    error_object,
    logprobs_of,
    message_of,
    schema_of,
    top_logprobs_of,
)
from chunkwire.llm.question import ModelRequest, Question, count_of, required, stream_flag, tools_in
from chunkwire.llm.reading import Interpreter
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

MAX_CHOICES: Final = 128  # as OpenAI
_DONE: Final = "[DONE]"
_AZURE_API_VERSION: Final = "2024-10-21"  # the latest that is generally available
_FINISH: Final[Mapping[StopReason, str]] = {
    StopReason.LENGTH: "length",
    StopReason.TOOL_CALLS: "tool_calls",
    StopReason.FILTER: "content_filter",
}
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
# Finish reasons of an answer that was broken off: from vLLM and SGLang, OpenRouter, DeepSeek, Z.ai, Cohere, Mistral.
_FAILURES: Final = re.compile(
    "error.*|abort|cancell?ed|failed|insufficient_system_resource|network_error|timeout|user_cancel"
)
_REASONING: Final = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
# A delta without any of these has nothing but `content`.
_BESIDE_CONTENT: Final = frozenset(
    {*_REASONING, "reasoning_details", "audio", "refusal", "tool_calls", "function_call"}
)


class _ChatInterpreter(Interpreter):
    terminal = "data: [DONE]"
    finish = "a finish_reason"

    def __init__(self) -> None:
        super().__init__()
        self._is_refusal = False
        self._has_deltas = False
        self._index: int | None = None  # of the choice that is the answer: the lowest in the first event with any
        self._open: dict[object, tuple[str, str, int]] = {}  # id, name and number of the latest call by index

    def done(self) -> None:
        # OpenAI documents `[DONE]` as the end of a stream. It is that also without a finish_reason, which Gemini's API
        # in OpenAI's form and several bridges never send. No `Stop` is made up then.
        self.is_complete = True

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        groq = payload.get("x_groq")
        if error := text_at(groq, "error"):  # why Groq stopped the stream early
            yield ProviderError(kind_of_name(error) or ErrorKind.SERVER, error)
            return
        choices = [choice for choice in items_at(payload, "choices") if isinstance(choice, dict)]
        indexes = [number_at(choice, "index") or 0 for choice in choices]
        if self._index is None and choices:
            self._index = min(indexes)
        if not self._is_started and choices:  # Azure's first chunk, of filter results, has no choices and no id
            self._is_started = True
            yield Started(text_at(payload, "id"), text_at(payload, "model"))
        for choice, index in zip(choices, indexes, strict=True):
            if index == self._index:
                is_whole = name == "" or payload.get("object") == "chat.completion"
                yield from self._take_choice(choice, is_whole=is_whole)
        for place in (payload, groq, *choices[:1]):  # the last one is Moonshot's
            if isinstance(usage := at(place, "usage"), dict) and usage:
                yield _usage_in(usage)
                break

    def _take_choice(self, choice: dict[str, object], *, is_whole: bool) -> Iterator[AnswerEvent]:
        if choice.get("error") and (error := error_in(choice)) is not None:  # OpenRouter
            yield error
            return
        delta, message = choice.get("delta"), choice.get("message")
        has_message = not delta and isinstance(message, dict)
        if not has_message:
            yield from self._take_delta(delta if isinstance(delta, dict) else {"content": choice.get("text")})
            self._has_deltas = True
        elif isinstance(message, dict) and not self._has_deltas:  # a message after deltas repeats them
            yield from self._take_delta(message)
        finish = (text_at(choice, "finish_reason") or text_at(choice, "finishReason")).lower()  # the latter: Gemini
        if _FAILURES.fullmatch(finish):
            kind = kind_of_name(finish, text_at(choice, "native_finish_reason")) or ErrorKind.SERVER
            yield ProviderError(kind, f"the answer was broken off: finish_reason is {finish!r}")
        elif finish and finish != "null":
            self.is_finished = True
            yield Stop(self._reason(finish))
        else:  # a whole answer may lack its finish_reason
            self.is_finished = self.is_finished or (is_whole and has_message)

    def _take_delta(self, delta: dict[str, object]) -> Iterator[AnswerEvent]:
        is_plain = _BESIDE_CONTENT.isdisjoint(delta)
        if not is_plain and (thought := _reasoning_in(delta)):
            yield Reasoning(thought)
        elif not is_plain and any(at(detail, "data") for detail in items_at(delta, "reasoning_details")):
            yield Reasoning("")  # OpenRouter: encrypted reasoning
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
        """Yield what a delta has beside its content."""
        if not delta.get("content") and (spoken := delta_at(delta, "audio", "transcript")):
            yield Text(spoken)
        if refusal := delta_at(delta, "refusal"):
            yield from self._refuse(refusal)
        found = delta.get("tool_calls")
        for call in found if isinstance(found, list) else [found]:  # TGI: a call, not a list
            if isinstance(call, dict):
                yield self._take_call(call)
        if isinstance(at(delta, "function_call"), dict):
            yield self._take_call({"index": 0, "function": at(delta, "function_call")})

    def _take_part(self, part: object) -> Iterator[AnswerEvent]:
        """Yield what one part of a content means; it is a list of parts from Mistral, Databricks, Cohere."""
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
        """Return a delta of a call. A new id and name begin a new call, even at a known index (Gemini: 0, or none)."""
        key: object = text_at(call, "index") or number_at(call, "index")
        function = next((part for name in ("function", "custom") if isinstance(part := at(call, name), dict)), call)
        id_, name = text_at(call, "id"), text_at(function, "name")
        known_id, known_name, number = self._open.get(key, ("", "", -1))
        is_named = known_id != "" or known_name != ""
        is_new = number < 0 or (is_named and name != "" and id_ != known_id and (id_ != "" or key is None))
        if is_new:
            known_id, known_name, number = "", "", self._calls.add()
        self._open[key] = (known_id or id_, known_name or name, number)
        arguments = at(function, "arguments")
        more = dump(arguments) if isinstance(arguments, dict) else delta_at(function, "arguments")
        more = more or delta_at(function, "input")
        return ToolCall(number, "" if known_id else id_, "" if known_name else name, more)

    def _reason(self, finish: str) -> StopReason:
        reason = _STOPS.get(finish, StopReason.OTHER)
        if reason is StopReason.STOP and len(self._calls):  # OpenAI: after a named tool_choice; some servers: always
            return StopReason.TOOL_CALLS
        return StopReason.REFUSAL if reason is StopReason.STOP and self._is_refusal else reason


def _reasoning_in(delta: object) -> str:
    for key in _REASONING:
        if thought := delta_at(delta, key):
            return thought
    details = items_at(delta, "reasoning_details")  # OpenRouter's own, beside `reasoning` with the same text
    return "".join(delta_at(detail, "text") or delta_at(detail, "summary") for detail in details)


def _thought_in(part: object) -> str:
    """Return the text of a part of reasoning, which may come as a list of parts."""
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


class OpenAIChat(OpenAIDialect):
    """`POST …/chat/completions`."""

    name = "openai"
    path = re.compile(r"/chat/completions\Z")
    build_body = staticmethod(chat_body)
    request_path = "chat/completions"
    id_prefix = "chatcmpl-"
    interpreter = _ChatInterpreter

    def matches_payload(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is a chunk, or a completion."""
        return isinstance(payload.get("choices"), list)

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        body = request.body_object()
        model = _deployment(request.path) or str(required(body, "model", str))
        required(body, "messages", list)
        is_stream = stream_flag(body)
        question = Question(
            model,
            tuple(message_of(item, f"messages[{n}]", CHAT_ROLES) for n, item in enumerate(items_at(body, "messages"))),
            tools_in((at(tool, "function") for tool in items_at(body, "tools")), "parameters"),
            is_stream=is_stream,
            wants_usage=not is_stream or at(body, "stream_options", "include_usage") is True,
            max_tokens=number_at(body, "max_completion_tokens") or number_at(body, "max_tokens"),
            choices=count_of(body, "n", most=MAX_CHOICES),
            is_parallel=at(body, "parallel_tool_calls") is not False,
            schema=schema_of(at(body, "response_format"), "json_schema", "schema"),
            top_logprobs=top_logprobs_of(body) if at(body, "logprobs") is True else None,
        )
        choice = at(body, "tool_choice")
        mode = text_at([choice], 0) or text_at(choice, "allowed_tools", "mode")
        return question.choosing(mode, text_at(choice, "function", "name"))

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, one piece per event; see `Dialect`."""
        pieces = [chunk(answer, question, {"role": "assistant", "content": ""})]
        pieces += [chunk(answer, question, {"reasoning_content": text}, is_token=True) for text in answer.reasoning]
        kind = "refusal" if answer.stop is StopReason.REFUSAL else "content"
        pieces += [chunk(answer, question, {kind: text}, is_token=True, tokens=(text,)) for text in answer.text]
        for index, call in enumerate(answer.tool_calls):
            function = {"name": call.name, "arguments": ""}
            opening = {"index": index, "id": call.id, "type": "function", "function": function}
            pieces.append(chunk(answer, question, {"tool_calls": [opening]}, is_token=True))
            for more in call.arguments:
                delta = {"tool_calls": [{"index": index, "function": {"arguments": more}}]}
                pieces.append(chunk(answer, question, delta, is_token=True))
        if answer.error is not None:
            return [*pieces, Piece(encode_event(dump({"error": error_object(answer.error)})))]
        pieces.append(chunk(answer, question, {}, finish=_FINISH.get(answer.stop, "stop")))
        if question.wants_usage:
            last = {**_chunk_head(answer), "choices": [], "usage": _usage(answer.usage)}
            pieces.append(Piece(encode_event(dump(last))))
        return [*pieces, Piece(encode_event(_DONE))]

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer; see `Dialect`."""
        text, is_refusal = "".join(answer.text) or None, answer.stop is StopReason.REFUSAL
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if is_refusal else text,
            "refusal": text if is_refusal else None,
        }
        if answer.reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        if answer.tool_calls:
            message["tool_calls"] = [chat_call(call, call.json) for call in answer.tool_calls]
        choice = {
            "message": message,
            "logprobs": logprobs_of(answer.text, question, is_refusal=is_refusal),
            "finish_reason": _FINISH.get(answer.stop, "stop"),
        }
        choices = [{"index": index, **choice} for index in range(question.choices)]
        head = {**_chunk_head(answer), "object": "chat.completion"}
        return {**head, "choices": choices, "usage": _usage(answer.usage)}


class AzureChat(OpenAIChat):
    """`POST …/openai/deployments/{deployment}/chat/completions?api-version=…`: another path and key field."""

    name = "azure"
    path = re.compile(r"/openai/deployments/[^/]+/(?:.*/)?chat/completions\Z")
    request_path = f"openai/deployments/{{model}}/chat/completions?api-version={_AZURE_API_VERSION}"
    default_base = b""
    sends_key_field = True


def _deployment(path: str) -> str:
    """Return the deployment in an Azure path, which is used as the model; "" for another path."""
    before, found, after = path.partition("/deployments/")
    return unquote(after.partition("/")[0].encode("latin-1")) if found and before.endswith("/openai") else ""


def _chunk_head(answer: Answer) -> dict[str, object]:
    return {"id": answer.id, "object": "chat.completion.chunk", "created": answer.created, "model": answer.model}


def chunk(
    answer: Answer,
    question: Question,
    delta: Mapping[str, object],
    *,
    finish: str | None = None,
    is_token: bool = False,
    tokens: tuple[str, ...] = (),
) -> Piece:
    """Return a chunk of each choice, all with the same content."""
    logprobs = logprobs_of(tokens, question, is_refusal="refusal" in delta) if tokens else None
    octets = b""
    for index in range(question.choices):
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        usage = {"usage": None} if question.wants_usage else {}
        octets += encode_event(dump({**_chunk_head(answer), "choices": [choice], **usage}))
    return Piece(octets, is_token)


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }
