"""`/ask` and `/providers`: the questions of callers, and the answers in the form they wish for.

The rule here: the head waits for the first token, so that a question that no provider answers has a status of
its own; it waits no longer than a keep-alive would, and not at all for a browser's EventSource.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from chunkwire.ask.answering import Answers, AskSettings
from chunkwire.ask.audit import Account
from chunkwire.ask.channel import CHANNEL_ITEMS, AnswerChannel
from chunkwire.ask.chat import chat_resources
from chunkwire.ask.conversation import converse
from chunkwire.ask.forms import EventForm, LineForm
from chunkwire.ask.relay import Relay
from chunkwire.ask.responses import JSON, NO_STORE, gather, json_body, status_of, wait_of, write_stream
from chunkwire.ask.wish import PARAMETERS, read_wish, refuse_foreign_page, wants_events
from chunkwire.origin.websocket import asks_for_websocket
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource


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
            *chat_resources(self.answers),
            Resource("/providers", self.list_providers, "the providers and their breakers", "{origin}/providers"),
        )

    async def list_providers(self, request: IncomingRequest, response: Responder) -> None:
        """Answer with the state of each provider."""
        now = trio.current_time()
        content = {
            "providers": [provider.to_json(now) for provider in self.answers.relay.providers],
            "channel": {"items": CHANNEL_ITEMS, "waits": self.answers.relay.waits},
            "sessions": len(self.answers.sessions),
        }
        body = json.dumps(content, indent=2).encode() + b"\n"
        await response.fixed(200, (JSON, NO_STORE), body)

    async def ask(self, request: IncomingRequest, response: Responder) -> None:
        """Answer a question."""
        if request.head.method == b"HEAD":
            await response.fixed(200, ((b"Content-Type", EventForm.content_type),))
            return
        refuse_foreign_page(request)
        if request.head.get(b"last-event-id"):
            await response.fixed(204)  # an EventSource that lost its answer, or has had it
            return
        if asks_for_websocket(request):
            await converse(self.answers, request, response)
            return
        try:
            wish = await read_wish(request)
        except Refusal as refusal:
            account = self.answers.refuse(request, "-", refusal)
            await response.fixed(refusal.status, (JSON, NO_STORE), json_body({"error": account.trouble()}))
            return
        account = self.answers.account(request, form=wish.form, session=wish.session)
        write: Callable[[AnswerChannel], Awaitable[None]]
        if wish.form == "json":
            write = partial(self._write_whole, response, account)
        else:
            form = LineForm() if wish.form == "jsonl" else EventForm(account.id)
            is_early = wish.form == "sse" and wants_events(request)
            refuse = partial(self._refuse, response, account)
            write = partial(write_stream, response, account, form, self.settings.keep_alive, is_early, refuse)
        await self.answers.answer(wish, account, write, response.wait_departure)

    async def _write_whole(self, response: Responder, account: Account, channel: AnswerChannel) -> None:
        calls = await gather(channel, account)
        if account.error is not None:
            await self._refuse(response, account, text=channel.text)
            return
        content: dict[str, object] = {"text": channel.text, **account.summary()}
        if calls:
            content["tool_calls"] = [
                {"id": call.id, "name": call.name, "arguments": "".join(call.arguments)} for call in calls
            ]
        with account.ending():
            await response.fixed(200, (JSON, NO_STORE), json_body(content))

    async def _refuse(self, response: Responder, account: Account, *, text: str = "") -> None:
        """Answer with the error that came before anything else could; `text` is what had come of the answer."""
        content: dict[str, object] = {"error": account.trouble()}
        if text:
            content["text"] = text
        with account.ending():
            await response.fixed(status_of(account), (JSON, NO_STORE, *wait_of(account)), json_body(content))
