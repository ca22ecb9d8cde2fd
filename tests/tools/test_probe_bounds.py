"""What a probe takes of a stream that never ends, and what it asks a hop that never answers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from chunkwire.net.dial import parse_url
from chunkwire.record.values import FrameRecord, Record
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.holding import MIN_HELD, ORDER_REQUESTS
from chunkwire.tools.probe.judge import judge_hop
from chunkwire.tools.probe.probing import MAX_KEPT_OCTETS, MAX_OCTETS, MAX_RECORDS, Prober
from chunkwire.tools.probe.requests import Ask
from chunkwire.tools.probe.verdict import ELSEWHERE
from tests.net.test_dial import connections_that_fill_the_queue, listening
from tests.patience import PATIENCE

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\ninstance x"  # no stream has this barrier open
ONE_WRITTEN = b'HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"written":1, "octets": 1}'


@asynccontextmanager
async def repeating(head: bytes, octets: bytes, asked: list[bytes]) -> AsyncIterator[str]:
    """Give the authority of a server that sends octets again and again behind a head; nothing where there are none.

    Only the first connection gets them: an acknowledgement is never answered.

    Args:
        asked: gets what each connection begins with.
    """

    async def handle(stream: trio.SocketStream) -> None:
        try:
            asked.append(await stream.receive_some())
            if len(asked) == 1:
                await stream.send_all(head)
                while octets:
                    await stream.send_all(octets)
            await trio.sleep_forever()
        except trio.BrokenResourceError:
            return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        yield f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def run_of(
    handle: Callable[[trio.SocketStream], Awaitable[object]], *, patience: float = 15.0
) -> tuple[Prober, Run]:
    """Return one run at a server that is hop and gateway, and what made it."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/")
        prober = Prober(barrier_at=url, patience=patience)
        with trio.fail_after(PATIENCE):
            run = await prober.run("hop", Ask(url=url), settle=0.0)
        nursery.cancel_scope.cancel()
    return prober, run


@pytest.mark.parametrize("path", ["/stream", "/probe"])
@pytest.mark.parametrize("data", [b"x" * 60_000, b"x"])
async def test_of_a_stream_without_end_a_run_takes_a_bounded_part(path: str, data: bytes) -> None:
    kept: list[Record] = []
    prober = Prober(record_to=kept.append)
    async with repeating(HEAD, (b"%x\r\n%b\r\n" % (len(data), data)) * (100_000 // len(data)), []) as server:
        with trio.fail_after(PATIENCE):
            run = await prober.run("hop", Ask(url=parse_url(f"http://{server}{path}")))
    assert run.octets < MAX_OCTETS + 100_000
    assert run.chunks < MAX_RECORDS + 100_000
    assert sum(len(each.data or b"") for each in kept if isinstance(each, FrameRecord)) <= MAX_KEPT_OCTETS
    assert prober.unproved["hop"] == "more than 64 MB or 50000 frames came"


async def test_one_read_from_elsewhere_is_told_from_one_that_ended_at_once() -> None:
    """While the stream ran, the gateway was asked for it often enough, and never had it."""
    states, stopped = 0, trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        nonlocal states
        async with stream:
            while request := await stream.receive_some():
                if request.startswith(b"GET /probe/state"):
                    states += 1
                    await stream.send_all(MISSING)
                    if states > 2 * ORDER_REQUESTS:
                        stopped.set()
                else:
                    await stopped.wait()
                    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")

    prober, _ = await run_of(handle)
    assert prober.unproved["hop"].startswith(ELSEWHERE)


@pytest.mark.parametrize("own", [b"", b"2\r\n:\n\r\n"])
@pytest.mark.parametrize("is_held", [False, True])
async def test_a_hop_may_send_a_head_and_content_of_its_own_long_before_it_asks_the_next(
    own: bytes, is_held: bool
) -> None:
    """Fails where such content is taken for that of another application, or for a frame that came."""
    states, found, acked = 0, trio.Event(), trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        nonlocal states
        async with stream:
            while request := await stream.receive_some():
                if request.startswith(b"POST"):
                    acked.set()
                    await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif b"state" in request:
                    states += 1
                    await stream.send_all(ONE_WRITTEN if states > 2 * ORDER_REQUESTS else MISSING)
                    if states > 2 * ORDER_REQUESTS:
                        found.set()
                else:
                    await stream.send_all(HEAD + own)
                    await (acked if is_held else found).wait()
                    await stream.send_all(b"1\r\nx\r\n0\r\n\r\n")

    prober, run = await run_of(handle)
    assert not prober.unproved
    assert [ack.came for ack in run.acks] == [not is_held]


@pytest.mark.parametrize(
    "answer, said",
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "requests beside the stream were answered 503 for 0.1 s"),
        (b"", "no request beside the stream was answered within 0.1 s"),
        (MISSING, "requests beside the stream came to an instance that does not have it, for 0.1 s"),
        (ONE_WRITTEN.replace(b"1,", b"0,"), "the origin wrote no frame within 0.1 s after one was acknowledged"),
    ],
)
async def test_a_hop_that_refuses_requests_beside_a_stream_is_told_from_a_silent_one(answer: bytes, said: str) -> None:
    """Hops that limit the connections of a client do that."""

    async def handle(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            while request := await stream.receive_some():
                is_beside = b"; state" in request
                at_gateway = ONE_WRITTEN if request.startswith(b"GET /probe/state") else HEAD
                await stream.send_all(answer if is_beside else at_gateway)

    prober, _ = await run_of(handle, patience=0.1)
    assert prober.unproved["hop"].startswith(said)


@pytest.mark.parametrize("answer", [HEAD + b"1\r\nx\r\n", b""])
async def test_a_hop_through_which_nothing_comes_to_the_barrier_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """Fails if its stream, which has no end, is watched a second time to judge it by time."""
    monkeypatch.setattr("chunkwire.tools.probe.barrier.ORDER_REQUESTS", 1)
    streams = 0

    async def handle(stream: trio.SocketStream) -> None:
        nonlocal streams
        with suppress(trio.BrokenResourceError):
            while request := await stream.receive_some():
                is_state = request.startswith(b"GET /probe/state")
                streams += b"state" not in request
                await stream.send_all(MISSING if is_state else answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/")
        with trio.fail_after(PATIENCE):
            hop = await Prober(barrier_at=url, patience=0.1).probe("hop", url)
        nursery.cancel_scope.cancel()
    verdict = judge_hop(hop)
    assert (streams, verdict.line) == (1, "unsure: no request through it came to the barrier")
    assert verdict.is_elsewhere


async def test_a_stream_without_an_end_is_left_though_its_next_frame_does_not_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fails where only another frame ends the run."""
    monkeypatch.setattr("chunkwire.tools.probe.probing.PROMPT_SECONDS", 0.0)
    written = 0

    async def handle(stream: trio.SocketStream) -> None:
        nonlocal written
        with suppress(trio.BrokenResourceError):
            while request := await stream.receive_some():
                if request.startswith(b"POST"):
                    await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif b"state" not in request:
                    await stream.send_all(HEAD + b"3\r\nabc\r\n")
                elif written < MIN_HELD:
                    written += 1
                    await stream.send_all(ONE_WRITTEN.replace(b'n":1', b'n":%d' % written))
                else:
                    await trio.sleep_forever()

    prober, run = await run_of(handle)
    assert not prober.unproved
    assert run.end is not None
    assert (run.end.framing, len(run.acks)) == ("stopped", MIN_HELD)


def test_what_is_kept_of_a_stream_is_at_least_what_was_asked_for() -> None:
    assert Ask(url=parse_url("http://h/probe?n=100&size=65536")).planned_octets > 100 * 65536
    assert Ask(url=parse_url("http://h/probe")).planned_octets < MAX_KEPT_OCTETS
    assert Ask(url=parse_url("http://h/stream?n=100&size=65536")).planned_octets == 0


async def test_an_answer_that_ends_before_its_acknowledgement_is_refused_is_no_barrier() -> None:
    is_over = trio.Event()

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            if (await stream.receive_some()).startswith(b"POST"):
                await is_over.wait()
                await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            else:
                await stream.send_all(HEAD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n0\r\n\r\n"))
                with suppress(trio.BrokenResourceError):
                    await stream.receive_some()  # returns once the client has closed its connection
                is_over.set()

    prober = Prober()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/probe")
        with trio.fail_after(PATIENCE):
            await prober.run("hop", Ask(url=url))
        nursery.cancel_scope.cancel()
    assert prober.unproved["hop"] == "nothing behind it knows a barrier"


@pytest.mark.parametrize("size", [0, 512, 513, 1000, 1024, 8192])
def test_another_size_makes_a_clearly_different_rate(size: int) -> None:
    other = Ask(url=parse_url(f"http://h/probe?size={size}")).other_size
    assert not size / 2 < other < size * 2


async def test_a_hop_that_gives_no_head_is_not_asked_for_its_journal() -> None:
    asked: list[bytes] = []
    async with repeating(b"", b"", asked) as server:
        with trio.fail_after(PATIENCE):
            hop = await Prober(max_time=0.05).probe("hop", parse_url(f"http://{server}/probe"))
    assert hop.runs[0].head is None
    assert not [request for request in asked if request.startswith(b"GET /journal")]


async def test_a_hop_that_accepts_no_connection_is_given_up_after_the_time_for_a_run() -> None:
    async with listening(backlog=0) as (_, port):
        async with connections_that_fill_the_queue(port):
            hop = await Prober(max_time=0.05).probe("hop", parse_url(f":{port}/probe"))
    assert hop.error == f"127.0.0.1:{port} did not accept a connection within 0.05 s"
