"""How exchanges follow each other on a connection, on real sockets. Row numbers are those of the forwarding rules."""

import pytest
import trio
import trio.testing

from chunkwire.net.connection import Connection
from chunkwire.server.journal import Ended
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.feed import WATCHED_TURN_OCTETS
from chunkwire.wire.frames import DataEnd
from tests.net.peer import SMALL, unix_pair
from tests.patience import PATIENCE
from tests.server.peer import (
    TWO_CHUNKS,
    Client,
    GatePacer,
    ask,
    body_of,
    connect,
    get,
    post,
    resource,
    serving,
    status_of,
    two_chunks,
)


async def answer_ok(_: IncomingRequest, response: Responder) -> None:
    """Answer without looking at the body."""
    await response.text(200, "ok\n")


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Row 55, fault 21. Fails where what follows a head, or a body, is dropped with it."""
    body = b"1\r\nx\r\n0\r\n\r\n"
    async with serving() as running:
        bodiless = get("/stream-bytes/1?seed=1") + get("/trailers?X-A=1") + get("/nowhere")
        answer = await running.ask(post("/echo", body) + post("/nowhere", body) + bodiless)
    assert [line for line in answer.splitlines() if line.startswith(b"HTTP/1.1")] == [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
    ]


async def test_a_request_split_over_reads_is_answered() -> None:
    async with serving(resource(two_chunks)) as running, connect(running.port) as client:
        for octet in get("/x"):
            await client.send(bytes((octet,)))
        assert (await client.read_until(b"0\r\n\r\n")).endswith(TWO_CHUNKS)


async def test_connection_close_is_honoured_and_nothing_runs_after_it() -> None:
    """Row 57. Fails where the loop looks at keep-alive only when the next request comes."""
    async with serving(resource(two_chunks)) as running, connect(running.port) as client:
        await client.send(get("/x", b"Connection: close") + get("/x"))
        answer = await client.read_all()
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert b"Connection: close\r\n" in answer
    assert len(running.ended) == 1


async def test_a_half_close_is_no_loss_of_interest() -> None:
    """Row 59, fault 9. Fails where a FIN cancels the responder."""
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port, get("/frames?plan=1@0,1@10,0@20")) as client:
        await client.stream.send_eof()
        for expected in (b"a\r\n", b"b\r\n", b"0\r\n\r\n"):
            pacer.open()
            await client.read_until(expected)
        assert await client.read_all() == b""
        assert await running.wait_ended() is Ended.COMPLETE


async def test_http_1_0_gets_raw_content_until_close() -> None:
    """Row 23, fault 28: no Transfer-Encoding to HTTP/1.0. Fails where only HTTP/1.1 is thought of."""
    answer = await ask(b"GET /x HTTP/1.0\r\n\r\n", resource(two_chunks))
    head, _, content = answer.partition(b"\r\n\r\n")
    assert content == b"onetwo"
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"transfer-encoding" not in head.lower()
    assert b"Connection: close" in head
    assert b"Chunkwire-Framing: delimited by close" in head


async def test_http_1_0_keep_alive_is_not_granted() -> None:
    async with serving(resource(answer_ok)) as running, connect(running.port) as client:
        await client.send(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await client.read_all()).endswith(b"ok\n")


async def test_head_gets_the_head_alone_and_the_connection_goes_on() -> None:
    """Row 27. Fails where HEAD runs the stream, or sends it."""
    answer = await ask(b"HEAD /generate HTTP/1.1\r\nHost: x\r\n\r\n" + get("/stream-bytes/0"))
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in first
    assert rest.startswith(b"HTTP/1.1 200 OK")
    assert rest.endswith(b"\r\n\r\n0\r\n\r\n")


async def test_head_of_a_fixed_body_states_its_length() -> None:
    answer = await ask(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", resource(answer_ok))
    assert b"Content-Length: 3\r\n" in answer
    assert body_of(answer) == b""


async def test_100_is_sent_only_when_the_body_is_read() -> None:
    """Row 68. Fails where the engine sends 100 as soon as it sees Expect."""
    go = trio.Event()

    async def reads_late(request: IncomingRequest, response: Responder) -> None:
        await go.wait()
        await response.fixed(200, body=await request.read_body(100))

    async with serving(resource(reads_late)) as running, connect(running.port) as client:
        await client.send(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        go.set()
        assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        assert (await client.read_until(b"hi")).startswith(b"HTTP/1.1 200 OK")


async def test_nobody_gets_a_100_unasked() -> None:
    """Row 68. Fails where every body is invited: a client that did not ask takes the 100 for its answer."""
    async with serving() as running, connect(running.port, post("/echo", b"1\r\nx\r\n")) as client:
        assert (await client.read_until(b"1\r\nx\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_final_status_without_the_body_closes_where_100_was_waited_for() -> None:
    """Row 68: the client may send the body or leave it out, and nobody can tell. Fails where it is drained."""
    async with serving(resource(answer_ok)) as running, connect(running.port) as client:
        await client.send(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        answer = await client.read_all()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close\r\n" in answer


async def test_expect_from_http_1_0_is_ignored() -> None:
    """Row 68. Fails where the version is not looked at: a 1xx would go to an HTTP/1.0 client (row 69)."""
    answer = await ask(b"POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert body_of(answer) == b"hi"


async def test_another_expectation_gets_417() -> None:
    answer = await ask(get("/x", b"Expect: tea"), resource(answer_ok))
    assert status_of(answer) == 417
    assert body_of(answer) == b"Expect: expected 100-continue, got 'tea'\n"


async def test_a_small_body_that_nobody_read_is_drained() -> None:
    """Row 52. Fails where the rest of the body is taken for the next request."""
    answer = await ask(post("/x", b"5\r\nGET /\r\n0\r\n\r\n") + get("/x", b"Connection: close"), resource(answer_ok))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_a_long_body_that_nobody_read_closes_the_connection() -> None:
    """Row 52. Fails where a drain has no bound."""
    settings = ServerSettings(unread_octets=10)
    async with serving(resource(answer_ok), settings=settings) as running, connect(running.port) as client:
        await client.send(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
        answer = await client.read_all()
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"ok\n")


async def test_a_chunked_body_over_the_drain_bound_closes_the_connection() -> None:
    settings = ServerSettings(unread_octets=10)
    async with serving(resource(answer_ok), settings=settings) as running, connect(running.port) as client:
        await client.send(post("/x", b"40\r\n" + 64 * b"x"))
        assert (await client.read_all()).count(b"HTTP/1.1 200 OK") == 1


async def test_a_broken_body_that_nobody_read_closes_the_connection() -> None:
    answer = await ask(post("/x", b"zz\r\n") + get("/x"), resource(answer_ok))
    assert answer.count(b"HTTP/1.1 200 OK") == 1


async def test_the_last_octets_survive_a_client_that_still_sends() -> None:
    """Row 58. Fails where the socket is closed with octets unread: the reset would eat the answer."""
    settings = ServerSettings(unread_octets=10)
    async with serving(resource(answer_ok), settings=settings) as running, connect(running.port) as client:
        await client.send(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + 200_000 * b"x")
        await running.wait_ended()
        await client.send(100_000 * b"x")
        assert (await client.read_all()).endswith(b"ok\n")


async def test_an_idle_connection_ends_at_its_deadline_in_silence(autojump_clock: trio.abc.Clock) -> None:
    async with serving(settings=ServerSettings(keep_alive_timeout=5)) as running, connect(running.port) as client:
        assert await client.read_all() == b""


async def test_a_head_that_drips_ends_with_408(autojump_clock: trio.abc.Clock) -> None:
    """Fault 12: the deadline is total. Fails where each octet starts it anew."""
    async with serving(settings=ServerSettings(head_timeout=5)) as running, connect(running.port, b"GET /") as client:
        with trio.fail_after(9):
            for octet in b" HTTP/1.1\r\nHo"[:4]:
                await trio.sleep(1)
                await client.send(bytes((octet,)))
            answer = await client.read_all()
    assert status_of(answer) == 408


async def test_a_body_that_never_comes_gets_408(autojump_clock: trio.abc.Clock) -> None:
    settings = ServerSettings(body_timeout=5)
    async with serving(settings=settings) as running, connect(running.port) as client:
        await client.send(post("/v1/chat/completions", b""))
        assert status_of(await client.read_all()) == 408


async def test_a_body_that_stops_after_the_head_went_is_cut(autojump_clock: trio.abc.Clock) -> None:
    async with serving(settings=ServerSettings(body_timeout=5)) as running, connect(running.port) as client:
        await client.send(post("/echo", b"5\r\nhello\r\n"))
        answer = await client.read_all()
    assert body_of(answer) == b"5\r\nhello\r\n"


async def test_an_upload_of_many_slow_frames_is_given_in_turns() -> None:
    """Each call gives at most a turn of what has come, and lets other tasks run before it gives the next."""
    frame, given = encode_chunk(b"0123456789", b";t=1"), list[int]()
    most = -(-WATCHED_TURN_OCTETS // (len(frame) - 10)) + 1  # the end of a chunk that came before is free

    async def count(request: IncomingRequest, response: Responder) -> None:
        given.append(len(await request.body.receive_events()))
        while not request.body.is_complete:
            with trio.testing.assert_checkpoints():
                events = await request.body.receive_events()
            given.append(sum(isinstance(event, DataEnd) for event in events))
        await response.text(200, "counted")

    async with serving(resource(count, "POST")) as running:
        body = frame * 3000 + b"0\r\n\r\n"
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        assert b"counted" in await running.ask(head + body)
    assert max(given[1:]) <= most
    assert sum(given[1:]) > 3000 - 3 * most


@pytest.mark.parametrize(
    "head",
    [
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
        get("/x", b"Connection: Upgrade", b"Upgrade: y"),
    ],
    ids=["100", "101"],
)
async def test_a_1xx_that_the_client_does_not_take_ends_as_a_timeout(head: bytes) -> None:
    """Fails where a client that reads nothing keeps its connection, counts as one that left, or is sent a 500."""

    async def answer(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1)
        await response.switch_protocols(b"y")

    near, far = await unix_pair(buffer_octets=SMALL)
    connection = Connection(far)
    while connection.send_nowait(bytes(SMALL)):
        pass
    async with serving(resource(answer), settings=ServerSettings(send_timeout=0.1)) as running, near:
        await near.send_all(head)
        with trio.fail_after(PATIENCE):
            await running.origin.handle(far)
        assert await running.wait_ended() is Ended.TIMEOUT
        assert (running.ended[-1].status, running.ended[-1].rule) == (0, "")


@pytest.mark.parametrize("is_pipelined", [True, False])
@pytest.mark.parametrize("first", [b"", get("/stream/1"), post("/echo", b"1\r\nx\r\n0\r\n\r\n")])
async def test_a_cut_is_no_end_to_an_http_1_0_client_of_a_unix_socket(first: bytes, is_pipelined: bool) -> None:
    """Fails where the socket is just closed: it knows no reset, and a FIN ends the body. Also after HTTP/1.1."""
    near, far = await unix_pair()
    last = b"GET /sse?count=2&cut=1 HTTP/1.0\r\n\r\n"
    async with serving() as running, trio.open_nursery() as nursery:
        nursery.start_soon(running.origin.handle, far, name="client")
        client = Client(near)
        await client.send(first + last if is_pipelined else first)
        if first:
            await client.read_until(b"0\r\n\r\n")
        if not is_pipelined:
            await client.send(last)
        with trio.fail_after(PATIENCE):
            assert b'"n": 1' in await client.read_reset()
        await near.aclose()
