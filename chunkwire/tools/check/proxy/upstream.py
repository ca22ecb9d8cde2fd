"""The upstream of the proxy: it passes each request to the row that expects it.

The rule here: a token identifies the row. It is in the path and in a field, as a proxy may rewrite one of them. A
request without a known token (a health check) is answered and ignored. What this module must not know: any row.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import trio

from chunkwire.net.connection import Connection, PeerGone
from chunkwire.tools.check.proxy.raw import RawBody, RawEnd, RawHead, scanner_of

TOKEN_NAME: Final = b"chunkwire-check"
_TOKEN_IN_TARGET: Final = re.compile(rb"/chunkwire-check/([0-9a-z.\-]+)")
_TOKEN: Final = re.compile(rb"[0-9a-z.\-]+")
STRANGER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


class Arrival:
    """One request as it reached the upstream.

    Attributes:
        ended: set once the response has been written or the connection has ended.
    """

    def __init__(self, end: RawEnd, head: RawHead) -> None:
        self.end = end
        self.head = head
        self.body = RawBody(end, scanner_of(head))
        self.ended = trio.Event()
        self.token = token_of(head)
        # The octets of this exchange only; `serve` replaces them for the next exchange of the connection.
        self.sent, self.received = end.sent, end.received

    @property
    def target(self) -> bytes:
        """The request-target as received."""
        return self.head.start_line.partition(b" ")[2].partition(b" ")[0]

    async def send(self, octets: bytes) -> None:
        """Send octets of the response; as `RawEnd.send`."""
        await self.end.send(octets)


Responder: TypeAlias = Callable[[Arrival], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Expected:
    """A request that a row expects, identified by its token.

    Attributes:
        row_arrivals: those of all requests of its row.
        arrivals: the requests that came; a second one is a retry by the proxy, or one message that was split into two.
        arrived: set by the first of them.
        scopes: of the responses that are being written; if they are cancelled, their connections are reset.
    """

    token: str
    respond: Responder
    row_arrivals: list[Arrival]
    arrivals: list[Arrival] = field(default_factory=list)
    arrived: trio.Event = field(default_factory=trio.Event)
    scopes: set[trio.CancelScope] = field(default_factory=set)


def token_of(head: RawHead) -> str:
    """Return the token of a request; "" for none."""
    found = _TOKEN_IN_TARGET.search(head.start_line)
    if found:
        return found[1].decode("ascii")
    values = head.values(TOKEN_NAME)
    return values[0].decode("ascii") if values and _TOKEN.fullmatch(values[0]) else ""


class UpstreamSide:
    """Serves the connections of the proxy."""

    def __init__(self) -> None:
        self.expected: dict[str, Expected] = {}

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        end = RawEnd(Connection(stream))
        with suppress(PeerGone):
            while (head := await end.read_head()) is not None:
                if not await self._answer(Arrival(end, head)):
                    break
                end.sent, end.received = bytearray(), bytearray(end.pending)

    async def _answer(self, arrival: Arrival) -> bool:
        """Answer one request; say whether the connection may be used for another one."""
        expected = self.expected.get(arrival.token)
        if expected is None:
            await arrival.send(STRANGER)
            return await arrival.body.rest()
        expected.row_arrivals.append(arrival)
        expected.arrivals.append(arrival)
        expected.arrived.set()
        with trio.CancelScope() as scope:
            expected.scopes.add(scope)
            try:
                await expected.respond(arrival)
                return arrival.end.is_kept and await arrival.body.rest()
            finally:
                arrival.ended.set()
                expected.scopes.discard(scope)
        arrival.end.reset()  # its row is over
        return False
