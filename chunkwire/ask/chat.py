"""`POST /v1/chat/completions` and `/v1/models`: OpenAI's form in and out, for its SDKs and for chat pages.

The rule here: only the form. The model selects the provider that is asked first; the others answer with their own
model. A model that no provider has is passed on as it is. Members that are not known here go to providers of this form.
There are no keys, user accounts or caches: an Authorization field is ignored.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from chunkwire.ask.answering import Answers
from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import AnswerChannel, Content
from chunkwire.ask.json_members import (
    MAX_BODY_OCTETS,
    MEMBERS,
    load_body,
    read_flag,
    read_question,
    read_seconds,
    wrong,
    wrong_form,
)
from chunkwire.ask.parameters import AskRequest, refuse_foreign_page
from chunkwire.ask.responses import JSON, NO_STORE, gather, json_body, respond_error, write_stream
from chunkwire.llm.answer import Answer, ErrorKind, ProviderError, Reasoning, StopReason, Text, ToolCall, Usage
from chunkwire.llm.openai import error_object
from chunkwire.llm.openai_chat import OpenAIChat, chunk
from chunkwire.llm.question import Question
from chunkwire.llm.shape import dump
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.sse import encode_comment, encode_event

_READ: Final = MEMBERS | {"stream", "stream_options", "n"}
_DIALECT: Final = OpenAIChat()


def chat_resources(answers: Answers) -> tuple[Resource, ...]:
    """Return the resources of OpenAI's form."""
    complete, models = partial(_complete, answers), partial(_list_models, answers)
    return (
        Resource(
            "/v1/chat/completions",
            complete,
            "the same in OpenAI's form: http://HOST:PORT/v1 is a base_url for its SDKs",
            """{origin}/v1/chat/completions -d '{"messages":[{"role":"user","content":"Say hello"}],"stream":true}'""",
            methods=("POST",),
            parameters=None,
        ),
        Resource("/v1/models", models, "the models of the providers", "{origin}/v1/models"),
        Resource("/chat/completions", complete, "the same without /v1", methods=("POST",), parameters=None),
        Resource("/models", models, "the same without /v1"),
        Resource(
            "/v1/{rest*}",
            _refuse_path,
            "a refusal in OpenAI's form, which its SDKs show",
            methods=("GET", "POST", "DELETE"),
            parameters=None,
        ),
    )


async def _refuse_path(request: IncomingRequest, response: Responder) -> None:
    error = ProviderError(ErrorKind.NOT_FOUND, "expected /v1/chat/completions or /v1/models: nothing else is served")
    content = {"error": {**_error(error), "code": None}}  # as OpenAI's, whose code for a model would be wrong here
    await response.fixed(404, (JSON, NO_STORE), json_body(content))


async def _list_models(answers: Answers, request: IncomingRequest, response: Responder) -> None:
    owners: dict[str, str] = {}
    for provider in answers.relay.providers:
        owners.setdefault(provider.model, provider.name)
    models = [{"id": model, "object": "model", "created": 0, "owned_by": owner} for model, owner in owners.items()]
    await response.fixed(200, (JSON, NO_STORE), json_body({"object": "list", "data": models}))


async def _complete(answers: Answers, request: IncomingRequest, response: Responder) -> None:
    try:
        refuse_foreign_page(request)
        body = load_body(await request.read_body(MAX_BODY_OCTETS))
        is_stream = read_flag(body, "stream", default=False)
        asked = _read_request(body, is_stream=is_stream)
    except Refusal as refusal:
        name = str(refusal).partition(":")[0] if refusal.rule == "parameter" else ""
        error = ProviderError(ErrorKind.BAD_REQUEST, str(refusal), parameter=name)
        answers.refuse(request, "chat", refusal)
        await response.fixed(refusal.status, (JSON, NO_STORE, *refusal.fields), json_body({"error": _error(error)}))
        return
    entry = answers.entry(request, form="chat", session="")
    refuse = partial(_refuse, response, entry)
    if is_stream:
        form = ChatFormat(entry, wants_usage=asked.question.wants_usage)
        write = partial(write_stream, response, entry, form, answers.settings.keep_alive, False, refuse)
        await answers.answer(asked, entry, write, response.wait_departure)
    else:
        await answers.answer(asked, entry, partial(_write_whole, response, entry, asked), response.wait_departure)


def _read_request(body: Mapping[str, object], *, is_stream: bool) -> AskRequest:
    """Return what a body asks for.

    Raises:
        Refusal: 400, naming the member that is wrong.
    """
    question = read_question(body)
    if not question.messages:
        raise wrong_form("messages", "a list of at least one", "none")
    if body.get("n") not in (None, 1) or isinstance(body.get("n"), bool):
        raise wrong("n", "1 (there is one answer)", body["n"])
    options = body.get("stream_options")
    if options is not None and (not is_stream or not isinstance(options, dict)):
        raise wrong("stream_options", "an object, together with stream: true", options)
    wants_usage = not is_stream or read_flag(options or {}, "include_usage", default=False)
    for name, instead in (("functions", "tools"), ("function_call", "tool_choice")):
        if body.get(name) is not None:
            raise wrong(name, f"{instead} in its place", body[name])
    for name in ("logprobs", "audio"):
        if body.get(name):
            raise wrong(name, "none (not every provider has it)", body[name])
    others = {name: value for name, value in body.items() if name not in _READ and value is not None}
    asked = replace(question, wants_usage=wants_usage, others=others)
    return AskRequest("", "chat", asked, max_time=read_seconds(body.get("max_time")))


class ChatFormat:
    """Chunks of a chat completion, and `[DONE]`; see `AnswerFormat`."""

    content_type = b"text/event-stream; charset=utf-8"
    keep_alive = encode_comment("waiting")

    def __init__(self, entry: AuditEntry, *, wants_usage: bool) -> None:
        self._entry = entry
        self._asked = Question("", (), wants_usage=wants_usage)
        self._created = int(time.time())
        self._answer = _answer_of(entry, self._created)
        self._role: dict[str, object] = {"role": "assistant"}

    def piece(self, item: Content) -> bytes:
        """Return one chunk; reasoning is `reasoning_content`, as in DeepSeek, vLLM and others."""
        match item:
            case Text():
                return self._delta({"content": item.text})
            case Reasoning():
                return self._delta({"reasoning_content": item.text})
            case ToolCall():
                is_begin = item.id != "" or item.name != ""
                begin = {"id": item.id, "type": "function"} if is_begin else {}
                function = {**({"name": item.name} if is_begin else {}), "arguments": item.arguments}
                return self._delta({"tool_calls": [{"index": item.index, **begin, "function": function}]})

    def end(self, entry: AuditEntry) -> list[bytes]:
        """Return the chunk with the finish_reason, usage where asked for and known, and `[DONE]`; or an error."""
        if entry.error is not None:
            return [encode_event(dump({"error": _error(entry.error)}))]
        answer = _answer_of(entry, self._created)
        asked = replace(self._asked, wants_usage=self._asked.wants_usage and entry.usage is not None)
        return [piece.octets for piece in _DIALECT.write(answer, asked)[1:]]  # without its first chunk

    def _delta(self, delta: dict[str, object]) -> bytes:
        """Return a chunk; the first one has the role."""
        role, self._role = self._role, {}
        if self._answer.model != self._entry.model:  # it changes when a provider is asked, and when it names its own
            self._answer = _answer_of(self._entry, self._created)
        return chunk(self._answer, self._asked, {**role, **delta}).octets


async def _write_whole(response: Responder, entry: AuditEntry, asked: AskRequest, channel: AnswerChannel) -> None:
    calls = await gather(channel, entry)
    if entry.error is not None:
        await _refuse(response, entry)
        return
    answer = replace(_answer_of(entry, int(time.time())), text=(channel.text,), tool_calls=calls)
    reply = _DIALECT.write_whole(answer, asked.question)
    with entry.ending():
        await response.fixed(200, (JSON, NO_STORE), reply.body)


def _answer_of(entry: AuditEntry, created: int) -> Answer:
    """Return what is known of an answer, without its content."""
    usage, stop = entry.usage or Usage(0, 0), entry.stop or StopReason.STOP
    return Answer(_DIALECT.id_prefix + entry.id, entry.model, created, (), usage=usage, stop=stop)


async def _refuse(response: Responder, entry: AuditEntry) -> None:
    body = {} if entry.error is None else {"error": _error(entry.error)}
    await respond_error(response, entry, body)


def _error(error: ProviderError) -> dict[str, object]:
    return {**error_object(error), "param": error.parameter or None}
