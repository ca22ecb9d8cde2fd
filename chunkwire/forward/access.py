"""The line that is logged for each exchange, as text.

127.0.0.1:50112 "GET /sse HTTP/1.1" 200 127.0.0.1:8081 head=1.2ms chunks=20 octets=1042 complete
"""

from __future__ import annotations

import logging

from chunkwire.forward.exchange import Report
from chunkwire.net.heads import Request

logger = logging.getLogger("chunkwire.access")


def log_exchange(peer: str, request: Request, report: Report) -> None:
    """Log one exchange at INFO; octets from the wire are escaped."""
    if not logger.isEnabledFor(logging.INFO):
        return
    line = request.start_line.decode("ascii", "backslashreplace").replace('"', "%22")
    parts = [peer, f'"{line}"', str(report.status or "-"), report.upstream]
    if report.head_s is not None:
        parts.append(f"head={report.head_s * 1e3:.1f}ms")
    if report.scanner is not None:
        parts.append(f"chunks={report.scanner.chunks} octets={report.scanner.octets}")
    parts.append(report.verdict)
    if report.details:
        parts.append(f"({report.details})")
    logger.info("%s", " ".join(parts))
