"""The line that is logged for each exchange, as text or as JSON: at INFO, requests about barriers mostly at DEBUG.

127.0.0.1:50112 "GET /sse HTTP/1.1" 200 127.0.0.1:8081 head=1.2ms first=1.4ms chunks=20 octets=1042 complete

The rule here: no client can keep an exchange out of the log. What is logged at DEBUG was answered by this gateway, or
is counted in the line of its stream (`ProbeTraffic`).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Final, TypeAlias

from chunkwire.forward.report import Report
from chunkwire.forward.shape import EXACT_MODE
from chunkwire.net.heads import Request
from chunkwire.origin.barrier import ACK_PATH, STATE_PATH
from chunkwire.server.access import line_of, milliseconds

logger = logging.getLogger("chunkwire.access")

_CONTROL_PATHS: Final = (ACK_PATH.encode(), STATE_PATH.encode())
_PROBE_PATHS: Final = (b"/probe", *_CONTROL_PATHS)
_BARRIER: Final = re.compile(rb"(?:^|&)barrier=([^&]+)")
_CONTROL_STATUSES: Final = (200, 204, 404, 409)

OnEnd: TypeAlias = Callable[[str, Request, Report], None]


class ProbeTraffic:
    """Finds the acknowledgements and state requests of relayed streams with a barrier (`origin.barrier`)."""

    def __init__(self) -> None:
        self._streams: dict[bytes, Report] = {}

    def begin(self, request: Request, report: Report) -> None:
        """Note a request that is being relayed."""
        name, is_control = _barrier_in(request)
        if name and not is_control:
            self._streams.setdefault(name, report)

    def end(self, request: Request, report: Report) -> None:
        """Mark a relayed acknowledgement or state request, and count it for its stream."""
        name, is_control = _barrier_in(request)
        stream = self._streams.get(name)
        if stream is report:
            del self._streams[name]
        elif stream is not None and is_control and report.status in _CONTROL_STATUSES:
            report.is_about_barrier = True
            stream.barrier_requests += 1


def _barrier_in(request: Request) -> tuple[bytes, bool]:
    """Return the barrier that a request names, b"" for none; and whether it is an acknowledgement or state request."""
    path, _, query = request.target.partition(b"?")
    found = _BARRIER.search(query) if path.endswith(_PROBE_PATHS) else None
    return found[1] if found else b"", path.endswith(_CONTROL_PATHS)


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
        f"barrier_requests={report.barrier_requests}" if report.barrier_requests else "",
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
        "barrier_requests": report.barrier_requests or None,
        "traceparent": _text(trace) if trace else None,
    }
    logger.log(level, "%s", json.dumps(entry))


def _level_of(report: Report) -> int:
    return logging.DEBUG if report.is_about_barrier else logging.INFO


def _text(octets: bytes) -> str:
    return octets.decode("ascii", "backslashreplace")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)
