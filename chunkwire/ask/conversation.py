"""`/ask` over a WebSocket: each message of the client's is a question, answered in messages of JSON.

The rule here: one question at a time, a few wait here and the rest in the socket's own buffers. A Close frame, a FIN
or a reset cancels what is being asked and what waits.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from chunkwire.ask.answering import Answers, write_items
from chunkwire.ask.audit import Account
from chunkwire.ask.channel import AnswerChannel
from chunkwire.ask.forms import LineForm
from chunkwire.ask.members import read_seconds
from chunkwire.ask.wish import Wish, read_session
from chunkwire.llm.question import Question
from chunkwire.net.connection import PeerGone
from chunkwire.origin.websocket import WebSocket, open_websocket
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder

MAX_QUESTION_OCTETS: Final = 1 << 20
_BINARY: Final = Refusal(400, "body", "expected a question in a text message, got a binary one")
_WAITING: Final = 8  # questions read ahead of their turn, so that a Close frame behind them is seen
_TOO_BIG: Final = 1009  # RFC 6455 §7.4.1


async def converse(answers: Answers, request: IncomingRequest, response: Responder) -> None:
    """Answer every question of a WebSocket until it is closed; one in the request's own `q` comes first."""
    session, first = read_session(request.query.text("session")), request.query.text("q")
    wish = Wish(first, "websocket", Question("", ()), session, read_seconds(request.query.text("max_time")))
    talk = _Talk(answers, request, await open_websocket(request, response), wish)
    send, receive = trio.open_memory_channel[str | Refusal](_WAITING)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_listen, talk, send, name="questions")
        if request.query.values("q"):
            await talk.answer(_question(first))
        async for question in receive:
            if talk.left.is_set():
                break
            await talk.answer(question)


class _Talk:
    """One WebSocket, and what its questions have in common.

    Attributes:
        left: the client has closed, or gone.
    """

    def __init__(self, answers: Answers, request: IncomingRequest, socket: WebSocket, wish: Wish) -> None:
        self.socket = socket
        self.left = trio.Event()
        self._answers = answers
        self._request = request
        self._wish = wish

    async def answer(self, question: str | Refusal) -> None:
        """Answer a question, or say why a message is none."""
        try:
            if isinstance(question, Refusal):
                await self._send(LineForm().end(self._answers.refuse(self._request, "websocket", question)), True)
                return
            account = self._answers.account(self._request, form="websocket", session=self._wish.session)
            wish = replace(self._wish, text=question)
            await self._answers.answer(wish, account, partial(self._write, account), self.left.wait)
        except PeerGone:
            self.left.set()  # the account has it; `_listen` ends the conversation

    async def _write(self, account: Account, channel: AnswerChannel) -> None:
        from wsproto.events import Ping

        await write_items(
            channel,
            LineForm(),
            account,
            keep_alive=self._answers.settings.keep_alive,
            send=self._send,
            send_keep_alive=lambda: self.socket.send(Ping()),
        )

    async def _send(self, lines: list[bytes], is_last: bool) -> None:
        from wsproto.events import TextMessage

        for line in lines:
            await self.socket.send(TextMessage(line.decode().removesuffix("\n")))


async def _listen(talk: _Talk, send: trio.MemorySendChannel[str | Refusal]) -> None:
    """Pass on whole messages as questions, answer pings, and note when the client has left."""
    async with send:
        try:
            await _take_questions(talk.socket, send)
        except PeerGone:
            pass  # it left without a word
        finally:
            talk.left.set()


async def _take_questions(socket: WebSocket, send: trio.MemorySendChannel[str | Refusal]) -> None:
    from wsproto.events import CloseConnection, TextMessage

    held: list[str] = []
    length = 0
    async with aclosing(socket.messages()) as messages:
        async for piece in messages:
            length += len(piece.data)
            if length > MAX_QUESTION_OCTETS:
                await socket.send(CloseConnection(_TOO_BIG, f"expected at most {MAX_QUESTION_OCTETS} characters"))
                return
            is_text = isinstance(piece, TextMessage)
            if is_text and piece.data:  # a fragment may be empty, and there may be any number of them
                held.append(piece.data)
            if piece.message_finished:
                question, held, length = "".join(held), [], 0
                await send.send(_question(question) if is_text else _BINARY)


def _question(text: str) -> str | Refusal:
    return text if text.strip() else Refusal(400, "parameter", "q: expected a question, got none")
