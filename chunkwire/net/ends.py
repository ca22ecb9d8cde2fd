"""The two ends of an HTTP/1.1 connection: the server's and the client's.

The rule here: of a request head, an end keeps only the facts that the response head depends on (`Asked`). `seam`
parses heads, `writer` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import trio

from chunkwire.net.connection import Connection
from chunkwire.net.framing import Framing, describe_end
from chunkwire.net.heads import Field, HeadError, Request, Response, check_partial_head, find_head_end
from chunkwire.net.seam import judge_request, judge_response
from chunkwire.net.tls import TlsStream
from chunkwire.net.unix import UnreadOctet
from chunkwire.net.unread import first_line
from chunkwire.net.writer import Asked, write_informational, write_request, write_response
from chunkwire.wire.errors import ChunkwireError, LocalError, quoted
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, HeadLimits

_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
_EMPTY_LINES_OR_LF = re.compile(rb"(?:\r?\n)+")
# A first line that is meant as a request-line, although it may be malformed.
_REQUEST_LIKE = re.compile(rb"(?i)[ \t]*+[A-Z]++ ++(?:/|\*|http|\S++ HTTP/)")
_NO_REQUEST = frozenset({"bad-start-line", "not-http", "cut-head"})


class IncompleteHead(ChunkwireError):
    """The peer closed the connection before or inside a response head; `octets` is the part that came."""

    def __init__(self, octets: bytes) -> None:
        got = f"{len(octets)} octets of a head" if octets else "nothing"
        super().__init__(f"expected a response head, got {got} and the end of the connection")
        self.octets = octets


class _End(Connection):
    """What both ends share: they receive heads. See `Connection` for `may_linger`."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        limits: HeadLimits = DEFAULT_HEAD_LIMITS,
        may_linger: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(stream, may_linger=may_linger)
        self.limits = limits

    async def _receive_head(self, *, is_request: bool) -> bytes | None:
        """Return one whole head; None if the peer closed the connection first."""
        searched = 0
        while True:
            self.drop_empty_lines()
            end = find_head_end(self.leftover, searched)
            if end is not None:
                return self._take_head(end)
            searched = len(self.leftover)
            check_partial_head(self.leftover, self.limits, is_request=is_request)
            if not await self._fill():
                return None

    def _take_head(self, end: int) -> bytes:
        """Remove a head from `leftover`, and clear the old buffer, as it may contain credentials."""
        held = self.leftover
        head, self.leftover = bytes(memoryview(held)[:end]), held[end:]
        held[:] = bytes(len(held))
        return head


class ServerConnection(_End):
    """The server's end: requests in, response heads out.

    Attributes:
        scheme: of the requests' targets: `http`, or `https` over TLS.
        body_before: the framing of the latest request's body, set by who serves it; None before the first request.

    Args:
        bare_lf: accept heads whose lines end in LF alone, as people type them; False refuses them.
        may_linger: see `Connection`.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        *,
        bare_lf: bool,
        limits: HeadLimits = DEFAULT_HEAD_LIMITS,
        may_linger: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(stream, limits=limits, may_linger=may_linger)
        self._bare_lf = bare_lf
        self._waits_first = False  # the first request mostly comes with the connection
        self.unread_octet = UnreadOctet.of(self._plain_socket)
        self.scheme = b"https" if isinstance(stream, TlsStream) else b"http"
        self.body_before: Framing | None = None
        self._asked: Asked | None = None

    async def receive_request(self) -> Request | None:
        """Return the next request head (see `seam.judge_request`); None if the peer closed before its first octet.

        This has no deadline; the caller must set one.

        Raises:
            HeadError: with the status to answer. Nothing more may be read from this connection.
        """
        self._asked = None
        head: bytes | None = b""
        try:
            head = await self._receive_head(is_request=True)
            if head is not None:
                request = judge_request(head, self.limits, bare_lf=self._bare_lf, scheme=self.scheme)
                self._asked = Asked.by(request)
                return request
            if self.leftover:
                raise HeadError(400, "cut-head", "expected an empty line after the head, got the end of the connection")
        except HeadError as error:
            line = error.first_line = first_line(head or self.leftover)
            body = self.body_before
            if body is None or error.rule not in _NO_REQUEST or not line or _REQUEST_LIKE.match(line):
                raise
            stray = HeadError(400, "stray-octets", f"expected a request, got {quoted(line)}; {describe_end(body)}")
            stray.first_line = line
            raise stray from error
        return None

    def has_whole_head(self) -> bool:
        """Say whether a whole head has been received, so that `receive_request` does not wait."""
        self.drop_empty_lines()
        return find_head_end(self.leftover, 0) is not None

    def drop_empty_lines(self) -> None:
        """Drop empty lines before a request-line (RFC 9112 §2.2: "SHOULD ignore at least one")."""
        found = (_EMPTY_LINES_OR_LF if self._bare_lf else _EMPTY_LINES).match(self.leftover)
        if found:
            del self.leftover[: found.end()]

    async def send_informational(self, status: int, fields: Iterable[Field] = (), reason: bytes = b"") -> None:
        """Send a 1xx head; see `writer.write_informational`."""
        await self.send_all(self.informational_octets(status, fields, reason))

    def informational_octets(self, status: int, fields: Iterable[Field] = (), reason: bytes = b"") -> bytes:
        """Return the octets of a 1xx head; see `writer.write_informational`."""
        return write_informational(Response(status, reason, fields=tuple(fields)), self._asked)

    def take_chunks(self) -> None:
        """Accept chunks for the latest request although it is HTTP/1.0: a departure from RFC 9112 §6.1."""
        if self._asked is not None:
            self._asked = self._asked._replace(takes_chunks=True)

    def head_octets(self, response: Response, method: bytes = b"GET") -> bytes:
        """Return the octets of a final response head for the latest request; see `writer.write_response`.

        Send them next: with kernel stamps, the octets of the body are counted from their end.
        """
        octets = write_response(response, self._asked, method)
        if self.stamps is not None:
            self.stamps.begin_sent_body(len(octets))
        return octets


class ClientConnection(_End):
    """The client's end: a request head out, response heads in.

    Attributes:
        keeps_head: keep the octets of the latest response head, for records.
        latest_head: these octets; None if they are not kept.
    """

    keeps_head = False
    latest_head: bytes | None = None
    _asked: Asked | None = None
    _has_head = False

    @property
    def has_answered(self) -> bool:
        """An octet of a response to the latest request has come."""
        return self._has_head or bool(self.leftover)

    async def send_request(self, request: Request, body: bytes = b"") -> None:
        """Send a request head; see `writer.write_request`. A checkpoint only if the kernel does not take all octets.

        Args:
            body: the start of the body, sent together with the head.

        Cancellation: as `send_all`.
        """
        octets = write_request(request) + body
        self._asked = Asked.by(request)
        self._has_head = False
        if self.stamps is not None:
            self.stamps.start_receiving()
        taken = self.send_nowait(octets)
        if taken < len(octets):
            await self.send_all(memoryview(octets)[taken:])

    async def receive_response(self) -> Response:
        """Return the next response head. After a 1xx (status under 200) other than 101, another head follows.

        Raises:
            HeadError: see `seam.judge_response`.
            IncompleteHead: the peer closed the connection first.
            LocalError: no request was sent.
        """
        if self._asked is None:
            raise LocalError("expected a request to be sent first")
        head = await self._receive_head(is_request=False)
        if head is None:
            raise IncompleteHead(bytes(self.leftover))
        self._has_head = True
        if self.stamps is not None:
            self.stamps.begin_received_body(len(self.leftover))
        self.latest_head = head if self.keeps_head else None
        method = b"HEAD" if self._asked.is_head else b"GET"
        return judge_response(head, self.limits, method=method, may_switch=self._asked.has_upgrade)
