"""OpenAI responses: named events, each with its name again as `type` and a `sequence_number` in its data.

The rule here: `response.created`, `response.in_progress`, then items (`output_item.added`, a message's parts and
text deltas or a call's argument deltas, `output_item.done`), and last `response.completed` with the whole response,
or `response.incomplete` where a limit stopped it. There is no `[DONE]`. An error is an `error` event, and
`response.failed` after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chunkwire.llm.answer import (
    Answer,
    StopReason,
    WholeToolCall,
)
from chunkwire.llm.asking import responses_body
from chunkwire.llm.dialect import Piece, json_request
from chunkwire.llm.openai import OpenAIDialect, code_of, fields_for
from chunkwire.llm.openai_responses_reading import ResponsesInterpreter
from chunkwire.llm.question import (
    Message,
    ModelRequest,
    Question,
    Role,
    Tool,
    body_of,
    join_path,
    refuse,
    required,
    stream_flag,
    text_of,
)
from chunkwire.llm.shape import at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_INCOMPLETE_REASON: Final = {StopReason.LENGTH: "max_output_tokens", StopReason.FILTER: "content_filter"}


class OpenAIResponses(OpenAIDialect):
    """`POST …/responses`."""

    name = "openai-responses"
    id_prefix = "resp_"
    interpreter = ResponsesInterpreter

    def claims(self, path: str) -> bool:
        """Say whether the path is that of responses."""
        return path.endswith("/responses")

    def speaks(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is an event of a response, or one."""
        return text_at(payload, "type").startswith("response.") or payload.get("object") == "response"

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        body = body_of(request)
        model = str(required(body, "model", str))
        tools = [] if at(body, "tool_choice") == "none" else items_at(body, "tools")
        functions = [tool for tool in tools if text_at(tool, "type") == "function"]
        return Question(
            model,
            tuple(_messages(body)),
            tuple(Tool(name, at(tool, "parameters")) for tool in functions if (name := text_at(tool, "name"))),
            is_stream=stream_flag(body),
            max_tokens=number_at(body, "max_output_tokens"),
        )

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; `base` ends in /v1 as the SDK's base_url does, and is /v1 when empty."""
        return json_request(join_path(base, b"responses", default=b"/v1"), responses_body(question), *fields_for(key))

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, a piece an event; see `Dialect`."""
        pieces: list[Piece] = []
        for number, event in enumerate(_events(answer)):
            payload = {"type": event.type, "sequence_number": number, **event.members}
            pieces.append(Piece(encode_event(dump(payload), event.type), event.is_token))
        return pieces

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer; see `Dialect`."""
        return _finished(answer)


@dataclass(frozen=True, slots=True)
class _Event:
    type: str
    members: Mapping[str, object]
    is_token: bool = False


def _events(answer: Answer) -> Iterator[_Event]:
    begun = _response(answer, "in_progress", [])
    yield _Event("response.created", {"response": begun})
    yield _Event("response.in_progress", {"response": begun})
    output: list[object] = []
    if answer.text or not answer.tool_calls:
        yield from _message_events(answer, output)
    for number, call in enumerate(answer.tool_calls):
        yield from _call_events(answer, call, number, output)
    if answer.error is not None:
        code = code_of(answer.error)
        yield _Event("error", {"code": code, "message": answer.error.message, "param": None})
        error = {"code": code, "message": answer.error.message}
        yield _Event("response.failed", {"response": {**_response(answer, "failed", output), "error": error}})
    else:
        response = _finished(answer)
        yield _Event(f"response.{response['status']}", {"response": response})


def _message_events(answer: Answer, output: list[object]) -> Iterator[_Event]:
    """Yield a message item's events; `output` gains the item unless the answer fails inside it."""
    item = _message_item(answer)
    place: dict[str, object] = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    whole = "".join(answer.text)
    begun = {**item, "status": "in_progress", "content": []}
    yield _Event("response.output_item.added", {"output_index": 0, "item": begun})
    yield _Event("response.content_part.added", {**place, "part": _part("")})
    for text in answer.text:
        yield _Event("response.output_text.delta", {**place, "delta": text, "logprobs": []}, is_token=True)
    if answer.error is None or answer.tool_calls:
        yield _Event("response.output_text.done", {**place, "text": whole, "logprobs": []})
        yield _Event("response.content_part.done", {**place, "part": _part(whole)})
        yield _Event("response.output_item.done", {"output_index": 0, "item": item})
        output.append(item)


def _call_events(answer: Answer, call: WholeToolCall, number: int, output: list[object]) -> Iterator[_Event]:
    index = len(output)
    item = _call_item(answer, call, number)
    place: dict[str, object] = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    yield _Event("response.output_item.added", {"output_index": index, "item": begun}, is_token=True)
    for more in call.arguments:
        yield _Event("response.function_call_arguments.delta", {**place, "delta": more}, is_token=True)
    done = {**place, "name": call.name, "arguments": item["arguments"]}
    yield _Event("response.function_call_arguments.done", done)
    yield _Event("response.output_item.done", {"output_index": index, "item": item})
    output.append(item)


def _message_item(answer: Answer) -> dict[str, object]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_part("".join(answer.text))],
    }


def _call_item(answer: Answer, call: WholeToolCall, number: int) -> dict[str, object]:
    return {
        "id": f"fc_{answer.id}_{number}",
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": "".join(call.arguments),
    }


def _part(text: str) -> dict[str, object]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _finished(answer: Answer) -> dict[str, object]:
    output: list[object] = [_message_item(answer)] if answer.text or not answer.tool_calls else []
    output += [_call_item(answer, call, number) for number, call in enumerate(answer.tool_calls)]
    usage: dict[str, object] = {
        "input_tokens": answer.usage.prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": answer.usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.usage.total,
    }
    reason = _INCOMPLETE_REASON.get(answer.stop)
    if reason is None:
        return {**_response(answer, "completed", output), "usage": usage}
    return {**_response(answer, "incomplete", output), "incomplete_details": {"reason": reason}, "usage": usage}


def _response(answer: Answer, status: str, output: list[object]) -> dict[str, object]:
    return {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        "metadata": {},
    }


def _messages(body: dict[str, object]) -> Iterator[Message]:
    if instructions := text_at(body, "instructions"):
        yield Message("system", instructions)
    asked = at(body, "input")
    if isinstance(asked, str) and asked:
        yield Message("user", text_at(body, "input"))
        return
    required(body, "input", list)
    for number, item in enumerate(items_at(body, "input")):
        if text_at(item, "type") == "function_call_output":
            yield Message("tool", text_of(at(item, "output")))
        elif text_at(item, "type") in ("", "message"):
            role = _ROLES.get(text_at(item, "role"))
            if role is None:
                raise refuse(f"input[{number}].role: expected one of {', '.join(_ROLES)}, got {at(item, 'role')!r:.60}")
            yield Message(role, text_of(at(item, "content")))
