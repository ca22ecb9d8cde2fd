"""A TLS stream by itself: what is read in parts, behind our own close_notify, and after a broken record."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection, PeerGone
from chunkwire.net.tls import _ANSWER_OCTETS, _TURN_RECORDS, RECORD_OCTETS, TlsStream
from tests.net.peer import SMALL, read_to_end, reset, tcp_pair
from tests.net.secured import FarEnd, contexts, secured_pair
from tests.patience import PATIENCE


@asynccontextmanager
async def pair(*, is_server: bool = False, buffer_octets: int | None = None) -> AsyncIterator[tuple[TlsStream, FarEnd]]:
    near, far = await secured_pair(is_server=is_server, buffer_octets=buffer_octets)
    try:
        with trio.fail_after(PATIENCE):
            yield near, far
    finally:
        await trio.aclose_forcefully(near)
        await trio.aclose_forcefully(far.transport)


async def test_a_fin_follows_our_close_notify() -> None:
    async with pair() as (near, far):
        await near.end_sending()
        assert await far.read_to_end() == (b"", True)
        assert await read_to_end(far.transport) == b""


@pytest.mark.parametrize("is_server", [False, True])
async def test_what_has_no_room_in_a_read_comes_in_the_next(is_server: bool) -> None:
    async with pair(is_server=is_server) as (near, far):
        await far.send(bytes(range(100)))
        assert [await near.receive_some(40) for _ in range(3)] == [
            bytes(range(40)),
            bytes(range(40, 80)),
            bytes(range(80, 100)),
        ]
        await far.send(b"more")
        assert await near.receive_some(40) == b"more"


async def test_a_read_takes_so_many_short_records_and_no_more() -> None:
    """Fails where a peer that sends an octet a record delays all others by what its full receive takes to decrypt."""
    octets = bytes(100) * 40
    async with pair() as (near, far):
        await far.send_apart(octets)
        reads = [len(await near.receive_some())]
        while sum(reads) < len(octets):
            reads.append(len(await near.receive_some()))
        assert max(reads[1:]) < 2 * _TURN_RECORDS
        await far.send(bytes(1 << 17))
        while sum(reads) < len(octets) + (1 << 17):
            reads.append(len(await near.receive_some()))
        assert reads[-1] > RECORD_OCTETS


async def test_a_long_record_makes_little_room_for_short_ones() -> None:
    """Fails where one record after many short ones lets the next receive take all that the buffers hold."""
    octets = bytes(100) * 40
    async with pair() as (near, far):
        await far.send_apart(octets)
        received = 0
        while received < len(octets):
            received += len(await near.receive_some())
        await far.send(bytes(RECORD_OCTETS))
        await far.send_apart(octets)
        reads = [await near.receive_some()]
        while sum(map(len, reads)) < RECORD_OCTETS + len(octets):
            reads.append(await near.receive_some())
        assert max(len(read) for read in reads) < RECORD_OCTETS + 8 * _TURN_RECORDS


async def test_octets_that_were_not_read_come_behind_our_own_close_notify() -> None:
    """Fails where OpenSSL looks for the peer's close_notify in what has come, and drops the content before it."""
    unread = bytes(100_000)
    async with pair() as (near, far):
        await far.send(unread)
        received = await near.receive_some(20_000)
        assert near.has_more
        await near.end_sending()
        await far.send(b", and sent later")
        await far.send_close_notify()
        while octets := await near.receive_some():
            received += octets
        assert received == unread + b", and sent later"


async def test_a_broken_record_raises_behind_the_content_before_it() -> None:
    async with pair() as (near, far):
        await far.send_and_break(b"good")
        assert await near.receive_some() == b"good"
        for _ in range(2):
            with pytest.raises(ssl.SSLError, match="DECRYPTION_FAILED_OR_BAD_RECORD_MAC"):
                await near.receive_some()


@pytest.mark.parametrize("content", [b"", b"good"])
async def test_a_peek_takes_no_broken_record_for_a_fin(content: bytes) -> None:
    """Fails where a later read gets what OpenSSL says after its error: that there was no close_notify."""
    async with pair() as (near, far):
        connection = Connection(near)
        await far.send_and_break(content)
        if content:
            assert await connection.receive_some() == content
        for _ in range(2):
            with pytest.raises(PeerGone, match=r"broke TLS: DECRYPTION_FAILED_OR_BAD_RECORD_MAC$") as caught:
                await connection.peek()
            assert not caught.value.lacks_close_notify


async def test_a_peek_takes_a_fin_without_close_notify_for_a_fin() -> None:
    async with pair() as (near, far):
        connection = Connection(near)
        await far.transport.send_eof()
        assert not await connection.peek()
        for _ in range(2):
            with pytest.raises(PeerGone, match=r"closed the connection without close_notify$") as caught:
                await connection.receive_some()
            assert caught.value.lacks_close_notify


async def test_a_reset_is_a_reset_at_each_read() -> None:
    """Fails where the read after a reset gets the FIN that the kernel gives then."""
    async with pair() as (near, far):
        connection = Connection(near)
        reset(far.transport)
        for _ in range(2):
            with pytest.raises(PeerGone, match=r"reset the connection$") as caught:
                await connection.receive_some()
            assert not caught.value.lacks_close_notify


async def test_a_write_that_the_kernel_takes_in_parts_says_so_octet_by_octet() -> None:
    """Fails where a slow peer's progress is seen only once a whole slice has gone."""
    octets = bytes(range(256)) * 4096
    async with pair(buffer_octets=SMALL) as (near, far), trio.open_nursery() as nursery:
        parts: list[int] = []

        async def send() -> None:
            rest = memoryview(octets)
            while rest:
                parts.append(await near.send_some(rest))
                rest = rest[parts[-1] :]
            await near.end_sending()

        nursery.start_soon(send, name="send")
        assert await far.read_to_end() == (octets, True)
        assert sum(parts) == len(octets)
        assert min(parts) < 65536


@pytest.mark.parametrize("beyond", [0, 1])
async def test_what_a_peer_makes_tls_answer_and_does_not_read_is_bounded(beyond: int) -> None:
    memory = memoryview(bytearray(65536))
    async with pair(buffer_octets=SMALL) as (near, far):
        while near.write(memory):
            pass
        near._outgoing.write(bytes(_ANSWER_OCTETS + beyond))  # as to KeyUpdates, which Python's ssl cannot send
        await far.send(b"x")
        await near.wait_readable()
        with pytest.raises(ConnectionAbortedError) if beyond else nullcontext():
            assert near.read_into(memory) == 1


async def test_answers_of_tls_that_the_peer_reads_late_end_nothing() -> None:
    """Fails where they count although the kernel takes all that was unsent before them."""
    memory = memoryview(bytearray(65536))
    async with pair() as (near, far):
        near.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 0)  # the kernel takes all at once again
        taken = 0
        while more := near.write(memory):
            taken += more
        near._outgoing.write(bytes(_ANSWER_OCTETS + 1))  # as above
        await far.send(b"x")
        while taken > RECORD_OCTETS:
            taken -= len(await far.stream.receive_some(taken))
        assert near.read_into(memory) == 1


async def test_a_request_right_behind_the_handshake_is_read() -> None:
    """Fails where what came in one receive with the last message waits for more to come."""
    server, client = contexts()
    far, near = await tcp_pair()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = client.wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def ask() -> None:
        with pytest.raises(ssl.SSLWantReadError):
            peer.do_handshake()
        await far.send_all(outgoing.read())
        while peer.version() is None or not outgoing.pending:
            incoming.write(await far.receive_some())
            with suppress(ssl.SSLWantReadError):
                peer.do_handshake()
        peer.write(b"request")
        await far.send_all(outgoing.read())

    async with far, trio.open_nursery() as nursery:
        nursery.start_soon(ask, name="client")
        with trio.fail_after(PATIENCE):
            stream = await TlsStream.accept(near, server)
            assert await stream.receive_some() == b"request"
        await stream.aclose()


@pytest.mark.parametrize("what_comes", ["octet", "close_notify", "FIN"])
async def test_a_connection_over_tls_is_quiet_until_something_comes_beside_tickets(what_comes: str) -> None:
    async with pair() as (near, far):
        connection = Connection(near)
        assert connection.is_quiet()
        if what_comes == "octet":
            await far.send(b"x")
        elif what_comes == "close_notify":
            await far.send_close_notify()
        else:
            await far.transport.send_eof()
        while connection.is_quiet():
            await trio.lowlevel.wait_readable(near.socket)
