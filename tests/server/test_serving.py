"""The origin on its address: drain, grace time, admin; and `chunkwire serve` as its users run it."""

import json
import os
import signal
import subprocess
from pathlib import Path

import trio
import trio.testing

from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from chunkwire.record.values import EndRecord, from_json
from chunkwire.server.journal import Ended
from chunkwire.server.serving import serve
from tests.patience import PATIENCE
from tests.peers import command
from tests.peers.process import run
from tests.server.peer import GatePacer, body_of, connect, get, resource, serving, two_chunks

LOOPBACK = Address("127.0.0.1", 0)


async def test_frames_leave_at_real_moments_too() -> None:
    """The pacer of the platform, not a test's: a stream of 30 moments runs to its end."""
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(serve, LOOPBACK, origin_resources())
        async with connect(bound[0].port, get("/generate?n=30&interval=1ms", b"Connection: close")) as client:
            assert (await client.read_all()).count(b"Chunk ") == 30
        nursery.cancel_scope.cancel()


async def test_a_drain_ends_an_idle_connection_at_once() -> None:
    """Fault 24."""
    async with serving(resource(two_chunks)) as running, connect(running.port, get("/x")) as client:
        await client.read_until(b"0\r\n\r\n")
        running.drain.start()
        assert await client.read_all() == b""


async def test_a_drain_lets_a_stream_run_and_then_ends_its_connection() -> None:
    """Fault 24. Fails where a drain cancels what runs, or lets the connection go on after it."""
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port) as client:
        await client.send(get("/generate?n=1") + get("/generate?n=1"))
        await client.read_until(b"\r\n\r\n")
        running.drain.start()
        pacer.open()
        assert (await client.read_all()).endswith(b"0\r\n\r\n")
        assert len(running.ended) == 1


async def test_a_response_that_begins_in_a_drain_closes() -> None:
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port) as client:
        await client.send(get("/drip?numbytes=1&duration=0&delay=1s"))
        await pacer.waiting.acquire()
        running.drain.start()
        pacer.open()
        pacer.open()
        assert b"Connection: close\r\n" in await client.read_all()


async def test_a_stream_is_cut_when_the_grace_time_is_over(autojump_clock: trio.abc.Clock) -> None:
    """Fault 24. Fails where the shutdown writes a last-chunk."""
    async with serving(pacer=GatePacer()) as running, connect(running.port, get("/frames?plan=1@0,0@10")) as client:
        await client.read_until(b"\r\n\r\n")
        began = trio.current_time()
        running.drain.start()
        assert await client.read_all() == b""
        assert running.ended[0].ended_by is Ended.CUT
        assert trio.current_time() - began >= 1.0


async def test_a_body_delimited_by_close_is_reset_when_the_grace_time_is_over(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with serving(pacer=GatePacer()) as running, connect(running.port) as client:
        await client.send(b"GET /frames?plan=1@0,0@10 HTTP/1.0\r\n\r\n")
        await client.read_until(b"\r\n\r\n")
        running.drain.start()
        assert await client.read_reset() == b""


def test_serve_ends_with_0_after_sigterm_and_with_130_after_ctrl_c() -> None:
    for number, code, name in ((signal.SIGTERM, 0, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")):
        for words in ((), ("--workers", "2")):
            with command.serving("serve", *words) as served:
                served.process.send_signal(number)
                assert served.process.wait(PATIENCE) == code
            drains = [line for line in served.log if "draining" in line]
            assert [f"a second {name} ends at once" in line for line in drains] == [True], served.log


def test_at_a_terminal_ctrl_c_ends_its_line_once() -> None:
    """Fails where `draining` stands behind ^C, or the prompt behind an empty line."""
    outer, inner = os.openpty()
    words = [*command.CHUNKWIRE, "serve", "-l", "127.0.0.1:0"]
    with subprocess.Popen(words, stderr=inner) as process:
        os.close(inner)
        assert os.read(outer, 100).startswith(b"listening")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    assert os.read(outer, 200) == b"\r\ndraining: no new connections; a second Ctrl-C ends at once\r\n"
    os.close(outer)


def test_serve_logs_a_line_an_exchange_as_text_or_json() -> None:
    for flag, expected in (
        ((), '"GET /stream-bytes/3 HTTP/1.1" 200'),
        (("--log-json",), '"target": "/stream-bytes/3"'),
    ):
        with command.serving("serve", *flag) as served:
            run(["curl", "-s", "-o", "/dev/null", served.url("/stream-bytes/3")])
        (line,) = [line for line in served.log if "/stream-bytes/3" in line]
        assert expected in line
        assert "complete" in line
        if flag:
            assert json.loads(line)["octets"] == 3


def test_serve_saves_what_it_sent(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    with command.serving("serve", "--save", str(path)) as served:
        run(["curl", "-s", "-o", "/dev/null", served.url("/stream-bytes/3")])
    end = from_json(path.read_text().splitlines()[-1])
    assert isinstance(end, EndRecord)
    assert (end.point, end.framing, end.octets) == ("origin.sent", "complete", 3)


def test_serve_has_metrics_on_an_address_of_their_own() -> None:
    with command.serving("serve", "--admin", "127.0.0.1:0") as served:
        admin = next(line.split()[-1] for line in served.log if "admin on" in line)
        assert b"chunkwire_streams_open" in run(["curl", "-s", f"{admin}/metrics"]).stdout
        assert run(["curl", "-s", f"{admin}/healthz"]).stdout == b"ok\n"
        assert b"no resource" in run(["curl", "-s", served.url("/metrics")]).stdout


async def test_octets_of_a_body_are_not_the_next_request() -> None:
    async with serving() as running:
        body = b"GET /generate HTTP/1.1\r\nHost: x\r\n\r\n"
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        answer = await running.ask(head + body)
    assert body in body_of(answer)
    assert len(running.ended) == 1
