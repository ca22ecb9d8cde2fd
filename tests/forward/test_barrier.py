"""`--barrier`: frames of a response go down one by one, as they were, each after the one before was acknowledged."""

import json
import logging
import re
from dataclasses import replace

import pytest
import trio

import chunkwire
from chunkwire.forward.access import log_json, log_text
from chunkwire.forward.barrier import barrier_of
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from chunkwire.forward.shape import parse_fault, parse_mode
from chunkwire.forward.tap import SENT
from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.heads import Request
from chunkwire.record.values import EndRecord, FrameRecord
from chunkwire.server.stampdesk import STAMPS_FIELD, StampDesk
from chunkwire.wire.errors import LocalError
from tests.forward.wire import END, Running, answer, chunked, count_answers, forwarding, get
from tests.net.carry import MakeMover
from tests.patience import PATIENCE

ID = "0123456789abcdef"
HELD = replace(DEFAULT_GATEWAY_SETTINGS, has_barriers=True)
NAMED = f"Chunkwire-Barrier: {ID}".encode()
FIRST, SECOND = b"5;a=1\r\nhello\r\n", b"3\r\nabc\r\n"


async def ask(gateway: Running, request: bytes) -> tuple[bytes, bytes]:
    """Return the status line and the content of an answer of the gateway's own."""
    async with gateway.connect(request) as client:
        with trio.fail_after(PATIENCE):
            head = await client.read_head()
            content = b"" if b" 204 " in head else await client.read_until(b"\n")
    assert content == b"" or b"\r\nContent-Length: %d\r\n" % len(content) in head
    return head.partition(b"\r\n")[0], content


async def acknowledge(gateway: Running, n: int) -> bytes:
    target = f"/probe/ack?barrier={ID}&n={n}".encode()
    return (await ask(gateway, b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % target))[0]


async def test_each_frame_waits_for_the_acknowledgement_of_the_one_before(make_mover: MakeMover) -> None:
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(NAMED, target=b"/sse")) as client:
        async with gateway.accept() as upstream:
            assert b"hunkwire-" not in await upstream.read_head()
            await upstream.send(chunked(FIRST + SECOND + END))
            await client.read_head()
            await client.expect(FIRST)
            line, content = await ask(gateway, get(NAMED + b"; state", target=b"/sse"))
            assert b" 200 " in line
            state = json.loads(content)
            assert (state["written"], state["acked"], state["octets"]) == (1, 0, 5)
            assert b" 409 " in await acknowledge(gateway, 2)
            assert b" 204 " in await acknowledge(gateway, 1)
            await client.expect(SECOND)
            assert b" 204 " in await acknowledge(gateway, 2)
            await client.expect(END)
        assert re.search(r"gap_seconds_count\{.*\} 2\b", gateway.metrics.to_text())


async def test_octets_that_are_not_chunked_wait_too(make_mover: MakeMover) -> None:
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(answer(b"Content-Length: 6") + b"one")
            await client.read_head()
            await client.expect(b"one")
            await upstream.send(b"two")
            assert b" 204 " in await acknowledge(gateway, 1)
            await client.expect(b"two")


async def test_a_request_that_names_no_barrier_waits_for_nobody(make_mover: MakeMover) -> None:
    async with forwarding(make_mover, HELD) as gateway:
        async with gateway.exchange(get(), chunked(FIRST + SECOND + END)) as (client, _upstream):
            await client.expect(FIRST + SECOND + END)


async def test_without_the_flag_the_field_goes_upstream_as_any_other(make_mover: MakeMover) -> None:
    async with forwarding(make_mover) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.accept() as upstream:
            assert NAMED in await upstream.read_head()
            await upstream.send(chunked(FIRST + SECOND + END))
            await client.read_head()
            await client.expect(FIRST + SECOND + END)


@pytest.mark.parametrize(
    "request_head, status",
    [
        (get(b"Chunkwire-Barrier: short", target=b"/"), b" 400 "),
        (get(NAMED + b"; faster", target=b"/"), b" 400 "),
        (get(b"Chunkwire-Barrier: ffffffffffffffff; state", target=b"/"), b" 404 "),
        (get(target=b"/probe/state?barrier=ffffffffffffffff"), b" 404 "),
        (get(target=b"/probe/ack?barrier=ffffffffffffffff&n=1"), b" 404 "),
        (get(target=b"/probe/ack?barrier=ffffffffffffffff&n=x"), b" 404 "),
    ],
)
async def test_a_barrier_that_is_none_is_refused_in_one_line(request_head: bytes, status: bytes) -> None:
    async with forwarding(settings=HELD) as gateway:
        line, content = await ask(gateway, request_head)
    assert status in line
    assert content.startswith(b"barrier: ")


async def test_a_connection_goes_on_after_an_answer_about_a_barrier_unless_a_body_follows() -> None:
    about = b"/probe/state?barrier=ffffffffffffffff"
    async with forwarding(settings=HELD) as gateway:
        assert count_answers(await gateway.ask(get(target=about) * 2)) == 2
        with_body = get(b"Content-Length: 1", target=about, method=b"POST") + b"x"
        assert count_answers(await gateway.ask(with_body + get(target=about))) == 1


@pytest.mark.parametrize("leaves_by", ["reset", "FIN"])
@pytest.mark.parametrize("has_stamps", [False, True])
async def test_a_client_that_leaves_ends_the_upstream_request(
    make_mover: MakeMover, leaves_by: str, has_stamps: bool
) -> None:
    async with forwarding(make_mover, HELD) as gateway:
        gateway.gateway.stamps = StampDesk("gateway") if has_stamps else None
        request = get(NAMED, STAMPS_FIELD + b": run-1", target=b"/")
        async with gateway.exchange(request, chunked(FIRST + SECOND)) as (client, upstream):
            await client.expect(FIRST)
            if leaves_by == "FIN":
                await client.send_eof()
            else:
                client.reset()
            await upstream.read_reset()


@pytest.mark.parametrize("ends_by, verdict", [("x\r\n", "malformed"), ("reset", "reset"), ("FIN", "cut")])
async def test_a_held_body_that_fails_ends_after_its_whole_frames(
    make_mover: MakeMover, ends_by: str, verdict: str
) -> None:
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(FIRST))
            await client.read_head()
            await client.expect(FIRST)
            if ends_by == "reset":
                upstream.reset()
            elif ends_by == "FIN":
                await upstream.send_eof()
            else:
                await upstream.send(ends_by.encode())
            assert await client.read_end() == b""
        assert (await gateway.wait_ended()).verdict == verdict


async def test_a_chunk_is_held_until_it_is_whole_and_a_long_one_goes_in_pieces(
    make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where three of four octets go down as a frame: then the fourth waits."""
    monkeypatch.setattr("chunkwire.forward.barrier.MAX_HELD_OCTETS", 4)
    async with forwarding(make_mover, HELD) as gateway:
        async with gateway.exchange(get(NAMED, target=b"/"), chunked(b"9\r\nabc")) as (client, upstream):
            await upstream.send(b"d")
            await client.expect(b"9\r\nabcd")
            await upstream.send(b"efghi\r\n")
            assert b" 204 " in await acknowledge(gateway, 1)
            await client.expect(b"efghi\r\n")


@pytest.mark.parametrize(
    "mode, frames", [("exact", [FIRST, SECOND]), ("slice=3", [b"3\r\nhel\r\n2\r\nlo\r\n", SECOND])]
)
async def test_frames_that_wait_go_through_modes_and_are_recorded(
    make_mover: MakeMover, mode: str, frames: list[bytes]
) -> None:
    settings = replace(HELD, mode=parse_mode(mode))
    async with forwarding(make_mover, settings, record=True) as gateway:
        async with gateway.exchange(get(NAMED, target=b"/"), chunked(FIRST + SECOND + END)) as (client, _upstream):
            for number, octets in enumerate(frames, 1):
                await client.expect(octets)
                assert b" 204 " in await acknowledge(gateway, number)
            await client.expect(END)
            while not isinstance(gateway.records[-1], EndRecord):
                await gateway.wait_ended()
    sent = [each.line for each in gateway.records if isinstance(each, FrameRecord) and each.point == SENT]
    assert sent == [frame.line.decode() for frame in chunkwire.decode(b"".join(frames) + END)]


async def test_a_client_that_acknowledges_nothing_is_reset(
    make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chunkwire.origin.barrier.IDLE_SECONDS", 0.0)
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(FIRST + SECOND))
            await client.read_head()
            assert await client.read_reset() == FIRST
        assert (await gateway.wait_ended()).verdict == "timeout"


def test_a_request_keeps_its_other_fields() -> None:
    request = Request(b"GET", b"/", fields=((b"Host", b"x"), (b"chunkwire-barrier", b"id"), (b"A", b"b")))
    assert barrier_of(request) == ("id", "", replace(request, fields=((b"Host", b"x"), (b"A", b"b"))))


async def test_a_hint_adds_a_field_to_the_response(make_mover: MakeMover) -> None:
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(NAMED + b"; accel", target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(FIRST))
            assert b"\r\nX-Accel-Buffering: no\r\n" in await client.read_head()


@pytest.mark.parametrize("mode", ["buffer", "coalesce=5", "coalesce=50ms"])
def test_a_mode_that_keeps_frames_from_their_client_goes_with_no_barrier(mode: str) -> None:
    with pytest.raises(LocalError, match=f"^--barrier goes with --mode exact, reframe or slice, got {mode}: "):
        replace(HELD, mode=parse_mode(mode))
    assert replace(HELD, mode=parse_mode("reframe")).has_barriers


def level_of(gateway: Running, caplog: pytest.LogCaptureFixture) -> str:
    """Return the level at which the latest exchange is logged, the same as text and as JSON."""
    caplog.set_level(logging.DEBUG, "chunkwire.access")
    caplog.clear()
    request, report = gateway.ended[-1]
    log_text("client", request, report)
    log_json("client", request, report)
    [level] = {record.levelname for record in caplog.records}
    return level


@pytest.mark.parametrize("target", [b"/delete", f"/probe/ack?barrier={ID}&n=1".encode()])
async def test_neither_a_client_nor_an_upstream_can_hide_an_exchange_that_is_relayed(
    caplog: pytest.LogCaptureFixture, target: bytes
) -> None:
    """Fails where the request decides the level, or a response that echoes its fields."""
    async with forwarding() as gateway:
        field = b"Chunkwire-Barrier: answer"
        await gateway.relay(get(field, target=target), answer(field, b"Content-Length: 0", b"Connection: close"))
        assert (await gateway.wait_ended()).status == 200
        assert level_of(gateway, caplog) == "INFO"


@pytest.mark.parametrize(
    "target, level",
    [
        (b"/probe/state?barrier=ffffffffffffffff", "DEBUG"),
        (b"/probe/ack?barrier=ffffffffffffffff&n=1", "DEBUG"),
        (b"/probe/state?barrier=short", "INFO"),
    ],
)
async def test_the_gateway_logs_its_own_answers_about_barriers(
    caplog: pytest.LogCaptureFixture, target: bytes, level: str
) -> None:
    async with forwarding(settings=HELD) as gateway:
        await ask(gateway, get(target=target))
        await gateway.wait_ended()
        assert level_of(gateway, caplog) == level


@pytest.mark.parametrize("verdict", ["timeout", "client-gone"])
async def test_an_answer_about_a_barrier_that_is_not_taken_is_logged_as_what_stopped_it(
    monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    async def send_some(connection: ServerConnection, _: object) -> int:
        if verdict == "client-gone":
            raise PeerGone("it left", connection)
        await trio.sleep_forever()

    monkeypatch.setattr(ServerConnection, "send_some", send_some)
    async with forwarding(settings=replace(HELD, send_timeout=0.1)) as gateway:
        async with gateway.connect(get(target=b"/probe/state?barrier=ffffffffffffffff")):
            report = await gateway.wait_ended()
    assert (report.verdict, report.status, bool(report.details)) == (verdict, 404, True)


@pytest.mark.parametrize("method, field", [(b"GET", b"Connection: close"), (b"HEAD", b"X: y")])
async def test_an_answer_about_a_barrier_ends_as_its_request_asks(method: bytes, field: bytes) -> None:
    """Fails where a connection stays open that its client wants closed, or where a HEAD is answered with content."""
    request = get(field, target=b"/probe/state?barrier=ffffffffffffffff", method=method)
    async with forwarding(settings=HELD) as gateway, gateway.connect(request) as client:
        if method == b"HEAD":
            await client.send_eof()
        with trio.fail_after(PATIENCE):
            got = await client.read_all()
    assert got.endswith(b"\r\n\r\n") == (method == b"HEAD")


async def test_a_fault_ends_a_held_body(make_mover: MakeMover) -> None:
    settings = replace(HELD, fault=parse_fault("cut=1"))
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(chunked(FIRST + SECOND + END))
            await client.read_head()
            assert (await client.read_end()).startswith(FIRST)
        assert (await gateway.wait_ended()).verdict == "cut"


@pytest.mark.parametrize("silent", ["upstream", "client"])
async def test_a_held_body_has_the_deadlines_of_others(
    make_mover: MakeMover, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    """Fails where one waits for ever for an upstream that stalls, or for a client that reads nothing."""
    monkeypatch.setattr("chunkwire.forward.barrier.MAX_HELD_OCTETS", 1 << 25)
    settings = replace(HELD, idle_timeout=0.1) if silent == "upstream" else replace(HELD, send_timeout=0.1)
    async with forwarding(make_mover, settings) as gateway:
        async with gateway.exchange(get(NAMED, target=b"/"), chunked(b"")) as (_client, upstream):
            if silent == "client":
                await upstream.send(b"1000000\r\n" + bytes(1 << 24) + b"\r\n")
            assert (await gateway.wait_ended()).verdict == "timeout"


@pytest.mark.parametrize("request_head", [get(), get(NAMED, target=b"/")])
async def test_the_limit_of_streams_counts_here_too(request_head: bytes) -> None:
    async with forwarding(settings=replace(HELD, max_streams_per_client=1)) as gateway:
        async with gateway.connect(get()), gateway.asked():
            assert (await gateway.ask(request_head)).startswith(b"HTTP/1.1 429 ")


OLD = get(NAMED, target=b"/sse", version=b"1.0")
EVENT_STREAM = b"Content-Type: text/event-stream"


async def test_a_hop_that_asks_in_http_1_0_gets_what_the_application_answers_to_that(make_mover: MakeMover) -> None:
    """Fails where the chunks of an application that sends them for HTTP/1.0 too are removed: nginx would hold."""
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(OLD) as client, gateway.accept() as upstream:
        assert (await upstream.read_head()).startswith(b"GET /sse HTTP/1.0\r\n")
        await upstream.send(chunked(FIRST + SECOND + END))
        head = await client.read_head()
        assert b"\r\nTransfer-Encoding: chunked\r\n" in head
        assert b"\r\nConnection: close\r\n" in head
        await client.expect(FIRST)
        assert b" 204 " in await acknowledge(gateway, 1)
        await client.expect(SECOND)
        assert b" 204 " in await acknowledge(gateway, 2)
        assert await client.read_end() == END


async def test_chunks_are_removed_for_http_1_0_where_no_barrier_is_named(make_mover: MakeMover) -> None:
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(version=b"1.0")) as client:
        async with gateway.accept() as upstream:
            assert b" HTTP/1.1\r\n" in await upstream.read_head()
            await upstream.send(chunked(FIRST + END))
            assert b"chunked" not in await client.read_head()
            assert await client.read_end() == b"hello"


@pytest.mark.parametrize(
    "fields, version, frames",
    [
        ((EVENT_STREAM,), b"1.0", [b"data: 1\n\n", b"data: 2\r\n\r\n", b"da"]),
        ((b"Content-Type: application/x-ndjson",), b"1.0", [b"data: 1\n", b"\n", b"data: 2\r\n", b"\r\n", b"da"]),
        ((b"Content-Type: text/plain",), b"1.0", [b"data: 1\n\ndata: 2\r\n\r\nda"]),
        ((EVENT_STREAM, b"Content-Encoding: gzip"), b"1.0", [b"data: 1\n\ndata: 2\r\n\r\nda"]),
        ((EVENT_STREAM,), b"1.1", [b"data: 1\n\ndata: 2\r\n\r\nda"]),
    ],
)
async def test_events_without_chunks_are_frames_where_they_were_asked_for_in_http_1_0(
    make_mover: MakeMover, fields: tuple[bytes, ...], version: bytes, frames: list[bytes]
) -> None:
    request = get(NAMED, target=b"/", version=version)
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(request) as client:
        async with gateway.asked() as upstream:
            await upstream.send(answer(*fields, version=version) + b"".join(frames))
            await client.read_head()
            for number, frame in enumerate(frames, 1):
                await client.expect(frame)
                assert client.received == b""
                assert b" 204 " in await acknowledge(gateway, number)


async def test_the_state_says_how_the_request_of_the_stream_arrived() -> None:
    fields = (NAMED, b"Via: 1.1 edge", b"Cookie: secret", b"Connection: close")
    async with forwarding(settings=HELD) as gateway:
        async with gateway.exchange(get(*fields, target=b"/sse", version=b"1.0"), chunked(FIRST)) as (
            client,
            _upstream,
        ):
            await client.expect(FIRST)
            _, content = await ask(gateway, get(target=f"/probe/state?barrier={ID}".encode()))
    arrived = {"version": "1.0", "target": "/sse", "fields": [["Via", "1.1 edge"], ["Connection", "close"]]}
    assert json.loads(content)["arrived"] == arrived


async def test_requests_beside_a_relayed_stream_are_counted_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where each acknowledgement of a probe has a line in the log of a gateway without --barrier."""
    about = f"/up/probe/state?barrier={ID}".encode()
    async with forwarding() as gateway:
        stream = get(target=f"/up/probe?n=2&barrier={ID}".encode())
        async with gateway.exchange(stream, chunked(FIRST)) as (_client, upstream):
            for target, level in ((about, "DEBUG"), (about.replace(b"0", b"1"), "INFO")):
                await gateway.relay(get(target=target), answer(b"Content-Length: 0", b"Connection: close"))
                await gateway.wait_ended()
                assert level_of(gateway, caplog) == level
            await gateway.relay(get(target=about), answer(b"Content-Length: 0", status=b"500 No"))
            await gateway.wait_ended()
            assert level_of(gateway, caplog) == "INFO"
            await upstream.send(END)
            assert (await gateway.wait_ended()).barrier_requests == 1
            assert level_of(gateway, caplog) == "INFO"
    assert " barrier_requests=1 complete" in caplog.text
