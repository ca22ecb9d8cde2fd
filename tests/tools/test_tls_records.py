"""TLS under the meter: which receive gives a record's content, how a stream ends, and stamps of the kernel."""

import math
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
import trio
import trio.testing

from chunkwire.net.dial import parse_url
from chunkwire.net.tls import RECORD_OCTETS, TlsStream, is_unexpected_eof
from chunkwire.record.values import EndRecord, Record
from chunkwire.tools.bench.load import Load, Timing
from chunkwire.tools.bench.metering import Meter
from chunkwire.tools.bench.records import StampedRecords
from chunkwire.tools.bench.samples import FrameSample, loss_of
from chunkwire.tools.bench.segments import WAKE
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from tests.net.peer import reset
from tests.net.secured import FarEnd, contexts, secured_pair
from tests.net.stamped import kernel_stamps
from tests.patience import PATIENCE

HEAD = b"HTTP/1.1 200 OK\r\n%b\r\n"
CHUNKED = HEAD % b"Transfer-Encoding: chunked\r\n"
RECORD_HEAD = 5

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll and SO_TIMESTAMPING are Linux's")


@asynccontextmanager
async def handed_over() -> AsyncIterator[tuple[StampedRecords, TlsStream, FarEnd]]:
    """Give the records of a client after its handshake and the server's first record, and both ends."""
    near, far = await secured_pair(is_server=False)
    records = StampedRecords(near, has_stamps=False)
    try:
        with trio.fail_after(PATIENCE):
            assert records.take_over(b"") == []
            assert records.contents(await encrypted(far, b"zero")) == [b"zero"]  # trio sends its tickets before
            yield records, near, far
    finally:
        await trio.aclose_forcefully(near)
        await trio.aclose_forcefully(far.transport)


async def encrypted(far: FarEnd, *contents: bytes) -> bytes:
    """Return the records of these contents, which are not sent."""
    ours, theirs = trio.testing.memory_stream_pair()
    far.stream.transport_stream = ours
    for content in contents:
        await far.send(content)
    far.stream.transport_stream = far.transport
    await ours.send_eof()
    return b"".join([octets async for octets in theirs])


async def test_a_record_gives_its_content_with_the_receive_that_completes_it() -> None:
    async with handed_over() as (records, _, far):
        octets = await encrypted(far, b"one")
        for place in range(len(octets) - 1):
            assert records.contents(octets[place : place + 1]) == []
            assert not records.is_whole
        assert records.contents(octets[-1:]) == [b"one"]
        assert records.is_whole


async def test_records_of_one_receive_give_their_content_together_and_a_part_waits_for_the_rest() -> None:
    async with handed_over() as (records, _, far):
        first, second = await encrypted(far, b"one", b"two"), await encrypted(far, b"three")
        assert records.contents(first + second[:RECORD_HEAD]) == [b"onetwo"]
        assert not records.is_whole
        assert records.contents(second[RECORD_HEAD:]) == [b"three"]
        assert records.is_whole


async def test_the_longest_records_give_all_their_content() -> None:
    async with handed_over() as (records, _, far):
        content = bytes(3 * RECORD_OCTETS + 1)
        assert records.contents(await encrypted(far, content)) == [content]
        assert records.is_whole


async def test_records_that_came_with_the_handshake_are_not_lost() -> None:
    near, far = await secured_pair(is_server=False)
    with trio.fail_after(PATIENCE):
        one, two = await encrypted(far, b"one"), await encrypted(far, b"two")
        near._incoming.write(one + two[:9])
        near.has_more = True
        records = StampedRecords(near, has_stamps=False)
        got = [(await near.receive_some(3), records.is_whole)]
        await far.transport.send_all(two[9:])
        got.append((await near.receive_some(3), records.is_whole))
    assert got == [(b"one", False), (b"two", True)]
    for stream in (near, far.transport):
        await trio.aclose_forcefully(stream)


async def test_what_the_task_has_not_read_is_taken_over_behind_its_leftover() -> None:
    near, far = await secured_pair(is_server=False)
    records = StampedRecords(near, has_stamps=False)
    with trio.fail_after(PATIENCE):
        await far.send(b"onetwo")
        assert await near.receive_some(3) == b"one"
        assert records.take_over(b"one") == [b"onetwo"]
        await far.send_close_notify()
        await near.wait_readable()
        assert records.contents(near.socket.recv(65536)) == [b""]
    for stream in (near, far.transport):
        await trio.aclose_forcefully(stream)


async def test_a_stamp_of_a_record_without_content_is_not_that_of_the_content_before() -> None:
    async with handed_over() as (records, near, far):
        read, others = near._read, [b"ticket"]

        def read_content(most: int, memory: memoryview) -> int:
            got = read(most, memory)
            if bytes(memory[:got]) in others:  # it stands for a KeyUpdate, which Python's ssl cannot send
                raise ssl.SSLWantReadError
            return got

        near._read = read_content
        full = bytes(RECORD_OCTETS)
        for before, last, is_whole in ((b"", b"one", 1), (b"", full, 1), (b"x", full, 1), (full, b"ticket", 0)):
            octets = await encrypted(far, *filter(None, [before, last]))
            assert records.contents(octets) == [before + last if is_whole else before]
            assert records.is_whole is bool(is_whole)
        assert records.contents(await encrypted(far, b"two")) == [b"two"]
        assert records.is_whole


@pytest.mark.parametrize(
    "after, failure",
    [
        (ConnectionResetError(), "reset"),
        (b"", "closed without close_notify"),
        (b"\x17\x03\x03\x00\x20" + bytes(32), "broken TLS"),
        (b"HTTP/1.1 400", "broken TLS"),
    ],
)
async def test_a_stream_that_ends_without_close_notify_is_lost(after: bytes | OSError, failure: str) -> None:
    async with handed_over() as (records, _, far):
        assert records.contents(await encrypted(far, b"one")) == [b"one"]
        (error,) = records.contents(after)
    assert isinstance(error, OSError)
    assert loss_of(error) == failure


async def test_a_fin_amid_a_record_is_no_end_of_the_stream() -> None:
    async with handed_over() as (records, _, far):
        assert records.contents((await encrypted(far, b"one"))[:-1]) == []
        (error,) = records.contents(b"")
    assert isinstance(error, OSError)
    assert is_unexpected_eof(error)


async def test_a_reset_before_the_take_over_is_raised() -> None:
    near, far = await secured_pair(is_server=False)
    StampedRecords(near, has_stamps=False)
    reset(far.transport)
    with trio.fail_after(PATIENCE), pytest.raises(ConnectionResetError):
        await near.receive_some()
    await trio.aclose_forcefully(near)


@asynccontextmanager
async def tls_origin(answer: Callable[[TlsStream], Awaitable[None]]) -> AsyncIterator[Load]:
    """Serve TLS; each request is answered by `answer`. Give the load of one stream."""
    server, client = contexts()

    async def serve(stream: trio.SocketStream) -> None:
        secured = await TlsStream.accept(stream, server)
        await secured.receive_some()
        await answer(secured)
        await secured.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, serve, listeners), name="TLS origin")
        url = parse_url(f"https://localhost:{listeners[0].socket.getsockname()[1]}/")
        yield Load(url=url, tls=client, streams=1, total=1, seconds=math.inf)
        nursery.cancel_scope.cancel()


async def test_frames_over_tls_have_kernel_stamps() -> None:
    """Each frame is sent once the one before was taken, so that each has a receive of its own."""
    frames, records = list[FrameSample](), list[Record]()
    taken, token = trio.Semaphore(0), trio.lowlevel.current_trio_token()

    def report(frame: FrameSample) -> None:
        frames.append(frame)
        token.run_sync_soon(taken.release)

    async def answer(stream: TlsStream) -> None:
        await stream.send_all(CHUNKED + encode_chunk(b"x"))  # the first comes with the head
        for _ in range(3):
            await taken.acquire()
            await stream.send_all(encode_chunk(b"x"))
        await taken.acquire()
        await stream.send_all(encode_last_chunk())

    with kernel_stamps(), trio.fail_after(PATIENCE):
        async with tls_origin(answer) as load:
            load = replace(load, has_stamps=True, timing=Timing.KERNEL, report_frame=report, record_to=records.append)
            meter = Meter(load)
            await meter.run()
    assert not meter.gathered.failures
    assert [frame.is_exact for frame in frames] == [True] * 4
    assert meter.gathered.quantity(WAKE).known == meter.gathered.frames
    assert records[1].t == records[2].t  # the head and the first frame came in one receive


@pytest.mark.parametrize("is_ended, failures", [(True, {}), (False, {"closed without close_notify": 1})])
async def test_a_body_that_the_end_of_tls_delimits_is_whole_only_with_close_notify(
    is_ended: bool, failures: dict[str, int]
) -> None:
    records: list[Record] = []

    async def answer(stream: TlsStream) -> None:
        await stream.send_all(HEAD % b"" + b"x")
        if is_ended:
            await stream.end_sending()

    with trio.fail_after(PATIENCE):
        async with tls_origin(answer) as load:
            meter = Meter(replace(load, record_to=records.append))
            await meter.run()
    ends = [record.error for record in records if isinstance(record, EndRecord)]
    assert ends == [None if is_ended else "the peer closed the connection without close_notify"]
    assert meter.gathered.has("first")
    assert meter.gathered.failures == failures


async def early_answer(context: ssl.SSLContext, octets: bytes, stream: trio.SocketStream) -> None:
    """Shake hands as a server, and send content in one write with the last message of the handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        try:
            secured.do_handshake()
            break
        except ssl.SSLWantReadError:
            await stream.send_all(outgoing.read())
            incoming.write(await stream.receive_some())
    secured.write(octets)
    await stream.send_all(outgoing.read())
    await trio.sleep_forever()


async def test_an_answer_that_came_with_the_handshake_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In TLS 1.2 the server's message is the last one, so the answer may come with it, before the request is sent."""
    frames: list[FrameSample] = []
    server, client = contexts()
    monkeypatch.setattr(server, "maximum_version", ssl.TLSVersion.TLSv1_2)
    answer = partial(early_answer, server, CHUNKED + encode_chunk(b"x") + encode_last_chunk())
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with kernel_stamps(), trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, answer, listeners), name="TLS origin")
            url = parse_url(f"https://localhost:{listeners[0].socket.getsockname()[1]}/")
            load = Load(url=url, tls=client, total=1, seconds=math.inf, has_stamps=True, timing=Timing.KERNEL)
            await Meter(replace(load, report_frame=frames.append)).run()
            nursery.cancel_scope.cancel()
    (frame,) = frames
    assert frame.arrived_ns >= 0
    assert not frame.is_exact
