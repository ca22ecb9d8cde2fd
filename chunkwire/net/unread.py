"""Requests whose head was refused, as values, so that logs and records can show them. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import Request
from chunkwire.wire import abnf

SHOWN_LINE_OCTETS: Final = 200  # of a refused start-line: at most three lines on a terminal
UNKNOWN_METHOD: Final = b"-"
_HEAD_METHOD: Final = re.compile(rb"[ \t]*+HEAD(?!%b)" % abnf.TCHAR)


@dataclass(frozen=True, slots=True)
class UnreadRequest(Request):
    """A request whose head was refused.

    `method` is HEAD if the first line begins with it, as the answer must then have no content (RFC 9110 §9.3.2); else
    `-`. `target` is the first line as received, at most `SHOWN_LINE_OCTETS` of it, or `-` if there is none.
    """

    @property
    def start_line(self) -> bytes:
        """The same as `target`."""
        return self.target


def unread_request(received: bytes) -> UnreadRequest:
    """Return a request whose head was refused; `received` is the part of it that came."""
    line = first_line(received)
    return UnreadRequest(b"HEAD" if _HEAD_METHOD.match(line) else UNKNOWN_METHOD, line or b"-")


def first_line(received: bytes | bytearray) -> bytes:
    """Return the first line that is not empty, without its end, at most `SHOWN_LINE_OCTETS` of it."""
    shown = bytes(received[: 2 * SHOWN_LINE_OCTETS]).lstrip(b"\r\n")
    return shown.partition(b"\n")[0].rstrip(b"\r")[:SHOWN_LINE_OCTETS]


def shown_method(request: Request) -> bytes:
    """Return the method for a log or record; `-` if the head was refused."""
    return UNKNOWN_METHOD if isinstance(request, UnreadRequest) else request.method
