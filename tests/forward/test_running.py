"""Seeing it run: access lines, metrics, limits as flags, several workers; `chunkwire` as its users run it."""

import json
import logging
import os
import re
import resource
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.forward.access import log_json
from chunkwire.forward.failure import Outcome
from chunkwire.forward.report import Report
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from chunkwire.net.heads import Request
from tests.forward.wire import END, TEXT, answer, chunked, forwarding, get, status_of
from tests.net.peer import unix_pair
from tests.patience import PATIENCE
from tests.peers import command, plain, process
from tests.peers.readers import curl

TRACE = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def admin_of(served: command.Served) -> str:
    return served.wait_log("admin on").split()[-1]


def relay(served: command.Served, upstream: plain.Upstream, response: bytes) -> tuple[bytes, bytes]:
    """Carry one exchange with a traceparent; return the head that the upstream got, and what the client did."""
    with plain.dialled(served.port, get(TRACE, b"Connection: close")) as client:
        other = upstream.accept()
        head = other.read_head()
        other.send(response)
        other.close()
        return head, client.read_rest()[0]


def test_an_access_line_says_what_an_exchange_came_to() -> None:
    """Fails where a part of the line is missing; traceparent goes through untouched and stands in it."""
    with plain.upstream() as upstream, command.serving("forward", upstream.url(), "--mode", "slice=3") as served:
        assert TRACE in relay(served, upstream, chunked(TEXT + END))[0]
        line = served.wait_log("GET / HTTP/1.1")
    wanted = (
        r'127\.0\.0\.1:\d+ "GET / HTTP/1\.1" 200 127\.0\.0\.1:\d+ head=[\d.]+ms first=[\d.]+ms '
        r"chunks=1 octets=5 mode=slice=3 traceparent=00-0af\S+-01 complete"
    )
    assert re.search(wanted, line)


def test_an_access_line_can_be_json() -> None:
    """Fails where a member is missing, or where a fault does not stand in it."""
    words = ("--log-json", "--fault", "cut=1")
    with plain.upstream() as upstream, command.serving("forward", upstream.url(), *words) as served:
        relay(served, upstream, chunked(TEXT + TEXT + END))
        entry = json.loads(served.wait_log('"request"'))
    assert (entry["status"], entry["framing"], entry["fault"], entry["mode"]) == (200, "cut", "cut=1", "exact")
    assert entry["traceparent"].encode() in TRACE


def test_a_line_as_json_has_milliseconds_and_null_where_nothing_came(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chunkwire.access")
    for report in (
        Report(Outcome.REFUSED, 400, rule="no-host", started=0.0),
        Report(status=200, head_s=0.00125, first_s=1.5, started=0.0),
    ):
        log_json("peer", Request(b"GET", b"/"), report)
    refused, served = (json.loads(record.getMessage()) for record in caplog.records)
    members = ("status", "head_ms", "first_ms", "rule", "chunks", "octets", "traceparent")
    assert [refused[name] for name in members] == [400, None, None, "no-host", 0, 0, None]
    assert [served[name] for name in members[:4]] == [200, 1.25, 1500.0, None]


@pytest.mark.needs("curl")
def test_metrics_count_what_went_through() -> None:
    """Fails where a stream, a chunk, a verdict or a refusal is not counted, or where they are served to clients."""
    words = ("--admin", "127.0.0.1:0")
    with plain.upstream() as upstream, command.serving("forward", upstream.url(), *words) as served:
        relay(served, upstream, chunked(TEXT + TEXT + END))
        relay(served, upstream, chunked(TEXT))
        with plain.dialled(served.port, b"GET / HTTP/1.1\r\n\r\n") as client:
            client.read_rest()
        text = curl(admin_of(served) + "/metrics")[1].decode()
        assert curl(admin_of(served) + "/healthz") == (0, b"ok\n")
    for pattern in (
        r"chunkwire_streams_open\{.*\} 0\b",
        r"chunkwire_chunks_total\{.*\} 3\b",
        r"chunkwire_octets_total\{.*\} 15\b",
        r'\{.*"complete".*\} 1\b',
        r'\{.*"cut".*\} 1\b',
        r'\{.*"no-host".*\} 1\b',
        r"first_frame\w*_count\{.*\} 2\b",
        r"gap\w*_count\{.*\} 2\b",
    ):
        assert re.search(pattern, text), (pattern, text)


LIMITS = ("--max-ext-octets=10", "--max-trailer-fields=1", "--max-trailer-octets=6", "--max-overhead=20")
COSTS_TWO = b"0000000000000001\r\nx\r\n"


def test_the_limits_of_bodies_are_flags() -> None:
    """Fails where a flag does not reach the scanner, or is off by one."""
    at_limit = (
        b"1;" + 9 * b"a" + b"\r\nx\r\n" + END,
        b"0\r\nA: 1\r\n\r\n",
        COSTS_TWO * 10 + END,
    )
    over = (
        b"1;" + 10 * b"a" + b"\r\nx\r\n" + END,
        b"0\r\nA:\r\nB:\r\n\r\n",
        b"0\r\nA: 12\r\n\r\n",
        COSTS_TWO * 11 + END,
    )
    with plain.upstream() as upstream, command.serving("forward", upstream.url(), *LIMITS) as served:
        for body in at_limit:
            assert relay(served, upstream, chunked(body))[1].endswith(b"\r\n\r\n" + body)
        for body in over:
            assert not relay(served, upstream, chunked(body))[1].endswith(b"\r\n" + body[-5:])


async def test_streams_of_one_client_have_a_limit() -> None:
    """Fails where the limit is off by one, or where a stream that ended changes the next ones' limit."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, max_streams_per_client=2)
    async with forwarding(settings=settings) as gateway:
        for _ in range(2):
            async with gateway.connect(get()) as one, gateway.connect(get()) as two:
                async with gateway.accept() as upstream, gateway.accept() as other:
                    await upstream.read_head()
                    await other.read_head()
                    assert status_of(await gateway.ask(get())) == 429
                    for wire in (upstream, other):
                        await wire.send(answer(b"Content-Length: 0"))
                    for client in (one, two):
                        assert status_of(await client.read_head()) == 200
            for _ in range(3):
                await gateway.wait_ended()


async def test_a_stream_that_ends_makes_room_for_one_more_alone() -> None:
    settings = replace(DEFAULT_GATEWAY_SETTINGS, max_streams_per_client=2)
    async with forwarding(settings=settings) as gateway, gateway.connect(get()), gateway.asked():
        await gateway.relay(get(), answer(b"Content-Length: 0"))
        await gateway.wait_ended()
        async with gateway.connect(get()), gateway.asked():
            assert status_of(await gateway.ask(get())) == 429


async def test_clients_of_a_unix_socket_have_no_limit_of_streams() -> None:
    """They have no address. Fails where all of them count as one client."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, max_streams_per_client=1)
    async with forwarding(settings=settings) as gateway, AsyncExitStack() as stack:
        for _ in range(2):
            near, far = await unix_pair()
            gateway.nursery.start_soon(gateway.gateway.handle, far, name="client")
            await stack.enter_async_context(near)
            await near.send_all(get())
            upstream = await stack.enter_async_context(gateway.accept())
            await upstream.read_head()


WORKERS = ("--workers", "2", "--admin", "127.0.0.1:0")


def children(served: command.Served) -> list[int]:
    """Return the workers of a supervisor."""
    files = Path(f"/proc/{served.process.pid}/task").glob("*/children")  # of each thread that started one
    return [int(word) for file in files for word in file.read_text().split()]


@pytest.mark.needs("curl")
@pytest.mark.parametrize("verb", ["serve", "forward"])
def test_a_command_says_how_it_sleeps(verb: str) -> None:
    words = ["http://127.0.0.1:9"] if verb == "forward" else []
    with command.serving(verb, *words, "-v", "--admin", "127.0.0.1:0") as served:
        assert "sleeper: clock" in served.log
        assert 'form="clock"} 1\n' in curl(admin_of(served) + "/metrics")[1].decode()


@pytest.mark.needs("curl")
def test_workers_share_an_address_and_add_their_metrics_up() -> None:
    """Fails where one worker's metrics stand for all, or where a dead worker is not replaced."""
    with command.serving("serve") as origin:
        with command.serving("forward", origin.url(), *WORKERS) as served:
            for _ in range(20):
                assert curl(served.url("/stream-bytes/3?seed=1")) == curl(origin.url("/stream-bytes/3?seed=1"))
            text = curl(admin_of(served) + "/metrics")[1].decode()
            assert re.search(r'\{.*"complete".*\} 20\b', text), text
            assert re.search(r'sleeper_info\{.*form="clock"\} 2\b', text), text
            before = children(served)
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            served.wait_log("starting another")
            while len(set(children(served)) - {before[0]}) < 2:
                """Wait for the new one to be started."""
            for _ in range(20):
                assert curl(served.url("/stream-bytes/3?seed=1"))[0] == 0
            served.process.send_signal(signal.SIGTERM)
            assert served.process.wait(PATIENCE) == 0


def test_sigterm_drains_every_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where the supervisor ends before its workers, or ends them with a stream open."""
    monkeypatch.setattr(command, "BRIEF", ("--grace", "1h"))
    with plain.upstream() as upstream, command.serving("forward", upstream.url(), *WORKERS) as served:
        with plain.dialled(served.port, get()) as client:
            other = upstream.accept()
            other.read_head()
            other.send(chunked(TEXT))
            client.read_head()
            assert len(children(served)) == 2
            served.process.send_signal(signal.SIGTERM)
            while len(children(served)) == 2:
                """Wait for the idle one to end."""
            other.send(TEXT + END)
            assert client.read_rest()[0].endswith(TEXT + TEXT + END)
        assert served.process.wait(PATIENCE) == 0


def test_workers_take_no_address_that_those_of_another_server_have() -> None:
    """Fails where SO_REUSEPORT lets two servers share a port: each gets half of the other's requests."""
    with command.serving("serve", "--workers", "2") as served:
        result = command.chunkwire("serve", "--workers", "2", "-l", f"127.0.0.1:{served.port}")
    assert result.returncode == ExitCode.CANNOT_BIND
    assert b"already in use" in result.stderr


def test_workers_understand_a_command_line_with_two_dashes() -> None:
    with plain.upstream() as upstream:
        words = (*command.CHUNKWIRE, "forward", "-l", "127.0.0.1:0", "--workers", "2", "--", upstream.url())
        with process.started(words) as running:
            assert "listening on" in process.Reader(running.stderr, whose="forward").line()


def test_a_grace_of_0_cuts_streams_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where 0 means no limit, as for a timeout: then the server never ends."""
    monkeypatch.setattr(command, "BRIEF", ("--grace", "0"))
    with command.serving("serve") as served, plain.dialled(served.port, get(target=b"/generate?interval=1h")) as client:
        client.read_head()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(PATIENCE) == 0


def test_the_file_limit_is_raised_at_start() -> None:
    """Fails where a gateway keeps the soft limit of its shell: 1024 on most systems."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[1]), before[1]))
    try:
        with plain.upstream() as upstream, command.serving("forward", upstream.url()) as served:
            soft, hard = resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert soft == hard == before[1]


def test_an_access_line_shows_a_request_that_was_refused_as_it_was_typed() -> None:
    with plain.upstream() as upstream, command.serving("forward", upstream.url()) as served:
        with plain.dialled(served.port, b'GET /"\x1b[2J b\r\n\r\n') as client:
            client.read_rest()
        line = served.wait_log("400")
    assert r'"GET /\"\x1b[2J b" 400' in line
