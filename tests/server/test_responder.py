"""What a responder can do, what it cannot, and what becomes of the exchange when it fails."""

import sys

import pytest
import trio

from chunkwire.net.ends import ServerConnection
from chunkwire.net.heads import Field
from chunkwire.server.journal import Ended
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import LocalError
from tests.net.peer import unix_pair
from tests.server.peer import (
    Client,
    GatePacer,
    ask,
    body_of,
    connect,
    fetch,
    get,
    post,
    resource,
    serving,
    status_of,
    two_chunks,
)


async def test_the_head_leaves_before_the_first_chunk() -> None:
    """The barrier: the first chunk is written only after the client has the head."""
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port, get("/generate?n=1")) as client:
        assert b"Transfer-Encoding: chunked\r\n" in await client.read_until(b"\r\n\r\n")
        pacer.open()
        await client.read_until(b"0\r\n\r\n")


async def test_each_frame_leaves_at_once() -> None:
    """The barrier: frame k+1 is written only after the client has frame k. Fails where anything holds a frame."""
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port) as client:
        await client.send(get("/frames?plan=3@0,3:a=1@10,1@20,0@30&text=abcdefg"))
        await client.read_until(b"\r\n\r\n")
        for frame in (b"3\r\nabc\r\n", b"3;a=1\r\ndef\r\n", b"1\r\ng\r\n", b"0\r\n\r\n"):
            pacer.open()
            assert await client.read_until(frame) == frame


async def test_one_frame_is_one_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where size line, data and CRLF go in sends of their own, or head and frame in one."""
    sends: list[bytes] = []
    send_nowait = ServerConnection.send_nowait

    def noted(connection: ServerConnection, octets: bytes) -> int:
        sends.append(octets)
        return send_nowait(connection, octets)

    async with serving(resource(two_chunks)) as running:
        monkeypatch.setattr(ServerConnection, "send_nowait", noted)
        await running.ask(get("/x"))
    assert sends[0].endswith(b"\r\n\r\n")
    assert sends[1:] == [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]


async def test_trailers_are_announced_and_follow_the_last_chunk() -> None:
    """Row 46. Fails where planned trailers are not named in the head."""

    async def with_trailers(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked(trailers=((b"X-A", b"1"), (b"X-B", b"2"))) as body:
            await body.send_chunk(b"x", b";q=1")

    answer = await fetch("/x", resource(with_trailers))
    assert b"Trailer: X-A, X-B\r\n" in answer
    assert body_of(answer) == b"1;q=1\r\nx\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"


@pytest.mark.parametrize(
    "method, version, is_listed", [(b"HEAD", b"1.1", True), (b"GET", b"1.0", False), (b"HEAD", b"1.0", False)]
)
async def test_trailers_are_announced_where_get_would_send_them(method: bytes, version: bytes, is_listed: bool) -> None:
    """Fails where the head to HTTP/1.0, which has no last-chunk, names fields that cannot follow."""

    async def with_trailers(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked(trailers=((b"X-A", b"1"),)) as body:
            await body.send_chunk(b"x")

    async with serving(resource(with_trailers)) as running:
        answer = await running.ask(b"%b /x HTTP/%b\r\nHost: x\r\n\r\n" % (method, version))
    assert (b"Trailer: X-A\r\n" in answer) == is_listed
    assert body_of(answer) == (b"x" if method == b"GET" else b"")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_pieces_leave_in_one_send_without_waiting_a_chunk_each(version: bytes) -> None:
    async def responder(_: IncomingRequest, response: Responder) -> None:
        with pytest.raises(LocalError, match="a body that is open, got one that is not begun"):
            response.send_nowait([b"x"])
        async with response.chunked() as body:
            with pytest.raises(LocalError, match="chunk-data"):
                response.send_nowait([b"one", b""])
            assert not response.send_nowait([b"one", b"two"])
            assert not response.send_nowait([b"six"], is_last=True)
            body.mark_complete()

    async with serving(resource(responder)) as running:
        answer = await running.ask(b"GET /x HTTP/%b\r\nHost: x\r\n\r\n" % version)
        chunks = 0 if version == b"1.0" else 3
        assert (running.ended[0].chunks, running.ended[0].octets) == (chunks, 9)
    frames = b"3\r\none\r\n3\r\ntwo\r\n3\r\nsix\r\n0\r\n\r\n"
    assert body_of(answer) == (b"onetwosix" if version == b"1.0" else frames)


@pytest.mark.parametrize("has_left", [True, False])
async def test_what_the_client_does_not_take_at_once_is_given_back(has_left: bool) -> None:
    rests: list[int] = []

    async def responder(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked():
            if has_left:
                response.connection.reset()
            while not (rest := response.send_nowait([bytes(1 << 16)])):
                pass
            rests.append(len(rest))
            await response.send_rest(rest)

    async with serving(resource(responder), settings=ServerSettings(send_timeout=0.1)) as running:
        async with connect(running.port) as client:
            await client.send(get("/x"))
            assert await running.wait_ended() is (Ended.CLIENT_GONE if has_left else Ended.TIMEOUT)
    assert rests[0] == len(encode_chunk(bytes(1 << 16))) or not has_left


ILLEGAL: dict[str, tuple[tuple[Field, ...], tuple[Field, ...]]] = {
    "CRLF in a field value": (((b"X-A", b"1\r\nX-B: 2"),), ()),
    "bare CR in a field value": (((b"X-A", b"1\rX-B: 2"),), ()),
    "a folded field value": (((b"X-A", b"1\r\n X-B: 2"),), ()),
    "LF in a field name": (((b"X-A\nB", b"1"),), ()),
    "framing of its own": (((b"Content-Length", b"3"),), ()),
    "CRLF in a trailer": ((), ((b"X-A", b"1\r\nX-B: 2"),)),
    "bare CR in a trailer": ((), ((b"X-A", b"1\rX-B: 2"),)),
    "a folded trailer": ((), ((b"X-A", b"1\r\n X-B: 2"),)),
    "a forbidden trailer": ((), ((b"Content-Length", b"1"),)),
}


@pytest.mark.parametrize("name", ILLEGAL)
async def test_what_must_not_reach_the_head_or_trailers_does_not(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rows 3, 17, 26, 45 and 60. Fails where fields are joined to text without a look."""
    fields, trailers = ILLEGAL[name]

    async def illegal(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked(fields=fields, trailers=trailers) as body:
            await body.send_chunk(b"x")

    answer = await fetch("/x", resource(illegal))
    assert status_of(answer) == 500
    assert b"X-B" not in answer
    assert "LocalError" in caplog.text


@pytest.mark.parametrize("ext", [b"a=1", b";a=1\r\n", b';a="\n"', b"; a", b";a=1 "])
async def test_an_ext_out_of_the_grammar_never_leaves(ext: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Rows 42, 43 and 60. Fails where an ext goes into the size line unchecked."""

    async def illegal(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk(b"x", ext)

    assert body_of(await fetch("/x", resource(illegal))) == b""
    assert "LocalError" in caplog.text


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_an_empty_chunk_is_refused_and_sends_nothing(version: bytes) -> None:
    """Row 38: an empty write must not end the body. Fails where it is encoded as any other chunk."""
    refused = trio.Event()

    async def empty(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            with pytest.raises(LocalError, match="chunk-data"):
                await body.send_chunk(b"")
            refused.set()
            await body.send_chunk(b"x")

    answer = await ask(b"GET /x HTTP/%b\r\nHost: x\r\n\r\n" % version, resource(empty))
    assert refused.is_set()
    assert body_of(answer) == (b"x" if version == b"1.0" else b"1\r\nx\r\n0\r\n\r\n")


async def failing(_: IncomingRequest, response: Responder) -> None:
    """Fail after one chunk."""
    async with response.chunked() as body:
        await body.send_chunk(b"one")
        raise ValueError("a responder's own")


async def failing_in_a_group(_: IncomingRequest, response: Responder) -> None:
    """Fail after one chunk, in two tasks at once."""
    async with response.chunked() as body:
        await body.send_chunk(b"one")
        raise ExceptionGroup("both", [ValueError("a"), ExceptionGroup("more", [KeyError("b")])])


@pytest.mark.parametrize("responder", [failing, failing_in_a_group])
async def test_an_exception_ends_that_exchange_only(responder: object, caplog: pytest.LogCaptureFixture) -> None:
    """Row 39 and fault 27. Fails where leaving the block always writes a last-chunk, or the error ends the server."""
    assert callable(responder)
    async with serving(resource(responder)) as running:
        assert body_of(await running.get("/x")) == b"3\r\none\r\n"
        assert running.ended[0].ended_by is Ended.ERROR
        assert body_of(await running.get("/x")) == b"3\r\none\r\n"
    assert "the responder failed" in caplog.text


async def test_an_exception_in_a_body_delimited_by_close_ends_in_a_reset(caplog: pytest.LogCaptureFixture) -> None:
    """A FIN would say that the body is whole. Fails where HTTP/1.0 is closed like HTTP/1.1."""
    async with serving(resource(failing)) as running, connect(running.port, b"GET /x HTTP/1.0\r\n\r\n") as client:
        await client.read_reset()
    assert "the responder failed" in caplog.text


async def test_the_write_after_the_first_that_meets_a_closed_socket_ends_the_responder() -> None:
    """Row 56: the client's kernel answers the first write with a reset, the second one meets it."""
    pacer = GatePacer()
    async with serving(pacer=pacer) as running:
        async with connect(running.port, get("/generate?n=100")) as client:
            await client.read_until(b"\r\n\r\n")
        pacer.open()
        pacer.open()
        assert await running.wait_ended() is Ended.CLIENT_GONE
        assert running.ended[0].chunks <= 2


async def test_a_reset_ends_a_responder_that_waits() -> None:
    """Row 56, fault 10. Fails where only a write can find out: this one never writes again."""
    cancelled = trio.Event()

    async def waits(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked():
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

    async with serving(resource(waits)) as running, connect(running.port, get("/x")) as client:
        await client.read_until(b"\r\n\r\n")
        client.reset()
        assert await running.wait_ended() is Ended.CLIENT_GONE
        assert cancelled.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a write notices that a Unix socket was closed")
@pytest.mark.parametrize("more", [b"", get("/x")], ids=["alone", "pipelined"])
async def test_a_client_of_a_unix_socket_that_closes_it_ends_a_responder_that_waits(more: bytes) -> None:
    """Fails where a close is taken for the FIN of a client that still reads."""

    async def waits(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked():
            await trio.sleep_forever()

    near, far = await unix_pair()
    async with serving(resource(waits)) as running, trio.open_nursery() as nursery:
        nursery.start_soon(running.origin.handle, far, name="client")
        client = Client(near)
        await client.send(get("/x") + more)
        await client.read_until(b"\r\n\r\n")
        await near.aclose()
        assert await running.wait_ended() is Ended.CLIENT_GONE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a write notices it")
async def test_a_reset_ends_a_responder_that_leaves_the_request_body_unread() -> None:
    """Fails where the connection is watched only once the body has been read: this responder never reads it."""

    async def waits(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked():
            await trio.sleep_forever()

    async with serving(resource(waits)) as running, connect(running.port, post("/x", b"1\r\nx\r\n")) as client:
        await client.read_until(b"\r\n\r\n")
        client.reset()
        assert await running.wait_ended() is Ended.CLIENT_GONE


async def test_a_reset_after_the_request_body_ends_a_responder_that_waits() -> None:
    async def waits(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(100)
        async with response.chunked():
            await trio.sleep_forever()

    async with serving(resource(waits)) as running, connect(running.port, post("/x", b"1\r\nx\r\n0\r\n\r\n")) as client:
        await client.read_until(b"\r\n\r\n")
        client.reset()
        assert await running.wait_ended() is Ended.CLIENT_GONE


async def test_a_client_that_takes_nothing_is_reset_at_the_send_deadline(autojump_clock: trio.abc.Clock) -> None:
    """Fault 11. Fails where a write waits for ever."""
    async with serving(settings=ServerSettings(send_timeout=5)) as running, connect(running.port) as client:
        await client.send(get("/stream-bytes/100000000?chunk_size=1000000"))
        assert await running.wait_ended() is Ended.TIMEOUT
        assert running.ended[0].octets < 100_000_000


async def test_a_body_longer_than_a_responder_reads_gets_413() -> None:
    async def reads(request: IncomingRequest, response: Responder) -> None:
        await response.fixed(200, body=await request.read_body(4))

    async with serving(resource(reads)) as running:
        assert body_of(await running.ask(post("/x", b"4\r\nfour\r\n0\r\n\r\n"))) == b"four"
        assert status_of(await running.ask(post("/x", b"4\r\nfour\r\n1\r\n!\r\n0\r\n\r\n"))) == 413
        head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
        assert status_of(await running.ask(head + b"fives")) == 413


async def test_an_upgrade_that_was_asked_for_hands_over_the_connection() -> None:
    """Row 67."""

    async def shout(_: IncomingRequest, response: Responder) -> None:
        connection = await response.switch_protocols(b"shout", ((b"X-A", b"1"),))
        await connection.send_all((await connection.receive_some()).upper())

    async with serving(resource(shout)) as running, connect(running.port) as client:
        await client.send(get("/x", b"Upgrade: shout", b"Connection: Upgrade") + b"hello")
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert await client.read_all() == b"HELLO"


async def test_a_second_response_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def twice(_: IncomingRequest, response: Responder) -> None:
        await response.text(200, "one")
        await response.text(200, "two")

    assert body_of(await fetch("/x", resource(twice))) == b"one"
    assert "one response per request" in caplog.text


@pytest.mark.parametrize("is_upgrade", [True, False])
async def test_a_connection_is_not_handed_over_after_a_response(
    is_upgrade: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def both(_: IncomingRequest, response: Responder) -> None:
        await response.text(200, "one")
        connection = await response.switch_protocols(b"shout") if is_upgrade else response.hand_over()
        await connection.send_all(b"two")

    assert body_of(await ask(get("/x", b"Upgrade: shout", b"Connection: Upgrade"), resource(both))) == b"one"
    assert "one response per request" in caplog.text


async def test_a_write_after_the_end_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Row 39: exactly one last-chunk, and nothing after it."""

    async def goes_on(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.finish()
            await body.send_chunk(b"x")

    assert body_of(await fetch("/x", resource(goes_on))) == b"0\r\n\r\n"
    assert "a body that is open, got one that is complete" in caplog.text


async def test_a_status_without_a_body_cannot_be_chunked(caplog: pytest.LogCaptureFixture) -> None:
    """Row 20. Fails where h11 writes the head: it leaves Transfer-Encoding in a 204."""

    async def bodyless(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked(204):
            """Send nothing."""

    assert status_of(await fetch("/x", resource(bodyless))) == 500
    assert "a status whose response has a body" in caplog.text
