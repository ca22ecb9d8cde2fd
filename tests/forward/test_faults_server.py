"""The server itself in trouble: drain, no descriptor left, too many connections, an error of our own."""

import os
import re
import resource
import signal
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from chunkwire.forward import gateway as module
from chunkwire.forward.rewrite import admitted_framing
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from chunkwire.net.ends import ServerConnection
from chunkwire.net.framing import Framing
from chunkwire.net.heads import Request
from tests.forward.wire import END, TEXT, Wire, answer, chunked, forwarding, get, status_of
from tests.net.carry import MakeMover
from tests.net.peer import tcp_pair
from tests.patience import PATIENCE
from tests.peers import command, plain

OK = answer(b"Content-Length: 2") + b"ok"


@contextmanager
def streaming(*words: str) -> Generator[tuple[command.Served, plain.Wire, plain.Wire]]:
    """Run a gateway as its users do, with one stream open that has had a chunk: give it, the client, the upstream."""
    with plain.upstream() as upstream, command.serving("forward", upstream.url(), *words) as served:
        with plain.dialled(served.port, get()) as client:
            other = upstream.accept()
            other.read_head()
            other.send(chunked(TEXT))
            client.read_head()
            assert client.reader.exactly(len(TEXT)) == TEXT
            yield served, client, other


def wait_draining(served: command.Served) -> None:
    """Wait until the listener is gone."""
    with suppress(ConnectionError):
        while True:
            socket.create_connection((served.host, served.port), PATIENCE).close()


SIGNALS = pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])


@SIGNALS
def test_a_signal_lets_a_stream_run_to_its_end(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    """Fault 24. Fails where a signal cuts at once, accepts on, or waits for the grace time when all have ended."""
    monkeypatch.setattr(command, "BRIEF", ("--grace", "1h"))
    with streaming() as (served, client, upstream):
        served.process.send_signal(number)
        wait_draining(served)
        upstream.send(TEXT + END)
        assert client.read_rest() == (TEXT + END, False)
        assert served.process.wait(PATIENCE) == code


def test_sigterm_cuts_a_stream_when_the_grace_time_is_over() -> None:
    """Fault 24. Fails where the shutdown writes a last-chunk, or ends in another code than 0."""
    with streaming() as (served, client, upstream):
        served.process.send_signal(signal.SIGTERM)
        assert client.read_rest()[0] == b""
        assert upstream.read_rest()[1]
        assert served.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, first: signal.Signals, second: signal.Signals
) -> None:
    """Fault 24. Fails where the second signal is taken for another drain: the grace time is an hour here."""
    monkeypatch.setattr(command, "BRIEF", ("--grace", "1h"))
    code = 130 if signal.SIGINT in (first, second) else 0
    with streaming() as (served, client, _):
        served.process.send_signal(first)
        wait_draining(served)
        served.process.send_signal(second)
        assert served.process.wait(PATIENCE) == code
        assert client.read_rest()[0] == b""


async def test_a_drain_ends_idle_connections_and_says_close_to_the_others() -> None:
    """Fault 24. Fails where an idle connection is waited for, or a busy one goes on after its answer."""
    async with forwarding() as gateway, gateway.connect() as idle, gateway.connect(get()) as busy:
        async with gateway.asked() as upstream:
            gateway.drain.start()
            assert await idle.read_all() == b""
            await upstream.send(OK)
            assert b"\r\nConnection: close\r\n" in await busy.read_all()


def test_without_a_descriptor_the_gateway_neither_spins_nor_ends() -> None:
    """Fault 25. Fails where accept spins or raises, or where an upstream that cannot be dialled is no 503."""
    with plain.upstream() as upstream, command.serving("forward", upstream.url()) as served, ExitStack() as stack:
        first = stack.enter_context(plain.dialled(served.port))
        stack.enter_context(plain.dialled(served.port, b"GET bad\r\n\r\n")).read_rest()  # the first one is accepted
        limit = len(list(Path(f"/proc/{served.process.pid}/fd").iterdir())) + 3
        resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        with ExitStack() as crowd:
            for _ in range(20):
                crowd.enter_context(plain.dialled(served.port))
            served.wait_log("pausing 0.1 s")
            first.send(get())
            assert first.read_head().startswith(b"HTTP/1.1 503 ")
        with plain.dialled(served.port, get(b"Connection: close")) as client:
            other = upstream.accept()
            other.read_head()
            other.send(OK)
            assert client.read_rest()[0].endswith(b"ok")
        assert sum("pausing" in line for line in served.log) < 500


async def test_a_thousand_idle_connections_hold_nobody_up(make_mover: MakeMover) -> None:
    """Fault 26. Fails where idle connections cost a turn each: a new stream must be served beside them."""
    async with forwarding(make_mover) as gateway, trio.open_nursery() as nursery:
        idle = [await trio.open_tcp_stream("127.0.0.1", gateway.port) for _ in range(1000)]
        async with gateway.exchange(get(), chunked(TEXT + END)) as (client, _upstream):
            await client.expect(TEXT + END)
        for each in idle:
            nursery.start_soon(each.aclose, name="close")


async def test_an_idle_connection_ends_at_its_deadline() -> None:
    """Fault 26. Fails where a connection may stay for ever after a request, or before one."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, keep_alive_timeout=0.1)
    async with forwarding(settings=settings) as gateway, gateway.exchange(get()) as (client, upstream):
        await upstream.send(OK)
        assert (await client.read_all()).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("error", [ValueError("ours"), ExceptionGroup("ours", [ValueError(), KeyError()])])
async def test_an_error_of_ours_ends_one_connection(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Fault 27. Fails where it ends the server, as trio.serve_listeners would have it; groups too."""

    def fail(request: Request, name: str) -> Framing:
        if request.target == b"/bug":
            raise error
        return admitted_framing(request, name)

    monkeypatch.setattr(module, "admitted_framing", fail)
    async with forwarding() as gateway, gateway.connect(get()) as before, gateway.accept() as upstream:
        assert await gateway.ask(get(target=b"/bug")) == b""
        await serve_both(upstream, before)
        async with gateway.connect(get()) as after:
            await serve_both(upstream, after)
    assert "a connection ended by an error of ours" in caplog.text


async def serve_both(upstream: Wire, client: Wire) -> None:
    """Carry one exchange on an upstream connection."""
    await upstream.read_head()
    await upstream.send(OK)
    assert status_of(await client.read_head()) == 200
    await client.expect(b"ok")


async def test_two_cancellations_at_once_leave_nothing(make_mover: MakeMover) -> None:
    """Beside fault 27. Fails where a stream that is cancelled while its client leaves keeps a socket."""
    counts = []
    for _ in range(2):  # the first leaves what the sleeper keeps until the run ends
        async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as near:
            with trio.fail_after(PATIENCE):
                await near.read_head()
                await near.send(chunked(TEXT))
                await client.read_head()
                client.reset()
                gateway.nursery.cancel_scope.cancel()
        assert gateway.metrics.streams_open == 0
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[1] <= counts[0]


def test_the_log_names_what_was_cut() -> None:
    """Beside fault 1. Fails where a stream that broke is logged as complete, or not counted."""
    with streaming() as (served, client, upstream):
        upstream.reset()
        assert client.read_rest()[0] == b""
        line = served.wait_log("GET / HTTP/1.1")
    assert re.search(r"chunks=1 octets=5 reset\b", line)


async def test_a_connection_is_watched_no_more_when_its_exchange_was_cancelled() -> None:
    """Fails where the mover keeps a descriptor that the connection's owner then closes: its number is used again."""
    from chunkwire.net.fastmover import FastMover  # its epoll exists on Linux only

    mover = FastMover()
    async with forwarding(lambda: mover) as gateway, trio.open_nursery() as nursery:
        near, far = await tcp_pair()
        client = ServerConnection(far, bare_lf=False)
        await near.send_all(get())
        request = await client.receive_request()
        assert request is not None
        nursery.start_soon(gateway.gateway.relay, client, request, name="relay")
        async with gateway.asked() as upstream:
            await upstream.send(chunked(TEXT))
            await near.receive_some()
            nursery.cancel_scope.cancel()
    for stream in (near, far):
        await stream.aclose()
    assert not mover._entries
