"""`/ask` over a WebSocket: each message of the client's is a question, answered in messages of JSON.

The rule here: one question at a time, a few wait here and the rest in the socket's own buffers. A Close frame, a FIN
or a reset cancels what is being asked and what waits.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import trio

from chunkwire.ask.answering import Answers, Items, write_items
from chunkwire.ask.audit import Account
from chunkwire.ask.forms import LineForm
from chunkwire.ask.wish import MAX_QUESTION_OCTETS
from chunkwire.net.connection import PeerGone
from chunkwire.origin.websocket import WebSocket, open_websocket
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder

_WAITING: Final = 8  # questions read ahead of their turn, so that a Close frame behind them is seen
_TOO_BIG: Final = 1009  # RFC 6455 §7.4.1


async def converse(answers: Answers, request: IncomingRequest, response: Responder, session: str) -> None:
    """Answer every question of a WebSocket until it is closed; one in the request's own `q` comes first."""
    first = request.query.text("q")
    socket = await open_websocket(request, response)
    send, receive = trio.open_memory_channel[str](_WAITING)
    left = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_listen, socket, send, left, name="questions")
        if first.strip():
            await _answer(answers, request, socket, left, first, session)
        async for question in receive:
            if left.is_set():
                break
            await _answer(answers, request, socket, left, question, session)


async def _answer(
    answers: Answers, request: IncomingRequest, socket: WebSocket, left: trio.Event, question: str, session: str
) -> None:
    account = answers.account(request, form="websocket", session=session)

    async def write(items: Items) -> None:
        await _write(answers, socket, account, items)

    async def departure() -> None:
        await left.wait()

    try:
        await answers.answer(question, account, write, departure)
    except PeerGone:
        left.set()  # the account has it; `_listen` ends the conversation


async def _write(answers: Answers, socket: WebSocket, account: Account, items: Items) -> None:
    from wsproto.events import Ping, TextMessage

    await write_items(
        items,
        LineForm(),
        account,
        keep_alive=answers.settings.keep_alive,
        send=lambda line: socket.send(TextMessage(line.decode().removesuffix("\n"))),
        send_keep_alive=lambda: socket.send(Ping()),
    )


async def _listen(socket: WebSocket, send: trio.MemorySendChannel[str], left: trio.Event) -> None:
    """Pass on whole messages as questions, answer pings, and note when the client has left."""
    async with send:
        try:
            await _take_questions(socket, send)
        except PeerGone:
            pass  # it left without a word
        finally:
            left.set()


async def _take_questions(socket: WebSocket, send: trio.MemorySendChannel[str]) -> None:
    from wsproto.events import CloseConnection, TextMessage

    held: list[str] = []
    characters = 0
    async with aclosing(socket.messages()) as messages:
        async for piece in messages:
            if not isinstance(piece, TextMessage):
                continue
            if piece.data:  # a fragment may be empty, and there may be any number of them
                held.append(piece.data)
            characters += len(piece.data)
            if characters > MAX_QUESTION_OCTETS:
                await socket.send(CloseConnection(_TOO_BIG, f"expected at most {MAX_QUESTION_OCTETS} characters"))
                return
            if piece.message_finished:
                question, held, characters = "".join(held), [], 0
                if question.strip():
                    await send.send(question)
