"""Relay connections to a real server, and watch them: a FIN is passed on as a FIN, a reset as a reset.

The rule here: octets are passed on at once and unchanged; a copy is kept. What this module must not know: what they
mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import trio

from chunkwire.lab.lessons.watched import KEPT_OCTETS, KEPT_READS, Ending, WatchedConnection, WatchedRead
from chunkwire.net.connection import Connection
from chunkwire.net.listen import Address

OnChange: TypeAlias = Callable[[WatchedConnection], None]

NO_SERVER: Final = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"


class Tee:
    """Relays the connections of one place to its server, and watches them.

    Args:
        place: its name, such as "origin", for `WatchedConnection`.
        server: where each connection is relayed to.
        on_change: called after each end, and after each read that was kept, once its octets have been passed on. With
            None no octets are kept.
        path: prefix of request targets at this place, for `WatchedConnection`.
        refused: the text of the 502 that a client gets when nobody listens at the server.
    """

    def __init__(
        self, place: str, server: Address, on_change: OnChange | None, *, path: str = "", refused: str = ""
    ) -> None:
        self._place = place
        self._server = server
        self._on_change: OnChange = on_change or (lambda _: None)
        self._is_watched = on_change is not None
        self._path = path
        self._refused = f"{refused}\n".encode()

    async def handle(self, client: trio.SocketStream, first: bytes = b"") -> None:
        """Relay both ways until the server has ended, or one side has reset; `first` has been received already.

        Cancellation: both connections are closed.
        """
        connection = WatchedConnection(self._place, self._path, began=trio.current_time())
        async with client:
            try:
                server = await trio.open_tcp_stream(self._server.host, self._server.port)
            except OSError:
                connection.is_refused = True
                await self._refuse(client, connection, first)
            else:
                async with server, trio.open_nursery() as nursery:
                    nursery.start_soon(self._requests, client, server, connection, first, name="octets of the client")
                    await self._responses(server, client, connection)
                    nursery.cancel_scope.cancel()
            connection.is_over = True
            self._on_change(connection)
            # In stages: a client that still sends would be reset by a plain close, perhaps before it reads its answer.
            await Connection(client).close()

    async def _refuse(self, client: trio.SocketStream, connection: WatchedConnection, first: bytes) -> None:
        """Answer the first read of the client with a 502."""
        try:
            octets = first or await client.receive_some()
            self._keep(connection, connection.received, octets)
            await client.send_all(NO_SERVER % (len(self._refused), self._refused))
        except trio.BrokenResourceError:
            connection.client_end = "reset"

    async def _requests(
        self, client: trio.SocketStream, server: trio.SocketStream, connection: WatchedConnection, first: bytes
    ) -> None:
        """Pass on what the client sends and how it ends; stop early where the server takes no more."""
        try:
            while octets := first or await self._receive(client, connection):
                first = b""
                is_kept = self._keep(connection, connection.received, octets)
                await server.send_all(octets)
                if is_kept:
                    self._on_change(connection)
            if connection.client_end == "reset":
                Connection(server).reset()
            else:
                await server.send_eof()
        except trio.BrokenResourceError:
            connection.server_end = "reset"  # `_responses` passes the reset on, after the octets before it
        except trio.ClosedResourceError:
            return  # `_responses` has closed one of the connections, and recorded why

    async def _receive(self, client: trio.SocketStream, connection: WatchedConnection) -> bytes:
        """Return what the client sends; b"" at its FIN or reset, which is recorded."""
        try:
            octets = await client.receive_some()
        except trio.BrokenResourceError:
            self._client_ended(connection, "reset")
            return b""
        if not octets:
            self._client_ended(connection, "fin")
        return octets

    async def _responses(
        self, server: trio.SocketStream, client: trio.SocketStream, connection: WatchedConnection
    ) -> None:
        """Pass on what the server sends and how it ends; stop early where the client takes no more."""
        try:
            while octets := await server.receive_some():
                # Kept before they are sent: the client may leave as soon as it has them.
                is_kept = self._keep(connection, connection.answered, octets)
                try:
                    await client.send_all(octets)
                except trio.BrokenResourceError:
                    self._client_ended(connection, "reset")
                    Connection(server).reset()
                    return
                if connection.client_end == "fin":
                    connection.writes_after_fin += 1
                if is_kept:
                    self._on_change(connection)
        except trio.BrokenResourceError:
            connection.server_end = "reset"
        except trio.ClosedResourceError:
            return  # `_requests` has reset it, after a reset of the client
        if connection.server_end == "reset":
            Connection(client).reset()
        else:
            connection.server_end = "fin"
            try:
                await client.send_eof()
            except trio.BrokenResourceError:
                connection.client_end = connection.client_end or "reset"
        self._on_change(connection)

    def _keep(self, connection: WatchedConnection, reads: list[WatchedRead], octets: bytes) -> bool:
        """Keep a read, up to `KEPT_READS` and `KEPT_OCTETS` in all; say whether it was kept."""
        room = KEPT_OCTETS - sum(len(read.octets) for read in reads) if len(reads) < KEPT_READS else 0
        if room <= 0 or not self._is_watched:
            return False
        reads.append(WatchedRead(trio.current_time() - connection.began, octets[:room]))
        return True

    def _client_ended(self, connection: WatchedConnection, how: Ending) -> None:
        if connection.client_ended_at is None:
            connection.client_ended_at = trio.current_time() - connection.began
        connection.client_end = how
        self._on_change(connection)
