"""A supervisor and its workers, without their processes."""

import logging
import signal
import socket
from functools import partial

import pytest
import trio
import trio.testing

from chunkwire.net.listen import Address, Drain, ListenError
from chunkwire.server.workers import Supervisor, WorkerCommand, _reserved, _Worker, supervise
from tests.patience import PATIENCE


def a_worker() -> tuple[_Worker, trio.abc.Stream]:
    """Return a worker without a process, and its end of the socket."""
    ours, theirs = trio.testing.memory_stream_pair()
    return _Worker(None, ours, trio.Lock(), is_accepting=True), theirs  # type: ignore[arg-type]


async def test_an_address_whose_name_is_no_domain_name_cannot_be_bound() -> None:
    """Fails where the error of IDNA is a traceback."""
    with pytest.raises(ListenError, match=r"^cannot listen on é\.\.b:0: no domain name$"):
        async with _reserved(Address("é..b", 0)):
            pass


async def test_an_address_of_ipv6_is_reserved_as_its_workers_bind_it() -> None:
    """Fails where [::] takes 0.0.0.0 too, which another server may have."""
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        async with _reserved(Address("::", port)) as address:
            assert address == Address("::", port)


async def test_a_name_is_reserved_that_has_an_address_of_ipv6_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(*_: object, **__: object) -> object:
        return socket.getaddrinfo("::1", 0, type=socket.SOCK_STREAM)

    monkeypatch.setattr(trio.socket, "getaddrinfo", find)
    async with _reserved(Address("six.test", 0)) as address:
        assert address.host == "six.test"


async def test_a_name_that_is_slow_to_resolve_delays_no_other_task(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Fails where the supervisor blocks for it: a signal would not end it."""

    async def find(*_: object, **__: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio.socket, "getaddrinfo", find)
    with trio.move_on_after(1) as scope:
        async with _reserved(Address("slow.test", 0)):
            pass
    assert scope.cancelled_caught


async def test_a_worker_that_cannot_be_started_again_is_tried_later(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Fails where an error of the system, such as EMFILE, ends the other workers too, or leaves sockets open."""
    drain, tries = Drain(), 0
    supervisor = Supervisor(WorkerCommand(("/nonexistent",)), 1, drain)
    really_run = supervisor._run_one

    async def run_one(address: Address, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            await really_run(address)
        if tries == 3:
            drain.start()

    monkeypatch.setattr(supervisor, "_run_one", run_one)
    await supervisor._keep_one(Address("127.0.0.1", 1), task_status=trio.TASK_STATUS_IGNORED)
    assert tries == 3


async def test_a_request_for_metrics_that_is_cancelled_takes_its_own_answer() -> None:
    """Or each later request would get the answer of the one before."""
    worker, peer = a_worker()
    answers: list[str] = []
    scope = trio.CancelScope()

    async def ask() -> None:
        with scope:
            await worker.ask()
        answers.append(await worker.ask())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, name="ask")
        assert await peer.receive_some(1) == b"?"
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        await peer.send_all(b"first\0")
        assert await peer.receive_some(1) == b"?"
        await peer.send_all(b"second\0")
    assert answers == ["second"]


@pytest.mark.parametrize("is_ours", [True, False])
async def test_a_worker_that_ends_meanwhile_has_no_metrics(is_ours: bool) -> None:
    worker, peer = a_worker()
    await peer.send_all(b"1\0")
    assert await worker.ask() == "1"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.ask, name="ask")
        await trio.testing.wait_all_tasks_blocked()
        await (worker.stream if is_ours else peer).aclose()
    assert await worker.ask() == ""


async def test_no_worker_is_started_once_a_drain_has_begun(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """A worker died, and the drain begins before the next one is started: nobody would end that one."""
    drain, started = Drain(), list[Address]()
    supervisor = Supervisor(WorkerCommand(()), 1, drain)

    async def run_one(address: Address, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        started.append(address)
        task_status.started()

    monkeypatch.setattr(supervisor, "_run_one", run_one)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor._keep_one, Address("127.0.0.1", 1), name="worker")
        await trio.testing.wait_all_tasks_blocked()
        drain.start()
    assert len(started) == 1


async def test_metrics_do_not_wait_for_a_worker_that_has_not_begun() -> None:
    """Fails where two tasks read from it at once: a scrape while a worker is replaced is a 500."""
    worker, peer = a_worker()
    worker.is_accepting = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.wait_accepting, name="wait")
        await trio.testing.wait_all_tasks_blocked()
        assert await worker.ask() == ""
        await peer.send_all(b"\0")
    assert worker.is_accepting


async def test_a_worker_that_hangs_counts_with_its_latest_metrics(autojump_clock: trio.testing.MockClock) -> None:
    """Fails where a scrape waits for it, or leaves it out: the sums of counters would fall and rise again."""
    worker, peer = a_worker()
    await peer.send_all(b"1\0")
    assert await worker.ask() == "1"
    assert await worker.ask() == "1"
    await peer.send_all(b"2\0003\0")
    assert await worker.ask() == "3"


async def test_a_second_signal_while_workers_start_ends_the_supervisor(caplog: pytest.LogCaptureFixture) -> None:
    """Fails where this is an error of a task that has not reported its start. The worker sends the first signal."""

    class Again(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            signal.raise_signal(signal.SIGTERM)

    caplog.set_level(logging.INFO, "chunkwire.server.running")
    again, script = Again(), "kill -TERM $PPID; exec sleep 60"
    logging.getLogger("chunkwire.server.running").addHandler(again)
    try:
        async with trio.open_nursery() as nursery:
            command = WorkerCommand(("/bin/sh", "-c", script))
            supervising = partial(supervise, command, 1, Address("127.0.0.1", 0), admin=None)
            with trio.fail_after(PATIENCE):
                assert await nursery.start(supervising, name="supervisor") == []
    finally:
        logging.getLogger("chunkwire.server.running").removeHandler(again)
