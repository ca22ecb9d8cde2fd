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
from chunkwire.llm.openai import OpenAIDialect, error_object, fields_for
from chunkwire.llm.openai_chat_reading import ChatInterpreter
from chunkwire.llm.question import (
    Field,
    Message,
    ModelRequest,
    Question,
    Role,
    Tool,
    body_of,
    join_path,
    percent_decode,
    percent_encode,
    refuse,
    required,
    stream_flag,
    text_of,
)
from chunkwire.llm.shape import at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

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
        if number_at(body, "n") not in (None, 1):
            raise refuse(f"n: expected 1 (this mock gives one choice), got {at(body, 'n')!r:.60}")
        is_stream = stream_flag(body)
        tools = [Tool(text_at(tool, "function", "name"), at(tool, "function", "parameters")) for tool in _tools(body)]
        return Question(
            model,
            tuple(_messages(items_at(body, "messages"))),
            tuple(tool for tool in tools if tool.name),
            is_stream=is_stream,
            wants_usage=not is_stream or at(body, "stream_options", "include_usage") is True,
            max_tokens=number_at(body, "max_completion_tokens") or number_at(body, "max_tokens"),
        )

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; `base` ends in /v1 as the SDK's base_url does, and is /v1 when empty."""
        target = join_path(base, b"chat/completions", default=b"/v1")
        return json_request(target, chat_body(question), *fields_for(key))

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, a piece an event; see `Dialect`."""
        pieces = [_chunk(answer, question, {"role": "assistant", "content": ""})]
        pieces += [_chunk(answer, question, {"content": text}, is_token=True) for text in answer.text]
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
        message: dict[str, object] = {"role": "assistant", "content": "".join(answer.text) or None, "refusal": None}
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
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
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


def _tools(body: object) -> list[object]:
    return [] if at(body, "tool_choice") == "none" else items_at(body, "tools")


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
) -> Piece:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    chunk = {**_chunk_head(answer), "choices": [choice]}
    if question.wants_usage:
        chunk["usage"] = None
    return Piece(encode_event(dump(chunk)), is_token)


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
    }
