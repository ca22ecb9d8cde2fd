"""What follows a 101 that was asked for: octets, both ways, as they are (RFC 9110 §7.8)."""

from __future__ import annotations

import trio

from chunkwire.net.connection import Connection, PeerGone


async def tunnel(client: Connection, upstream: Connection) -> None:
    """Carry octets both ways until both sides have ended, passing each half-close on.

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
