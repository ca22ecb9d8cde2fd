"""`/ask` and `/providers`: the questions of callers, and the answers in the form they wish for.

The rule here: the head waits for the first token, so that a question nobody can answer has a status of its own; it
waits no longer than a keep-alive would, and not at all for a browser's EventSource.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import trio

from chunkwire.ask.answering import MAX_WHOLE_CHARACTERS, Answers, AskSettings, Items, write_items
from chunkwire.ask.audit import Account
from chunkwire.ask.conversation import converse
from chunkwire.ask.forms import AnswerForm, EventForm, LineForm
from chunkwire.ask.relay import CHANNEL_ITEMS, Relay, Token
from chunkwire.ask.wish import PARAMETERS, Wish, read_session, read_wish, wants_events
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.net.heads import Field
from chunkwire.origin.websocket import asks_for_websocket
from chunkwire.server.query import shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource

_JSON: Final[Field] = (b"Content-Type", b"application/json")
_NO_STORE: Final[Field] = (b"Cache-Control", b"no-store")  # an answer is for who asked, once
_STATUS: Final = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RATE_LIMIT: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.TIMEOUT: 504,
}  # every other kind is a provider that does not do what it should: 502


class Endpoint:
    """The resources, over one `Answers`."""

    def __init__(
        self, relay: Relay, settings: AskSettings, *, write_audit: Callable[[str], None] | None = None
    ) -> None:
        self.settings = settings
        self.answers = Answers(relay, settings, write_audit=write_audit)

    def resources(self) -> tuple[Resource, ...]:
        """Return the table."""
        return (
            Resource(
                "/ask",
                self.ask,
                "the answer to q, token by token; stream=false, format=jsonl, session=ID, or a WebSocket",
                "'{origin}/ask?q=Say+hello'",
                methods=("GET", "POST"),
                parameters=PARAMETERS,
            ),
            Resource("/providers", self.tell_providers, "the providers and their breakers", "{origin}/providers"),
        )

    async def tell_providers(self, request: IncomingRequest, response: Responder) -> None:
        """Answer with the state of each provider."""
        now = trio.current_time()
        content = {
            "providers": [provider.to_json(now) for provider in self.answers.relay.providers],
            "channel": {"items": CHANNEL_ITEMS, "waits": self.answers.relay.waits},
            "sessions": len(self.answers.sessions),
        }
        body = json.dumps(content, indent=2).encode() + b"\n"
        await response.fixed(200, (_JSON, _NO_STORE), body)

    async def ask(self, request: IncomingRequest, response: Responder) -> None:
        """Answer a question."""
        if request.head.method == b"HEAD":
            await response.fixed(200, ((b"Content-Type", EventForm.content_type),))
        elif (refusal := self._refused_page(request)) is not None:
            raise refusal
        elif request.head.get(b"last-event-id"):
            await response.fixed(204)  # an EventSource that lost its answer, or has had it
        elif asks_for_websocket(request):
            await converse(self.answers, request, response, read_session(request.query.text("session")))
        else:
            wish = await self._wish(request)
            account = self.answers.account(request, form=wish.form, session=wish.session)
            write: Callable[[Items], Awaitable[None]]
            if wish.form == "json":
                write = partial(self._write_whole, request, response, account)
            else:
                form = LineForm() if wish.form == "jsonl" else EventForm(account.id)
                write = partial(self._write_stream, request, response, account, form)
            await self.answers.answer(wish.question, account, write, response.wait_departure)

    async def _wish(self, request: IncomingRequest) -> Wish:
        try:
            return await read_wish(request)
        except Refusal as refusal:
            account = self.answers.account(request, form="-", session="")
            account.error, account.ended = ProviderError(ErrorKind.BAD_REQUEST, str(refusal), refusal.status), "refused"
            self.answers.audit(account, account.began)
            raise

    async def _write_stream(
        self, request: IncomingRequest, response: Responder, account: Account, form: AnswerForm, items: Items
    ) -> None:
        keep_alive = self.settings.keep_alive
        item = None if form.name == "sse" and wants_events(request) else await items.next(keep_alive)
        if item is not None and not isinstance(item, Token) and account.error is not None:
            await self._refuse(request, response, account)
            return
        fields = ((b"Content-Type", form.content_type), _NO_STORE)
        async with response.chunked(fields=fields) as body:
            await write_items(
                items,
                form,
                account,
                keep_alive=keep_alive,
                send=body.send_chunk,
                send_keep_alive=lambda: body.send_chunk(form.keep_alive()),
                first=item,
            )

    async def _write_whole(self, request: IncomingRequest, response: Responder, account: Account, items: Items) -> None:
        items.keeps_text = True
        while isinstance(await items.next(float("inf")), Token) and items.keeps_text:
            account.note_token(trio.current_time())
        if not items.keeps_text:
            message = (
                f"expected an answer of at most {MAX_WHOLE_CHARACTERS} characters in one body, got more; stream it"
            )
            account.error, account.is_whole = ProviderError(ErrorKind.BROKEN, message), False
        if account.error is not None:
            await self._refuse(request, response, account, text=items.text)
            return
        content = {"text": items.text, **account.summary()}
        with account.ending():
            await response.fixed(200, (_JSON, _NO_STORE), _body(content))

    async def _refuse(self, request: IncomingRequest, response: Responder, account: Account, *, text: str = "") -> None:
        """Answer with the error that came before anything else could; `text` is what had come of the answer."""
        error = account.error or ProviderError(ErrorKind.SERVER, "")
        content: dict[str, object] = {"error": account.trouble()}
        if text:
            content["text"] = text
        wait: tuple[Field, ...] = ()
        if error.retry_after is not None:
            wait = ((b"Retry-After", b"%d" % -int(-error.retry_after // 1)),)
        fields = (_JSON, _NO_STORE, *wait)
        with account.ending():
            await response.fixed(_STATUS.get(error.kind, 502), fields, _body(content))

    def _refused_page(self, request: IncomingRequest) -> Refusal | None:
        """Return the refusal of a page that may not ask: it would spend somebody's tokens, even if it cannot read them.

        A browser names the page's origin, or that it is another one (Fetch Metadata, `Sec-Fetch-Site`); no other client
        does, and a WebSocket is not held to CORS at all (RFC 6455 §10.2).
        """
        head = request.head
        origin = (head.get(b"origin") or b"").decode("latin-1")
        is_own = origin.partition("://")[2].encode("latin-1") == head.get(b"host")
        allowed = request.settings.cors
        is_allowed = "*" in allowed or origin in allowed or (is_own and origin != "")
        is_foreign = origin != "" or (head.get(b"sec-fetch-site") or b"") in (b"cross-site", b"same-site")
        if is_allowed or not is_foreign:
            return None
        message = f"Origin: expected one that --cors allows, got {shown(origin) or 'none'!r}"
        return Refusal(403, "origin", message)


def _body(content: dict[str, object]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
