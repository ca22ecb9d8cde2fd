"""A question, from its account to its last written item: what every way of asking shares.

The rule here: how an answer is carried (chunks, one body, WebSocket messages) is up to what writes it. A caller that
leaves cancels the provider at once; one that is slow slows the provider down, through a bounded channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.ask.audit import Account, audit
from chunkwire.ask.forms import AnswerForm
from chunkwire.ask.relay import CHANNEL_ITEMS, Item, Relay, Token
from chunkwire.ask.session import Sessions
from chunkwire.llm.question import Message, Question
from chunkwire.net.connection import PeerGone
from chunkwire.net.movers import SendTimeout
from chunkwire.server.request import IncomingRequest

KEEP_ALIVE_S: Final = 15.0  # without an octet; WHATWG HTML §9.2.7: "include a comment line … every 15 seconds or so"
MAX_WHOLE_CHARACTERS: Final = 4 << 20  # of an answer kept whole; the longest that providers give have some 0.5 Mi


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How the endpoint answers.

    Attributes:
        system: said before every conversation; "" for nothing.
        max_tokens: that a provider is asked for; None leaves it to the provider.
        keep_alive: seconds without an octet until a sign of life.
    """

    system: str = ""
    max_tokens: int | None = None
    keep_alive: float = KEEP_ALIVE_S


class Answers:
    """Asks the providers and keeps what was said before."""

    def __init__(
        self, relay: Relay, settings: AskSettings, *, write_audit: Callable[[str], None] | None = None
    ) -> None:
        self.relay = relay
        self.settings = settings
        self.sessions = Sessions()
        self._write_audit = write_audit

    def account(self, request: IncomingRequest, *, form: str, session: str) -> Account:
        """Open the account of a question."""
        return Account(secrets.token_hex(8), request.peer, form, trio.current_time(), session)

    async def answer(
        self,
        question: str,
        account: Account,
        write: Callable[[Items], Awaitable[None]],
        wait_departure: Callable[[], Awaitable[None]],
    ) -> None:
        """Ask the providers and write what they say, until all is written or the caller has left.

        Raises:
            PeerGone: the caller left; the provider's stream has been ended.
            SendTimeout: it took nothing for too long; likewise.
        """
        send, receive = trio.open_memory_channel[Item](CHANNEL_ITEMS)
        items = Items(receive, keeps_text=bool(account.session))
        gone: PeerGone | SendTimeout | None = None
        try:
            async with receive, trio.open_nursery() as nursery:
                nursery.start_soon(self.relay.answer, self._question(question, account), account, send, name="relay")
                nursery.start_soon(_leave, account, wait_departure, nursery.cancel_scope, name="departure watch")
                try:
                    await write(items)
                except (PeerGone, SendTimeout) as error:
                    gone = error
                account.ended = account.verdict
                nursery.cancel_scope.cancel()
        finally:
            self.audit(account, trio.current_time())
        if account.session and items.keeps_text and account.ended == "complete":
            self.sessions.add(account.session, trio.current_time(), question=question, answer=items.text)
        if gone is not None:
            raise gone
        if account.ended == "client-gone":
            raise PeerGone(f"{account.client} left before the end of its answer")

    def _question(self, question: str, account: Account) -> Question:
        messages = [Message("system", self.settings.system)] if self.settings.system else []
        if account.session:
            messages += self.sessions.history(account.session, trio.current_time())
        messages.append(Message("user", question))
        return Question("", tuple(messages), max_tokens=self.settings.max_tokens)

    def audit(self, account: Account, now: float) -> None:
        """Log a request that is over, and write its line where there is a place for it."""
        audit(account, now, self._write_audit)


class Items:
    """What comes out of the channel; `text` joins it where somebody wants to keep it.

    Attributes:
        keeps_text: becomes False, and the text "", when there is more than can be kept.
    """

    def __init__(self, channel: trio.MemoryReceiveChannel[Item], *, keeps_text: bool) -> None:
        self.keeps_text = keeps_text
        self._channel = channel
        self._pieces: list[str] = []
        self._characters = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return "".join(self._pieces)

    async def next(self, patience: float) -> Item | None:
        """Return the next item, None when none has come for so many seconds."""
        with trio.move_on_after(patience):
            item = await self._channel.receive()
            if self.keeps_text and isinstance(item, Token):
                self._keep(item.text)
            return item
        return None

    def _keep(self, text: str) -> None:
        self._pieces.append(text)
        self._characters += len(text)
        if self._characters > MAX_WHOLE_CHARACTERS:
            self.keeps_text = False
            self._pieces.clear()


async def write_items(
    items: Items,
    form: AnswerForm,
    account: Account,
    *,
    keep_alive: float,
    send: Callable[[bytes], Awaitable[None]],
    send_keep_alive: Callable[[], Awaitable[None]],
    first: Item | None = None,
) -> None:
    """Write an answer in its form, each item as it comes, with a sign of life after each `keep_alive` seconds."""
    item = first
    while True:
        if item is None and (item := await items.next(keep_alive)) is None:
            await send_keep_alive()
            continue
        if not isinstance(item, Token):
            break
        await send(form.token(item.text))
        account.note_token(trio.current_time())
        item = None
    with account.ending():
        await send(form.done(account.summary()) if account.error is None else form.error(account.trouble()))


async def _leave(account: Account, wait_departure: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait_departure()
    if not account.is_ending:  # a FIN just behind the last event is a normal end
        account.ended = "client-gone"
        scope.cancel()
