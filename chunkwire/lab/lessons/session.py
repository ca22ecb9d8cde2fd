"""One session of a lesson: its servers on real ports, and each connection judged while it goes on.

The rule here: only assembly, and the order of steps. The judges decide what is right; the caller shows it.
"""

from __future__ import annotations

import re
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

import trio

from chunkwire.forward.gateway import serve_gateway
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import parse_mode
from chunkwire.forward.upstreams import Upstream
from chunkwire.lab.lessons.ends import NOBODY_LISTENS
from chunkwire.lab.lessons.front import Front
from chunkwire.lab.lessons.judgement import Judgement, wrong
from chunkwire.lab.lessons.lesson import (
    ORIGIN,
    OWN_SERVER,
    RELAY,
    Lesson,
    LessonAddress,
    LessonStep,
    ShownCommand,
    shown_command,
    with_addresses,
)
from chunkwire.lab.lessons.lesson_origin import lesson_resources
from chunkwire.lab.lessons.netcats import NetcatProgram
from chunkwire.lab.lessons.reading import read_request, read_response
from chunkwire.lab.lessons.tee import Tee
from chunkwire.lab.lessons.typed import HEAD_ALONE
from chunkwire.lab.lessons.watched import Ending, WatchedConnection, WatchedLine, lines_of
from chunkwire.net.dial import parse_url
from chunkwire.net.listen import Address, Drain, bound_addresses, open_listeners, serve_connections
from chunkwire.server.serving import serve
from chunkwire.wire.errors import LocalError

HINT_SECONDS: Final = 8.0
"""Without an octet in an unfinished attempt, until a hint is given: longer than a person needs to type a line."""

LAST_WORDS_SECONDS: Final = 0.5
"""After the last step, to deliver answers; then connections that the learner keeps open are closed."""

MAX_CONNECTIONS: Final = 200
"""Connections that are kept, at most some 300 KiB each: an answer is judged by the connections before it."""

CONNECT_AGAIN: Final = "What was typed on this connection is judged already. Leave ({leave}), and connect again."
"""The hint for a learner who begins the next attempt on the same connection."""

_START_LINE: Final = re.compile(rb"^(?:[A-Za-z]+ +/.*|HTTP/.*)\n", re.MULTILINE)

LOOPBACK: Final = "127.0.0.1"

LAST_CHUNK: Final = "the last-chunk is whole"
"""The note of the line that ends a chunked body: the 0 line, trailer fields and the empty line are one frame."""


Watched: TypeAlias = Callable[[WatchedConnection, Sequence[WatchedLine], Ending], None]
"""Called with a connection on which something happened, the lines that the learner's side has sent since the last call,
and how that side has ended. An unfinished line is left for a later call, unless a judgement or a hint follows."""


class LessonSession:
    """One learner's session of one lesson: its step, its connections, and which of them are judged.

    Args:
        step: the first one to be done, from 1.
        report: called with each judgement, and the number of the step that it is about, from 1.
        hint: called with what is missing in an unfinished attempt.
        watched: called until the attempt on a connection is judged.
    """

    def __init__(
        self,
        lesson: Lesson,
        nc: NetcatProgram,
        *,
        step: int = 1,
        report: Callable[[int, Judgement], None],
        hint: Callable[[Judgement], None] = lambda judgement: None,
        watched: Watched = lambda connection, lines, ended: None,
    ) -> None:
        self.lesson = lesson
        self.addresses: dict[str, LessonAddress] = {}  # of each place, by its name
        self.step = step  # the number of the current step; one more than there are once all are done
        self.tries = 0  # judgements of the step so far; reset after `report` of a right one
        self.done = trio.Event()  # set after the last step
        self._nc = nc
        self._report = report
        self._hint = hint
        self._watched = watched
        self._connections: deque[WatchedConnection] = deque(maxlen=MAX_CONNECTIONS)
        self._judged: WeakKeyDictionary[WatchedConnection, int] = (
            WeakKeyDictionary()
        )  # octets typed before its judgement
        self._shown: WeakKeyDictionary[WatchedConnection, int] = WeakKeyDictionary()  # octets passed to `watched`
        self._hinted: WeakKeyDictionary[WatchedConnection, tuple[str, int]] = (
            WeakKeyDictionary()
        )  # the latest hint, and the octets typed before it
        self._has_news = trio.Event()

    @property
    def current(self) -> LessonStep:
        """The step that is being done."""
        return self.lesson.steps[self.step - 1]

    def shown_commands(self) -> list[ShownCommand]:
        """Return the commands of the current step, with the real addresses."""
        has_curl = shutil.which("curl") is not None
        return [shown_command(each, self._nc, self.addresses, has_curl=has_curl) for each in self.current.commands]

    def with_addresses(self, text: str) -> str:
        """Return a text of the lesson with the real addresses in it."""
        return with_addresses(text, self.addresses).replace("{leave}", self._nc.netcat.leave)

    def judge_change(self, connection: WatchedConnection) -> None:
        """Judge a connection on which something happened."""
        if connection not in self._connections:
            self._connections.append(connection)
        self._has_news.set()
        if self.done.is_set():
            return
        if connection in self._judged:
            self._hint_next_attempt(connection)
            return
        judgement = None if self.current.judge is None else self.current.judge(connection)
        self._show(connection, with_rest=judgement is not None)
        if judgement is not None:
            self._judged[connection] = len(self._typed(connection))
            self._conclude(judgement)

    def _typed(self, connection: WatchedConnection) -> bytes:
        """Return the octets of the learner's side."""
        return connection.response_octets if self.lesson.is_served_by_learner else connection.request_octets

    def _hint_next_attempt(self, connection: WatchedConnection) -> None:
        """Give a hint if a start line was typed after the judgement."""
        typed = self._typed(connection)
        if _START_LINE.search(typed, self._judged[connection]):
            self._judged[connection] = len(typed)
            self._hint(wrong(self.with_addresses(CONNECT_AGAIN)))

    def _show(self, connection: WatchedConnection, *, with_rest: bool) -> None:
        """Call `watched` with the new lines; notes name the place, and mark the end of a chunked body."""
        if self.lesson.is_served_by_learner:
            reads, ended = connection.answered, connection.server_end
            message = read_response(connection.response_octets)
        else:
            reads, ended = connection.received, connection.client_end
            message = read_request(connection.request_octets, needs_host=False)
        at = self._shown.get(connection, 0)
        lines = lines_of(reads, at, with_rest=with_rest or bool(ended))
        if self.lesson.hops and lines and not at:
            lines[0] = lines[0]._replace(note=f"to {connection.place}")
        for n, line in enumerate(lines):
            at += len(line.octets)
            if message.frames and at == message.ends_at:
                lines[n] = line._replace(note=LAST_CHUNK)
        self._shown[connection] = at
        self._watched(connection, lines, ended)

    def answer(self, given: str) -> str:
        """Judge an answer, and return what is sent back."""
        if self.done.is_set() or self.current.answer_judge is None:
            return "This step asks no question."
        judgement = self.current.answer_judge(given, tuple(self._connections))
        self._conclude(judgement)
        return "\n".join((judgement.sentence, *judgement.evidence))

    def _conclude(self, judgement: Judgement) -> None:
        self.tries += 1
        number = self.step
        if judgement.is_right:
            # Connections that are open were begun for this step, and do not count for the next one.
            self._judged.update({one: len(self._typed(one)) for one in self._connections})
            self.step += 1
            if self.step > len(self.lesson.steps):
                self.done.set()
        self._report(number, judgement)
        if judgement.is_right:
            self.tries = 0

    async def wait_all_over(self) -> None:
        """Wait until no connection is open."""
        while any(not one.is_over for one in self._connections):
            self._has_news = trio.Event()
            await self._has_news.wait()

    async def watch_idleness(self) -> None:
        """Until cancelled: give a hint if nothing is typed for `HINT_SECONDS`, once until more is typed."""
        while True:
            self._has_news = trio.Event()
            with trio.move_on_after(HINT_SECONDS):
                await self._has_news.wait()
                continue
            open_ones = [one for one in self._connections if not one.is_over and one not in self._judged]
            if open_ones and open_ones[-1].received and not self.done.is_set():
                self._give_hint(open_ones[-1])
            await self._has_news.wait()

    def _give_hint(self, connection: WatchedConnection) -> None:
        judgement = (self.current.judge or HEAD_ALONE)(replace(connection, is_over=True))
        if judgement is None:
            return
        sentence = judgement.hint or ("" if judgement.is_right else judgement.sentence)
        said = sentence, len(self._typed(connection))
        if sentence and said != self._hinted.get(connection):
            self._hinted[connection] = said
            self._show(connection, with_rest=True)
            self._hint(replace(judgement, sentence=sentence))


@asynccontextmanager
async def open_session(
    session: LessonSession, listen: Address | None = None, *, front: Front | None = None
) -> AsyncIterator[LessonSession]:
    """Start the servers of a session's lesson; stop them after the block and `LAST_WORDS_SECONDS`.

    Args:
        listen: the address of the origin, or of the relay to the learner's server; None takes free ports of loopback.
        front: in a class, opens the addresses instead.

    Raises:
        ListenError: it cannot be bound.
        LocalError: the lesson needs a server of the learner's, which the machine of a class cannot reach.
    """
    lesson = session.lesson
    free = Address(LOOPBACK, 0)
    if front is not None and lesson.is_served_by_learner:
        raise LocalError(
            f"lesson {lesson.number} needs chunkwire on your own machine: chunkwire lesson {lesson.number}"
        )
    async with trio.open_nursery() as nursery:
        open_place = partial(_open_place, nursery, session, front)
        try:
            if lesson.is_served_by_learner:
                own = await _free_address()
                session.addresses[OWN_SERVER] = LessonAddress(own)
                await open_place(RELAY, own, listen or free)
            else:
                resources = lesson_resources(session.answer, front.paths(lesson.hops) if front else ("",))
                serve_origin = partial(serve, resources=resources, on_end=lambda entry: None)
                [origin] = await nursery.start(serve_origin, free, name="origin")
                await open_place(ORIGIN, origin, listen or free)
                for place, mode in lesson.hops.items():
                    hop = await start_hop(nursery, origin, GatewaySettings(mode=parse_mode(mode), name=place))
                    await open_place(place, hop, free)
            nursery.start_soon(session.watch_idleness, name="hints")
            yield session
            with trio.move_on_after(LAST_WORDS_SECONDS):
                await session.wait_all_over()
        finally:
            if front is not None:
                front.close()
        nursery.cancel_scope.cancel()


async def start_hop(nursery: trio.Nursery, upstream: Address, settings: GatewaySettings) -> Address:
    """Start a gateway in front of a server, on a free port of loopback; return where it listens."""
    upstreams = [Upstream(parse_url(f"http://{upstream}"))]
    hop = partial(serve_gateway, upstreams=upstreams, settings=settings, on_end=lambda *ended: None)
    bound: list[Address] = await nursery.start(hop, Address(LOOPBACK, 0), name=settings.name)
    return bound[0]


async def _open_place(
    nursery: trio.Nursery, session: LessonSession, front: Front | None, place: str, server: Address, where: Address
) -> None:
    """Open an address whose connections are watched and relayed to a server: `where`, or a path of the front."""
    if front is not None:
        session.addresses[place] = front.open(place, server, session.judge_change)
        return
    listeners = await open_listeners(where)
    tee = Tee(place, server, session.judge_change, refused=NOBODY_LISTENS)
    session.addresses[place] = LessonAddress(bound_addresses(listeners)[0])
    nursery.start_soon(partial(serve_connections, listeners, tee.handle, drain=Drain()), name=f"place {place}")


async def _free_address() -> Address:
    """Return an address of loopback that was free a moment ago, for the learner's own server."""
    listeners = await open_listeners(Address(LOOPBACK, 0))
    [address] = bound_addresses(listeners)
    for listener in listeners:
        await listener.aclose()
    return address
