"""Small requests beside a stream, on connections that are kept: as many of them a second as a hop answers.

The rule here: an answer is a status and a short content, and every failure is status 0; who asks decides what it means.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Final

import trio

from chunkwire.client.request import build_request
from chunkwire.net.dial import DialError, Url, dial
from chunkwire.net.ends import ClientConnection
from chunkwire.net.heads import BodyKind, Request, Response, response_framing
from chunkwire.net.tls import make_tls
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.limits import DEFAULT_LIMITS

Fields = tuple[tuple[bytes, bytes], ...]
MAX_CONTENT_OCTETS: Final = 65536
_KEPT_SECONDS: Final = 1.0  # for an answer on a connection that has served before: then a new one is tried


@dataclass(slots=True)
class Beside:
    """Connections to hops, one for each address.

    Attributes:
        timeout: s for one request and its answer.
    """

    tls: ssl.SSLContext | None
    timeout: float
    _kept: dict[tuple[str, str, int], ClientConnection] = field(default_factory=dict)
    _unkept: set[tuple[str, str, int]] = field(default_factory=set)

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
                connection = await self._dial(url)
            except DialError:
                return 0, b""
            return await self._try(connection, request, place) or (0, b"")
        return 0, b""

    async def _try(
        self, connection: ClientConnection, request: Request, place: tuple[str, str, int]
    ) -> tuple[int, bytes] | None:
        try:
            return await self._exchange(connection, request, place)
        except ChunkwireError:
            return None
        finally:
            if self._kept.get(place) is not connection:
                connection.reset()

    async def _dial(self, url: Url) -> ClientConnection:
        tls = (self.tls or make_tls()) if url.scheme == "https" else None
        return await dial(url.host, url.port, tls=tls)

    async def _exchange(
        self, connection: ClientConnection, request: Request, place: tuple[str, str, int]
    ) -> tuple[int, bytes]:
        await connection.send_request(request)
        response = await connection.receive_response()
        while response.status < 200:
            response = await connection.receive_response()
        content = await _content(connection, request, response)
        framing = response_framing(response, request.method)
        # A refusal may be one of several that stand behind the address: the next request asks again, on a new one.
        is_kept = framing.kind is not BodyKind.CLOSE and _is_kept(response)
        if response.status < 300 and is_kept and place not in self._unkept:
            self._kept[place] = connection
        return response.status, content

    def close(self) -> None:
        """End the connections."""
        for connection in self._kept.values():
            connection.close_nowait()
        self._kept.clear()


def _is_kept(response: Response) -> bool:
    return response.version == b"1.1" and not response.has_token(b"connection", b"close")


async def _content(connection: ClientConnection, request: Request, response: Response) -> bytes:
    """Return the content of an answer, as far as `MAX_CONTENT_OCTETS`."""
    scanner = response_framing(response, request.method).scanner(DEFAULT_LIMITS)
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
