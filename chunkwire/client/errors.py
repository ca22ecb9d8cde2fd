"""Errors of a client, beside those of the codec and the connection.

The rule here: an error of the framing, or a timeout, has the content received before it, so that an application can
show a partial answer.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from chunkwire.net.heads import Request, Response
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody

Phase: TypeAlias = Literal["head", "idle", "total"]

_WAITED_FOR = {
    "head": "a response head",
    "idle": "the next octet of the body",
    "total": "the end of the exchange",
}


class Deadline(ChunkwireError):
    """A deadline of ours passed; one for connecting is a `DialError` of kind "timeout".

    Attributes:
        phase: what was waited for.
        seconds: the timeout.
        received: the content received before, perhaps cut to a limit.
    """

    def __init__(self, phase: Phase, seconds: float, received: bytes = b"") -> None:
        super().__init__(f"expected {_WAITED_FOR[phase]} within {seconds:g} s, got none")
        self.phase: Phase = phase
        self.seconds = seconds
        self.received = received


class StatusError(ChunkwireError):
    """The status of a response says that the request failed (RFC 9110 §15.5, §15.6).

    Attributes:
        request, response: their heads.
    """

    def __init__(self, request: Request, response: Response) -> None:
        asked, got = (line.decode("latin-1") for line in (request.start_line, response.start_line))
        super().__init__(f"expected a status below 400 for {asked!r}, got {got!r}")
        self.request = request
        self.response = response

    @property
    def status(self) -> int:
        """The status code."""
        return self.response.status


class ResetBody(IncompleteBody):
    """The peer reset the connection, or ended TLS without close_notify, before the body was complete."""

    def __init__(self, offset: int, section: str, received: bytes = b"", *, lacks_close_notify: bool = False) -> None:
        super().__init__(offset, section, received)
        got = "the end of TLS without close_notify" if lacks_close_notify else "a reset of the connection"
        self.args = (f"expected the rest of {section} at {offset}, got {got}",)


class TooLong(ChunkwireError):
    """A line, or the whole content, is longer than the limit of the method that reads it.

    Attributes:
        limit: in the unit that the message names.
    """

    def __init__(self, what: str, limit: int, unit: str) -> None:
        super().__init__(f"expected {what} of at most {limit} {unit}, got more")
        self.limit = limit


class WebSocketClosed(ChunkwireError):
    """A WebSocket ended with another status than 1000, or inside a message.

    Attributes:
        code: the status of the Close frame (RFC 6455 §7.4.1); of ours, if the server broke the protocol.
        reason: the text of the Close frame, or what the server broke.
        received: the beginning of a message that did not become whole, text as UTF-8.
    """

    def __init__(self, code: int, reason: str, received: bytes = b"") -> None:
        inside = " inside a message" if received else ""
        super().__init__(f"expected the WebSocket to close with 1000, got {int(code)}{inside}, reason {reason!r:.125}")
        self.code = int(code)
        self.reason = reason
        self.received = received


class MalformedBody(FramingError):
    """The body broke the grammar of chunked, or a limit; see `FramingError`.

    Attributes:
        received: the content received before, perhaps cut to a limit.
    """

    def __init__(self, error: FramingError, received: bytes = b"") -> None:
        super().__init__(error.rule, error.offset, error.octets, error.section, error.message)
        self.received = received
