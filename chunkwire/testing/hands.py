"""A response that the test writes: its actions are queued, and carried out once the request has come.

The rule here: queueing an action does not block. The task that answers the request carries them out in order. Only
explicit waits block: for the request, for a message of a WebSocket's client, for the client to leave, for the
acknowledgement of the client's kernel.
"""

from __future__ import annotations

import base64
import binascii
import enum
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import trio

from chunkwire.llm.dialect import Piece
from chunkwire.net.connection import PeerGone
from chunkwire.server.body import BodyState, ChunkedBody
from chunkwire.server.responder import Responder
from chunkwire.testing.answers import AskedModel, answer_of, events_of
from chunkwire.testing.steps import ContentStep
from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import LocalError

_SIOCOUTQ: Final = 0x5411  # Linux, tcp(7): octets that the peer has not acknowledged
_ACK_LOOK_S: Final = 0.001  # between polls: no event reports the last acknowledgement
_PLACEHOLDER: Final = "…"


class Act(enum.StrEnum):
    """What a test can do with a response that it writes."""

    SEND_EVENT = "send_event"
    SEND_FRAME = "send_frame"
    SEND_OCTETS = "send_octets"
    FINISH = "finish"
    CUT = "cut"
    RESET = "reset"


ENDS: Final = frozenset({Act.FINISH, Act.CUT, Act.RESET})


@dataclass(frozen=True, slots=True)
class Action:
    """One act with its arguments.

    Attributes:
        value: an event in the run's kind: in a dialect of language models the next piece of the answer's text.
        octets: chunk-data, a WebSocket message, or octets to send unchanged.
        ext: the chunk-ext of a frame, with its `;`; b"" for none.
    """

    act: Act
    value: object = None
    octets: bytes = b""
    ext: bytes = b""


def read_action(message: Mapping[str, object], kind: str) -> Action:
    """Return the action in a message of the control path.

    Raises:
        LocalError: it is not valid; or another error that `steps.naming` translates to it.
    """
    act = Act(str(message["do"]))
    match act:
        case Act.SEND_EVENT:
            value = message.get("data")
            if kind not in ("sse", "ndjson") and not isinstance(value, str):
                raise LocalError(f"expected a text, got {value!r:.40}")
            events_of(kind, ContentStep([value]), None)
            return Action(act, value)
        case Act.SEND_FRAME:
            octets, ext = octets_of(message, "data"), octets_of({"ext": "", **message}, "ext")
            encode_chunk(octets, ext)
            return Action(act, octets=octets, ext=ext)
        case Act.SEND_OCTETS:
            return Action(act, octets=octets_of(message, "data"))
        case _:
            return Action(act)


def octets_of(message: Mapping[str, object], name: str) -> bytes:
    """Return octets given as text under `name`, or in base64 under the name with `_b64`.

    Raises:
        LocalError: neither is given, or it is no base64.
    """
    text, coded = message.get(name), message.get(f"{name}_b64")
    try:
        if isinstance(coded, str):
            return base64.b64decode(coded, validate=True)
    except binascii.Error as error:
        raise LocalError(f"{name}_b64: expected base64") from error
    if not isinstance(text, str):
        raise LocalError(f"expected {name} or {name}_b64 as a text, got {text!r:.40}")
    return text.encode()


CarryOut: TypeAlias = Callable[[Action], Awaitable[None]]
"""Carries out one action on a response, in chunks or on a WebSocket; raises PeerGone once the client has left."""


class Inbox:
    """The messages of a WebSocket's client, and waits for them; use it in trio's thread.

    Attributes:
        messages: the whole ones, in their order.
    """

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self._is_closed = False
        self._waiting = trio.lowlevel.ParkingLot()

    def put(self, message: str | bytes) -> None:
        """Add a message."""
        self.messages.append(message)
        self._waiting.unpark_all()

    def close(self) -> None:
        """Note that no message can follow."""
        self._is_closed = True
        self._waiting.unpark_all()

    async def wait_count(self, n: int) -> bool:
        """Return True once there are `n` messages, or False once there can be no more and there are fewer."""
        while len(self.messages) < n and not self._is_closed:
            await self._waiting.park()
        return len(self.messages) >= n


class HandwrittenResponse:
    """One response written by the test.

    Attributes:
        inbox: what the client sends; nothing unless this is a WebSocket.
        is_ended: the test has ended it; no action may follow.
        asked: set once the request has come.
        gone: set once the client has closed its side or reset the connection; a half-close counts too.
    """

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.is_ended = False
        self.asked = trio.Event()
        self.gone = trio.Event()
        self._send, self._actions = trio.open_memory_channel[Action](float("inf"))
        self._unwritten = 0
        self._response: Responder | None = None
        self._scope = trio.CancelScope()

    def put(self, action: Action) -> None:
        """Queue an action; call it in trio's thread."""
        self._unwritten += 1
        self._send.send_nowait(action)

    def stop(self) -> None:
        """Cut the response, also one that has not been requested; call it in trio's thread."""
        self._scope.cancel()

    async def write_all(self, response: Responder, carry_out: CarryOut) -> None:
        """Carry out the test's actions until one ends the response, the client has left, or `stop` is called."""
        self._response = response
        self.asked.set()
        with self._scope:
            try:
                async for action in self._actions:
                    await carry_out(action)
                    self._unwritten -= 1
                    if action.act in ENDS:
                        return
            except PeerGone:
                self.gone.set()

    async def watch(self, response: Responder, play: Callable[[], Awaitable[None]]) -> None:
        """Write a response that has a stall, and notice when the client leaves, which ends it."""
        self.asked.set()
        try:
            async with trio.open_nursery() as nursery:

                async def end_at_departure() -> None:
                    await response.wait_departure()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(end_at_departure, name="departure")
                await play()
                nursery.cancel_scope.cancel()
        finally:
            self.gone.set()

    async def wait_acked(self) -> None:
        """Return once no action is queued and the client's kernel has acknowledged all octets.

        Never returns if the client leaves while actions are queued.
        """
        while True:
            if self.unacked() == 0:
                return
            await trio.sleep(_ACK_LOOK_S)

    def unacked(self) -> int | None:
        """Return how many octets the client's kernel has not acknowledged.

        None: the request has not come, or actions are queued.

        Raises:
            LocalError: this system does not report it.
        """
        if sys.platform != "linux":
            raise LocalError("only Linux reports what a peer has acknowledged")
        import fcntl

        if self._response is None or self._unwritten:
            return None
        fileno = self._response.connection.fileno()
        if fileno is None or fileno < 0:
            return 0
        return int(struct.unpack("i", fcntl.ioctl(fileno, _SIOCOUTQ, bytes(4)))[0])


async def write_by_hand(hand: HandwrittenResponse, response: Responder, kind: str, asked: AskedModel | None) -> None:
    """Answer a request with the test's actions; send the head at once.

    Cancellation: cuts the response.
    """
    content_type = (
        events_of(kind, ContentStep([]), None)[1] if asked is None else asked.dialect.stream_type(asked.question)
    )
    async with response.chunked(fields=((b"Content-Type", content_type),)) as body, trio.open_nursery() as nursery:

        async def notice_departure() -> None:
            await response.wait_departure()
            hand.gone.set()

        nursery.start_soon(notice_departure, name="departure")
        await hand.write_all(response, _BodyWriter(body, kind, asked).carry_out)
        nursery.cancel_scope.cancel()
        if response.state is BodyState.OPEN:
            body.cut()


class _BodyWriter:
    """Writes events in chunks, with the opening and closing events of the dialect around them."""

    def __init__(self, body: ChunkedBody, kind: str, asked: AskedModel | None) -> None:
        self._body = body
        self._kind = kind
        self._asked = asked
        self._words: list[str] = []
        self._written: list[Piece] = []

    async def carry_out(self, action: Action) -> None:
        """Do one action; see `CarryOut`."""
        match action.act:
            case Act.SEND_EVENT:
                for octets in self._event(action.value):
                    await self._body.send_chunk(octets)
            case Act.SEND_FRAME:
                await self._body.send_chunk(action.octets, action.ext)
            case Act.SEND_OCTETS:
                await self._body.send_octets(action.octets)
            case Act.FINISH:
                for octets in self._closing():
                    await self._body.send_chunk(octets)
                await self._body.finish()
            case Act.CUT:
                self._body.cut()
            case Act.RESET:
                self._body.reset()

    def _event(self, value: object) -> list[bytes]:
        if self._asked is None:
            return events_of(self._kind, ContentStep([value]), None)[0]
        self._words.append(str(value))
        # With one more word, as Gemini's event with the last one also ends the answer.
        pieces = _pieces(self._asked, [*self._words, _PLACEHOLDER])
        ends = [number for number, piece in enumerate(pieces, 1) if piece.is_token]
        return self._fresh(pieces[: ends[len(self._words) - 1]])

    def _closing(self) -> list[bytes]:
        if self._asked is None:
            return []
        pieces = _pieces(self._asked, self._words)
        if pieces[: len(self._written)] != self._written:  # Gemini: an event with an empty text ends the answer
            pieces = _pieces(self._asked, [*self._words, ""])
        return self._fresh(pieces)

    def _fresh(self, pieces: list[Piece]) -> list[bytes]:
        fresh = pieces[len(self._written) :]
        self._written += fresh
        return [piece.octets for piece in fresh]


def _pieces(asked: AskedModel, words: list[str]) -> list[Piece]:
    answer = replace(answer_of(ContentStep([]), asked.question), text=tuple(words))
    return asked.dialect.write(answer, asked.question)
