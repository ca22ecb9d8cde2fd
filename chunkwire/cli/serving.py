"""The common part of the verbs `serve` and `forward`: print the address, and run one process or several workers.

The rule here: a server is an async function that gets a `Place` to listen at; this file decides whether this process
calls it, or supervises workers that do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chunkwire.cli import flags
from chunkwire.cli.certificate import certificate_of

if TYPE_CHECKING:
    import trio

    from chunkwire.net.certificates import ServerTls
    from chunkwire.net.listen import Address
    from chunkwire.record.values import Record
    from chunkwire.server.metrics import Metrics
    from chunkwire.server.stampdesk import StampDesk


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how one server process listens.

    Attributes:
        admin: the address of `/metrics`; None for a worker, as the supervisor has it.
        metrics: for the server to count into; None lets the server decide.
        reuse_port: share the address with other processes.
        certificate: for TLS; None serves in the clear.
        stamps: keeps kernel timestamps for bench; None reads none.
    """

    address: Address
    admin: Address | None
    metrics: Metrics | None
    reuse_port: bool
    certificate: ServerTls | None
    stamps: StampDesk | None = None


class ServeAt(Protocol):
    """A server function: serves at a place until drained; `task_status` is started with the bound addresses."""

    def __call__(self, place: Place, *, task_status: trio.TaskStatus[list[Address]]) -> Awaitable[None]:
        """Serve."""


def add_serving(parser: argparse.ArgumentParser) -> None:
    """Add `--admin`, `--log-json`, `--save`, `--workers` and TLS."""
    group = parser.add_argument_group("running")
    group.add_argument("--admin", metavar="ADDR", help="serve the page, /metrics and /healthz there")
    group.add_argument("--log-json", action="store_true", help="a line of JSON an exchange, instead of text")
    group.add_argument("--save", metavar="FILE", help="write a record of each frame that goes through to FILE")
    group.add_argument(
        "--workers", type=flags.count, default=1, metavar="N", help="processes on one address, one a core (default: 1)"
    )
    group.add_argument(
        "--stamps",
        choices=("1", "2"),
        nargs="?",
        const="1",
        help="for `bench --hop ADMIN`: keep the kernel's stamps of bodies that it asks for; 2: also when a frame was "
        "queued",
    )
    group.add_argument("--worker", type=int, metavar="FD", help=argparse.SUPPRESS)
    flags.add_certificate(parser)


@contextmanager
def _stamp_desk(options: argparse.Namespace, point: str) -> Iterator[StampDesk | None]:
    """Yield what keeps kernel timestamps if `--stamps` is given, else None.

    Raises:
        LocalError: this kernel has none, or another flag excludes them.
    """
    if options.stamps is None:
        yield None
        return
    from chunkwire.net.stamps import stamping
    from chunkwire.server.stampdesk import StampDesk
    from chunkwire.wire.errors import LocalError

    if not options.admin:
        raise LocalError("--stamps without --admin: bench reads them there")
    if options.cert and not options.quiet:
        print("chunkwire: --stamps: bodies over TLS have none", file=sys.stderr)
    with stamping(transmit=True):
        yield StampDesk(point, queued=options.stamps == "2")


def run_server(options: argparse.Namespace, name: str, server: ServeAt) -> int:
    """Run a server, a supervisor of workers, or a worker, until it has drained; return the exit code."""
    import trio

    from chunkwire.net.triosleep import SleeperClock
    from chunkwire.server.workers import WorkerError
    from chunkwire.wire.errors import LocalError, leaves

    if options.stamps and options.workers > 1:
        raise LocalError("--stamps goes with one process, not with --workers")
    if options.save and options.workers > 1:
        raise LocalError("--save goes with one process, not with --workers")
    code, clock = 0, SleeperClock()
    try:
        with certificate_of(options, workers=options.workers) as certificate:
            run = _run_announced if options.worker is None else _run_worker
            trio.run(run, options, name, server, certificate, clock=clock)
    except* WorkerError as failed:  # the worker has printed the reason
        code = next(error.exit_code for error in leaves(failed) if isinstance(error, WorkerError))
    return code


async def _run_announced(
    options: argparse.Namespace, name: str, server: ServeAt, certificate: ServerTls | None
) -> None:
    """Run a server or a supervisor, and print its address on standard error."""
    import trio

    from chunkwire.net.listen import parse_address
    from chunkwire.net.sleeper import current_sleeper
    from chunkwire.server.workers import supervise

    address = parse_address(options.listen, default_port=options.default_port)
    admin = parse_address(options.admin) if options.admin else None

    async def start(task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
        if options.workers > 1:
            arguments, reloads = worker_arguments(), certificate is not None
            await supervise(arguments, options.workers, address, admin=admin, reloads=reloads, task_status=task_status)
        else:
            with _stamp_desk(options, name) as stamps:
                place = Place(address, admin, None, reuse_port=False, certificate=certificate, stamps=stamps)
                await server(place, task_status=task_status)

    if options.verbose:
        print(f"sleeper: {(await current_sleeper()).form.value}", file=sys.stderr)
    await announced(options, name, start, scheme="http" if certificate is None else "https")


async def announced(
    options: argparse.Namespace, name: str, start: Callable[..., Awaitable[None]], *, scheme: str = "http"
) -> None:
    """Run a function that reports its addresses by `task_status`, and print them on standard error."""
    import trio

    async with trio.open_nursery() as nursery:
        bound = await nursery.start(start, name=name)
        for where in bound if not options.quiet else ():
            # In one write, as the command of `--exec` may write at the same time.
            print(f"listening on {where.url(scheme)}\n", end="", file=sys.stderr, flush=True)


async def _run_worker(options: argparse.Namespace, name: str, server: ServeAt, certificate: ServerTls | None) -> None:
    """Run one of several workers on an address; it ends when its supervisor ends."""
    import trio

    from chunkwire.net.listen import parse_address
    from chunkwire.server.metrics import Metrics
    from chunkwire.server.workers import answer_supervisor

    address = parse_address(options.listen, default_port=options.default_port)
    place = Place(address, None, Metrics(name), reuse_port=True, certificate=certificate)
    accepting = trio.Event()
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
            await server(place, task_status=task_status)
            nursery.cancel_scope.cancel()

        async def answer() -> None:
            if place.metrics is not None:
                await answer_supervisor(options.worker, place.metrics, accepting)
            nursery.cancel_scope.cancel()

        nursery.start_soon(answer, name="answer the supervisor")
        await nursery.start(serve, name=name)
        accepting.set()


def worker_arguments() -> Sequence[str]:
    """Return the command line for workers: that of this process without address, admin address and count."""
    words = iter(sys.argv[1:])
    kept: list[str] = []
    for word in words:
        name, equals, _ = word.partition("=")
        if name in ("-l", "--listen", "--admin", "--workers"):
            if not equals:
                next(words, None)
        elif not (word.startswith("-l") and not word.startswith("--")):
            kept.append(word)
    return kept


@contextmanager
def recording(path: str | None, *, is_flushed: bool = True) -> Iterator[Callable[[Record], None] | None]:
    """Yield a function that writes records to a file, a line each (at once if `is_flushed`); None without a path."""
    if path is None:
        yield None
        return
    from chunkwire.record.values import to_json

    with open(path, "w", encoding="ascii", buffering=1 if is_flushed else -1) as file:
        yield lambda record: print(to_json(record), file=file)
