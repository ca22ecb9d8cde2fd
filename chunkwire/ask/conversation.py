"""`/ask` over a WebSocket: each message of the client is a question, answered in messages of JSON.

The rule here: one question at a time; `_WAITING` more are queued here, others stay in the socket's buffers. A Close
frame, a FIN or a reset cancels all of them.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from chunkwire.ask.answering import Answers, write_items
from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import AnswerChannel
from chunkwire.ask.formats import JsonLinesFormat
from chunkwire.ask.json_members import read_seconds
from chunkwire.ask.parameters import AskRequest, query_parameters, read_session
from chunkwire.llm.question import Question
from chunkwire.net.connection import PeerGone
from chunkwire.origin.websocket import WebSocket, open_websocket
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder

MAX_QUESTION_CHARACTERS: Final = 1 << 20  # of one message
_BINARY: Final = Refusal(400, "body", "expected a question in a text message, got a binary one")
_WAITING: Final = 8  # questions read ahead, so that a Close frame after them is seen
_TOO_BIG: Final = 1009  # RFC 6455 §7.4.1


async def converse(answers: Answers, request: IncomingRequest, response: Responder) -> None:
    """Answer every question of a WebSocket until it is closed; one in the request's own `q` comes first."""
    values = query_parameters(request.query)
    session, first = read_session(values.get("session", "")), values.get("q", "")
    asked = AskRequest(first, "websocket", Question("", ()), session, read_seconds(values.get("max_time")))
    talk = _Talk(answers, request, await open_websocket(request, response), asked)
    send, receive = trio.open_memory_channel[str | Refusal](_WAITING)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_listen, talk, send, name="questions")
        if "q" in values:
            await talk.answer(_question(first))
        async for question in receive:
            if talk.left.is_set():
                break
            await talk.answer(question)


class _Talk:
    """One WebSocket, and what its questions share."""

    def __init__(self, answers: Answers, request: IncomingRequest, socket: WebSocket, asked: AskRequest) -> None:
        self.socket = socket
        self.left = trio.Event()  # the client has closed the WebSocket, or is gone
        self._answers = answers
        self._request = request
        self._asked = asked

    async def answer(self, question: str | Refusal) -> None:
        """Answer a question, or a message that is none."""
        try:
            if isinstance(question, Refusal):
                await self._send(
                    JsonLinesFormat().end(self._answers.refuse(self._request, "websocket", question)), True
                )
                return
            entry = self._answers.entry(self._request, form="websocket", session=self._asked.session)
            asked = replace(self._asked, text=question)
            await self._answers.answer(asked, entry, partial(self._write, entry), self.left.wait)
        except PeerGone:
            self.left.set()  # logged already; `_listen` ends the conversation

    async def _write(self, entry: AuditEntry, channel: AnswerChannel) -> None:
        from wsproto.events import Ping

        await write_items(
            channel,
            JsonLinesFormat(),
            entry,
            keep_alive=self._answers.settings.keep_alive,
            send=self._send,
            send_keep_alive=lambda: self.socket.send(Ping()),
        )

    async def _send(self, lines: list[bytes], is_last: bool) -> None:
        from wsproto.events import TextMessage

        for line in lines:
            await self.socket.send(TextMessage(line.decode().removesuffix("\n")))


async def _listen(talk: _Talk, send: trio.MemorySendChannel[str | Refusal]) -> None:
    """Pass on whole messages as questions, and set `left` at the end."""
    async with send:
        try:
            await _take_questions(talk.socket, send)
        except PeerGone:
            pass  # it left without a Close frame
        finally:
            talk.left.set()


async def _take_questions(socket: WebSocket, send: trio.MemorySendChannel[str | Refusal]) -> None:
    from wsproto.events import CloseConnection, TextMessage

    held: list[str] = []
    length = 0
    async with aclosing(socket.messages()) as messages:
        async for piece in messages:
            length += len(piece.data)
            if length > MAX_QUESTION_CHARACTERS:
                await socket.send(CloseConnection(_TOO_BIG, f"expected at most {MAX_QUESTION_CHARACTERS} characters"))
                return
            is_text = isinstance(piece, TextMessage)
            if is_text and piece.data:  # any number of fragments may be empty: they are not kept
                held.append(piece.data)
            if piece.message_finished:
                question, held, length = "".join(held), [], 0
                await send.send(_question(question) if is_text else _BINARY)


def _question(text: str) -> str | Refusal:
    return text if text.strip() else Refusal(400, "parameter", "q: expected a question, got none")
