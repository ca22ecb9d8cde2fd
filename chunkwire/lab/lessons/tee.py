"""Watch one connection on its way to a real server: each octet is passed on as it came, each end as an end.

The rule here: nothing is changed, and nothing is held. What the octets mean is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import trio

from chunkwire.lab.lessons.watched import KEPT_OCTETS, KEPT_READS, Ending, WatchedConnection, WatchedRead
from chunkwire.net.connection import Connection
from chunkwire.net.listen import Address

_GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)
"""The peer is gone, or the other direction has ended this connection with a reset."""

Happened: TypeAlias = Callable[[WatchedConnection], None]

NO_SERVER: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"


class Tee:
    """Relays the connections of one place to a server, and watches them.

    Args:
        server: where connections go on to.
        happened: called after each read that was kept and each end, with the connection as it is then; its octets have
            been passed on by then. None watches nothing, and keeps no octets.
        path: that targets begin with here, for `WatchedConnection`.
        refused: what a client gets when nobody listens at the server.
    """

    def __init__(
        self, place: str, server: Address, happened: Happened | None, *, path: str = "", refused: str = ""
    ) -> None:
        self._place = place
        self._server = server
        self._happened: Happened = happened or (lambda _: None)
        self._is_watched = happened is not None
        self._path = path
        self._refused = f"{refused}\n".encode()

    async def handle(self, client: trio.SocketStream, first: bytes = b"") -> None:
        """Pass on both ways until the server has ended or the client takes no more; `first` has been received already.

        Cancellation: both connections are ended.
        """
        connection = WatchedConnection(self._place, self._path, began=trio.current_time())
        try:
            server = await trio.open_tcp_stream(self._server.host, self._server.port)
        except OSError:
            await self._refuse(client, connection)
            return
        async with client, server:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._requests, client, server, connection, first, name="octets of the client")
                await self._responses(server, client, connection)
                nursery.cancel_scope.cancel()
            connection.is_over = True
            self._happened(connection)
            await trio.aclose_forcefully(server)
            await Connection(client).close()  # a client that still sends must be able to read its answer

    async def _refuse(self, client: trio.SocketStream, connection: WatchedConnection) -> None:
        async with client:
            try:
                connection.received.append(WatchedRead(0.0, await client.receive_some()))
                await client.send_all(NO_SERVER % (len(self._refused), self._refused))
            except _GONE:
                connection.client_end = "reset"
        connection.is_refused = connection.is_over = True
        self._happened(connection)

    async def _requests(
        self, client: trio.SocketStream, server: trio.SocketStream, connection: WatchedConnection, first: bytes
    ) -> None:
        """Pass on what the client sends, to its end."""
        try:
            while octets := first or await client.receive_some():
                first = b""
                is_kept = self._keep(connection, connection.received, octets)
                await server.send_all(octets)
                if is_kept:
                    self._happened(connection)
            self._client_ended(connection, "fin")
            await server.send_eof()
        except _GONE:
            self._client_ended(connection, "reset")
            Connection(server).reset()

    async def _responses(
        self, server: trio.SocketStream, client: trio.SocketStream, connection: WatchedConnection
    ) -> None:
        """Pass on what the server sends, until it ends, or the client takes no more."""
        try:
            while octets := await server.receive_some():
                # Before they are sent: a client that has what it wants may leave at once.
                is_kept = self._keep(connection, connection.answered, octets)
                try:
                    await client.send_all(octets)
                except _GONE:
                    self._client_ended(connection, "reset")
                    Connection(server).reset()
                    return
                connection.writes_after_fin += connection.client_end == "fin"
                if is_kept:
                    self._happened(connection)
        except _GONE:
            connection.server_end = "reset"
            Connection(client).reset()
        else:
            connection.server_end = "fin"
            try:
                await client.send_eof()
            except _GONE:
                connection.client_end = connection.client_end or "reset"
        self._happened(connection)

    def _keep(self, connection: WatchedConnection, reads: list[WatchedRead], octets: bytes) -> bool:
        """Keep a read unless there are enough; say whether it was kept."""
        room = KEPT_OCTETS - sum(len(read.octets) for read in reads) if len(reads) < KEPT_READS else 0
        if room <= 0 or not self._is_watched:
            return False
        reads.append(WatchedRead(trio.current_time() - connection.began, octets[:room]))
        return True

    def _client_ended(self, connection: WatchedConnection, how: Ending) -> None:
        if connection.client_ended_at is None:
            connection.client_ended_at = trio.current_time() - connection.began
        connection.client_end = how
        self._happened(connection)
