"""After a 101: relay octets both ways, unchanged (RFC 9110 §7.8)."""

from __future__ import annotations

import trio

from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.movers import SendTimeout, SinkGone, send_in_time
from chunkwire.wire.errors import ChunkwireError


async def tunnel(client: Connection, upstream: Connection, *, send_timeout: float) -> None:
    """Relay octets and half-closes both ways until both sides have sent a FIN.

    Raises:
        PeerGone: a side was reset; the caller resets the other.
        SendTimeout: a side took nothing for `send_timeout`.
    """
    failures: list[ChunkwireError] = []

    async def carry(source: Connection, sink: Connection, scope: trio.CancelScope) -> None:
        try:
            while octets := await source.receive_some():
                await send_in_time(sink, octets, send_timeout)
            await sink.send_eof()
        except (PeerGone, SendTimeout) as error:
            failures.append(error)
            scope.cancel()
        except SinkGone as error:
            failures.append(PeerGone(str(error), sink))
            scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry, client, upstream, nursery.cancel_scope, name="tunnel up")
        nursery.start_soon(carry, upstream, client, nursery.cancel_scope, name="tunnel down")
    if failures:
        raise failures[0]
