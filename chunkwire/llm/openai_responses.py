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
from chunkwire.llm.openai import OpenAIDialect, code_of, fields_for, schema_of, token_logprobs
from chunkwire.llm.openai_responses_reading import ResponsesInterpreter
from chunkwire.llm.question import (
    Message,
    ModelRequest,
    Question,
    Role,
    Tool,
    body_of,
    choose,
    join_path,
    refuse,
    required,
    stream_flag,
    text_of,
)
from chunkwire.llm.shape import at, count_at, dump, items_at, number_at, text_at
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
        functions = [tool for tool in items_at(body, "tools") if text_at(tool, "type") == "function"]
        summary = text_at(body, "reasoning", "summary") or text_at(body, "reasoning", "generate_summary")
        has_logprobs = "message.output_text.logprobs" in items_at(body, "include")
        question = Question(
            model,
            tuple(_messages(body)),
            tuple(Tool(name, at(tool, "parameters")) for tool in functions if (name := text_at(tool, "name"))),
            is_stream=stream_flag(body),
            max_tokens=number_at(body, "max_output_tokens"),
            is_parallel=at(body, "parallel_tool_calls") is not False,
            wants_reasoning=summary not in ("", "none"),
            schema=schema_of(at(body, "text", "format"), "schema"),
            top_logprobs=count_at(body, "top_logprobs") if has_logprobs else None,
        )
        choice = at(body, "tool_choice")
        mode = text_at([choice], 0) or text_at(choice, "mode")
        return choose(question, mode, text_at(choice, "name"))

    def build_request(self, question: Question, *, base: bytes = b"", key: str = "") -> ModelRequest:
        """Return the request that asks; `base` ends in /v1 as the SDK's base_url does, and is /v1 when empty."""
        return json_request(join_path(base, b"responses", default=b"/v1"), responses_body(question), *fields_for(key))

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, a piece an event; see `Dialect`."""
        pieces: list[Piece] = []
        for number, event in enumerate(_events(answer, question)):
            payload = {"type": event.type, "sequence_number": number, **event.members}
            pieces.append(Piece(encode_event(dump(payload), event.type), event.is_token))
        return pieces

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer; see `Dialect`."""
        return _finished(answer, question)


@dataclass(frozen=True, slots=True)
class _Event:
    type: str
    members: Mapping[str, object]
    is_token: bool = False


def _events(answer: Answer, question: Question) -> Iterator[_Event]:
    begun = _response(answer, "in_progress", [])
    yield _Event("response.created", {"response": begun})
    yield _Event("response.in_progress", {"response": begun})
    output: list[object] = []
    if answer.reasoning:
        yield from _reasoning_events(answer, output)
    if answer.text or not answer.tool_calls:
        yield from _message_events(answer, question, output)
    for number, call in enumerate(answer.tool_calls):
        yield from _call_events(answer, call, number, output)
    if answer.error is not None:
        code = code_of(answer.error)
        yield _Event("error", {"code": code, "message": answer.error.message, "param": None})
        error = {"code": code, "message": answer.error.message}
        yield _Event("response.failed", {"response": {**_response(answer, "failed", output), "error": error}})
    else:
        response = _finished(answer, question)
        yield _Event(f"response.{response['status']}", {"response": response})


def _reasoning_events(answer: Answer, output: list[object]) -> Iterator[_Event]:
    """Yield a reasoning item's events, its text as a summary."""
    item, whole = _reasoning_item(answer), "".join(answer.reasoning)
    place: dict[str, object] = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
    yield _Event("response.output_item.added", {"output_index": 0, "item": {**item, "summary": []}})
    yield _Event("response.reasoning_summary_part.added", {**place, "part": {"type": "summary_text", "text": ""}})
    for text in answer.reasoning:
        yield _Event("response.reasoning_summary_text.delta", {**place, "delta": text}, is_token=True)
    yield _Event("response.reasoning_summary_text.done", {**place, "text": whole})
    yield _Event("response.reasoning_summary_part.done", {**place, "part": {"type": "summary_text", "text": whole}})
    yield _Event("response.output_item.done", {"output_index": 0, "item": item})
    output.append(item)


def _message_events(answer: Answer, question: Question, output: list[object]) -> Iterator[_Event]:
    """Yield a message item's events; `output` gains the item unless the answer fails inside it."""
    item, index = _message_item(answer, question), len(output)
    place: dict[str, object] = {"item_id": item["id"], "output_index": index, "content_index": 0}
    kind, member = ("refusal", "refusal") if answer.stop is StopReason.REFUSAL else ("output_text", "text")
    begun = {**item, "status": "in_progress", "content": []}
    yield _Event("response.output_item.added", {"output_index": index, "item": begun})
    yield _Event("response.content_part.added", {**place, "part": _part(answer, question, ())})
    for text in answer.text:
        yield _Event(
            f"response.{kind}.delta", {**place, "delta": text, **_said((text,), question, kind)}, is_token=True
        )
    if answer.error is None or answer.tool_calls:
        whole = {member: "".join(answer.text), **_said(answer.text, question, kind)}
        yield _Event(f"response.{kind}.done", {**place, **whole})
        yield _Event("response.content_part.done", {**place, "part": _part(answer, question, answer.text)})
        yield _Event("response.output_item.done", {"output_index": index, "item": item})
        output.append(item)


def _said(tokens: tuple[str, ...], question: Question, kind: str) -> dict[str, object]:
    return {} if kind == "refusal" else {"logprobs": token_logprobs(tokens, question) or []}


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


def _reasoning_item(answer: Answer) -> dict[str, object]:
    summary = [{"type": "summary_text", "text": "".join(answer.reasoning)}]
    return {"id": f"rs_{answer.id}", "type": "reasoning", "summary": summary}


def _message_item(answer: Answer, question: Question) -> dict[str, object]:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_part(answer, question, answer.text)],
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


def _part(answer: Answer, question: Question, tokens: tuple[str, ...]) -> dict[str, object]:
    text = "".join(tokens)
    if answer.stop is StopReason.REFUSAL:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], **_said(tokens, question, "output_text")}


def _finished(answer: Answer, question: Question) -> dict[str, object]:
    output: list[object] = [_reasoning_item(answer)] if answer.reasoning else []
    output += [_message_item(answer, question)] if answer.text or not answer.tool_calls else []
    output += [_call_item(answer, call, number) for number, call in enumerate(answer.tool_calls)]
    usage: dict[str, object] = {
        "input_tokens": answer.usage.prompt,
        "input_tokens_details": {"cached_tokens": answer.usage.cached},
        "output_tokens": answer.usage.completion,
        "output_tokens_details": {"reasoning_tokens": answer.usage.reasoning},
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
