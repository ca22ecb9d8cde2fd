"""The forms in which an answer is written: what one token, one error, one end look like.

The rule here: pure, and everything is JSON inside, so that no token can forge an event: a newline is `\\n` there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chunkwire.llm.shape import dump
from chunkwire.wire.sse import encode_comment, encode_event


class AnswerForm(Protocol):
    """How an answer streams."""

    name: str
    content_type: bytes

    def token(self, text: str) -> bytes:
        """Return a piece of the answer."""
        ...

    def error(self, content: Mapping[str, object]) -> bytes:
        """Return an error; nothing of the answer follows."""
        ...

    def done(self, content: Mapping[str, object]) -> bytes:
        """Return the end of a whole answer."""
        ...

    def keep_alive(self) -> bytes:
        """Return a sign of life."""
        ...


class EventForm:
    """Server-sent events: `data: {"t":"Hel"}`, `event: error`, `event: done` (WHATWG HTML §9.2).

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

    def error(self, content: Mapping[str, object]) -> bytes:
        """Return `event: error`."""
        return self._event(content, "error")

    def done(self, content: Mapping[str, object]) -> bytes:
        """Return `event: done`."""
        return self._event(content, "done")

    def keep_alive(self) -> bytes:
        """Return a comment."""
        return encode_comment("waiting")

    def _event(self, content: Mapping[str, object], event: str | None = None) -> bytes:
        request_id, self._id = self._id, None
        return encode_event(dump(content), event, id=request_id)


class LineForm:
    """JSON Lines: `{"t":"Hel"}`, `{"error":{…}}`, `{"done":{…}}`; a blank line is a sign of life."""

    name = "jsonl"
    content_type = b"application/x-ndjson"

    def token(self, text: str) -> bytes:
        """Return a line."""
        return self._line({"t": text})

    def error(self, content: Mapping[str, object]) -> bytes:
        """Return a line."""
        return self._line({"error": content})

    def done(self, content: Mapping[str, object]) -> bytes:
        """Return a line."""
        return self._line({"done": content})

    def keep_alive(self) -> bytes:
        """Return an empty line, which readers of JSON Lines skip."""
        return b"\n"

    def _line(self, content: Mapping[str, object]) -> bytes:
        return dump(content).encode("utf-8", "replace") + b"\n"
