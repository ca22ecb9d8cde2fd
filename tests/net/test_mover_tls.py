"""Bodies over TLS, both ways, through each mover: the same octets, and a cut never looks whole."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from chunkwire.net.connection import Connection
from chunkwire.net.movers import SinkGone, SourceGone
from chunkwire.net.tls import _ANSWER_OCTETS
from chunkwire.wire.errors import ChunkwireError, FramingError
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner
from tests.conformance.vectors import Vector, load
from tests.net.carry import END, FRAME, MakeMover, each_mover, running
from tests.net.peer import SMALL
from tests.net.secured import FarEnd, secured_pair
from tests.net.test_mover_vectors import ENDS
from tests.patience import PATIENCE

pytestmark = each_mover


class Secured:
    """One body between two TLS connections; its sink is closed as a whole, or reset, as the body ends."""

    def __init__(self, upstream: FarEnd, source: Connection, sink: Connection, client: FarEnd) -> None:
        self.upstream, self.source, self.sink, self.client = upstream, source, sink, client
        self.error: ChunkwireError | None = None
        self.has_ended = trio.Event()

    async def carry(self, mover: object, scanner: BodyScanner) -> None:
        try:
            await mover.move(self.source, self.sink, scanner)  # type: ignore[attr-defined]
            await self.sink.send_eof()
        except ChunkwireError as error:
            self.error = error
            self.sink.close_nowait() if isinstance(error, FramingError) else self.sink.reset()
        self.has_ended.set()

    async def wait_error(self) -> ChunkwireError | None:
        with trio.fail_after(PATIENCE):
            await self.has_ended.wait()
        return self.error


@asynccontextmanager
async def carrying(
    make_mover: MakeMover, scanner: BodyScanner | None = None, *, buffer_octets: int | None = None
) -> AsyncIterator[Secured]:
    source, upstream = await secured_pair(is_server=False, buffer_octets=buffer_octets)
    sink, client = await secured_pair(is_server=True, buffer_octets=buffer_octets)
    secured = Secured(upstream, Connection(source), Connection(sink), client)
    try:
        async with running(make_mover) as (mover, nursery):
            nursery.start_soon(secured.carry, mover, scanner or ChunkedScanner(), name="carry")
            yield secured
    finally:
        for stream in (source, sink, upstream.transport, client.transport):
            await trio.aclose_forcefully(stream)


@pytest.mark.parametrize("vector", load(), ids=str)
async def test_a_vector_goes_as_far_as_in_the_clear(make_mover: MakeMover, vector: Vector) -> None:
    async with carrying(make_mover) as secured:
        await secured.upstream.send(vector.octets)
        await secured.upstream.send_close_notify()
        received, _ = await secured.client.read_to_end()
        error = await secured.wait_error()
    if vector.verdict != "incomplete":  # a reset may overtake what it cuts
        assert received == vector.octets[: vector.forward_max]
    assert type(error) is ENDS[vector.verdict]


async def test_close_notify_ends_a_body_delimited_by_close_without_a_fin(make_mover: MakeMover) -> None:
    async with carrying(make_mover, CloseScanner()) as secured:
        await secured.upstream.send(b"all of it")
        await secured.upstream.send_close_notify()
        assert await secured.client.read_to_end() == (b"all of it", True)
        assert await secured.wait_error() is None


@pytest.mark.parametrize("scanner", [CloseScanner, ChunkedScanner])
async def test_a_fin_without_close_notify_never_looks_whole(
    make_mover: MakeMover, scanner: type[CloseScanner] | type[ChunkedScanner]
) -> None:
    """Fails where ragged ends are suppressed: the client then sees close_notify."""
    async with carrying(make_mover, scanner()) as secured:
        await secured.upstream.send(FRAME)
        assert await secured.client.stream.receive_some() == FRAME
        await secured.upstream.transport.aclose()
        assert (await secured.client.read_to_end())[1] is False
        error = await secured.wait_error()
        assert isinstance(error, SourceGone)
        assert str(error).endswith("closed the connection without close_notify")


@pytest.mark.parametrize("octets", [b"", FRAME])
async def test_a_record_that_cannot_be_decrypted_is_no_end(make_mover: MakeMover, octets: bytes) -> None:
    """Fails where the error is read once more, behind what came with the record: OpenSSL then says otherwise."""
    async with carrying(make_mover, CloseScanner()) as secured:
        await secured.upstream.send_and_break(octets)
        error = await secured.wait_error()
        assert isinstance(error, SourceGone)
        assert str(error).endswith(" broke TLS: DECRYPTION_FAILED_OR_BAD_RECORD_MAC")


async def test_a_source_that_reads_no_answers_of_tls_is_told_from_one_that_resets(make_mover: MakeMover) -> None:
    async with carrying(make_mover, buffer_octets=SMALL) as secured:
        tls = secured.source.tls
        assert tls is not None
        while tls.write(memoryview(bytes(65536))):
            pass
        tls._outgoing.write(bytes(_ANSWER_OCTETS + 1))  # as to KeyUpdates, which Python's ssl cannot send
        await secured.upstream.send(FRAME)
        error = await secured.wait_error()
        assert isinstance(error, SourceGone)
        assert str(error).startswith(f"the connection to {secured.source.peer} was lost: the peer reads no answers")


async def test_octets_in_front_of_a_cut_are_sent_before_it_is_reported(make_mover: MakeMover) -> None:
    """Fails where an error that comes in the middle of gathering loses what was gathered."""
    scanner = CloseScanner()
    async with carrying(make_mover, scanner) as secured:
        for _ in range(3):
            await secured.upstream.send(bytes(10_000))
        await secured.upstream.transport.aclose()
        assert isinstance(await secured.wait_error(), SourceGone)
    assert scanner.octets == 30_000


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 65535, 65536, 65537, 131072, 3_000_000])
async def test_a_body_of_any_size_goes_through_whole(make_mover: MakeMover, size: int) -> None:
    """Fails where a record is left inside the TLS layer, which no poll sees."""
    octets = b"%x\r\n" % size + random.Random(size).randbytes(size) + b"\r\n" + END
    async with carrying(make_mover) as secured, trio.open_nursery() as nursery:
        nursery.start_soon(secured.upstream.send, octets, name="upstream")
        assert await secured.client.read_to_end() == (octets, True)
        assert await secured.wait_error() is None


async def test_a_slow_client_stops_the_upstream_and_loses_nothing(make_mover: MakeMover) -> None:
    """Fails where a write that TLS must repeat is begun anew with other octets."""
    octets = b"".join(b"%x\r\n" % size + bytes(size) + b"\r\n" for size in range(1, 3000, 7)) + END
    async with carrying(make_mover, buffer_octets=SMALL) as secured, trio.open_nursery() as nursery:
        nursery.start_soon(secured.upstream.send, octets, name="upstream")
        received = bytearray()
        with trio.fail_after(PATIENCE):
            while got := await secured.client.stream.receive_some(700):
                received += got
        assert bytes(received) == octets


async def test_a_client_that_resets_ends_the_body(make_mover: MakeMover) -> None:
    async with carrying(make_mover) as secured:
        await secured.upstream.send(FRAME)
        assert await secured.client.stream.receive_some() == FRAME
        Connection(secured.client.transport).reset()
        with trio.fail_after(PATIENCE):
            while not secured.has_ended.is_set():
                await secured.upstream.send(FRAME)
                await trio.lowlevel.checkpoint()
        assert isinstance(secured.error, SinkGone)
