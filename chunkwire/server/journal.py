"""The facts of each exchange, and a bounded list of the last exchanges.

The rule here: one `JournalEntry` is filled in while an exchange runs; the journal, the access line and the metrics are
made from it. Times come from the pacer's clock. The journal reports them as nanoseconds since the epoch, so that they
can be compared with times of other programs on the same machine.
"""

from __future__ import annotations

import enum
import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_plus

from chunkwire.net.heads import Request
from chunkwire.net.unread import shown_method
from chunkwire.record.recorder import redact_target
from chunkwire.server.metrics import Metrics

# Fields that proxies add, and fields that shape a stream. Never a credential.
_FIELDS_OF_INTEREST: Final = frozenset(
    b"host via forwarded x-forwarded-for x-forwarded-proto accept accept-encoding te connection expect upgrade "
    b"content-length transfer-encoding trailer user-agent incremental last-event-id traceparent cache-control".split()
)
JOURNAL_PATH: Final = b"/journal"
_TARGET_OCTETS: Final = 2048  # kept; enough for most targets, and for a plan of 200 steps
_VALUE_OCTETS: Final = 256
_FIELD_LINES: Final = 32
_NONCE_PARAMETER: Final = b"nonce="


class Ended(enum.Enum):
    """How an exchange ended."""

    COMPLETE = "complete"
    CUT = "cut"
    RESET = "reset"
    CLIENT_GONE = "client-gone"
    TIMEOUT = "timeout"
    ERROR = "error"


class JournalEntry:
    """One request and its response so far.

    Attributes:
        number: of the exchange on this server, from 1.
        request: its head, without credentials, only with the fields that matter to a stream, cut to bounded lengths.
        nonce: of its query, cut to a bounded length; "" for none.
        began: when its head was complete or refused, in seconds on the pacer's clock.
        began_ns: the same moment, in ns since the epoch.
        status: of the final response, or 101; 0 before it, and for octets that were sent in place of a head.
        chunks: written, without the last-chunk; 0 if the body is not chunked. A write is counted when it begins.
        octets: of chunk-data or content written.
        wire_octets: of the body on the wire.
        head_sent, first_frame, last_frame, ended: when these writes began, and when the exchange ended, on the pacer's
            clock; None before. A frame is any write of the body.
        ended_by: None while it runs.
        rule, detail: name and message of the refusal, or of the failure of the responder; "" for none.
    """

    def __init__(self, number: int, request: Request, *, peer: str, now: float, metrics: Metrics) -> None:
        self.began, self.began_ns = now, time.time_ns()  # first, so that both are one moment
        self.number = number
        self.metrics = metrics
        self.request = _kept(request)
        self.peer = peer
        self.nonce = _nonce_in(request.target)
        self.rule = self.detail = ""
        self.status = self.chunks = self.octets = self.wire_octets = 0
        self.head_sent: float | None = None
        self.first_frame: float | None = None
        self.last_frame: float | None = None
        self.ended: float | None = None
        self.ended_by: Ended | None = None

    def note_frame(self, now: float, chunks: int, octets: int, wire_octets: int) -> None:
        """Count one write of the body, which begins at `now`."""
        self.chunks += chunks
        self.octets += octets
        self.wire_octets += wire_octets
        metrics, last = self.metrics, self.last_frame
        if last is None:
            self.first_frame = now
            metrics.first_frame.observe(now - self.began)
        else:
            metrics.gap.observe(now - last)
        if chunks > 1:
            metrics.gap.observe(0.0, chunks - 1)
        self.last_frame = now

    def at_ns(self, moment: float) -> int:
        """Return a moment of the pacer's clock as ns since the epoch."""
        return self.began_ns + round((moment - self.began) * 1e9)

    def to_json(self) -> dict[str, object]:
        """Return the exchange as a journal entry."""
        request = self.request
        return {
            "n": self.number,
            "peer": self.peer,
            "method": shown_method(request).decode("latin-1"),
            "target": request.target.decode("latin-1"),
            "version": request.version.decode("latin-1"),
            "fields": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.fields],
            "nonce": self.nonce or None,
            "status": self.status or None,
            "rule": self.rule or None,
            "detail": self.detail or None,
            "frames": self.chunks,
            "octets": self.octets,
            "wire_octets": self.wire_octets,
            "began_ns": self.began_ns,
            "head_ns": self._ns_or_none(self.head_sent),
            "first_frame_ns": self._ns_or_none(self.first_frame),
            "last_frame_ns": self._ns_or_none(self.last_frame),
            "ended_ns": self._ns_or_none(self.ended),
            "ended_by": self.ended_by.value if self.ended_by else None,
        }

    def _ns_or_none(self, moment: float | None) -> int | None:
        return None if moment is None else self.at_ns(moment)


class Journal:
    """The last exchanges, oldest first, including those that still run."""

    def __init__(self, max_entries: int) -> None:
        self._entries: deque[JournalEntry] = deque(maxlen=max_entries)

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(self._entries)

    def add(self, exchange: JournalEntry) -> None:
        """Add an exchange, and drop the oldest one if full; exchanges about the journal itself are not added."""
        if exchange.request.target.partition(b"?")[0] != JOURNAL_PATH:
            self._entries.append(exchange)

    def lines(self, nonce: str = "") -> Iterator[bytes]:
        """Yield the entries as lines of JSON; with a nonce, only those with this nonce in their query."""
        for entry in tuple(self):
            if not nonce or entry.nonce == nonce[:_VALUE_OCTETS]:
                yield json.dumps(entry.to_json()).encode() + b"\n"


def _kept(request: Request) -> Request:
    """Return a request cut to bounded lengths: a thousand of the largest heads would take 64 MiB."""
    fields = tuple(
        (name, value[:_VALUE_OCTETS]) for name, value in request.fields if name.lower() in _FIELDS_OF_INTEREST
    )
    return replace(request, target=redact_target(request.target)[:_TARGET_OCTETS], fields=fields[:_FIELD_LINES])


def _nonce_in(target: bytes) -> str:
    for part in target.partition(b"?")[2].split(b"&"):
        if part.startswith(_NONCE_PARAMETER):
            return unquote_plus(part.removeprefix(_NONCE_PARAMETER).decode("latin-1"))[:_VALUE_OCTETS]
    return ""
