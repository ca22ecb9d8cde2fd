"""OpenAI chat completions, and Azure's path to them.

The rule here: `data: {chat.completion.chunk}` events without a type, ended by `data: [DONE]`; the usage chunk, with
empty `choices`, comes last before it and only on request. A departure: the random `obfuscation` padding of the real
service is read over and not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from chunkwire.llm.answer import Answer, StopReason, Usage
from chunkwire.llm.asking import chat_body
from chunkwire.llm.dialect import JSON, Piece, json_request
from chunkwire.llm.openai import OpenAIDialect, error_object, fields_for, logprobs_of, schema_of
from chunkwire.llm.openai_chat_reading import ChatInterpreter
from chunkwire.llm.question import (
    Field,
    Message,
    ModelRequest,
    Question,
    Role,
    Tool,
    body_of,
    choose,
    count_of,
    join_path,
    percent_decode,
    percent_encode,
    refuse,
    required,
    stream_flag,
    text_of,
)
from chunkwire.llm.shape import at, count_at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

MAX_CHOICES: Final = 128  # as OpenAI
_DONE: Final = "[DONE]"
_AZURE_API_VERSION: Final = b"2024-10-21"  # the latest that is generally available
_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_FINISH: Final[Mapping[StopReason, str]] = {
    StopReason.LENGTH: "length",
    StopReason.TOOL_CALLS: "tool_calls",
    StopReason.FILTER: "content_filter",
}


class OpenAIChat(OpenAIDialect):
    """`POST …/chat/completions`."""

    name = "openai"
    id_prefix = "chatcmpl-"
    interpreter = ChatInterpreter

    def claims(self, path: str) -> bool:
        """Say whether the path is that of chat completions, Azure's deployments among them."""
        return path.endswith("/chat/completions")

    def speaks(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is a chunk, or a completion."""
        return isinstance(payload.get("choices"), list)

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        body = body_of(request)
        model = _deployment(request.path) or str(required(body, "model", str))
        required(body, "messages", list)
        is_stream = stream_flag(body)
        question = Question(
            model,
            tuple(_messages(items_at(body, "messages"))),
            tuple(_tools(body)),
            is_stream=is_stream,
            wants_usage=not is_stream or at(body, "stream_options", "include_usage") is True,
            max_tokens=number_at(body, "max_completion_tokens") or number_at(body, "max_tokens"),
            choices=count_of(body, "n", most=MAX_CHOICES),
            is_parallel=at(body, "parallel_tool_calls") is not False,
            schema=schema_of(at(body, "response_format"), "json_schema", "schema"),
            top_logprobs=count_at(body, "top_logprobs") if at(body, "logprobs") is True else None,
        )
        choice = at(body, "tool_choice")
        mode = text_at([choice], 0) or text_at(choice, "allowed_tools", "mode")
        return choose(question, mode, text_at(choice, "function", "name"))

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; `base` ends in /v1 as the SDK's base_url does, and is /v1 when empty."""
        target = join_path(base, b"chat/completions", default=b"/v1")
        return json_request(target, chat_body(question), *fields_for(key))

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, a piece an event; see `Dialect`."""
        pieces = [_chunk(answer, question, {"role": "assistant", "content": ""})]
        pieces += [_chunk(answer, question, {"reasoning_content": text}, is_token=True) for text in answer.reasoning]
        kind = "refusal" if answer.stop is StopReason.REFUSAL else "content"
        pieces += [_chunk(answer, question, {kind: text}, is_token=True, tokens=(text,)) for text in answer.text]
        for index, call in enumerate(answer.tool_calls):
            function = {"name": call.name, "arguments": ""}
            opening = {"index": index, "id": call.id, "type": "function", "function": function}
            pieces.append(_chunk(answer, question, {"tool_calls": [opening]}, is_token=True))
            for more in call.arguments:
                delta = {"tool_calls": [{"index": index, "function": {"arguments": more}}]}
                pieces.append(_chunk(answer, question, delta, is_token=True))
        if answer.error is not None:
            return [*pieces, Piece(encode_event(dump({"error": error_object(answer.error)})))]
        pieces.append(_chunk(answer, question, {}, finish=_FINISH.get(answer.stop, "stop")))
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
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": "".join(call.arguments)},
                }
                for call in answer.tool_calls
            ]
        finish = _FINISH.get(answer.stop, "stop")
        return {
            **_chunk_head(answer),
            "object": "chat.completion",
            "choices": [
                {
                    "index": index,
                    "message": message,
                    "logprobs": logprobs_of(answer.text, question, is_refusal=is_refusal),
                    "finish_reason": finish,
                }
                for index in range(question.choices)
            ],
            "usage": _usage(answer.usage),
        }


class AzureChat(OpenAIChat):
    """`POST …/openai/deployments/{deployment}/chat/completions?api-version=…`: another path and key field."""

    name = "azure"

    def claims(self, path: str) -> bool:
        """Say whether the path names a deployment."""
        return super().claims(path) and _deployment(path) != ""

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; the question's model is the deployment."""
        target = b"openai/deployments/%s/chat/completions?api-version=%s" % (
            percent_encode(question.model),
            _AZURE_API_VERSION,
        )
        fields: list[Field] = [(b"accept", JSON)]
        if key:
            fields.append((b"api-key", key.encode()))
        return json_request(join_path(base, target), chat_body(question), *fields)


def _messages(items: Iterable[object]) -> Iterator[Message]:
    for number, item in enumerate(items):
        role = _ROLES.get(text_at(item, "role"))
        if role is None:
            raise refuse(f"messages[{number}].role: expected one of {', '.join(_ROLES)}, got {at(item, 'role')!r:.60}")
        yield Message(role, text_of(at(item, "content")))


def _tools(body: object) -> Iterator[Tool]:
    for tool in items_at(body, "tools"):
        if name := text_at(tool, "function", "name"):
            yield Tool(name, at(tool, "function", "parameters"), text_at(tool, "function", "description"))


def _deployment(path: str) -> str:
    """Return Azure's deployment, which stands for the model, "" where the path names none."""
    before, found, after = path.partition("/deployments/")
    return percent_decode(after.partition("/")[0].encode("latin-1")) if found and before.endswith("/openai") else ""


def _chunk_head(answer: Answer) -> dict[str, object]:
    return {"id": answer.id, "object": "chat.completion.chunk", "created": answer.created, "model": answer.model}


def _chunk(
    answer: Answer,
    question: Question,
    delta: Mapping[str, object],
    *,
    finish: str | None = None,
    is_token: bool = False,
    tokens: tuple[str, ...] = (),
) -> Piece:
    """Return a chunk of each choice, all of which say the same."""
    logprobs = logprobs_of(tokens, question, is_refusal="refusal" in delta) if tokens else None
    octets = b""
    for index in range(question.choices):
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        chunk = {**_chunk_head(answer), "choices": [choice]}
        if question.wants_usage:
            chunk["usage"] = None
        octets += encode_event(dump(chunk))
    return Piece(octets, is_token)


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }
