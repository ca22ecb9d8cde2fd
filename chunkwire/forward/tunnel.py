"""After a 101: relay octets both ways, unchanged (RFC 9110 §7.8)."""

from __future__ import annotations

import trio

from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.movers import SendTimeout, SinkGone, send_in_time
from chunkwire.wire.errors import ChunkwireError


async def tunnel(client: Connection, upstream: Connection, *, send_timeout: float) -> None:
    """Relay octets and half-closes both ways until both sides have sent a FIN.

    Raises:
        SinkGone: the client was reset, perhaps while the upstream takes none of its octets.
        PeerGone: the upstream was reset.
        SendTimeout: a side took nothing for `send_timeout`.
    """
    failures: list[ChunkwireError] = []

    def fail(error: ChunkwireError) -> None:
        failures.append(error)
        nursery.cancel_scope.cancel()

    async def carry(source: Connection, sink: Connection) -> None:
        try:
            while octets := await source.receive_some():
                if (taken := sink.send_nowait(octets)) == len(octets):
                    continue
                sink.remove_unsent_limit()
                watch = trio.CancelScope()
                if source is client:  # what an upstream sent before its reset still goes to a slow client
                    nursery.start_soon(fail_at_reset, watch, name="reset of a tunnel's client")
                try:
                    await send_in_time(sink, memoryview(octets)[taken:], send_timeout)
                finally:
                    watch.cancel()
            await sink.send_eof()
        except SendTimeout as error:
            fail(error)
        except PeerGone as error:
            fail(SinkGone(str(error)) if error.connection is client else error)
        except SinkGone as error:
            fail(error if sink is client else PeerGone(str(error), sink))

    async def fail_at_reset(scope: trio.CancelScope) -> None:
        with scope:
            await client.wait_reset()
            fail(SinkGone(f"{client.peer} reset the connection"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry, client, upstream, name="tunnel up")
        nursery.start_soon(carry, upstream, client, name="tunnel down")
    if failures:
        raise failures[0]
