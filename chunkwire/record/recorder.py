"""Make records from the events of a message; clients, servers, the gateway and the readers of captures all use it.

The rule here: times and events in, records and counts out. The octets kept of a frame are bounded, and credentials are
redacted before a record is made. What this module must not know: who reads the records, and the clock.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from chunkwire.record.values import (
    APPLICATION_VERDICTS,
    FRAMING_VERDICTS,
    POINTS,
    WAYS,
    DataRecord,
    EndRecord,
    FrameRecord,
    HeadRecord,
    Record,
    RequestRecord,
    TextFields,
    TrailersRecord,
)
from chunkwire.wire import abnf
from chunkwire.wire.errors import LocalError
from chunkwire.wire.frames import Data, DataEnd, Event, LastChunk, SizeLine

MAX_DATA_OCTETS: Final = 65536
"""Octets of one frame that a record keeps: more than most events have; bounds the memory of a recording."""

REDACTED: Final = b"[redacted]"

_CREDENTIALS: Final = frozenset(
    b"authorization proxy-authorization cookie set-cookie x-api-key api-key x-goog-api-key x-amz-security-token".split()
)
"""Fields with a secret value: RFC 9110 §11, RFC 6265, and the keys of providers of language models."""

_WITH_TARGETS: Final = frozenset((b"location", b"referer"))
"""Fields whose value is a URL, which may contain a key, as a target may."""

# Query parameters that carry a secret by custom: Google's key=, signed URLs, OAuth 2.0's access_token (RFC 6750 §2.3).
_SECRET_PARAMETER: Final = re.compile(
    rb"([?&](?:key|api[-_]?key|(?:access_|id_)?token|sig|signature|x-amz-(?:signature|credential|security-token))=)"
    rb"[^&#]*+",
    re.IGNORECASE,
)
# scheme "://" userinfo "@"                                           RFC 3986 §3.2.1
_USERINFO: Final = re.compile(rb"^([A-Za-z][A-Za-z0-9+.\-]*+://)[^/?#@]*+@")


class Recorder:
    """Makes the records of one message at one point, in order: head, body, end.

    Args:
        emit: called with each record by the methods below; its exceptions are not caught.
        stream, point, way, hop: as in `RequestRecord`.

    Raises:
        LocalError: an unknown point or way.
    """

    def __init__(
        self,
        emit: Callable[[Record], None],
        *,
        stream: int,
        point: str,
        way: str = "response",
        hop: str | None = None,
    ) -> None:
        self._emit = emit
        self._stream = stream
        self._point = _one_of(POINTS, point)
        self._way = _one_of(WAYS, way)
        self._hop = hop
        self._kernel: float | None = None
        self._last_t: float | None = None
        self._body_t = 0.0  # of the latest octets of the body
        self._n = self._last_read = self._reads = self._chunks = self._octets = self._wire_octets = 0
        self._hash = hashlib.sha256()
        # The current chunk, the first octets of its data, in the pieces in which they came, and how many came in all.
        self._chunk: SizeLine | None = None
        self._data: list[bytes] = []
        self._data_octets = 0

    def request(
        self,
        t: float,
        method: bytes,
        target: bytes,
        fields: Sequence[tuple[bytes, bytes]],
        wall: float,
        *,
        octets: bytes | None = None,
    ) -> None:
        """Record a request head; t is in s since the request (0.0 for the sender), wall in s since the epoch.

        Args:
            octets: the head as written; kept unless a part of it is redacted.
        """
        text, is_redacted = _text_fields(fields)
        shown = redact_target(target)
        self._emit(
            RequestRecord(
                **self._where,
                t=t,
                method=method.decode("latin-1"),
                target=shown.decode("latin-1"),
                fields=text,
                wall=wall,
                data=None if is_redacted or shown != target else octets,
            )
        )

    def head(
        self, t: float, status_line: bytes, fields: Sequence[tuple[bytes, bytes]], *, octets: bytes | None = None
    ) -> None:
        """Record a response head; status_line is without its CRLF, such as b"HTTP/1.1 200 OK"; octets as `request`."""
        text, is_redacted = _text_fields(fields)
        data = None if is_redacted else octets
        line = status_line.decode("latin-1")
        self._emit(HeadRecord(**self._where, t=t, status_line=line, fields=text, data=data))

    def body(self, t: float, events: Sequence[Event], read: int, *, kernel: float | None = None) -> None:
        """Record the octets that one call of a scanner approved: each whole frame, or a read of content.

        Args:
            t: s since the request.
            events: in order; each octet of the body in one event.
            read: number of the receive that brought the last octet, from 1; others may have been held since an earlier
                receive. 0 for octets that were there before the observer began, which count as no read.
            kernel: when the kernel received the packet with the last octet, in s since the request; None if unknown. It
                is the time of a frame that ends with that octet.
        """
        if events and read != self._last_read:
            self._last_read = read
            self._reads += 1
        wire_octets = b"".join([event.raw for event in events])
        self._hash.update(wire_octets)
        self._wire_octets += len(wire_octets)
        if events:
            self._body_t = t
        last = events[-1] if events and kernel is not None else None
        for event in events:
            if isinstance(event, SizeLine):
                self._chunk = event
                continue
            self._kernel = kernel if event is last else None
            if isinstance(event, Data):
                self._content(t, event, read)
            elif isinstance(event, DataEnd):
                self._chunks += 1
                self._frame(t, read)
            else:
                self._last_chunk(t, event, read)
        self._kernel = None

    def end(
        self,
        t: float,
        framing: str,
        application: str = "unknown",
        *,
        events: int | None = None,
        error: str | None = None,
        held: bytes = b"",
    ) -> None:
        """Record the end of the body, after the chunk that it cut, if any; see `EndRecord`.

        Args:
            held: octets that came and were not approved.

        Raises:
            LocalError: an unknown verdict.
        """
        _one_of(FRAMING_VERDICTS, framing)
        _one_of(APPLICATION_VERDICTS, application)
        if self._chunk is not None:
            self._frame(self._body_t, self._last_read, partial=True)
        self._emit(
            EndRecord(
                **self._where,
                t=t,
                framing=framing,
                application=application,
                chunks=self._chunks,
                events=events,
                reads=self._reads,
                octets=self._octets,
                wire_octets=self._wire_octets,
                sha256=self._hash.hexdigest(),
                error=error,
                data=held[:MAX_DATA_OCTETS] or None,
            )
        )

    def _content(self, t: float, event: Data, read: int) -> None:
        """Keep chunk-data until its chunk is whole; record other content at once."""
        octets = event.octets
        self._octets += len(octets)
        if self._chunk is not None:
            if self._data_octets < MAX_DATA_OCTETS:
                self._data.append(octets[: MAX_DATA_OCTETS - self._data_octets])
            self._data_octets += len(octets)
            return
        size = len(octets)
        n, gap = self._next(t)
        self._emit(
            DataRecord(
                **self._where,
                t=t,
                n=n,
                gap=gap,
                read=read,
                offset=event.offset,
                size=size,
                data=octets[:MAX_DATA_OCTETS],
                cut=size > MAX_DATA_OCTETS,
                kernel=self._kernel,
            )
        )

    def _frame(self, t: float, read: int, *, partial: bool = False) -> None:
        """Record the current chunk or last-chunk, which is whole, or partial."""
        chunk = self._chunk
        assert chunk is not None
        n, gap = self._next(t)
        data = self._data[0] if len(self._data) == 1 else b"".join(self._data)
        cut = self._data_octets > MAX_DATA_OCTETS
        line = chunk.line.decode("latin-1")
        # Positional arguments, as keywords double the cost, and this is called for each frame.
        self._emit(
            FrameRecord(
                self._stream,
                self._point,
                t,
                n,
                gap,
                read,
                chunk.offset,
                line,
                chunk.size,
                data,
                cut,
                partial,
                self._way,
                self._hop,
                "frame",
                self._kernel,
            )
        )
        self._chunk = None
        self._data.clear()
        self._data_octets = 0

    def _last_chunk(self, t: float, event: LastChunk, read: int) -> None:
        self._chunk = SizeLine(event.offset, event.line, 0, event.ext)
        self._frame(t, read)
        if event.trailers:
            text, is_redacted = _text_fields(event.trailers)
            section = None if is_redacted else event.raw[len(event.line) + 2 : -2]
            self._emit(TrailersRecord(**self._where, t=t, read=read, fields=text, data=section))

    @property
    def _where(self) -> dict[str, Any]:
        """The members of every record that say where it was observed."""
        return {"stream": self._stream, "point": self._point, "way": self._way, "hop": self._hop}

    def _next(self, t: float) -> tuple[int, float | None]:
        """Return the number of the next frame, and its gap to the previous one."""
        gap = None if self._last_t is None else t - self._last_t
        self._last_t = t
        self._n += 1
        return self._n, gap


def _one_of(known: tuple[str, ...], value: str) -> str:
    if value not in known:
        raise LocalError(f"expected one of {', '.join(known)}, got {value!r}")
    return value


def _text_fields(fields: Sequence[tuple[bytes, bytes]]) -> tuple[TextFields, bool]:
    """Return the field lines as text with credentials redacted, and whether any were."""
    values = [_redact_value(abnf.canonical_name(name), value) for name, value in fields]
    text = tuple(
        (name.decode("latin-1"), shown.decode("latin-1")) for (name, _), shown in zip(fields, values, strict=True)
    )
    return text, values != [value for _, value in fields]


def _redact_value(name: bytes, value: bytes) -> bytes:
    if name in _CREDENTIALS:
        return REDACTED
    return redact_target(value) if name in _WITH_TARGETS else value


def redact_target(target: bytes) -> bytes:
    """Return a target with the userinfo of an absolute form and the values of secret query parameters redacted."""
    return _SECRET_PARAMETER.sub(rb"\1" + REDACTED, _USERINFO.sub(rb"\1" + REDACTED + b"@", target))
