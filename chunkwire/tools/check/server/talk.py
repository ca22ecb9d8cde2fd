"""One connection to the server under test: send exact octets, and receive until the server closes or a timeout.

The rule here: nothing is judged or repaired; octets sent and received are kept unchanged, and go with each ruling.
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partialmethod
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import Url, dial
from chunkwire.net.ends import ClientConnection
from chunkwire.net.heads import Field
from chunkwire.tools.check.rows import RowOutcome, Ruling, Shown
from chunkwire.tools.check.server.answers import AnswersParser, AnswersRead, ServerAnswer

MAX_RECEIVED_OCTETS: Final = 4 << 20  # of one connection; no row needs a larger answer
_SHOWN_OCTETS: Final = 4096  # of one message


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """The server under test, and how requests to it are made.

    Attributes:
        authority: the value of Host.
        tls: None for http.
        fields: of every request, in addition to Host and framing.
        method: of the requests with a body.
        body: their content.
        patience: the timeout of each wait, in seconds.
    """

    url: Url
    authority: bytes
    tls: ssl.SSLContext | None
    fields: tuple[Field, ...]
    method: bytes
    body: bytes
    patience: float

    def request(
        self,
        lines: bytes = b"",
        body: bytes = b"",
        *,
        method: bytes = b"GET",
        target: bytes | None = None,
        version: bytes = b"1.1",
        host: bytes | None = None,
    ) -> bytes:
        """Return the octets of a request.

        Args:
            lines: field lines with their CRLF, before those of `fields`.
            host: a Host line with its CRLF instead of the URL's; `b""` for no Host line.
        """
        asked = self.url.target if target is None else target
        host_line = b"Host: %b\r\n" % self.authority if host is None else host
        others = b"".join(b"%b: %b\r\n" % field for field in self.fields)
        return b"%b %b HTTP/%b\r\n%b%b%b\r\n%b" % (method, asked, version, host_line, lines, others, body)

    def closing(self) -> bytes:
        """Return a GET with `Connection: close`, after which the server must close (RFC 9112 §9.6)."""
        return self.request(b"Connection: close\r\n")


class TalkEnd(enum.Enum):
    """How the server ended a connection."""

    OPEN = "left open"
    CLOSED = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Talk:
    """The octets and answers of one connection.

    Attributes:
        before_fin: the number of final answers before our FIN; None if we sent no FIN.
    """

    sent: bytes
    received: bytes
    answers: AnswersRead
    end: TalkEnd
    before_fin: int | None

    @property
    def finals(self) -> tuple[ServerAnswer, ...]:
        """The final responses, without a 408 after others: that one answers no request (RFC 9110 §15.5.9)."""
        finals = self.answers.finals
        return finals[:-1] if len(finals) > 1 and finals[-1].status == 408 else finals

    @property
    def statuses(self) -> str:
        """The statuses of the final responses, for people."""
        return ", then ".join(str(answer.status) for answer in self.finals) or "no answer"

    @property
    def octets(self) -> tuple[Shown, ...]:
        """The octets of both directions, cut to a readable length."""
        return shown("sent", self.sent), shown(f"received ({self.end.value})", self.received)

    @property
    def how(self) -> str:
        """What the server did, in a few words."""
        said = f"answers {self.statuses}" if self.finals else "no answer"
        return f"{said}; {self.end.value}"

    def _rule(self, outcome: RowOutcome, why: str) -> Ruling:
        return Ruling(outcome, why, self.octets)

    # Rulings by their outcome, which these octets show; each takes `why`.
    passed = partialmethod(_rule, RowOutcome.PASS)
    failed = partialmethod(_rule, RowOutcome.FAIL)
    undecided = partialmethod(_rule, RowOutcome.UNDECIDED)
    inapplicable = partialmethod(_rule, RowOutcome.NOT_APPLICABLE)

    @property
    def unreadable(self) -> Ruling | None:
        """A ruling if the answers are not valid HTTP; the row about the server's own octets fails for that."""
        trouble = self.answers.trouble
        return self.undecided(f"what it answers cannot be read: {trouble}") if trouble else None

    @property
    def unanswered(self) -> Ruling | None:
        """A ruling if no answer came that can be judged."""
        return self.unreadable or (None if self.finals else self.undecided(self.how))


def shown(label: str, octets: bytes) -> Shown:
    """Return octets for a row, cut to `_SHOWN_OCTETS`."""
    if len(octets) > _SHOWN_OCTETS:
        return Shown(f"{label}, the first {_SHOWN_OCTETS} of {len(octets)} octets", octets[:_SHOWN_OCTETS])
    return Shown(label, octets)


class Conversation:
    """A connection that a task reads from all the time; opened by `conversing`."""

    def __init__(self, connection: ClientConnection, methods: Sequence[bytes], patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._sent = bytearray()
        self._received = bytearray()
        self._came = trio.Event()
        self._end = TalkEnd.OPEN
        self._before_fin: int | None = None
        self.answers = AnswersParser(methods)

    async def send(self, octets: bytes) -> None:
        """Send octets; no error if the server has closed the connection or does not read."""
        self._sent += octets
        with trio.move_on_after(self._patience), suppress(PeerGone):
            await self._connection.send_all(octets)

    async def finish(self) -> None:
        """Send our FIN, once; over TLS after a close_notify."""
        if self._before_fin is None:
            self._before_fin = len(self.answers.finals)
            await self._connection.send_eof()

    async def wait(self, condition: Callable[[AnswersParser], bool]) -> bool:
        """Wait until a condition on the answers holds; False at the end of the connection or after `patience`."""
        with trio.move_on_after(self._patience):
            while not condition(self.answers) and self._end is TalkEnd.OPEN:
                await self._came.wait()
        return condition(self.answers)

    async def wait_end(self) -> Talk:
        """Wait until the server closes; after `patience` send our FIN and wait once more. Return everything."""
        await self.wait(_never)
        if self._end is TalkEnd.OPEN and self._before_fin is None:
            await self.finish()
            await self.wait(_never)
        return self.talk

    @property
    def talk(self) -> Talk:
        """The octets and answers so far."""
        return Talk(bytes(self._sent), bytes(self._received), self.answers.read(), self._end, self._before_fin)

    async def read(self) -> None:
        """Receive until the connection ends, or `MAX_RECEIVED_OCTETS` came."""
        try:
            while octets := await self._connection.receive_some():
                self._received += octets
                self.answers.feed(octets)
                self._note(TalkEnd.OPEN)
                if len(self._received) > MAX_RECEIVED_OCTETS:
                    return
            self.answers.end()
            self._note(TalkEnd.CLOSED)
        except PeerGone:
            self._note(TalkEnd.RESET)

    def _note(self, end: TalkEnd) -> None:
        self._end = end
        came, self._came = self._came, trio.Event()
        came.set()


def _never(_: AnswersParser) -> bool:
    return False


@asynccontextmanager
async def conversing(target: ServerTarget, methods: Sequence[bytes] = ()) -> AsyncIterator[Conversation]:
    """Yield a connection to the server, and close it at the end.

    Args:
        methods: of the requests that will be sent, in order; GET for further ones.

    Raises:
        DialError: no connection.
    """
    connection = await dial(target.url.host, target.url.port, tls=target.tls)
    conversation = Conversation(connection, methods, target.patience)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(conversation.read, name="what the server says")
            yield conversation
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(connection.stream)


async def talk(target: ServerTarget, *writes: bytes, methods: Sequence[bytes] = (), fin: bool = False) -> Talk:
    """Send octets on a new connection, and return its octets and answers as `Conversation.wait_end` does.

    Args:
        fin: send our FIN directly after them.
    """
    async with conversing(target, methods) as conversation:
        for octets in writes:
            await conversation.send(octets)
        if fin:
            await conversation.finish()
        return await conversation.wait_end()
