"""`/ask` and `/providers`: the questions of callers, and the answers in the form they wish for.

The rule here: a caller that leaves, by a FIN or a reset, cancels the provider at once; one that is slow slows the
provider down, through a bounded channel. The head waits for the first token, so that a question nobody can answer has
a status of its own; it waits no longer than a keep-alive would, and not at all for a browser's EventSource.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from chunkwire.ask.audit import Account, audit
from chunkwire.ask.conversation import converse
from chunkwire.ask.forms import EventForm, Form, LineForm
from chunkwire.ask.relay import CHANNEL_ITEMS, Item, Relay, Token
from chunkwire.ask.session import Sessions
from chunkwire.ask.wish import PARAMETERS, Wish, read_session, read_wish, wants_events
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.question import Message, Question
from chunkwire.net.connection import PeerGone
from chunkwire.net.heads import Field
from chunkwire.net.movers import SendTimeout
from chunkwire.origin.websocket import asks_for_websocket
from chunkwire.server.query import shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource

KEEP_ALIVE_S: Final = 15.0  # without an octet; WHATWG HTML §9.2.7: "include a comment line … every 15 seconds or so"
MAX_WHOLE_CHARACTERS: Final = 4 << 20  # of an answer kept whole; the longest that providers give have some 0.5 Mi
_JSON: Final[Field] = (b"Content-Type", b"application/json")
_NO_STORE: Final[Field] = (b"Cache-Control", b"no-store")  # an answer is for who asked, once
_ALLOW: Final[Field] = (b"Allow", b"GET, HEAD, POST, OPTIONS")
_STATUS: Final = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RATE_LIMIT: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.TIMEOUT: 504,
}  # every other kind is a provider that does not do what it should: 502


@dataclass(frozen=True, slots=True)
class AskSettings:
    """How the endpoint answers.

    Attributes:
        system: said before every conversation; "" for nothing.
        max_tokens: that a provider is asked for; None leaves it to the provider.
        cors: the origins whose pages may read the answers; "*" for all.
        keep_alive: seconds without an octet until a sign of life.
    """

    system: str = ""
    max_tokens: int | None = None
    cors: frozenset[str] = frozenset()
    keep_alive: float = KEEP_ALIVE_S


class Endpoint:
    """The state behind the resources: the relay, and what was said before."""

    def __init__(
        self, relay: Relay, settings: AskSettings, *, write_audit: Callable[[str], None] | None = None
    ) -> None:
        self.relay = relay
        self.settings = settings
        self.sessions = Sessions()
        self._write_audit = write_audit

    def resources(self) -> tuple[Resource, ...]:
        """Return the table."""
        return (
            Resource(
                "/ask",
                self.ask,
                "the answer to q, token by token; stream=false, format=jsonl, session=ID, or a WebSocket",
                "'{origin}/ask?q=Say+hello'",
                methods=("GET", "POST", "OPTIONS"),
                parameters=PARAMETERS,
            ),
            Resource("/providers", self.tell_providers, "the providers and their breakers", "{origin}/providers"),
        )

    async def tell_providers(self, request: IncomingRequest, response: Responder) -> None:
        """Answer with the state of each provider."""
        now = trio.current_time()
        told = {
            "providers": [provider.to_json(now) for provider in self.relay.providers],
            "channel": {"items": CHANNEL_ITEMS, "waits": self.relay.waits},
            "sessions": len(self.sessions),
        }
        body = json.dumps(told, indent=2).encode() + b"\n"
        await response.fixed(200, (_JSON, _NO_STORE, *self._cors(request)), body)

    async def ask(self, request: IncomingRequest, response: Responder) -> None:
        """Answer a question."""
        if request.head.method == b"OPTIONS":
            await response.fixed(204, (_ALLOW, *self._preflight(request)))
        elif request.head.method == b"HEAD":
            await response.fixed(200, ((b"Content-Type", EventForm.content_type), *self._cors(request)))
        elif (refusal := self._refused_page(request)) is not None:
            raise refusal
        elif request.head.get(b"last-event-id"):
            await response.fixed(204, self._cors(request))  # an EventSource that lost its answer, or has had it
        elif asks_for_websocket(request):
            await converse(self, request, response, read_session(request.query.text("session")))
        else:
            wish = await self._wish(request)
            account = self.account(request, form=wish.form, session=wish.session)
            write: Callable[[Items], Awaitable[None]]
            if wish.form == "json":
                write = partial(self._write_whole, request, response, account)
            else:
                form = LineForm() if wish.form == "jsonl" else EventForm(account.id)
                write = partial(self._write_stream, request, response, account, form)
            await self.answer(wish.question, account, write, response.wait_departure)

    async def _wish(self, request: IncomingRequest) -> Wish:
        try:
            return await read_wish(request)
        except Refusal as refusal:
            account = self.account(request, form="-", session="")
            account.error, account.ended = ProviderError(ErrorKind.BAD_REQUEST, str(refusal), refusal.status), "refused"
            audit(account, account.began, self._write_audit)
            refusal.fields = (*refusal.fields, *self._cors(request))
            raise

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
            audit(account, trio.current_time(), self._write_audit)
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

    async def _write_stream(
        self, request: IncomingRequest, response: Responder, account: Account, form: Form, items: Items
    ) -> None:
        keep_alive = self.settings.keep_alive
        item = None if form.name == "sse" and wants_events(request) else await items.next(keep_alive)
        if item is not None and not isinstance(item, Token) and account.error is not None:
            await self._refuse(request, response, account)
            return
        fields = ((b"Content-Type", form.content_type), _NO_STORE, *self._cors(request))
        async with response.chunked(fields=fields) as body:
            while True:
                if item is None and (item := await items.next(keep_alive)) is None:
                    await body.send_chunk(form.keep_alive())
                    continue
                if not isinstance(item, Token):
                    break
                await body.send_chunk(form.token(item.text))
                note_token(account)
                item = None
            with account.ending():
                await body.send_chunk(
                    form.done(account.summary()) if account.error is None else form.error(account.trouble())
                )

    async def _write_whole(self, request: IncomingRequest, response: Responder, account: Account, items: Items) -> None:
        items.keeps_text = True
        while isinstance(await items.next(float("inf")), Token) and items.keeps_text:
            note_token(account)
        if not items.keeps_text:
            message = (
                f"expected an answer of at most {MAX_WHOLE_CHARACTERS} characters in one body, got more; stream it"
            )
            account.error, account.is_whole = ProviderError(ErrorKind.BROKEN, message), False
        if account.error is not None:
            await self._refuse(request, response, account, text=items.text)
            return
        told = {"text": items.text, **account.summary()}
        with account.ending():
            await response.fixed(200, (_JSON, _NO_STORE, *self._cors(request)), _body(told))

    async def _refuse(self, request: IncomingRequest, response: Responder, account: Account, *, text: str = "") -> None:
        """Answer with the error that came before anything else could; `text` is what had come of the answer."""
        error = account.error or ProviderError(ErrorKind.SERVER, "")
        told: dict[str, object] = {"error": account.trouble()}
        if text:
            told["text"] = text
        wait: tuple[Field, ...] = ()
        if error.retry_after is not None:
            wait = ((b"Retry-After", b"%d" % -int(-error.retry_after // 1)),)
        fields = (_JSON, _NO_STORE, *wait, *self._cors(request))
        with account.ending():
            await response.fixed(_STATUS.get(error.kind, 502), fields, _body(told))

    def _cors(self, request: IncomingRequest) -> tuple[Field, ...]:
        """Return the fields that let a page of an allowed origin read the response (WHATWG Fetch §3.3)."""
        if "*" in self.settings.cors:
            return ((b"Access-Control-Allow-Origin", b"*"),)
        if not self.settings.cors:
            return ()
        origin = request.head.get(b"origin") or b""
        vary = (b"Vary", b"Origin")
        if origin.decode("latin-1") not in self.settings.cors:
            return (vary,)
        return ((b"Access-Control-Allow-Origin", origin), vary)

    def _refused_page(self, request: IncomingRequest) -> Refusal | None:
        """Return the refusal of a page that may not ask: it would spend somebody's tokens, even if it cannot read them.

        A browser names the page's origin, or that it is another one (Fetch Metadata, `Sec-Fetch-Site`); no other client
        does, and a WebSocket is not held to CORS at all (RFC 6455 §10.2).
        """
        head = request.head
        origin = (head.get(b"origin") or b"").decode("latin-1")
        is_own = origin.partition("://")[2].encode("latin-1") == head.get(b"host")
        is_allowed = "*" in self.settings.cors or origin in self.settings.cors or (is_own and origin != "")
        is_foreign = origin != "" or (head.get(b"sec-fetch-site") or b"") in (b"cross-site", b"same-site")
        if is_allowed or not is_foreign:
            return None
        message = f"Origin: expected one that --cors allows, got {shown(origin) or 'none'!r}"
        return Refusal(403, "origin", message, fields=self._cors(request))

    def _preflight(self, request: IncomingRequest) -> tuple[Field, ...]:
        """Return what lets such a page send JSON (WHATWG Fetch §3.3.3)."""
        allowed = self._cors(request)
        if not any(name == b"Access-Control-Allow-Origin" for name, _ in allowed):
            return allowed
        methods = (b"Access-Control-Allow-Methods", b"GET, POST")
        return (*allowed, methods, (b"Access-Control-Allow-Headers", b"content-type, last-event-id"))


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


def note_token(account: Account) -> None:
    """Take note that a token has been written."""
    if account.first_token is None:
        account.first_token = trio.current_time()


async def _leave(account: Account, wait_departure: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
    await wait_departure()
    if not account.is_ending:  # a FIN just behind the last event is a normal end
        account.ended = "client-gone"
        scope.cancel()


def _body(told: dict[str, object]) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
