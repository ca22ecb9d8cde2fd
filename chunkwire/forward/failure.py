"""What each error means for the exchange, and how it is answered.

A table for each side maps our errors to a verdict, for logs, records and metrics, and to the status and the
Proxy-Status error (RFC 9209 §2.3) of the answer, which is sent if no response head was. Pure.
"""

from __future__ import annotations

import enum
import http
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from chunkwire.forward.shape import FaultPlayed
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError, Response
from chunkwire.net.movers import IdleTimeout, SendTimeout, SinkGone, SourceGone
from chunkwire.origin.scenarios import Ending
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody
from chunkwire.wire.mistakes import LatestChunk


class Outcome(enum.StrEnum):
    """How an exchange ended; the words of the log and, but for REFUSED, of the record (`end.framing`)."""

    COMPLETE = "complete"
    CUT = "cut"
    RESET = "reset"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    CLIENT_GONE = "client-gone"
    REFUSED = "refused"


class IncrementalRefused(ChunkwireError):
    """The response asks not to be buffered (RFC 10036), and this gateway is set to buffer."""


class ResponseTimeout(ChunkwireError):
    """The upstream sent no response head in time."""


class TooManyInformational(ChunkwireError):
    """The upstream sent more 1xx responses than are relayed."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, for the log, the record and the answer.

    Attributes:
        status: of the answer, if no response head has been sent; 0 for no answer.
        error: the error type of RFC 9209.
        rule: which of our rules the peer broke; "" for none.
    """

    verdict: Outcome
    status: int
    error: str
    details: str
    rule: str = ""


_DIAL: Final = {
    "dns": (502, "dns_error"),
    "refused": (502, "connection_refused"),
    "unreachable": (502, "destination_ip_unroutable"),
    "timeout": (504, "connection_timeout"),
    "tls": (502, "tls_protocol_error"),
    "files": (503, "proxy_internal_error"),
}
_OUTCOMES: Final = {
    Ending.CLOSE: Outcome.CUT,
    Ending.RESET: Outcome.RESET,
    Ending.HOLD: Outcome.TIMEOUT,
    Ending.KEEP: Outcome.COMPLETE,
}


_Row: TypeAlias = tuple[tuple[type[ChunkwireError], ...], Outcome, int, str]
_UPSTREAM: Final[tuple[_Row, ...]] = (
    ((IncrementalRefused,), Outcome.REFUSED, 502, "incremental_refused"),
    ((ResponseTimeout,), Outcome.TIMEOUT, 504, "http_response_timeout"),
    ((IdleTimeout,), Outcome.TIMEOUT, 504, "connection_read_timeout"),
    ((IncompleteHead, IncompleteBody), Outcome.CUT, 502, "http_response_incomplete"),
    ((PeerGone, SourceGone), Outcome.RESET, 502, "connection_terminated"),
    ((ChunkwireError,), Outcome.MALFORMED, 502, "http_protocol_error"),
)
_CLIENT: Final[tuple[_Row, ...]] = (
    ((IncompleteBody,), Outcome.CUT, 400, "http_request_error"),
    ((IdleTimeout,), Outcome.TIMEOUT, 408, "http_request_error"),
    ((SendTimeout,), Outcome.TIMEOUT, 0, "connection_write_timeout"),
    ((PeerGone, SourceGone, SinkGone), Outcome.CLIENT_GONE, 0, "connection_terminated"),
    ((ChunkwireError,), Outcome.MALFORMED, 400, "http_request_error"),
)


def _look_up(error: ChunkwireError, table: Sequence[_Row]) -> Failure:
    outcome, status, kind = next(row[1:] for row in table if isinstance(error, row[0]))
    return Failure(outcome, status, kind, str(error))


def upstream_failure(error: ChunkwireError) -> Failure:
    """Return what an error on the upstream's side means, before or inside its response."""
    if isinstance(error, DialError):
        status, kind = _DIAL[error.kind]
        return Failure(Outcome.TIMEOUT if status == 504 else Outcome.RESET, status, kind, str(error))
    failure = _look_up(error, _UPSTREAM)
    if isinstance(error, HeadError) and error.status == 431:
        return replace(failure, error="http_response_header_section_size")
    return failure


def fault_failure(played: FaultPlayed) -> Failure:
    """Return the failure that a requested fault stands for; it is not answered."""
    return Failure(_OUTCOMES[played.fault.ending], 200, "", str(played))


def client_failure(error: ChunkwireError) -> Failure:
    """Return what an error on the client's side means."""
    if isinstance(error, HeadError):
        return Failure(Outcome.REFUSED, error.status, "http_request_error", str(error), error.rule)
    failure = _look_up(error, _CLIENT)
    if not isinstance(error, FramingError):
        return failure
    hint = f". {error.hint}" if error.hint else LatestChunk().hint_at(error)
    return replace(failure, details=f"{error}{hint}", rule=error.rule)


def failure_response(failure: Failure, *, name: str, date: bytes) -> tuple[Response, bytes]:
    """Return the answer to a request that failed before a response began: its head and its content, as text.

    The connection is closed after it.
    """
    reason = http.HTTPStatus(failure.status).phrase
    content = f"{failure.status} {reason}\n{name}: {failure.details}\n".encode("utf-8", "backslashreplace")
    details = failure.details.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")
    details = details.replace("\\", "\\\\").replace('"', '\\"')
    fields = (
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", b"%d" % len(content)),
        (b"Date", date),
        (b"Proxy-Status", f'{name}; error={failure.error}; details="{details}"'.encode("ascii")),
        (b"Connection", b"close"),
    )
    return Response(failure.status, reason.encode("ascii"), fields=fields), content
