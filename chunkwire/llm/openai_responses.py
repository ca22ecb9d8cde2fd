"""OpenAI responses: named events, each with its name again as `type` and a `sequence_number` in its data.

The rule here: `response.created`, `response.in_progress`, then items (`output_item.added`, a message's parts and
text deltas or a call's argument deltas, `output_item.done`), and last `response.completed` with the whole response,
or `response.incomplete` where a limit stopped it. There is no `[DONE]`. An error is an `error` event, and
`response.failed` after it. Reading also takes what proxies send: streams without event names or without deltas, and
repeated events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

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
    WholeToolCall,
)
from chunkwire.llm.asking import responses_body
from chunkwire.llm.dialect import Piece
from chunkwire.llm.errors import NO_REASON, error_in, reason_in
from chunkwire.llm.openai import OpenAIDialect, code_of, message_of, schema_of, token_logprobs, top_logprobs_of
from chunkwire.llm.question import Message, ModelRequest, Question, required, stream_flag, text_of, tools_in
from chunkwire.llm.reading import Interpreter
from chunkwire.llm.shape import at, count_at, delta_at, dump, items_at, number_at, text_at
from chunkwire.wire.sse import encode_event

_INCOMPLETE_REASON: Final = {StopReason.LENGTH: "max_output_tokens", StopReason.FILTER: "content_filter"}
_INCOMPLETE: Final = {text: reason for reason, text in _INCOMPLETE_REASON.items()}
_CALLS: Final = ("function_call", "custom_tool_call")
_MAX_ITEMS: Final = 4096  # of one answer; a long answer has some hundred
_Event: TypeAlias = tuple[str, Mapping[str, object], bool]
"""The type of an event, its other members, and its `Piece.is_token`."""


class _ResponsesInterpreter(Interpreter):
    terminal = "event: response.completed"

    def __init__(self) -> None:
        super().__init__()
        self._is_refusal = False
        self._with_content: set[int | None] = set()  # indexes of the items whose text or call has come
        self._with_reasoning: set[int | None] = set()  # likewise of those whose reasoning has come

    def take(self, name: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
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
            case _ if text_at(payload, "object") == "response":  # a whole response, not a stream
                yield from self._finish(payload, is_whole=True)

    def _take_delta(self, kind: str, payload: dict[str, object]) -> Iterator[AnswerEvent]:
        more, index = delta_at(payload, "delta"), number_at(payload, "output_index")
        match kind:
            case "response.output_text.done" | "response.refusal.done" if index not in self._with_content:
                part = {**payload, "type": kind.split(".")[1]}  # there were no deltas
                yield from self._take_item(payload, {"content": [part]})
            case "response.function_call_arguments.done":
                yield from self._calls.complete(index, delta_at(payload, "arguments"))
            case "response.output_text.delta" | "response.refusal.delta" if more:
                _add(self._with_content, index)
                self._is_refusal = self._is_refusal or kind == "response.refusal.delta"
                yield Text(more)
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" if more:
                yield from self._calls.more(index, more)
            case _ if kind.startswith("response.reasoning") and more:
                _add(self._with_reasoning, index)
                yield Reasoning(more)

    def _begin_item(self, payload: dict[str, object], item: object) -> Iterator[AnswerEvent]:
        match text_at(item, "type"):
            case kind if kind in _CALLS:
                index = number_at(payload, "output_index")
                _add(self._with_content, index)
                yield from self._calls.begin(
                    index, text_at(item, "call_id"), text_at(item, "name"), _arguments_of(item)
                )
            case "reasoning":
                yield Reasoning("")  # its text may be withheld

    def _end_item(self, payload: dict[str, object], item: object) -> Iterator[AnswerEvent]:
        """Yield the content of an item that has not come in deltas."""
        index = number_at(payload, "output_index")
        has_id = text_at(item, "type") in _CALLS and text_at(item, "call_id") != ""  # `_calls` knows it by its id
        if has_id or (index not in self._with_content and index not in self._with_reasoning):
            yield from self._take_item(payload, item)
        elif text_at(item, "type") in _CALLS:
            yield from self._calls.complete(index, _arguments_of(item))
        self._calls.end(index)

    def _finish(self, response: object, *, is_whole: bool = False) -> Iterator[AnswerEvent]:
        status = text_at(response, "status")
        if status in ("failed", "cancelled") or at(response, "error"):
            yield _error_of({"response": response})
            return
        if not self._is_started:
            self._is_started = True
            yield Started(text_at(response, "id"), text_at(response, "model"))
        # If earlier events had no output_index, it is not known which items have come already.
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
        """Yield the content of a whole item."""
        if text_at(item, "type") in _CALLS:
            yield from self._begin_item(payload, item)
        for part in items_at(item, "summary"):
            if thought := text_at(part, "text"):
                _add(self._with_reasoning, number_at(payload, "output_index"))
                yield Reasoning(thought)
        for part in items_at(item, "content"):
            self._is_refusal = self._is_refusal or text_at(part, "type") == "refusal"
            if text := text_at(part, "text") or text_at(part, "refusal"):
                _add(self._with_content, number_at(payload, "output_index"))
                yield Reasoning(text) if text_at(part, "type") == "reasoning_text" else Text(text)


def _add(items: set[int | None], index: int | None) -> None:
    items.add(index)
    if len(items) > _MAX_ITEMS:
        raise ValueError(f"expected at most {_MAX_ITEMS} items, got more")


def _arguments_of(item: object) -> str:
    """Return the arguments of a function's call, or the input of a custom tool's."""
    return delta_at(item, "arguments") or delta_at(item, "input")


def _error_of(payload: dict[str, object]) -> ProviderError:
    found = error_in(at(payload, "response"))
    return found or ProviderError(ErrorKind.SERVER, reason_in(payload) or NO_REASON)


class OpenAIResponses(OpenAIDialect):
    """`POST …/responses`."""

    name = "openai-responses"
    path = re.compile(r"/responses\Z")
    build_body = staticmethod(responses_body)
    request_path = "responses"
    id_prefix = "resp_"
    interpreter = _ResponsesInterpreter

    def matches_payload(self, payload: Mapping[str, object]) -> bool:
        """Say whether an object is an event of a response, or a whole response."""
        return text_at(payload, "type").startswith("response.") or payload.get("object") == "response"

    def parse_request(self, request: ModelRequest) -> Question:
        """Return what a request asks; see `Dialect`."""
        body = request.body_object()
        model = str(required(body, "model", str))
        functions = [tool for tool in items_at(body, "tools") if text_at(tool, "type") == "function"]
        summary = text_at(body, "reasoning", "summary") or text_at(body, "reasoning", "generate_summary")
        has_logprobs = "message.output_text.logprobs" in items_at(body, "include")
        question = Question(
            model,
            tuple(_messages(body)),
            tools_in(functions, "parameters"),
            is_stream=stream_flag(body),
            max_tokens=number_at(body, "max_output_tokens"),
            is_parallel=at(body, "parallel_tool_calls") is not False,
            wants_reasoning=summary not in ("", "none"),
            schema=schema_of(at(body, "text", "format"), "schema"),
            top_logprobs=top_logprobs_of(body) if has_logprobs else None,
        )
        choice = at(body, "tool_choice")
        mode = text_at([choice], 0) or text_at(choice, "mode")
        return question.choosing(mode, text_at(choice, "name"))

    def write(self, answer: Answer, question: Question) -> list[Piece]:
        """Return the stream, one piece per event; see `Dialect`."""
        return [
            Piece(encode_event(dump({"type": kind, "sequence_number": number, **members}), kind), is_token)
            for number, (kind, members, is_token) in enumerate(self._events(answer, question))
        ]

    def _events(self, answer: Answer, question: Question) -> Iterator[_Event]:
        begun = _response(answer, "in_progress", [])
        yield "response.created", {"response": begun}, False
        yield "response.in_progress", {"response": begun}, False
        output: list[object] = []
        if answer.reasoning:
            yield from _reasoning_events(answer, output)
        if answer.text or not answer.tool_calls:
            yield from _message_events(answer, question, output)
        for number, call in enumerate(answer.tool_calls):
            yield from _call_events(answer, call, number, output)
        if answer.error is not None:
            code = code_of(answer.error)
            yield "error", {"code": code, "message": answer.error.message, "param": None}, False
            error = {"code": code, "message": answer.error.message}
            yield "response.failed", {"response": {**_response(answer, "failed", output), "error": error}}, False
        else:
            response = self.whole(answer, question)
            yield f"response.{response['status']}", {"response": response}, False

    def whole(self, answer: Answer, question: Question) -> dict[str, object]:
        """Return the JSON body of an answer; see `Dialect`."""
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


def _reasoning_events(answer: Answer, output: list[object]) -> Iterator[_Event]:
    """Yield the events of a reasoning item, whose text is its summary."""
    item, whole = _reasoning_item(answer), "".join(answer.reasoning)
    place: dict[str, object] = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
    yield "response.output_item.added", {"output_index": 0, "item": {**item, "summary": []}}, False
    yield "response.reasoning_summary_part.added", {**place, "part": {"type": "summary_text", "text": ""}}, False
    for text in answer.reasoning:
        yield "response.reasoning_summary_text.delta", {**place, "delta": text}, True
    yield "response.reasoning_summary_text.done", {**place, "text": whole}, False
    yield "response.reasoning_summary_part.done", {**place, "part": {"type": "summary_text", "text": whole}}, False
    yield "response.output_item.done", {"output_index": 0, "item": item}, False
    output.append(item)


def _message_events(answer: Answer, question: Question, output: list[object]) -> Iterator[_Event]:
    """Yield the events of a message item, and add it to `output` unless the answer fails inside it."""
    item, index = _message_item(answer, question), len(output)
    place: dict[str, object] = {"item_id": item["id"], "output_index": index, "content_index": 0}
    kind, member = ("refusal", "refusal") if answer.stop is StopReason.REFUSAL else ("output_text", "text")
    begun = {**item, "status": "in_progress", "content": []}
    yield "response.output_item.added", {"output_index": index, "item": begun}, False
    yield "response.content_part.added", {**place, "part": _part(answer, question, ())}, False
    for text in answer.text:
        yield f"response.{kind}.delta", {**place, "delta": text, **_logprobs_member((text,), question, kind)}, True
    if answer.error is None or answer.tool_calls:
        whole = {member: "".join(answer.text), **_logprobs_member(answer.text, question, kind)}
        yield f"response.{kind}.done", {**place, **whole}, False
        yield "response.content_part.done", {**place, "part": _part(answer, question, answer.text)}, False
        yield "response.output_item.done", {"output_index": index, "item": item}, False
        output.append(item)


def _logprobs_member(tokens: tuple[str, ...], question: Question, kind: str) -> dict[str, object]:
    return {} if kind == "refusal" else {"logprobs": token_logprobs(tokens, question) or []}


def _call_events(answer: Answer, call: WholeToolCall, number: int, output: list[object]) -> Iterator[_Event]:
    index = len(output)
    item = _call_item(answer, call, number)
    place: dict[str, object] = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    yield "response.output_item.added", {"output_index": index, "item": begun}, True
    for more in call.arguments:
        yield "response.function_call_arguments.delta", {**place, "delta": more}, True
    done = {**place, "name": call.name, "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", done, False
    yield "response.output_item.done", {"output_index": index, "item": item}, False
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
        "arguments": call.json,
    }


def _part(answer: Answer, question: Question, tokens: tuple[str, ...]) -> dict[str, object]:
    text = "".join(tokens)
    if answer.stop is StopReason.REFUSAL:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], **_logprobs_member(tokens, question, "output_text")}


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
            yield message_of(item, f"input[{number}]")
