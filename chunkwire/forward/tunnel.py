"""After a 101: relay octets both ways, unchanged (RFC 9110 §7.8)."""

from __future__ import annotations

import trio

from chunkwire.net.connection import Connection, PeerGone


async def tunnel(client: Connection, upstream: Connection) -> None:
    """Relay octets and half-closes both ways until both sides have sent a FIN.

    Raises:
        PeerGone: a side was reset; the caller resets the other.
    """
    failures: list[PeerGone] = []

    async def carry(source: Connection, sink: Connection, scope: trio.CancelScope) -> None:
        try:
            while octets := await source.receive_some():
                await sink.send_all(octets)
            await sink.send_eof()
        except PeerGone as error:
            failures.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry, client, upstream, nursery.cancel_scope, name="tunnel up")
        nursery.start_soon(carry, upstream, client, nursery.cancel_scope, name="tunnel down")
    if failures:
        raise failures[0]
