"""A learner in a lesson: real programs against the lesson's real ports, and each judgement as it is made."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from subprocess import DEVNULL, PIPE

import trio

from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.judgement import Judgement
from chunkwire.lab.lessons.lesson import ShownCommand
from chunkwire.lab.lessons.netcats import of_kind
from chunkwire.lab.lessons.session import LessonSession, open_session
from chunkwire.lab.lessons.watched import WatchedConnection
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE

POST = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_LEAVING_SECONDS = 5.0  # a program that has not ended by then, as nc of Hobbit sometimes, is killed
# `chunkwire` of this very tree, whatever is on PATH.
SHELL = f'chunkwire() {{ {" ".join(CHUNKWIRE)} "$@"; }}; '


class Learner:
    """Somebody who does a lesson."""

    def __init__(self, session: LessonSession, judgements: trio.MemoryReceiveChannel[tuple[int, Judgement]]) -> None:
        self.session = session
        self.connections: list[WatchedConnection] = []
        self.heard = trio.Event()
        self._judgements = judgements

    def saw(self, connection: WatchedConnection) -> None:
        if connection not in self.connections:
            self.connections.append(connection)
        self.stir()

    def stir(self) -> None:
        """Have what waits look again."""
        self.heard.set()
        self.heard = trio.Event()

    @property
    def commands(self) -> list[ShownCommand]:
        return self.session.shown_commands()

    async def judgement(self) -> Judgement:
        """Return the next one."""
        return (await self._judgements.receive())[1]

    async def run(self, command: str) -> bytes:
        """Run a shell command to its end, and return what it printed."""
        done = await trio.run_process(
            ["bash", "-c", SHELL + command], capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
        return done.stdout

    async def send(self, text: str) -> Judgement:
        """Send octets with the nc of OpenBSD, half-close, and return the judgement."""
        where = self.session.addresses["origin"].address
        await trio.run_process(
            ["nc", "-N", where.host, str(where.port)], stdin=text.encode("latin-1"), capture_stdout=True, check=False
        )
        return await self.judgement()

    async def type(self, shown: ShownCommand, *, serves: bool = False, until: bytes = b"") -> Judgement:
        """Run a command, type its lines, each once the one before has arrived, leave, and return the judgement.

        Args:
            serves: what is typed are responses, and a client asks for them meanwhile.
            until: what must have come back before leaving; without it the judgement must have been made.
        """
        self.connections.clear()
        process = await trio.lowlevel.open_process(
            ["bash", "-c", SHELL + shown.run], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
        )
        assert process.stdin is not None
        try:
            async with trio.open_nursery() as nursery:
                if serves:
                    nursery.start_soon(self._ask_until_served, name="curl")
                    await self._wait(lambda connection: bool(connection.received))
                typed = 0
                for line in shown.lines:
                    await process.stdin.send_all(f"{line}\n".encode())
                    typed += len(f"{line}\r\n".encode())
                    await self._wait_typed(typed, serves=serves)
                judgement = None if until else await self.judgement()
                if until:
                    await self._wait(lambda connection: until in connection.response_octets)
                # Ctrl-C, which telnet takes for something to send.
                os.killpg(process.pid, signal.SIGTERM if shown.run.startswith("telnet") else signal.SIGINT)
                with trio.move_on_after(_LEAVING_SECONDS):
                    await process.wait()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.stdin.aclose()
            await process.wait()
        return judgement or await self.judgement()

    async def _ask_until_served(self) -> None:
        """Ask the learner's server as soon as it listens."""
        while b"Nobody listens" in await self.run(f"curl -sN http://{self.session.addresses['relay']}/"):
            await self.judgement()

    async def _wait_typed(self, count: int, *, serves: bool) -> None:
        def has_come(connection: WatchedConnection) -> bool:
            come = connection.response_octets if serves else connection.request_octets
            # What comes after the judgement is not watched: nc may write the end of a line by itself, later.
            return len(come) >= count or self._judgements.statistics().current_buffer_used > 0

        await self._wait(has_come)

    async def _wait(self, has_come: Callable[[WatchedConnection], bool]) -> None:
        """Wait until something is so of the latest connection; one that was refused does not count."""
        while not self.connections or self.connections[-1].is_refused or not has_come(self.connections[-1]):
            await self.heard.wait()


@asynccontextmanager
async def learning(number: int, kind: str = "openbsd") -> AsyncIterator[Learner]:
    """Begin a lesson."""
    sender, receiver = trio.open_memory_channel[tuple[int, Judgement]](100)
    learners: list[Learner] = []

    def report(step: int, judgement: Judgement) -> None:
        sender.send_nowait((step, judgement))
        learners[0].stir()

    session = LessonSession(
        all_lessons()[number - 1],
        of_kind(kind),
        report=report,
        watched=lambda connection, *_: learners[0].saw(connection),
    )
    learners.append(Learner(session, receiver))
    with trio.fail_after(PATIENCE):
        async with open_session(session):
            yield learners[0]
