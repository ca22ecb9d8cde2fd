"""The mocks' answers without a model: lists of models and quirks, the number of tokens in a prompt, a 404.

The rule here: each provider's own form. Any model exists where the settings name none.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.dialect import Dialect, Reply, json_reply
from chunkwire.llm.question import ModelRequest, RequestRefused, refuse
from chunkwire.llm.shape import at, dump, load_object, text_at
from chunkwire.origin.mock.composition import prompt_tokens
from chunkwire.origin.mock.responder import MAX_BODY_OCTETS, check_key, check_model
from chunkwire.origin.mock.settings import MockSettings
from chunkwire.origin.scenarios.quirks import QUIRKS
from chunkwire.server.query import shown
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder

_ANY_MODEL: Final = "mock-1"
_CREATED: Final = 1_700_000_000  # Unix seconds
_CREATED_AT: Final = "2023-11-14T22:13:20Z"
_TOKENS: Final = 200_000  # that a model takes


async def list_models(settings: MockSettings, request: IncomingRequest, response: Responder) -> None:
    """Answer with the models, or with the one in the path, as the provider of this path, or of a field, would."""
    asked = ModelRequest(request.head.method, request.head.target, request.head.fields)
    dialect = _provider(asked)
    name = request.captures.get("model", "")
    try:
        check_key(dialect, asked, settings)
        if name:
            check_model(name, settings)
        reply = json_reply(_one(dialect, name) if name else _all(dialect, sorted(settings.models) or [_ANY_MODEL]))
    except RequestRefused as refused:
        reply = dialect.write_error(refused.error)
    await response.fixed(reply.status, reply.fields, reply.body)


async def count_tokens(settings: MockSettings, request: IncomingRequest, response: Responder) -> None:
    """Answer with the number of tokens in a prompt."""
    body = await request.read_body(MAX_BODY_OCTETS)
    asked = ModelRequest(request.head.method, request.head.target, request.head.fields, body)
    path = asked.path
    name = next(name for name, mark in _COUNTERS.items() if mark in path)
    try:
        check_key(DIALECTS[name], asked, settings)
        reply = _counted(name, asked)
    except RequestRefused as refused:
        reply = DIALECTS[name].write_error(refused.error)
    await response.fixed(reply.status, reply.fields, reply.body)


async def list_quirks(settings: MockSettings, request: IncomingRequest, response: Responder) -> None:
    """Answer with the table of quirks, a line each."""
    rows = [("name", "dialects", "seen", "who", "what")]
    rows += [(each.name, " ".join(each.dialects), each.seen, each.who, each.summary) for each in QUIRKS.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ("  ".join([*map(str.ljust, row, widths), row[-1]]) + "\n" for row in rows)
    await response.fixed(200, (TEXT,), "".join(lines).encode())


async def refuse_path(request: IncomingRequest, response: Responder) -> None:
    """Answer 404 in the form of the provider; a base URL may have the version that its SDK adds."""
    dialect = _provider(ModelRequest(request.head.method, request.head.target, request.head.fields))
    first, second = request.path.split("/")[1:3]
    hint = "GET / lists what there is"
    if second in ("v1", "v1beta"):
        hint = f"the SDK adds /{second} itself, so its base URL must not end in /{first}"
    error = ProviderError(ErrorKind.NOT_FOUND, f"no resource at {shown(request.path)}; {hint}")
    reply = dialect.write_error(error)
    await response.fixed(reply.status, reply.fields, reply.body)


_COUNTERS: Final = {
    "anthropic": "/messages/count_tokens",
    "openai-responses": "/responses/input_tokens",
    "gemini": ":countTokens",
    "bedrock": "/count-tokens",
}


def _counted(name: str, asked: ModelRequest) -> Reply:
    body = asked.body_object()
    question_of = DIALECTS[name].parse_request
    match name:
        case "anthropic":
            question = question_of(_with_body(asked, {"max_tokens": 1, **body}))
            return json_reply({"input_tokens": prompt_tokens(question)})
        case "openai-responses":
            question = question_of(_with_body(asked, {"model": _ANY_MODEL, **body}))
            return json_reply({"object": "response.input_tokens", "input_tokens": prompt_tokens(question)})
        case "gemini":
            inner = at(body, "generateContentRequest")
            generated = replace(asked, target=asked.target.replace(b":countTokens", b":generateContent"))
            question = question_of(_with_body(generated, inner if isinstance(inner, dict) else body))
            count = prompt_tokens(question)
            details = [{"modality": "TEXT", "tokenCount": count}]
            return json_reply({"totalTokens": count, "promptTokensDetails": details})
        case _:
            return json_reply({"inputTokens": prompt_tokens(question_of(_converse(asked, at(body, "input"))))})


def _converse(asked: ModelRequest, counted: object) -> ModelRequest:
    """Return the request in the body of Bedrock's CountTokens."""
    base = asked.target.removesuffix(b"/count-tokens")
    if isinstance(converse := at(counted, "converse"), dict):
        return _with_body(replace(asked, target=base + b"/converse"), converse)
    try:
        invoked = load_object(base64.b64decode(text_at(counted, "invokeModel", "body"), validate=True))
    except ValueError as error:
        raise refuse("input: expected converse, or invokeModel with a body of JSON as base64") from error
    return _with_body(replace(asked, target=base + b"/invoke"), invoked)


def _with_body(asked: ModelRequest, body: dict[str, object]) -> ModelRequest:
    return replace(asked, body=dump(body).encode("utf-8", "replace"))


def _provider(asked: ModelRequest) -> Dialect:
    """Return the provider of a list of models; fields distinguish those that have it at the same path."""
    if asked.path.startswith("/foundation-models"):
        return DIALECTS["bedrock"]
    if asked.path.startswith("/v1beta/") or asked.get(b"x-goog-api-key") is not None:
        return DIALECTS["gemini"]
    if asked.path.startswith("/openai/"):
        return DIALECTS["azure"]
    return DIALECTS["openai" if asked.get(b"anthropic-version") is None else "anthropic"]


def _one(dialect: Dialect, name: str) -> dict[str, object]:
    match dialect.name:
        case "anthropic":
            return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}
        case "gemini":
            return {
                "name": f"models/{name}",
                "version": "1",
                "displayName": name,
                "inputTokenLimit": _TOKENS,
                "outputTokenLimit": _TOKENS,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            }
        case "bedrock":
            modes = ["TEXT"]
            return {
                "modelId": name,
                "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{name}",
                "modelName": name,
                "providerName": "chunkwire",
                "inputModalities": modes,
                "outputModalities": modes,
                "responseStreamingSupported": True,
            }
        case _:
            return {"id": name, "object": "model", "created": _CREATED, "owned_by": "chunkwire"}


def _all(dialect: Dialect, names: Sequence[str]) -> dict[str, object]:
    models = [_one(dialect, name) for name in names]
    match dialect.name:
        case "anthropic":
            return {"data": models, "has_more": False, "first_id": names[0], "last_id": names[-1]}
        case "gemini":
            return {"models": models}
        case "bedrock":
            return {"modelSummaries": models}
        case _:
            return {"object": "list", "data": models}
