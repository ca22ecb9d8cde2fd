"""`POST /v1/chat/completions` and `/v1/models`: OpenAI's form in and out, for its SDKs and for chat pages.

The rule here: only the form. A model that a provider has names that provider, which is asked first, and the others
answer with their own; any other model is passed on. Members that are not known here go to providers that speak this
form. No keys, no accounts, no caches: an Authorization field is read over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from chunkwire.ask.answering import Answers
from chunkwire.ask.audit import Account
from chunkwire.ask.channel import AnswerChannel
from chunkwire.ask.members import ASKING, MAX_BODY_OCTETS, load_body, read_flag, read_question, read_seconds, wrong
from chunkwire.ask.responses import JSON, NO_STORE, gather, json_body, status_of, wait_of, write_stream
from chunkwire.ask.wish import Wish, refuse_foreign_page
from chunkwire.llm.answer import Answer, ErrorKind, ProviderError, StopReason, ToolCall, Usage
from chunkwire.llm.openai import error_object
from chunkwire.llm.openai_chat import OpenAIChat
from chunkwire.llm.question import Question
from chunkwire.llm.shape import dump
from chunkwire.server.query import bad_value
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.sse import encode_comment, encode_event

_READ: Final = ASKING | {"stream", "stream_options", "n"}
_DIALECT: Final = OpenAIChat()


def chat_resources(answers: Answers) -> tuple[Resource, ...]:
    """Return the resources of OpenAI's form."""
    return (
        Resource(
            "/v1/chat/completions",
            partial(_complete, answers),
            "the same in OpenAI's form: http://HOST:PORT/v1 is a base_url for its SDKs",
            """{origin}/v1/chat/completions -d '{"messages":[{"role":"user","content":"Say hello"}],"stream":true}'""",
            methods=("POST",),
            parameters=None,
        ),
        Resource("/v1/models", partial(_list_models, answers), "the models of the providers", "{origin}/v1/models"),
    )


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
        wish = _read_wish(body, is_stream=is_stream)
    except Refusal as refusal:
        name = str(refusal).partition(":")[0] if refusal.rule == "parameter" else ""
        error = ProviderError(ErrorKind.BAD_REQUEST, str(refusal), parameter=name)
        answers.refuse(request, "chat", refusal)
        await response.fixed(refusal.status, (JSON, NO_STORE, *refusal.fields), json_body({"error": _error(error)}))
        return
    account = answers.account(request, form="chat", session="")
    refuse = partial(_refuse, response, account)
    if is_stream:
        form = ChatForm(account, wants_usage=wish.question.wants_usage)
        write = partial(write_stream, response, account, form, answers.settings.keep_alive, False, refuse)
        await answers.answer(wish, account, write, response.wait_departure)
    else:
        await answers.answer(wish, account, partial(_write_whole, response, account, wish), response.wait_departure)


def _read_wish(body: Mapping[str, object], *, is_stream: bool) -> Wish:
    """Return what a body asks for.

    Raises:
        Refusal: 400, naming the member that is wrong.
    """
    question = read_question(body)
    if not question.messages:
        raise bad_value("messages", "a list of at least one", "none")
    if body.get("n") not in (None, 1) or isinstance(body.get("n"), bool):
        raise wrong("n", "1 (there is one answer)", body["n"])
    options = body.get("stream_options")
    if options is not None and (not is_stream or not isinstance(options, dict)):
        raise wrong("stream_options", "an object, beside stream: true", options)
    wants_usage = not is_stream or read_flag(options or {}, "include_usage", default=False)
    for name, instead in (("functions", "tools"), ("function_call", "tool_choice")):
        if body.get(name) is not None:
            raise wrong(name, f"{instead} in its place", body[name])
    for name in ("logprobs", "audio"):
        if body.get(name):
            raise wrong(name, "none (not every provider has it)", body[name])
    others = {name: value for name, value in body.items() if name not in _READ and value is not None}
    asked = replace(question, wants_usage=wants_usage, others=others)
    return Wish("", "chat", asked, max_time=read_seconds(body.get("max_time")))


class ChatForm:
    """Chunks of a chat completion, and `[DONE]`; see `AnswerForm`."""

    name = "chat"
    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, account: Account, *, wants_usage: bool) -> None:
        self._account = account
        self._wants_usage = wants_usage
        self._created = int(time.time())
        self._role: dict[str, object] = {"role": "assistant"}

    def token(self, text: str) -> bytes:
        """Return a chunk of content."""
        return self._delta({"content": text})

    def reasoning(self, text: str) -> bytes:
        """Return a chunk of `reasoning_content`, as DeepSeek, vLLM and others name it."""
        return self._delta({"reasoning_content": text})

    def tool_call(self, call: ToolCall) -> bytes:
        """Return a chunk of a tool call."""
        function: dict[str, object] = {"arguments": call.arguments}
        begun: dict[str, object] = {}
        if call.id or call.name:
            begun = {"id": call.id, "type": "function"}
            function = {"name": call.name, "arguments": call.arguments}
        return self._delta({"tool_calls": [{"index": call.index, **begun, "function": function}]})

    def end(self, account: Account) -> list[bytes]:
        """Return the chunk with the finish_reason, usage where it is asked for and known, and `[DONE]`; or an error."""
        if account.error is not None:
            return [encode_event(dump({"error": _error(account.error)}))]
        answer = _answer_of(account, self._created)
        asked = Question("", (), wants_usage=self._wants_usage and account.usage is not None)
        return [piece.octets for piece in _DIALECT.write(answer, asked)[1:]]  # without the chunk that opens a stream

    def keep_alive(self) -> bytes:
        """Return a comment."""
        return encode_comment("waiting")

    def _delta(self, delta: dict[str, object]) -> bytes:
        """Return a chunk; the first one names the role."""
        role, self._role = self._role, {}
        choice = {"index": 0, "delta": {**role, **delta}, "logprobs": None, "finish_reason": None}
        head = {"id": _id_of(self._account), "object": "chat.completion.chunk", "created": self._created}
        usage = {"usage": None} if self._wants_usage else {}
        return encode_event(dump({**head, "model": self._account.model, "choices": [choice], **usage}))


async def _write_whole(response: Responder, account: Account, wish: Wish, channel: AnswerChannel) -> None:
    calls = await gather(channel, account)
    if account.error is not None:
        await _refuse(response, account)
        return
    answer = replace(_answer_of(account, int(time.time())), text=(channel.text,), tool_calls=tuple(calls))
    reply = _DIALECT.write_whole(answer, wish.question)
    with account.ending():
        await response.fixed(200, (JSON, NO_STORE), reply.body)


def _answer_of(account: Account, created: int) -> Answer:
    """Return what is known of an answer, its content left out."""
    usage, stop = account.usage or Usage(0, 0), account.stop or StopReason.STOP
    return Answer(_id_of(account), account.model, created, (), usage=usage, stop=stop)


def _id_of(account: Account) -> str:
    return _DIALECT.id_prefix + account.id


async def _refuse(response: Responder, account: Account) -> None:
    """Answer with the error that came before anything else could."""
    body = {} if account.error is None else {"error": _error(account.error)}
    with account.ending():
        await response.fixed(status_of(account), (JSON, NO_STORE, *wait_of(account)), json_body(body))


def _error(error: ProviderError) -> dict[str, object]:
    return {**error_object(error), "param": error.parameter or None}
