"""Requests whose head was refused, as values: logs and records show what was received. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import Request
from chunkwire.wire import abnf

SHOWN_LINE_OCTETS: Final = 200  # of a refused start-line: one or two lines of a terminal
UNKNOWN_METHOD: Final = b"-"
_HEAD_METHOD: Final = re.compile(rb"[ \t]*+HEAD(?!%b)" % abnf.TCHAR)


@dataclass(frozen=True, slots=True)
class UnreadRequest(Request):
    """A request whose head was refused.

    `method` is HEAD where the first line begins so, as no content may then be sent (RFC 9110 §9.3.2), else `-`;
    `target` is what was received of the first line.
    """

    @property
    def start_line(self) -> bytes:
        """The first line as received, bounded; `-` where there is none."""
        return self.target


def unread_request(received: bytes) -> UnreadRequest:
    """Return a value for a request whose head was refused; `received` is what came of it."""
    line = first_line(received)
    return UnreadRequest(b"HEAD" if _HEAD_METHOD.match(line) else UNKNOWN_METHOD, line or b"-")


def first_line(received: bytes | bytearray) -> bytes:
    """Return the first line that is not empty, without its end, at most `SHOWN_LINE_OCTETS`."""
    shown = bytes(received[: 2 * SHOWN_LINE_OCTETS]).lstrip(b"\r\n")
    return shown.partition(b"\n")[0].rstrip(b"\r")[:SHOWN_LINE_OCTETS]


def shown_method(request: Request) -> bytes:
    """Return the method for a log or record: `-` where the head was refused."""
    return UNKNOWN_METHOD if isinstance(request, UnreadRequest) else request.method
