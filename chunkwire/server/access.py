"""The line that is logged for each exchange, as text or as JSON.

127.0.0.1:50112 "GET /sse HTTP/1.1" 200 head=0.2ms first=1.2ms chunks=20 octets=1042 complete
"""

from __future__ import annotations

import json
import logging

from chunkwire.server.journal import JournalEntry
from chunkwire.server.refusal import escaped
from chunkwire.wire.errors import quoted

logger = logging.getLogger("chunkwire.access")


def log_text(exchange: JournalEntry) -> None:
    """Log one exchange at INFO; octets from the wire are escaped."""
    if not logger.isEnabledFor(logging.INFO):
        return
    line = exchange.request.start_line
    parts = [exchange.peer, quoted(line, len(line)), str(exchange.status or "-")]
    for name, moment in (("head", exchange.head_sent), ("first", exchange.first_frame)):
        if moment is not None:
            parts.append(f"{name}={(moment - exchange.began) * 1e3:.1f}ms")
    parts.append(f"chunks={exchange.frames} octets={exchange.octets}")
    parts.append(exchange.ended_by.value if exchange.ended_by else "-")
    if exchange.rule:
        parts.append(f"({exchange.rule}: {escaped(exchange.detail)})")
    if trace := exchange.request.get(b"traceparent"):
        parts.append(f"traceparent={quoted(trace)[1:-1]}")
    logger.info("%s", " ".join(parts))


def log_json(exchange: JournalEntry) -> None:
    """Log one exchange at INFO as one JSON object: the journal's entry of it."""
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s", json.dumps(exchange.to_json()))
