"""The resources of the answer endpoint: `/ask` and `/providers`, and those of OpenAI's form.

The rule here: which response a request gets. This module writes the whole bodies; `responses` writes streams, and the
status of an answer that failed.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from chunkwire.ask.answering import Answers
from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import CHANNEL_ITEMS, AnswerChannel
from chunkwire.ask.chat import chat_resources
from chunkwire.ask.conversation import converse
from chunkwire.ask.formats import JsonLinesFormat, SseFormat
from chunkwire.ask.parameters import PARAMETERS, read_request, refuse_foreign_page, wants_events
from chunkwire.ask.responses import JSON, NO_STORE, gather, json_body, respond_error, write_stream
from chunkwire.origin.websocket import asks_for_websocket
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource


def ask_resources(answers: Answers) -> tuple[Resource, ...]:
    """Return the resources that ask these answers' providers, and the one that lists the providers."""
    return (
        Resource(
            "/ask",
            partial(_ask, answers),
            "the answer to q, token by token; takes stream=false, format=jsonl, session=ID; or over a WebSocket",
            "'{origin}/ask?q=Say+hello'",
            methods=("GET", "POST"),
            parameters=PARAMETERS,
        ),
        *chat_resources(answers),
        Resource(
            "/providers", partial(_list_providers, answers), "the providers and their breakers", "{origin}/providers"
        ),
    )


async def _list_providers(answers: Answers, request: IncomingRequest, response: Responder) -> None:
    now = trio.current_time()
    content = {
        "providers": [provider.to_json(now) for provider in answers.relay.providers],
        "channel": {"items": CHANNEL_ITEMS, "waits": answers.relay.waits},
        "sessions": len(answers.sessions),
    }
    await response.fixed(200, (JSON, NO_STORE), json.dumps(content, indent=2).encode() + b"\n")


async def _ask(answers: Answers, request: IncomingRequest, response: Responder) -> None:
    if request.head.method == b"HEAD":  # nothing is asked: the fields are those of the default form
        await response.fixed(200, ((b"Content-Type", SseFormat.content_type),))
        return
    refuse_foreign_page(request)
    if request.head.get(b"last-event-id"):
        # An EventSource that reconnects, after its answer or a break: do not ask again. Other clients do not send it.
        await response.fixed(204)
        return
    if asks_for_websocket(request):
        await converse(answers, request, response)
        return
    try:
        asked = await read_request(request)
    except Refusal as refusal:
        entry = answers.refuse(request, "-", refusal)  # "-": its form is not known
        await response.fixed(refusal.status, (JSON, NO_STORE), json_body({"error": entry.error_json()}))
        return
    entry = answers.entry(request, form=asked.answer_form, session=asked.session)
    write: Callable[[AnswerChannel], Awaitable[None]]
    if asked.answer_form == "json":
        write = partial(_write_whole, response, entry)
    else:
        form = JsonLinesFormat() if asked.answer_form == "jsonl" else SseFormat(entry.id)
        is_early = asked.answer_form == "sse" and wants_events(request)
        fail = partial(_fail, response, entry)
        write = partial(write_stream, response, entry, form, answers.settings.keep_alive, is_early, fail)
    await answers.answer(asked, entry, write, response.wait_departure)


async def _write_whole(response: Responder, entry: AuditEntry, channel: AnswerChannel) -> None:
    calls = await gather(channel, entry)  # sets `entry.error`
    if entry.error is not None:
        await _fail(response, entry, text=channel.text)
        return
    content: dict[str, object] = {"text": channel.text, **entry.summary()}
    if calls:
        content["tool_calls"] = [{"id": call.id, "name": call.name, "arguments": call.json} for call in calls]
    with entry.ending():
        await response.fixed(200, (JSON, NO_STORE), json_body(content))


async def _fail(response: Responder, entry: AuditEntry, *, text: str = "") -> None:
    """Respond with an error; `text` is the part of the answer that had come."""
    await respond_error(response, entry, {"error": entry.error_json(), **({"text": text} if text else {})})
