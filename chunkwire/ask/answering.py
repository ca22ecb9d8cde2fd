"""A question, from its account to its last written item: what every way of asking shares.

The rule here: how an answer is carried (chunks, one body, WebSocket messages) is up to what writes it. A caller that
leaves cancels the provider at once; one that is slow slows the provider down, through a bounded channel.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from chunkwire.ask.audit import Account, audit
from chunkwire.ask.channel import AnswerChannel, Content, End, Item, Unsent
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
        write: Callable[[AnswerChannel], Awaitable[None]],
        wait_departure: Callable[[], Awaitable[None]],
    ) -> None:
        """Ask the providers and write what they say, until all is written or the caller has left.

        Raises:
            PeerGone: the caller left; the provider's stream has been ended.
            SendTimeout: it took nothing for too long; likewise.
        """
        channel = AnswerChannel(keeps_text=bool(account.session))
        gone: PeerGone | SendTimeout | None = None
        relay = partial(self.relay.answer, self._question(wish), account, channel, wish.max_time)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(relay, name="relay")
                nursery.start_soon(_leave, account, wait_departure, nursery.cancel_scope, name="departure watch")
                try:
                    await write(channel)
                except (PeerGone, SendTimeout) as error:
                    gone = error
                account.ended = account.verdict
                nursery.cancel_scope.cancel()
        finally:
            self.audit(account, trio.current_time())
        if account.session and channel.text and account.ended == "complete":
            self.sessions.add(account.session, trio.current_time(), question=wish.text, answer=channel.text)
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


async def write_items(
    channel: AnswerChannel,
    form: AnswerForm,
    account: Account,
    *,
    keep_alive: float,
    send: Callable[[list[bytes], bool], Awaitable[None]],
    send_keep_alive: Callable[[], Awaitable[None]],
    send_nowait: Callable[[list[bytes]], Unsent | None] | None = None,
    first: Sequence[Item] = (),
) -> None:
    """Write an answer in its form, as it comes, with a sign of life after each `keep_alive` seconds.

    Args:
        send: takes what is written at once, an event each, and whether it is the last; never an empty list.
        send_nowait: the same for any task, without waiting; None where only this one can write.
        first: items that were taken from the channel before.
    """

    def write_nowait(items: list[Content]) -> Unsent | None:
        account.note_token(trio.current_time())
        return None if send_nowait is None else send_nowait([_written(form, item) for item in items])

    batch = first
    while not account.is_reported:
        batch = batch or await channel.next(keep_alive, None if send_nowait is None else write_nowait)
        pieces = [_written(form, item) for item in batch if isinstance(item, Content)]
        if pieces:
            account.note_token(trio.current_time())
        match batch[-1:]:
            case []:
                await send_keep_alive()
            case [End()]:
                with account.ending():
                    await send([*pieces, *form.end(account)], True)
            case [Unsent() as unsent]:  # it is alone: nothing was queued while it was written
                await unsent.send()
            case _:
                await send(pieces, False)
        batch = ()


def _written(form: AnswerForm, item: Content) -> bytes:
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
