"""The line that is logged for each exchange, as text or as JSON: at INFO, our own answers about barriers at DEBUG.

127.0.0.1:50112 "GET /sse HTTP/1.1" 200 127.0.0.1:8081 head=1.2ms first=1.4ms chunks=20 octets=1042 complete
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TypeAlias

from chunkwire.forward.report import Report
from chunkwire.forward.shape import EXACT_MODE
from chunkwire.net.heads import Request
from chunkwire.server.access import line_of, milliseconds

logger = logging.getLogger("chunkwire.access")

OnEnd: TypeAlias = Callable[[str, Request, Report], None]


def log_text(peer: str, request: Request, report: Report) -> None:
    """Log one exchange as text."""
    level = _level_of(report)
    if not logger.isEnabledFor(level):
        return
    parts = (
        report.upstream,
        milliseconds("head", report.head_s),
        milliseconds("first", report.first_s),
        f"chunks={report.chunks} octets={report.octets}" if report.scanner is not None else "",
        f"mode={report.mode}" if report.mode != EXACT_MODE else "",
        f"fault={report.fault}" if report.fault is not None else "",
    )
    line = line_of(peer, request, report.status, *parts, ended=report.verdict, why=report.details)
    logger.log(level, "%s", line)


def log_json(peer: str, request: Request, report: Report) -> None:
    """Log one exchange as one JSON object; times in milliseconds."""
    level = _level_of(report)
    if not logger.isEnabledFor(level):
        return
    trace = request.get(b"traceparent")
    entry = {
        "client": peer,
        "request": _text(request.start_line),
        "status": report.status,
        "upstream": report.upstream,
        "head_ms": _milliseconds(report.head_s),
        "first_ms": _milliseconds(report.first_s),
        "chunks": report.chunks,
        "octets": report.octets,
        "framing": str(report.verdict),
        "mode": str(report.mode),
        "fault": str(report.fault) if report.fault is not None else None,
        "rule": report.rule or None,
        "details": report.details or None,
        "traceparent": _text(trace) if trace else None,
    }
    logger.log(level, "%s", json.dumps(entry))


def _level_of(report: Report) -> int:
    return logging.DEBUG if report.is_about_barrier else logging.INFO


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "backslashreplace")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)
