"""Several processes on one address: a supervisor, its workers, and their metrics added up.

The rule here: a worker is the same command, which listens with SO_REUSEPORT and has a socket to its supervisor. On it
the worker reports that it accepts connections, and answers each octet with its metrics. When the socket is closed, the
supervisor has ended, and the worker ends. The supervisor serves no streams. At a SIGTERM or SIGINT it sends SIGTERM to
its workers; it forwards SIGHUP, replaces workers that died, and ends when all workers have ended.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from chunkwire.net.listen import (
    Address,
    Drain,
    ListenError,
    bound_addresses,
    open_listeners,
    share_port,
)
from chunkwire.server.admin import serve_admin
from chunkwire.server.metrics import Metrics, add_up
from chunkwire.server.running import drain_on_signal
from chunkwire.wire.errors import ChunkwireError, LocalError

logger = logging.getLogger(__name__)

RESTART_SECONDS: Final = 1.0  # before a dead worker is replaced: bounds the CPU time if workers cannot start
ANSWER_SECONDS: Final = 1.0  # for the metrics of a worker: one that hangs delays the sum so long (Prometheus: 10 s)
KILL_SECONDS: Final = 1.0  # for a killed worker to end
_END: Final = b"\0"  # ends each message of a worker
_GONE: Final = (trio.BrokenResourceError, trio.ClosedResourceError)


class WorkerError(ChunkwireError):
    """A worker ended before it accepted connections; it has printed the reason on standard error.

    Attributes:
        exit_code: of the worker.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"a worker ended with exit code {exit_code}")
        self.exit_code = exit_code


async def answer_supervisor(descriptor: int, metrics: Metrics, accepting: trio.Event) -> None:
    """In a worker: report that it accepts connections, then its metrics on request, until the supervisor ends.

    Args:
        descriptor: of the socket to the supervisor.
        accepting: set once connections are accepted.
    """
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
    async with stream:
        await accepting.wait()
        try:
            await stream.send_all(_END)
            while await stream.receive_some(1):
                await stream.send_all(metrics.to_text().encode() + _END)
        except trio.BrokenResourceError:
            return


@dataclass(slots=True)
class _Worker:
    """One worker and the supervisor's end of its socket.

    Attributes:
        is_accepting: it has reported that it accepts connections.
    """

    process: trio.Process
    stream: trio.SocketStream
    lock: trio.Lock
    is_accepting: bool = False
    _latest: str = ""
    _received: bytearray = field(default_factory=bytearray)
    _missing: int = 0  # answers that were requested and have not come

    async def wait_accepting(self) -> bool:
        """Wait for the worker's first message; False if the worker ended instead."""
        self.is_accepting = await self._next() is not None
        return self.is_accepting

    async def ask(self) -> str:
        """Return the worker's metrics as text, the latest known ones if it does not answer in time.

        "" if it has ended, or does not accept connections yet.
        """
        if self.is_accepting:
            async with self.lock:
                with trio.move_on_after(ANSWER_SECONDS):
                    await self._update()
        return self._latest

    async def _update(self) -> None:
        try:
            await self.stream.send_all(b"?")
        except _GONE:
            self._latest = ""
            return
        self._missing += 1
        while self._missing:
            self._latest = await self._next() or ""
            self._missing -= 1

    async def _next(self) -> str | None:
        """Return the next message; None if the worker has ended.

        Cancellation: nothing is lost.
        """
        with suppress(*_GONE):
            while _END not in self._received:
                if not (octets := await self.stream.receive_some()):
                    return None
                self._received += octets
            text, _, self._received = self._received.partition(_END)
            return text.decode()
        return None


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """The command line of a worker: the flags of its address and of its socket go between `words` and `positional`."""

    words: tuple[str, ...]
    positional: tuple[str, ...] = ()

    def at(self, address: Address, descriptor: int) -> list[str]:
        """Return the command line of a worker on an address, with the descriptor of its socket."""
        return [*self.words, "--listen", str(address), "--worker", str(descriptor), *self.positional]


class Supervisor:
    """Runs `count` workers on one address until they have drained.

    Attributes:
        is_accepting: all workers have accepted connections.
    """

    def __init__(self, command: WorkerCommand, count: int, drain: Drain) -> None:
        self._command = command
        self._count = count
        self._drain = drain
        self._workers: list[_Worker] = []
        self.is_accepting = False
        self._is_ending = False

    async def run(self, address: Address, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        """Run the workers; `task_status` is started with the bound address once all accept connections.

        Raises:
            ListenError: the address cannot be bound.
            WorkerError: a worker ended before it accepted.
        """
        async with _reserved(address) as bound:
            async with trio.open_nursery() as nursery:
                for _ in range(self._count):
                    await nursery.start(self._keep_one, bound, name="worker")
                self.is_accepting = True
                task_status.started([bound])
                await self._drain.wait_started()
                self._is_ending = True
                for worker in self._workers:
                    worker.process.send_signal(signal.SIGTERM)

    async def forward_signals(self, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        """Send each signal of this number to all workers."""
        with trio.open_signal_receiver(number) as signals:
            task_status.started()
            async for _ in signals:
                for worker in self._workers:
                    worker.process.send_signal(number)

    async def metrics(self) -> str:
        """Return the metrics of all workers, added up."""
        return add_up([await worker.ask() for worker in tuple(self._workers)])

    async def _keep_one(self, address: Address, *, task_status: trio.TaskStatus[None]) -> None:
        """Run one worker, and replace it when it dies, until the drain begins."""
        await self._run_one(address, task_status=task_status)
        while not self._drain.is_started:
            logger.warning("a worker died; starting another")
            with trio.move_on_after(RESTART_SECONDS):
                await self._drain.wait_started()
                return
            try:
                await self._run_one(address)
            except (WorkerError, OSError) as error:  # EMFILE, EAGAIN and ENOMEM may be over soon
                logger.warning("%s", error)

    async def _run_one(
        self, address: Address, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        ours, theirs = socket.socketpair()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
            with theirs:
                descriptor = theirs.fileno()
                process = await trio.lowlevel.open_process(
                    self._command.at(address, descriptor), pass_fds=(descriptor,), preexec_fn=_ignore_signals
                )
            worker = _Worker(process, stream, trio.Lock())
            self._workers.append(worker)
            if self._is_ending:
                process.send_signal(signal.SIGTERM)
            try:
                if not await worker.wait_accepting():
                    raise WorkerError(await process.wait())
                task_status.started()
                await process.wait()
            finally:
                self._workers.remove(worker)
                if process.returncode is None:
                    process.kill()
                    with trio.move_on_after(KILL_SECONDS, shield=True):
                        await process.wait()


async def supervise(
    command: WorkerCommand,
    count: int,
    address: Address,
    *,
    admin: Address | None,
    reloads: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a supervisor until its workers have drained; serve the sum of their metrics at `admin`.

    Args:
        reloads: the workers have a certificate, which they read again at SIGHUP.

    Raises:
        KeyboardInterrupt: a SIGINT came, once the drain is over.
    """
    drain = Drain()
    supervisor = Supervisor(command, count, drain)
    listeners = await open_listeners(admin) if admin is not None else []
    async with trio.open_nursery() as nursery:
        stop = trio.CancelScope()
        await nursery.start(drain_on_signal, drain, stop, name="signals")
        if reloads:
            await nursery.start(supervisor.forward_signals, signal.SIGHUP, name="reload")
        if listeners:
            logger.info("admin on http://%s", bound_addresses(listeners)[0])
            nursery.start_soon(serve_admin, listeners, supervisor.metrics, Drain(), name="admin")
        with stop:
            await supervisor.run(address, task_status=task_status)
        if not supervisor.is_accepting:  # a second signal came while they started
            task_status.started([])
        nursery.cancel_scope.cancel()
    if drain.is_interrupted:
        raise KeyboardInterrupt


@asynccontextmanager
async def _reserved(address: Address) -> AsyncIterator[Address]:
    """Reserve an address for the workers by a bound socket that does not listen; port 0 becomes a free port.

    A first socket is bound without SO_REUSEPORT, which fails where the workers of another server listen: with it, they
    and ours would share the port.
    """
    if address.is_unix:
        raise LocalError(f"several processes share a port, not a Unix socket: {address}")
    with ExitStack() as stack:
        try:
            found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            family, *_, where = min(found, key=lambda each: each[0] != socket.AF_INET)  # ::1 may be missing
            held = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            share_port(held)
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                _bind(alone, where)
            _bind(held, where)
        except (OSError, UnicodeError) as error:
            raise ListenError.from_os(address, error) from error
        yield Address(address.host, held.getsockname()[1])


def _bind(sock: socket.socket, where: Any) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:  # as the workers bind it: [::] leaves 0.0.0.0 to others
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(where)


def _ignore_signals() -> None:
    """Ignore SIGHUP until the worker handles it, and SIGINT for good: a terminal sends it to the supervisor as well."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
