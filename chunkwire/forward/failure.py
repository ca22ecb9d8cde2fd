"""What the gateway says when something breaks, and what it calls it.

The rule here: one table from our errors to a verdict (for logs, records and metrics), and to the status and
Proxy-Status error (RFC 9209 §2.3) of an answer where no head has been sent yet. Pure.
"""

from __future__ import annotations

import enum
import http
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chunkwire.forward.shape import FaultPlayed
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import Field, HeadError, Response
from chunkwire.net.movers import IdleTimeout, SendTimeout, SinkGone, SourceGone
from chunkwire.origin.scenarios import Ending
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody


class Outcome(enum.StrEnum):
    """How an exchange ended; the words of the record (`end.framing`) and of the log."""

    COMPLETE = "complete"
    CUT = "cut"
    RESET = "reset"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    CLIENT_GONE = "client-gone"
    REFUSED = "refused"


class IncrementalRefused(ChunkwireError):
    """The response asks not to be buffered, and buffering is what this gateway is set to do (RFC 10036)."""


class ResponseTimeout(ChunkwireError):
    """The upstream sent no response head in time."""


class TooManyInformational(ChunkwireError):
    """The upstream sent more 1xx than are passed on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure in every word that is needed.

    Attributes:
        status: what to answer while no head has been sent.
        error: RFC 9209's error type.
        rule: which rule of ours the peer broke, where there is one.
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


def upstream_failure(error: ChunkwireError) -> Failure:
    """Return what an error on the upstream's side means, before or inside its response."""
    details = str(error)
    if isinstance(error, DialError):
        status, kind = _DIAL[error.kind]
        return Failure(Outcome.TIMEOUT if status == 504 else Outcome.RESET, status, kind, details)
    if isinstance(error, IncrementalRefused):
        return Failure(Outcome.REFUSED, 502, "incremental_refused", details)
    if isinstance(error, ResponseTimeout):
        return Failure(Outcome.TIMEOUT, 504, "http_response_timeout", details)
    if isinstance(error, IdleTimeout | SendTimeout):
        return Failure(Outcome.TIMEOUT, 504, "connection_read_timeout", details)
    if isinstance(error, IncompleteHead | IncompleteBody):
        return Failure(Outcome.CUT, 502, "http_response_incomplete", details)
    if isinstance(error, PeerGone | SourceGone):
        return Failure(Outcome.RESET, 502, "connection_terminated", details)
    kind = (
        "http_response_header_section_size"
        if isinstance(error, HeadError) and error.status == 431
        else "http_protocol_error"
    )
    return Failure(Outcome.MALFORMED, 502, kind, details)


def fault_failure(played: FaultPlayed) -> Failure:
    """Return what a fault that was asked for by name means; it is given no answer."""
    return Failure(_OUTCOMES[played.fault.ending], 200, "", str(played))


def client_failure(error: ChunkwireError) -> Failure:
    """Return what an error on the client's side means."""
    if isinstance(error, HeadError):
        return Failure(Outcome.REFUSED, error.status, "http_request_error", str(error), error.rule)
    if isinstance(error, FramingError):
        hint = "; nc sends CRLF with `nc -C` (macOS: `nc -c`)" if error.rule == "bare-lf" else ""
        return Failure(Outcome.MALFORMED, 400, "http_request_error", f"{error}{hint}", error.rule)
    if isinstance(error, IncompleteBody):
        return Failure(Outcome.CUT, 400, "http_request_error", str(error))
    if isinstance(error, IdleTimeout):
        return Failure(Outcome.TIMEOUT, 408, "http_request_error", str(error))
    if isinstance(error, SendTimeout):
        return Failure(Outcome.TIMEOUT, 0, "connection_write_timeout", str(error))
    if isinstance(error, PeerGone | SourceGone | SinkGone):
        return Failure(Outcome.CLIENT_GONE, 0, "connection_terminated", str(error))
    return Failure(Outcome.MALFORMED, 400, "http_request_error", str(error))


def failure_response(
    failure: Failure, *, name: str, date: bytes, extra: Sequence[Field] = ()
) -> tuple[Response, bytes]:
    """Return the answer to a request that failed before a response began: its head and its content, as text."""
    reason = http.HTTPStatus(failure.status).phrase
    content = f"{failure.status} {reason}\n{name}: {failure.details}\n".encode("utf-8", "backslashreplace")
    details = failure.details.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")
    details = details.replace("\\", "\\\\").replace('"', '\\"')
    fields = (
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", b"%d" % len(content)),
        (b"Date", date),
        (b"Proxy-Status", f'{name}; error={failure.error}; details="{details}"'.encode("ascii")),
        *extra,
    )
    return Response(failure.status, reason.encode("ascii"), fields=fields), content
