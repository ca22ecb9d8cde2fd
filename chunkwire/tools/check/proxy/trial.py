"""The tools of a row: requests that carry its token, clients that send them, and the upstream that answers them.

The rule here: a wait of a row has the timeout of the run (patience), unless the row gives another one. A wait that
times out leaves the row undecided, unless the row says otherwise. What this module must not know: any row.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import trio

from chunkwire.net.connection import Connection
from chunkwire.net.dial import Url, dial
from chunkwire.tools.check.proxy.raw import RawBody, RawEnd, RawHead, scanner_of
from chunkwire.tools.check.proxy.upstream import TOKEN_NAME, Arrival, Expected, Responder, UpstreamSide
from chunkwire.tools.check.rows import CheckRow, RowCase, Ruling, Shown, undecided
from chunkwire.wire.errors import ChunkwireError

MAX_INTERIM: Final = 20  # 1xx heads before a final one
_UNSEEN: Final = RawHead(b"")


class PatienceOver(ChunkwireError):
    """A wait of a row timed out."""


class Decided(ChunkwireError):
    """Raised by a helper of a row to decide the row."""

    def __init__(self, ruling: Ruling) -> None:
        super().__init__(ruling.why)
        self.ruling = ruling


@dataclass(frozen=True, slots=True)
class CheckedProxy:
    """The proxy under test, how requests to it are made, and facts about it from the first exchange.

    Attributes:
        url: the proxy; its path is the prefix of every target.
        patience: the timeout of a wait, in seconds.
        host: the value of Host, which may be empty; None for that of the URL.
        lines: field lines of every request.
        nonce: of this run, in every token.
        head: its request to the upstream.
        own_version: of its responses to the client.
    """

    url: Url
    patience: float
    tls: ssl.SSLContext | None = None
    host: bytes | None = None
    lines: tuple[bytes, ...] = ()
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))
    upstream: UpstreamSide = field(default_factory=UpstreamSide)
    head: RawHead = _UNSEEN
    own_version: bytes = b"1.1"

    @property
    def authority(self) -> bytes:
        """The value of Host."""
        return self.url.authority if self.host is None else self.host

    @property
    def version(self) -> bytes:
        """The HTTP version of its requests to the upstream, such as `1.1`."""
        return self.head.version


class ClientSide(RawEnd):
    """A client's connection to the proxy."""

    def __init__(self, connection: Connection, trial: ProxyTrial) -> None:
        super().__init__(connection)
        self._trial = trial

    async def final_head(self, what: str = "a response head") -> tuple[list[RawHead], RawHead | None]:
        """Return the 1xx heads and the final one; None if the connection ends first.

        Raises:
            PatienceOver: no final head came in time.
        """
        interim: list[RawHead] = []
        async with self._trial.within(what):
            while (head := await self.read_head()) is not None:
                if not 100 <= head.status < 200 or head.status == 101 or len(interim) == MAX_INTERIM:
                    return interim, head
                interim.append(head)
        return interim, None

    async def answer(self, method: bytes = b"GET", what: str = "a response") -> ProxyAnswer:
        """Read a response to its end, or to the end of the connection.

        Raises:
            PatienceOver: it did not end in time.
        """
        interim, head = await self.final_head(f"the head of {what}")
        if head is None:
            return ProxyAnswer(interim, None, None, self.how)
        body = RawBody(self, scanner_of(head, method=method))
        async with self._trial.within(f"the end of {what}"):
            await body.rest()
        return ProxyAnswer(interim, head, body, self.how)


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """A response as the client received it.

    Attributes:
        interim: the 1xx heads before it.
        head: None if the connection ended without one.
        how: FIN or RST if the connection has ended; else "".
    """

    interim: list[RawHead]
    head: RawHead | None
    body: RawBody | None
    how: str

    @property
    def status(self) -> int:
        """The status code; 0 if there is no response."""
        return self.head.status if self.head is not None else 0

    @property
    def is_success(self) -> bool:
        """It is a 2xx."""
        return 200 <= self.status < 300

    @property
    def is_whole(self) -> bool:
        """The whole body came."""
        return self.body is not None and self.body.is_whole

    @property
    def content(self) -> bytes:
        """The content received."""
        return bytes(self.body.content) if self.body is not None else b""

    def success(self) -> RawHead:
        """Return the head of a 2xx.

        Raises:
            Decided: there is none; the row is undecided.
        """
        if self.head is None or not self.is_success:
            raise Decided(undecided(self.summary))
        return self.head

    @property
    def summary(self) -> str:
        """What the client received, in a few words."""
        if self.head is None:
            return f"the proxy ended the connection without a response ({self.how or 'open'})"
        if self.body is None or self.is_whole:
            return f"the client got {self.status}"
        return f"the client got {self.status}, {self.body.problem or 'not whole'}"


@dataclass(slots=True)
class ProxyTrial:
    """The connections and expected requests of one row.

    Attributes:
        slug: the row's id, for its tokens.
        clients: the connections to the proxy, in order.
        arrivals: the requests that reached the upstream, in order.
    """

    proxy: CheckedProxy
    slug: str
    clients: list[ClientSide] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    _tokens: int = 0
    _expected: list[Expected] = field(default_factory=list)

    @asynccontextmanager
    async def within(self, what: str, patience: float | None = None) -> AsyncGenerator[None, None]:
        """Give the block a timeout: `patience`, or that of the proxy.

        Raises:
            PatienceOver: it timed out.
        """
        limit = self.proxy.patience if patience is None else patience
        try:
            with trio.fail_after(limit):
                yield
        except trio.TooSlowError as error:
            raise PatienceOver(f"{what} did not come in {limit:g} s") from error

    def expect(self, respond: Responder) -> Expected:
        """Return an expected request with a new token; `respond` answers it each time it arrives."""
        self._tokens += 1
        token = f"{self.proxy.nonce}-{self.slug}-{self._tokens}"
        expected = Expected(token, respond, self.arrivals)
        self.proxy.upstream.expected[token] = expected
        self._expected.append(expected)
        return expected

    async def connect(self) -> ClientSide:
        """Open a connection to the proxy.

        Raises:
            DialError: it accepts none.
        """
        url = self.proxy.url
        connection = await dial(url.host, url.port, tls=self.proxy.tls, timeout=self.proxy.patience)
        client = ClientSide(connection, self)
        self.clients.append(client)
        return client

    def request(
        self, expected: Expected, *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1", body: bytes = b""
    ) -> bytes:
        """Return a request: its head with Host, token and these field lines, and the octets of its body."""
        prefix, mark, query = self.proxy.url.target.partition(b"?")
        token = expected.token.encode()
        target = b"%b/chunkwire-check/%b%b%b" % (prefix.rstrip(b"/"), token, mark, query)
        own = (b"Host: " + self.proxy.authority, b"%b: %b" % (TOKEN_NAME, token), *self.proxy.lines)
        head = (b"%b %b HTTP/%b" % (method, target, version), *own, *lines)
        return b"\r\n".join(head) + b"\r\n\r\n" + body

    async def send(
        self, respond: Responder, *lines: bytes, method: bytes = b"GET", version: bytes = b"1.1", body: bytes = b""
    ) -> tuple[ClientSide, Expected]:
        """Send one request on a new connection.

        Raises:
            PeerGone: the proxy closed the connection.
        """
        client, expected = await self.connect(), self.expect(respond)
        await client.send(self.request(expected, *lines, method=method, version=version, body=body))
        return client, expected

    async def ask(
        self,
        respond: Responder,
        *lines: bytes,
        method: bytes = b"GET",
        version: bytes = b"1.1",
        body: bytes = b"",
        change: Callable[[bytes], bytes] = bytes,
    ) -> ProxyAnswer:
        """Send one request, its octets changed by `change`, on a new connection; return the answer.

        If no answer comes in time, end the connection of the last request that arrived, and wait once more.

        Raises:
            PatienceOver: no answer came.
        """
        client = await self.connect()
        request = self.request(self.expect(respond), *lines, method=method, version=version, body=body)
        await client.offer(change(request))
        try:
            return await client.answer(method)
        except PatienceOver:
            if not self.arrivals:
                raise
            await self.arrivals[-1].end.finish()
            return await client.answer(method)

    @property
    def arrival(self) -> Arrival | None:
        """The first request that reached the upstream."""
        return self.arrivals[0] if self.arrivals else None

    def arrived(self, answer: ProxyAnswer) -> Arrival:
        """Return the first request that reached the upstream; `answer` is what the client got.

        Raises:
            Decided: none did; the row is undecided.
        """
        if not self.arrivals:
            raise Decided(undecided(f"the request did not reach the upstream; {answer.summary}"))
        return self.arrivals[0]

    def close(self) -> None:
        """Cancel the row's responses, and reset its connections."""
        for expected in self._expected:
            del self.proxy.upstream.expected[expected.token]
            for scope in expected.scopes:
                scope.cancel()
        for client in self.clients:
            client.reset()

    def shown(self) -> tuple[Shown, ...]:
        """Return the octets of both sides."""
        shown: list[Shown] = []
        for client in self.clients:
            shown += [Shown("client sent", bytes(client.sent)), Shown("client received", bytes(client.received))]
        for arrival in self.arrivals:
            shown += [Shown("upstream received", bytes(arrival.received)), Shown("upstream sent", bytes(arrival.sent))]
        return tuple(shown)


Check: TypeAlias = Callable[[ProxyTrial], Awaitable[Ruling]]


@dataclass(frozen=True, slots=True)
class ProxyRow(RowCase):
    """A row and the function that judges it.

    Attributes:
        needs_1_1: it cannot be judged if the proxy sends HTTP/1.0 to the upstream.
    """

    check: Check
    needs_1_1: bool = False


def proxy_row(row: CheckRow, *, needs_1_1: bool = False, runs_alone: bool = False) -> Callable[[Check], ProxyRow]:
    """Return a decorator that makes a row of the function that judges it.

    Args:
        runs_alone: the row may leave octets on a connection that the proxy reuses for a request of another row.
    """
    return lambda check: ProxyRow(row, check, needs_1_1, runs_alone=runs_alone)


def reply(content: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """Return the octets of a response with Content-Length."""
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(content), b"", content])


def writing(*pieces: bytes, is_last: bool = False) -> Responder:
    """Return a responder that reads the whole request, then writes these octets; it writes none if that fails.

    Args:
        is_last: then ends the connection with FIN.
    """

    async def respond(arrival: Arrival) -> None:
        if await arrival.body.rest():
            for piece in pieces:
                await arrival.send(piece)
            if is_last:
                await arrival.end.finish()

    return respond


def saying(content: bytes, *lines: bytes) -> Responder:
    """Return a responder that reads the whole request and answers with this content."""
    return writing(reply(content, *lines))
