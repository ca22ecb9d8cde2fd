"""The line that is logged for each exchange, as text or as JSON.

127.0.0.1:50112 "GET /sse HTTP/1.1" 200 head=0.2ms first=1.2ms chunks=20 octets=1042 complete
"""

from __future__ import annotations

import json
import logging

from chunkwire.net.heads import Request
from chunkwire.net.protocols import MAX_NAME_OCTETS, name_protocol
from chunkwire.server.journal import JournalEntry
from chunkwire.server.refusal import escaped
from chunkwire.wire.errors import quoted

logger = logging.getLogger("chunkwire.access")


def log_text(exchange: JournalEntry, level: int = logging.INFO) -> None:
    """Log one exchange as text."""
    if not logger.isEnabledFor(level):
        return
    began, head, first = exchange.began, exchange.head_sent, exchange.first_frame
    parts = (
        milliseconds("head", None if head is None else head - began),
        milliseconds("first", None if first is None else first - began),
        f"chunks={exchange.chunks} octets={exchange.octets}" if exchange.status else _uncounted(exchange),
    )
    ended = exchange.ended_by.value if exchange.ended_by else "-"
    why = f"{exchange.rule}: {exchange.detail}" if exchange.rule else ""
    logger.log(level, "%s", line_of(exchange.peer, exchange.request, exchange.status, *parts, ended=ended, why=why))


def _uncounted(exchange: JournalEntry) -> str:
    """Return the size of octets that were sent in place of a response: without a head, no chunks are counted."""
    return f"wire_octets={exchange.wire_octets}"


def line_of(peer: str, request: Request, status: int, *parts: str, ended: str, why: str) -> str:
    """Return an exchange as one line, without the parts that are ""; octets from the wire are escaped."""
    asked, trace = request.start_line, request.get(b"traceparent")
    traced = f"traceparent={quoted(trace)[1:-1]}" if trace else ""
    reason = f"({escaped(why)})" if why else ""
    most = MAX_NAME_OCTETS if name_protocol(asked) else len(asked)
    return " ".join(filter(None, (peer, quoted(asked, most), str(status or "-"), *parts, traced, ended, reason)))


def milliseconds(name: str, seconds: float | None) -> str:
    """Return a duration for a line, such as `head=1.2ms`; "" for None."""
    return "" if seconds is None else f"{name}={seconds * 1e3:.1f}ms"


def log_json(exchange: JournalEntry, level: int = logging.INFO) -> None:
    """Log one exchange as one JSON object, that of the journal."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", json.dumps(exchange.to_json()))
