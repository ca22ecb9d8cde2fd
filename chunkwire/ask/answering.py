"""A question, from its account to its last written item: what every way of asking shares.

The rule here: how an answer is carried (chunks, one body, WebSocket messages) is up to what writes it. A caller that
leaves cancels the provider at once; one that is slow slows the provider down, through a bounded channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from chunkwire.ask.attempt import CHANNEL_ITEMS, End, Item
from chunkwire.ask.audit import Account, audit
from chunkwire.ask.forms import AnswerForm
from chunkwire.ask.relay import Relay
from chunkwire.ask.session import Sessions
from chunkwire.ask.wish import Wish
from chunkwire.llm.answer import ErrorKind, ProviderError, Reasoning, Text, ToolCall
from chunkwire.llm.question import Message, Question
from chunkwire.net.connection import PeerGone
from chunkwire.net.movers import SendTimeout
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest

KEEP_ALIVE_S: Final = 15.0  # without an octet; WHATWG HTML §9.2.7: "include a comment line … every 15 seconds or so"
_BATCH_CHARACTERS: Final = 65536  # written in one send, where so many are there
MAX_WHOLE_CHARACTERS: Final = 4 << 20  # of an answer kept whole; the longest that providers give have some 0.5 Mi


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How the endpoint answers.

    Attributes:
        system: said before every conversation; "" for nothing.
        max_tokens: that a provider is asked for; None leaves it to the provider.
        keep_alive: seconds without an octet until a sign of life.
        passes_reasoning: pass on what a model thinks before it answers.
    """

    system: str = ""
    max_tokens: int | None = None
    keep_alive: float = KEEP_ALIVE_S
    passes_reasoning: bool = True


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
        """Open the account of a question; of one whose caller had left before it was read, too."""
        ended = "client-gone" if request.peer == "-" else "cut"
        return Account(secrets.token_hex(8), request.peer, form, trio.current_time(), session, ended=ended)

    async def answer(
        self,
        wish: Wish,
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
        relay = partial(self.relay.answer, self._question(wish), account, send, wish.max_time)
        try:
            async with receive, trio.open_nursery() as nursery:
                nursery.start_soon(relay, name="relay")
                nursery.start_soon(_leave, account, wait_departure, nursery.cancel_scope, name="departure watch")
                try:
                    await write(items)
                except (PeerGone, SendTimeout) as error:
                    gone = error
                account.ended = account.verdict
                nursery.cancel_scope.cancel()
        finally:
            self.audit(account, trio.current_time())
        if account.session and items.text and account.ended == "complete":
            self.sessions.add(account.session, trio.current_time(), question=wish.text, answer=items.text)
        if gone is not None:
            raise gone
        if account.ended == "client-gone":
            raise PeerGone(f"{account.client} left before the end of its answer")

    def _question(self, wish: Wish) -> Question:
        """Return what is asked: the endpoint's own words, then the caller's conversation, or that of its session."""
        messages = [Message("system", self.settings.system)] if self.settings.system else []
        if wish.session:
            messages += self.sessions.history(wish.session, trio.current_time())
        messages += wish.question.messages or (Message("user", wish.text),)
        most = wish.question.max_tokens or self.settings.max_tokens
        return replace(wish.question, messages=tuple(messages), max_tokens=most)

    def refuse(self, request: IncomingRequest, form: str, refusal: Refusal) -> Account:
        """Log a request that asks nothing, and return its account."""
        account = self.account(request, form=form, session="")
        account.error, account.ended = ProviderError(ErrorKind.BAD_REQUEST, str(refusal), refusal.status), "refused"
        self.audit(account, account.began)
        return account

    def audit(self, account: Account, now: float) -> None:
        """Log a request that is over, and write its line where there is a place for it."""
        audit(account, now, self._write_audit)


class Items:
    """What comes out of the channel; `text` is its text, where that is kept.

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

    async def next(self, patience: float) -> list[Item]:
        """Return the next items, all that are there up to a bound; none when none has come for so many seconds."""
        try:
            batch: list[Item] = [self._channel.receive_nowait()]
        except (trio.WouldBlock, trio.EndOfChannel):  # an end without an `End`: this task is being cancelled too
            batch = []
            with trio.move_on_after(patience):
                batch.append(await self._channel.receive())
        characters = self._keep(batch[0]) if batch else _BATCH_CHARACTERS
        while characters < _BATCH_CHARACTERS and not isinstance(batch[-1], End):
            try:
                batch.append(self._channel.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
            characters += self._keep(batch[-1])
        return batch

    def _keep(self, item: Item) -> int:
        """Keep the text of an item where it is wanted; return its length in characters."""
        if isinstance(item, End):
            return 0
        text = item.arguments if isinstance(item, ToolCall) else item.text
        if self.keeps_text and not isinstance(item, Reasoning):
            if isinstance(item, Text):
                self._pieces.append(text)
            self._characters += len(text)
            if self._characters > MAX_WHOLE_CHARACTERS:
                self.keeps_text = False
                self._pieces.clear()
        return len(text)


async def write_items(
    items: Items,
    form: AnswerForm,
    account: Account,
    *,
    keep_alive: float,
    send: Callable[[list[bytes], bool], Awaitable[None]],
    send_keep_alive: Callable[[], Awaitable[None]],
    first: list[Item] | None = None,
) -> None:
    """Write an answer in its form, as it comes, with a sign of life after each `keep_alive` seconds.

    Args:
        send: takes what is written at once, an event each, and whether it is the last; never an empty list.
    """
    batch = first or []
    while not account.is_reported:
        if not batch and not (batch := await items.next(keep_alive)):
            await send_keep_alive()
            continue
        pieces = [_written(form, item) for item in batch if not isinstance(item, End)]
        if pieces:
            account.note_token(trio.current_time())
        if isinstance(batch[-1], End):
            with account.ending():
                await send([*pieces, *form.end(account)], True)
        else:
            await send(pieces, False)
        batch = []


def _written(form: AnswerForm, item: Text | Reasoning | ToolCall) -> bytes:
    match item:
        case Text():
            return form.token(item.text)
        case Reasoning():
            return form.reasoning(item.text)
        case ToolCall():
            return form.tool_call(item)


async def _leave(account: Account, wait_departure: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait_departure()
    if not account.is_ending:  # a FIN just behind the last event is a normal end
        account.ended = "client-gone"
        scope.cancel()
