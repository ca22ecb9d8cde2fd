"""Several processes on one address: a supervisor, its workers, and their metrics added up.

The rule here: a worker is the same command once more, listening with SO_REUSEPORT, and a socket to its supervisor.
Over it the worker says when it accepts, and answers each octet with its metrics; when the socket ends, the
supervisor is gone and so is the worker. The supervisor serves no stream. It passes SIGTERM on, replaces a worker
that died, and ends when all have ended.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.net.listen import (
    Address,
    Drain,
    ListenError,
    bound_addresses,
    drain_on_signal,
    open_listeners,
    share_port,
)
from chunkwire.server.admin import serve_admin
from chunkwire.server.metrics import Metrics, add_up
from chunkwire.wire.errors import ChunkwireError, LocalError

logger = logging.getLogger(__name__)

RESTART_SECONDS: Final = 1.0  # before a dead worker is replaced: one that cannot start must not spin
_END: Final = b"\0"  # ends each message of a worker; no text has it


class WorkerError(ChunkwireError):
    """A worker ended before it accepted a connection; it has said why on standard error.

    Attributes:
        exit_code: the worker's own.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"a worker ended with exit code {exit_code}")
        self.exit_code = exit_code


# ---- in a worker -------------------------------------------------------------------------------------------


async def answer_supervisor(descriptor: int, metrics: Metrics, accepting: trio.Event) -> None:
    """Report to the supervisor that this worker accepts, and metrics as often as it asks; return when it is gone."""
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(_nonblocking(socket.socket(fileno=descriptor))))
    async with stream:
        await accepting.wait()
        try:
            await stream.send_all(_END)
            while await stream.receive_some(1):
                await stream.send_all(metrics.to_text().encode() + _END)
        except trio.BrokenResourceError:
            return


# ---- in the supervisor -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Worker:
    """One worker and the supervisor's end of its socket."""

    process: trio.Process
    stream: trio.SocketStream
    turn: trio.Lock

    async def accepts(self) -> bool:
        """Wait for the worker's first message; False when it ended instead."""
        return await self._read() is not None

    async def ask(self) -> str:
        """Return the worker's metrics as text, none when it is gone."""
        async with self.turn:
            try:
                await self.stream.send_all(b"?")
            except trio.BrokenResourceError:
                return ""
            return await self._read() or ""

    async def _read(self) -> str | None:
        text = bytearray()
        while not text.endswith(_END):
            try:
                octets = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not octets:
                return None
            text += octets
        return text[:-1].decode()


class Supervisor:
    """Runs `count` workers on one address until they have drained.

    Args:
        arguments: the command line of one worker, but for its address and its socket.
    """

    def __init__(self, arguments: Sequence[str], count: int, drain: Drain) -> None:
        self._arguments = list(arguments)
        self._count = count
        self._drain = drain
        self._workers: list[_Worker] = []

    async def run(self, address: Address, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        """Run the workers; started with the bound address once all accept.

        Raises:
            ListenError: the address cannot be bound.
            WorkerError: a worker ended before it accepted.
        """
        with _reserved(address) as bound:
            async with trio.open_nursery() as nursery:
                for _ in range(self._count):
                    await nursery.start(self._keep_one, bound, name="worker")
                task_status.started([bound])
                await self._drain.wait_started()
                for worker in self._workers:
                    worker.process.send_signal(signal.SIGTERM)

    async def pass_on(self, number: int, *, task_status: trio.TaskStatus[None]) -> None:
        """Send each signal of this number to all workers."""
        with trio.open_signal_receiver(number) as signals:
            task_status.started()
            async for _ in signals:
                for worker in self._workers:
                    worker.process.send_signal(number)

    async def metrics(self) -> str:
        """Return the metrics of all workers, added up."""
        return add_up([await worker.ask() for worker in self._workers])

    async def _keep_one(self, address: Address, *, task_status: trio.TaskStatus[None]) -> None:
        """Run one worker, and another when it dies, until the drain begins."""
        await self._run_one(address, task_status=task_status)
        while not self._drain.is_started:
            logger.warning("a worker died; starting another")
            await trio.sleep(RESTART_SECONDS)
            try:
                await self._run_one(address)
            except WorkerError as error:
                logger.warning("%s", error)

    async def _run_one(
        self, address: Address, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "chunkwire", *self._arguments]
        command += ["--listen", str(address), "--worker", str(theirs.fileno())]
        process = await trio.lowlevel.open_process(
            command, pass_fds=(theirs.fileno(),), preexec_fn=_ignore_hangup if hasattr(signal, "SIGHUP") else None
        )
        theirs.close()
        worker = _Worker(process, trio.SocketStream(trio.socket.from_stdlib_socket(_nonblocking(ours))), trio.Lock())
        self._workers.append(worker)
        try:
            async with worker.stream:
                if not await worker.accepts():
                    raise WorkerError(await process.wait())
                task_status.started()
                await process.wait()
        finally:
            self._workers.remove(worker)
            if process.returncode is None:
                process.kill()


async def supervise(
    arguments: Sequence[str],
    count: int,
    address: Address,
    *,
    admin: Address | None,
    reloads: bool = False,
    task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a supervisor, with `/metrics` added up over its workers at `admin`, until its workers have drained.

    Args:
        reloads: the workers have a certificate, which each reads again at SIGHUP.
    """
    drain = Drain()
    supervisor = Supervisor(arguments, count, drain)
    listeners = await open_listeners(admin) if admin is not None else []
    async with trio.open_nursery() as nursery:
        stop = trio.CancelScope()
        await nursery.start(drain_on_signal, drain, stop, name="signals")
        if reloads:
            await nursery.start(supervisor.pass_on, signal.SIGHUP, name="reload")
        if listeners:
            logger.info("admin on http://%s", bound_addresses(listeners)[0])
            nursery.start_soon(serve_admin, listeners, supervisor.metrics, Drain(), name="admin")
        with stop:
            await supervisor.run(address, task_status=task_status)
        nursery.cancel_scope.cancel()


@contextmanager
def _reserved(address: Address) -> Iterator[Address]:
    """Hold an address for the workers, bound but not listening; port 0 becomes a free one."""
    if address.is_unix:
        raise LocalError(f"several processes share a port, not a Unix socket: {address}")
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        share_port(held)
        try:
            held.bind((address.host, address.port))
        except OSError as error:
            raise ListenError.from_os(address, error) from error
        yield Address(address.host, held.getsockname()[1])


def _ignore_hangup() -> None:
    """Let a SIGHUP that comes before a worker listens for it be lost, and not end the worker."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _nonblocking(sock: socket.socket) -> socket.socket:
    sock.setblocking(False)
    return sock
