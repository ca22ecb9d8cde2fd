"""What `serve`, `forward` and `ask` share: certificate, printed address, one process or workers, the page beside it.

The rule here: a server is an async function that gets a `Place` to listen at; this file decides whether this process
calls it, or supervises workers that do. A server with an admin address serves the page of `page_beside` there.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.flags import parsed
from chunkwire.cli.output_files import lines_to
from chunkwire.cli.terminal import say
from chunkwire.net.certificates import ServerTls
from chunkwire.net.listen import Address, parse_address
from chunkwire.net.sleeper import current_sleeper
from chunkwire.net.stamps import stamping
from chunkwire.net.triosleep import SleeperClock
from chunkwire.record.values import to_json
from chunkwire.server.metrics import Metrics
from chunkwire.server.site import NO_SITE, AdminSite
from chunkwire.server.stampdesk import StampDesk
from chunkwire.server.workers import WorkerCommand, WorkerError, answer_supervisor, supervise
from chunkwire.wire.errors import LocalError, leaf_errors, missing_package

if TYPE_CHECKING:
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.server.routes import Resource
    from chunkwire.server.settings import ServerSettings
    from chunkwire.server.tap import RecordFor


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how one server process listens.

    Attributes:
        address: of the served resources.
        admin: the address of `/metrics`; None without --admin, and for a worker, as its supervisor has it.
        metrics: for the server to count into; None lets the server make its own, or count nothing.
        reuse_port: share `address` with other processes.
        certificate: for TLS; None serves in the clear.
        stamps: keeps kernel timestamps for bench; None reads none.
    """

    address: Address
    admin: Address | None
    metrics: Metrics | None
    reuse_port: bool
    certificate: ServerTls | None
    stamps: StampDesk | None = None


_ONE_PROCESS: Final = ("barrier", "control", "exec", "save", "stamps", "tls")
"""Flags that several workers cannot share."""

ServeAt: TypeAlias = Callable[..., Awaitable[None]]
"""A server function: takes a `Place` and a `task_status`, to start with the bound addresses; ends when drained."""


@contextmanager
def _stamp_desk(options: argparse.Namespace, point: str) -> Iterator[StampDesk | None]:
    """Yield what keeps kernel timestamps if `--stamps` is given, else None.

    Raises:
        LocalError: this kernel has none, or --admin is missing.
    """
    if options.stamps is None:
        yield None
        return
    if not options.admin:
        raise LocalError("--stamps without --admin: bench reads them there")
    if (options.cert or options.tls) and not options.quiet:
        say("--stamps: bodies over TLS have no stamps")
    with stamping(transmit=True):
        yield StampDesk(point, queued=options.stamps == "2")  # 2: also the moment when the kernel queued a frame


@contextmanager
def certificate_of(options: argparse.Namespace) -> Iterator[ServerTls | None]:
    """Yield the certificate of --cert, or of --tls self; None for a server in the clear. Its own files are removed.

    Files are read before anything listens, so that a mistake in them is one line and nothing has begun.

    Raises:
        LocalError: flags that do not go together, a file that is not taken, or trustme is not installed.
    """
    if options.tls and (options.cert or options.key):
        raise LocalError("--tls self makes its own certificate: give it or --cert FILE, not both")
    if options.key and not options.cert:
        raise LocalError("--key FILE goes with --cert FILE")
    if not options.tls:
        yield ServerTls(options.cert, options.key) if options.cert else None
        return
    with tempfile.TemporaryDirectory(prefix="chunkwire-") as folder:
        yield _made_in(Path(folder), options)


def _made_in(folder: Path, options: argparse.Namespace) -> ServerTls:
    """Make an authority and a certificate in a folder that only this user can read, and print how to trust it."""
    try:
        import trustme
    except ImportError as error:
        raise LocalError(missing_package("--tls self", "trustme")) from error
    host = parse_address(options.listen, default_port=options.default_port).host
    names = {"localhost", "127.0.0.1", "::1", *([] if host.startswith("/") or host in ("0.0.0.0", "::") else [host])}
    authority = trustme.CA(organization_name="chunkwire", organization_unit_name="made for one run")
    try:
        issued = authority.issue_cert(*sorted(names))
    except ValueError as error:  # IDNA
        raise LocalError(f"--tls self: no certificate can have the name {host!r}") from error
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    if not options.quiet:
        der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode("ascii"))
        print(f"certificate for this run, SHA-256 {hashlib.sha256(der).digest().hex(':').upper()}", file=sys.stderr)
        print(f"  curl -N --cacert {folder / 'ca.pem'} https://…   or curl -k, which checks nothing", file=sys.stderr)
    return ServerTls(str(folder / "server.pem"))


def run_server(options: argparse.Namespace, name: str, server: ServeAt) -> int:
    """Run a server, a supervisor of workers, or a worker, until it has drained; return the exit code."""
    alone = next((flag for flag in _ONE_PROCESS if getattr(options, flag, None)), None)  # no verb has all of them
    if alone is not None and options.workers > 1:
        raise LocalError(f"--{alone} goes with one process, not with --workers")
    code, clock = ExitCode.OK.value, SleeperClock()
    try:
        with certificate_of(options) as certificate:
            run = _run_announced if options.worker is None else _run_worker  # --worker is our supervisor's flag
            trio.run(run, options, name, server, certificate, clock=clock)
    except* WorkerError as failed:  # the worker has printed the reason
        code = next(error.exit_code for error in leaf_errors(failed) if isinstance(error, WorkerError))
    except* KeyboardInterrupt:  # the log has ended the line of the ^C
        code = ExitCode.INTERRUPTED
    return code


async def _run_announced(
    options: argparse.Namespace, name: str, server: ServeAt, certificate: ServerTls | None
) -> None:
    """Run a server or a supervisor, and print its addresses on standard error, unless with -q."""
    address = parsed("-l", partial(parse_address, default_port=options.default_port), options.listen)
    admin = parsed("--admin", parse_address, options.admin) if options.admin else None

    async def start(task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
        if options.workers > 1:
            await supervise(
                worker_command(),
                options.workers,
                address,
                admin=admin,
                reloads=certificate is not None,
                task_status=task_status,
            )
        else:
            with _stamp_desk(options, name) as stamps:
                place = Place(address, admin, None, reuse_port=False, certificate=certificate, stamps=stamps)
                await server(place, task_status=task_status)

    if options.verbose:
        print(f"sleeper: {(await current_sleeper()).form.value}", file=sys.stderr)
    scheme = "http" if certificate is None else "https"
    async with trio.open_nursery() as nursery:
        for where in await nursery.start(start, name=name):
            if not options.quiet:
                # In one write, as the command of `--exec` may write at the same time.
                print(f"listening on {where.url(scheme)}\n", end="", file=sys.stderr, flush=True)


async def _run_worker(options: argparse.Namespace, name: str, server: ServeAt, certificate: ServerTls | None) -> None:
    """Run one of several workers on an address, until it has drained or its supervisor has ended."""
    logging.getLogger("chunkwire.server.running").setLevel(logging.WARNING)  # its supervisor logs the drain
    address = parse_address(options.listen, default_port=options.default_port)
    metrics = Metrics(name)
    place = Place(address, None, metrics, reuse_port=True, certificate=certificate)
    accepting = trio.Event()
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
            await server(place, task_status=task_status)
            nursery.cancel_scope.cancel()

        async def answer() -> None:
            await answer_supervisor(options.worker, metrics, accepting)
            nursery.cancel_scope.cancel()

        nursery.start_soon(answer, name="answer the supervisor")
        await nursery.start(serve, name=name)
        accepting.set()


def worker_command() -> WorkerCommand:
    """Return the command line of this process, for its workers: a flag that the supervisor appends replaces ours."""
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    interpreter = sys.orig_argv[1 : len(sys.orig_argv) - len(words)]  # such as `-X dev -m chunkwire`
    return WorkerCommand((sys.executable, *interpreter, *words[:end]), tuple(words[end:]))


@asynccontextmanager
async def page_beside(
    place: Place,
    name: str,
    path: str | None,
    *,
    streams: Sequence[Resource] | None = None,
    upstreams: Sequence[Upstream] = (),
    settings: ServerSettings | None = None,
) -> AsyncIterator[tuple[AdminSite, RecordFor]]:
    """Yield a page of the lab, for the admin address to serve, and the function that returns the consumer of records.

    Without an admin address there is no page.

    Args:
        name: that of the server on the page, such as "origin".
        path: the file to which every record is written at once, as a line, with or without a page; None for no file.
        streams: the resources that can be requested on the page; None for those of the origin.
        upstreams: where a gateway sends requests.
        settings: how the admin address serves these resources; None for the defaults.
    """
    with lines_to("save", path, to_json, is_flushed=True) as record_to:
        if place.admin is None:
            yield NO_SITE, lambda _: record_to
            return
        from chunkwire.lab.laboratory import Lab
        from chunkwire.lab.puzzling import learning
        from chunkwire.lab.relaying import Relays
        from chunkwire.origin.resources import origin_resources

        clock = getattr(settings, "clock", "real")  # only an origin's settings have one
        lab = Lab(
            origin_resources() if streams is None else streams,
            relays=Relays(upstreams),
            about={"clock": clock},
            others=learning(),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(lab.relays.run, name="lab")
            site = AdminSite(lab.resources, settings, lab.record_for, place.stamps)
            yield site, lab.seat.watchers.record_for(name, record_to)
            nursery.cancel_scope.cancel()
