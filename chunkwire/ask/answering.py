"""Answer a question: the part that HTTP, WebSocket and OpenAI's form share.

The rule here: the callers of this module send the octets (as chunks, one body, WebSocket messages). A client that
leaves cancels the provider's stream at once; a slow one makes the provider wait, through a bounded channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from chunkwire.ask.audit import AuditEntry, audit
from chunkwire.ask.channel import AnswerChannel, Content, End, Item, Unsent
from chunkwire.ask.formats import AnswerFormat
from chunkwire.ask.parameters import AskRequest
from chunkwire.ask.relay import Relay
from chunkwire.ask.session import Sessions
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.question import Message, Question
from chunkwire.net.connection import PeerGone
from chunkwire.net.movers import SendTimeout
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest

KEEP_ALIVE_S: Final = 15.0  # without an octet; WHATWG HTML §9.2.7: "include a comment line … every 15 seconds or so"


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How the endpoint answers."""

    system: str = ""  # the system message of every conversation; "" for none
    max_tokens: int | None = None  # asked of a provider where the caller names no limit; None leaves it to the provider
    keep_alive: float = KEEP_ALIVE_S  # seconds without an octet until a keep-alive is sent


class Answers:
    """Answers questions by asking the providers; keeps the sessions."""

    def __init__(
        self, relay: Relay, settings: AskSettings, *, write_audit: Callable[[str], None] | None = None
    ) -> None:
        self.relay = relay
        self.settings = settings
        self.sessions = Sessions()
        self._write_audit = write_audit

    def entry(self, request: IncomingRequest, *, form: str, session: str) -> AuditEntry:
        """Open the audit entry of a question; its peer is "-" where the caller has left already."""
        ended = "client-gone" if request.peer == "-" else "cut"
        return AuditEntry(secrets.token_hex(8), request.peer, form, trio.current_time(), session, ended=ended)

    async def answer(
        self,
        asked: AskRequest,
        entry: AuditEntry,
        write: Callable[[AnswerChannel], Awaitable[None]],
        wait_departure: Callable[[], Awaitable[None]],
    ) -> None:
        """Ask the providers and write their answer, until all is written or the caller has left.

        Raises:
            PeerGone: the caller left; the provider's stream has been ended.
            SendTimeout: the caller took nothing for too long; likewise.
        """
        channel = AnswerChannel(keeps_text=bool(entry.session))
        gone: PeerGone | SendTimeout | None = None
        relay = partial(self.relay.answer, self._question(asked), entry, channel, asked.max_time)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(relay, name="relay")
                nursery.start_soon(_leave, entry, wait_departure, nursery.cancel_scope, name="departure watch")
                try:
                    await write(channel)
                except (PeerGone, SendTimeout) as error:
                    gone = error
                entry.ended = entry.verdict
                nursery.cancel_scope.cancel()
        finally:
            audit(entry, trio.current_time(), self._write_audit)
        if entry.session and channel.text and entry.ended == "complete":
            self.sessions.add(entry.session, trio.current_time(), question=asked.text, answer=channel.text)
        if gone is not None:
            raise gone
        if entry.ended == "client-gone":
            raise PeerGone(f"{entry.client} left before the end of its answer")

    def _question(self, asked: AskRequest) -> Question:
        """Return the question to providers: the system message, the session's history, the caller's messages."""
        messages = [Message("system", self.settings.system)] if self.settings.system else []
        if asked.session:
            messages += self.sessions.history(asked.session, trio.current_time())
        messages += asked.question.messages or (Message("user", asked.text),)
        most = asked.question.max_tokens or self.settings.max_tokens
        return replace(asked.question, messages=tuple(messages), max_tokens=most)

    def refuse(self, request: IncomingRequest, form: str, refusal: Refusal) -> AuditEntry:
        """Log a bad request, and return its audit entry."""
        entry = self.entry(request, form=form, session="")
        entry.error, entry.ended = ProviderError(ErrorKind.BAD_REQUEST, str(refusal), refusal.status), "refused"
        audit(entry, entry.began, self._write_audit)
        return entry


async def write_items(
    channel: AnswerChannel,
    form: AnswerFormat,
    entry: AuditEntry,
    *,
    keep_alive: float,
    send: Callable[[list[bytes], bool], Awaitable[None]],
    send_keep_alive: Callable[[], Awaitable[None]],
    send_nowait: Callable[[list[bytes]], Unsent | None] | None = None,
    first: Sequence[Item] = (),
) -> None:
    """Write an answer in its format, as it comes, with a keep-alive after each `keep_alive` seconds without an octet.

    Args:
        send: takes pieces to write in one send, one or more, and whether they are the last.
        send_nowait: the same without waiting, for any task; None where only this task can write.
        first: items that were taken from the channel before.
    """

    def write_nowait(items: list[Content]) -> Unsent | None:
        entry.note_token(trio.current_time())
        return None if send_nowait is None else send_nowait([form.piece(item) for item in items])

    batch = first
    while not entry.is_reported:
        batch = batch or await channel.next(keep_alive, None if send_nowait is None else write_nowait)
        pieces = [form.piece(item) for item in batch if isinstance(item, Content)]
        if pieces:
            entry.note_token(trio.current_time())
        match batch[-1:]:
            case []:
                await send_keep_alive()
            case [End()]:
                with entry.ending():
                    await send([*pieces, *form.end(entry)], True)
            case [Unsent() as unsent]:  # it is alone: items are written only while nothing is queued
                await unsent.send()
            case _:
                await send(pieces, False)
        batch = ()


async def _leave(entry: AuditEntry, wait_departure: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait_departure()
    if not entry.is_ending:  # a FIN right after the last event is a normal end
        entry.ended = "client-gone"
        scope.cancel()
