"""The forms in which an answer is written: what one token, one error, one end look like.

The rule here: pure, and everything is JSON inside, so that no token can forge an event: a newline is `\\n` there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chunkwire.ask.audit import Account
from chunkwire.llm.answer import ToolCall
from chunkwire.llm.shape import dump
from chunkwire.wire.sse import encode_comment, encode_event


class AnswerForm(Protocol):
    """How an answer streams."""

    name: str
    content_type: bytes

    def token(self, text: str) -> bytes:
        """Return a piece of the answer's text."""
        ...

    def reasoning(self, text: str) -> bytes:
        """Return a piece of what the model thinks before it answers."""
        ...

    def tool_call(self, call: ToolCall) -> bytes:
        """Return the beginning of a tool call, or more of its arguments."""
        ...

    def end(self, account: Account) -> list[bytes]:
        """Return the end of an answer: what is known of a whole one, or its error; nothing of it follows."""
        ...

    def keep_alive(self) -> bytes:
        """Return a sign of life."""
        ...


class EventForm:
    """Server-sent events: `data: {"t":"Hel"}`, then `event: done` or `event: error` (WHATWG HTML §9.2).

    `event: reasoning` and `event: tool_call` come before and between; neither reaches `onmessage`.

    The first event has the request's id as its id: a browser that reconnects after the end sends it as Last-Event-ID,
    and is answered 204, or it would ask again and again.
    """

    name = "sse"
    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, request_id: str) -> None:
        self._id: str | None = request_id

    def token(self, text: str) -> bytes:
        """Return an event without a type, which reaches `onmessage`."""
        return self._event({"t": text})

    def reasoning(self, text: str) -> bytes:
        """Return `event: reasoning`."""
        return self._event({"t": text}, "reasoning")

    def tool_call(self, call: ToolCall) -> bytes:
        """Return `event: tool_call`."""
        return self._event(_call_json(call), "tool_call")

    def end(self, account: Account) -> list[bytes]:
        """Return `event: done` or `event: error`."""
        if account.error is None:
            return [self._event(account.summary(), "done")]
        return [self._event(account.trouble(), "error")]

    def keep_alive(self) -> bytes:
        """Return a comment."""
        return encode_comment("waiting")

    def _event(self, content: Mapping[str, object], event: str | None = None) -> bytes:
        request_id, self._id = self._id, None
        return encode_event(dump(content), event, id=request_id)


class LineForm:
    """JSON Lines: `{"t":"Hel"}`, `{"reasoning":"…"}`, `{"tool_call":{…}}`, `{"error":{…}}`, `{"done":{…}}`.

    A blank line is a sign of life.
    """

    name = "jsonl"
    content_type = b"application/x-ndjson"

    def token(self, text: str) -> bytes:
        """Return a line."""
        return self._line({"t": text})

    def reasoning(self, text: str) -> bytes:
        """Return a line."""
        return self._line({"reasoning": text})

    def tool_call(self, call: ToolCall) -> bytes:
        """Return a line."""
        return self._line({"tool_call": _call_json(call)})

    def end(self, account: Account) -> list[bytes]:
        """Return a line."""
        if account.error is None:
            return [self._line({"done": account.summary()})]
        return [self._line({"error": account.trouble()})]

    def keep_alive(self) -> bytes:
        """Return an empty line, which readers of JSON Lines skip."""
        return b"\n"

    def _line(self, content: Mapping[str, object]) -> bytes:
        return dump(content).encode("utf-8", "replace") + b"\n"


def _call_json(call: ToolCall) -> dict[str, object]:
    """Return a piece of a tool call: `id` and `name` where it begins, more of the JSON text of its arguments after."""
    begun = {"id": call.id, "name": call.name} if call.id or call.name else {}
    return {"index": call.index, **begun, "arguments": call.arguments}
