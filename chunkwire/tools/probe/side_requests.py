"""Small requests sent while a stream runs, on kept connections.

The rule here: an answer is a status and a short content, and every failure is status 0. What that means, the caller
decides.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import trio

from chunkwire.client.request import build_request
from chunkwire.net.dial import DialError, Url, dial
from chunkwire.net.ends import ClientConnection
from chunkwire.net.heads import BodyKind, Framing, Request, response_framing
from chunkwire.net.tls import make_tls
from chunkwire.tools.probe.requests import Fields
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.limits import DEFAULT_LIMITS

Place: TypeAlias = tuple[str, str, int]
"""Scheme, host and port."""

MAX_CONTENT_OCTETS: Final = 65536
_KEPT_SECONDS: Final = 1.0  # for an answer on a kept connection; then a new one is tried


@dataclass(slots=True)
class SideRequests:
    """Connections to hops, at most one kept for each address.

    Attributes:
        timeout: s for one request and its answer.
    """

    tls: ssl.SSLContext | None
    timeout: float
    _kept: dict[Place, ClientConnection] = field(default_factory=dict)
    _unkept: set[Place] = field(default_factory=set)

    async def ask(self, method: str, url: Url, fields: Fields = ()) -> tuple[int, bytes]:
        """Return status and content of the answer to a request without a body; 0 where there is none."""
        place = (url.scheme, url.host, url.port)
        keeping = b"close" if place in self._unkept else b"keep-alive"
        request = build_request(method, url, fields=(*fields, (b"Connection", keeping)))
        kept = self._kept.pop(place, None)
        if kept is not None:
            with trio.move_on_after(_KEPT_SECONDS):
                answer = await self._try(kept, request, place)
                if answer is not None:
                    return answer
            self._unkept.add(place)
        with trio.move_on_after(self.timeout):
            try:
                tls = (self.tls or make_tls()) if url.scheme == "https" else None
                connection = await dial(url.host, url.port, tls=tls)
            except DialError:
                return 0, b""
            return await self._try(connection, request, place) or (0, b"")
        return 0, b""

    async def _try(self, connection: ClientConnection, request: Request, place: Place) -> tuple[int, bytes] | None:
        try:
            return await self._exchange(connection, request, place)
        except ChunkwireError:
            return None
        finally:
            if self._kept.get(place) is not connection:
                connection.reset()

    async def _exchange(self, connection: ClientConnection, request: Request, place: Place) -> tuple[int, bytes]:
        await connection.send_request(request)
        response = await connection.receive_response()
        while response.status < 200:
            response = await connection.receive_response()
        framing = response_framing(response, request.method)
        content = await _content(connection, framing)
        # Several instances may share the address, and a refusal be of the wrong one: then ask on a new connection.
        is_kept = framing.kind is not BodyKind.CLOSE and response.version == b"1.1"
        is_kept = is_kept and not response.has_token(b"connection", b"close")
        if response.status < 300 and is_kept and place not in self._unkept:
            self._kept[place] = connection
        return response.status, content

    def close(self) -> None:
        """End the connections."""
        for connection in self._kept.values():
            connection.close_nowait()
        self._kept.clear()


async def _content(connection: ClientConnection, framing: Framing) -> bytes:
    """Return the content of an answer, as far as `MAX_CONTENT_OCTETS`."""
    scanner = framing.scanner(DEFAULT_LIMITS)
    feed, events = Feed(scanner), list[Event]()
    while not scanner.is_complete and scanner.octets <= MAX_CONTENT_OCTETS:
        octets = await connection.receive_some()
        if not octets:
            scanner.end_of_input()
            break
        feed.take(octets, events)
        if feed.error is not None:
            raise feed.error
    return b"".join(event.octets for event in events if isinstance(event, Data))
