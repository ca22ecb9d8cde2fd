"""The WebSockets of a run: send messages from a list or by hand, and keep those received."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.origin.scenarios import Ending
from chunkwire.origin.websocket import WebSocket, open_websocket
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.testing.answers import messages_before_end
from chunkwire.testing.hands import Act, Action, HandwrittenResponse, Inbox
from chunkwire.testing.runs import RunRequest
from chunkwire.testing.steps import ContentStep, Step

_CLOSE_S: Final = 5.0  # how long the client may take to answer our Close frame (RFC 6455 §7.1.1)


async def answer_websocket(
    hand: HandwrittenResponse | None, step: Step, request: IncomingRequest, response: Responder, received: RunRequest
) -> None:
    """Answer the handshake, send messages, and close; a fault ends the connection without a Close frame.

    Nothing is sent to a client that leaves before it has sent the messages that the step waits for.
    """
    inbox = Inbox() if hand is None else hand.inbox
    inbox.messages = received.messages
    socket = await open_websocket(request, response)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_receive, socket, inbox, hand, name="messages")
        writer = _SocketWriter(socket, response)
        if hand is not None:
            await hand.write_all(response, writer.carry_out)
        elif isinstance(step, ContentStep) and await inbox.wait_count(step.wait_messages):
            for action in _actions(step):
                await writer.carry_out(action)
        nursery.cancel_scope.deadline = trio.current_time() + (_CLOSE_S if writer.is_closing else 0.0)


def _actions(step: ContentStep) -> list[Action]:
    end = Act.FINISH
    if step.fault is not None:
        end = Act.RESET if step.fault.ending is Ending.RESET else Act.CUT
    return [*(Action(Act.SEND_EVENT, each) for each in messages_before_end(step)), Action(end)]


async def _receive(socket: WebSocket, inbox: Inbox, hand: HandwrittenResponse | None) -> None:
    """Keep each whole message until the client closes; also those that follow our Close frame."""
    pieces: list[str | bytes] = []
    try:
        async with aclosing(socket.messages()) as messages:
            async for piece in messages:
                pieces.append(piece.data if isinstance(piece.data, str) else bytes(piece.data))
                if piece.message_finished:
                    inbox.put(pieces[0][:0].join(pieces))  # type: ignore[arg-type]
                    pieces.clear()
    except PeerGone:
        pass  # the client reset the connection
    finally:
        inbox.close()
    if hand is not None:
        hand.gone.set()
        hand.stop()  # after both Close frames the server closes the connection (RFC 6455 §7.1.1)


class _SocketWriter:
    """Writes messages of text; SEND_OCTETS writes octets without the WebSocket's framing.

    Attributes:
        is_closing: a Close frame was sent, and the client's is awaited.
    """

    def __init__(self, socket: WebSocket, response: Responder) -> None:
        self.is_closing = False
        self._socket = socket
        self._response = response

    async def carry_out(self, action: Action) -> None:
        """Do one action; see `CarryOut`."""
        from wsproto.events import BytesMessage, CloseConnection, TextMessage

        match action.act:
            case Act.SEND_EVENT:
                await self._socket.send(TextMessage(str(action.value)))
            case Act.SEND_FRAME:
                await self._socket.send(BytesMessage(action.octets))
            case Act.SEND_OCTETS:
                await self._response.connection.send_all(action.octets)
            case Act.FINISH:
                self.is_closing = True
                await self._socket.send(CloseConnection(1000))
            case Act.RESET:
                self._response.reset()
            case Act.CUT:
                pass  # the connection is closed after it
