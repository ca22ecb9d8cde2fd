"""What `serve --exec` and `--control` run with the origin: a command, and the path on which tests ask for responses.

The rule here: the command has its own process group, which is signalled as a whole. Before this process exits, it ends
all processes that are still in the group. SIGKILL of this process ends none of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

import trio

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode
from chunkwire.net.listen import Address
from chunkwire.server.routes import Resource
from chunkwire.server.serving import serve
from chunkwire.testing.control import Control
from chunkwire.testing.responding import run_resources
from chunkwire.testing.runs import Runs

GRACE_S: Final = 5.0  # until SIGKILL: for a command after SIGINT or SIGTERM, and for processes that it left running
_LOOK_S: Final = 0.01  # between two checks whether the process group is empty
_ANY_HOST: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_SIGNALLED: Final = 128  # plus the number of a signal: the exit code of a command ended by it, as in a shell

ServeOrigin = Callable[..., Awaitable[None]]  # called with a keyword `task_status`, for the bound addresses


class Companions:
    """What runs with an origin: a control path, and a command if one is given.

    Attributes:
        code: the exit code of the command; OK until it has ended, and if there is no command.
    """

    def __init__(self, control: str, command: str | None) -> None:
        self.code: int = ExitCode.OK
        self._control_address = flags.tcp_address("--control", control)
        self._command = command
        self._runs = Runs()
        self._control = Control(self._runs, lambda: self._url)  # known once the origin listens
        self._url = ""

    def resources(self) -> tuple[Resource, ...]:
        """Return the resources that the origin serves for the control path."""
        return run_resources(self._runs)

    async def run(self, serve_origin: ServeOrigin, scheme: str, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        """Run an origin, the control path and the command.

        With a command: until it has ended. The origin must not handle signals then: they go to the command. Without
        one: until the origin has drained.
        """
        async with trio.open_nursery() as nursery:

            async def origin(*, task_status: trio.TaskStatus[list[Address]]) -> None:
                await serve_origin(task_status=task_status)
                nursery.cancel_scope.cancel()

            addresses = await nursery.start(origin, name="origin")
            self._url = _url_of(addresses[0], scheme)
            control_url = await self._serve_control(nursery)
            task_status.started(addresses)
            if self._command is not None:
                urls = {"CHUNKWIRE_URL": self._url, "CHUNKWIRE_CONTROL_URL": control_url}
                self.code = await run_command(self._command, urls)
                nursery.cancel_scope.cancel()

    async def _serve_control(self, nursery: trio.Nursery) -> str:
        serving = partial(serve, self._control_address, self._control.resources())
        (address,) = await nursery.start(serving, name="control path")
        url = f"{_url_of(address, 'http')}/{self._control.token}"
        if self._command is None:
            print(f"control path on {url}", file=sys.stderr, flush=True)
        return url


def _url_of(address: Address, scheme: str) -> str:
    """Return the URL of a server for clients on this machine; for a Unix socket `unix:PATH`."""
    return Address(_ANY_HOST.get(address.host, address.host), address.port).url(scheme)


async def run_command(command: str, environment: dict[str, str]) -> int:
    """Run a command with the shell; return its exit code, or 128 + the number of the signal that ended it.

    The first SIGINT or SIGTERM that this process gets is forwarded to the process group; 128 + its number is returned
    then, even if the command exits with 0. A second one, or the end of GRACE_S, kills the group.

    Args:
        environment: added to that of this process.

    Cancellation: ends the command and all processes of its group.
    """
    # A process group in the background of a terminal would be stopped when it reads from the terminal.
    stdin = subprocess.DEVNULL if sys.stdin is not None and sys.stdin.isatty() else None
    came: list[int] = []
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        process = await trio.lowlevel.open_process(
            command, shell=True, env={**os.environ, **environment}, stdin=stdin, process_group=0
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_forward_signals, signals, process.pid, came, name="signals")
                code = await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await _end_group(process)
    if came:
        return _SIGNALLED + came[0]
    return code if code >= 0 else _SIGNALLED - code


async def _forward_signals(signals: AsyncIterator[int], group: int, came: list[int]) -> None:
    async with trio.open_nursery() as nursery:
        async for number in signals:
            _signal(group, signal.SIGKILL if came else number)
            if not came:
                nursery.start_soon(_kill_later, group, name="grace")
            came.append(number)


async def _kill_later(group: int) -> None:
    await trio.sleep(GRACE_S)
    _signal(group, signal.SIGKILL)


async def _end_group(process: trio.Process) -> None:
    """End the remaining processes of a group by SIGTERM; after GRACE_S by SIGKILL."""
    _signal(process.pid, signal.SIGTERM)
    with trio.move_on_after(GRACE_S):
        await process.wait()
        while True:
            if not _signal(process.pid, 0):
                return
            await trio.sleep(_LOOK_S)
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: int) -> bool:
    """Send a signal, or with number 0 none, to a process group; False if the group is empty."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS: only zombies are left in the group
        return False
    return True
