"""The resources of the providers' mocks: their paths, and an example each.

The rule here: only the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from chunkwire.origin.mock.catalog import count_tokens, list_models, list_quirks
from chunkwire.origin.mock.pages import answer_pages
from chunkwire.origin.mock.responder import answer_question
from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockSettings
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource

Mock: TypeAlias = Callable[[MockSettings, IncomingRequest, Responder], Awaitable[None]]


def _responder(mock: Mock, settings: MockSettings) -> Callable[[IncomingRequest, Responder], Awaitable[None]]:
    return partial(answer_pages, partial(mock, settings))


def _row(mock: Mock, path: str, summary: str, *, method: str, options: str = "") -> tuple[Mock, Resource]:
    """Return a row of the table; `options` are those of curl in the example."""
    example = f"{options}'{{origin}}{path.replace('{model}', 'm')}'"
    resource = Resource(path, _responder(mock, DEFAULT_MOCK), summary, example, (method, "OPTIONS"), parameters=None)
    return mock, resource


def _asked(
    path: str, summary: str, *, body: str, more: str = "", mock: Mock = answer_question
) -> tuple[Mock, Resource]:
    return _row(mock, path, summary, method="POST", options=f"-d '{body}' {more}")


def _listed(path: str, summary: str, mock: Mock = list_models) -> tuple[Mock, Resource]:
    return _row(mock, path, summary, method="GET")


_CHAT_BODY: Final = '{"model":"m","stream":true,"messages":[{"role":"user","content":"Say hello"}]}'
_RESPONSES_BODY: Final = '{"model":"m","stream":true,"input":"Say hello"}'
_MESSAGES_BODY: Final = '{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"Say hello"}]}'
_GEMINI_BODY: Final = '{"contents":[{"role":"user","parts":[{"text":"Say hello"}]}]}'
_CONVERSE_BODY: Final = '{"messages":[{"role":"user","content":[{"text":"Say hello"}]}]}'
_INVOKE_BODY: Final = (
    '{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"Say hello"}]}'
)

_TABLE: Final = (
    _asked("/v1/chat/completions", "OpenAI chat completions, mocked", body=_CHAT_BODY),
    _asked("/openai/deployments/{model}/chat/completions", "the same at Azure's path", body=_CHAT_BODY),
    _asked("/v1/responses", "OpenAI responses, mocked", body=_RESPONSES_BODY),
    _asked(
        "/v1/messages",
        "Anthropic messages, mocked",
        body=_MESSAGES_BODY,
        more="-H 'anthropic-version: 2023-06-01' ",
    ),
    *(
        _asked(f"{version}/models/{{model}}:{method}", summary, body=_GEMINI_BODY)
        for version in ("/v1beta", "/v1", "")  # LiteLLM puts none behind an api_base
        for method, summary in (
            ("streamGenerateContent", "Gemini, mocked; with ?alt=sse as events"),
            ("generateContent", "Gemini in one body"),
        )
    ),
    _asked("/model/{model}/converse-stream", "Bedrock ConverseStream, mocked", body=_CONVERSE_BODY),
    _asked("/model/{model}/converse", "Bedrock Converse in one body", body=_CONVERSE_BODY),
    _asked(
        "/model/{model}/invoke-with-response-stream",
        "Bedrock InvokeModel of Anthropic's models",
        body=_INVOKE_BODY,
    ),
    _asked("/model/{model}/invoke", "the same in one body", body=_INVOKE_BODY),
    _asked(
        "/v1/messages/count_tokens",
        "the tokens of a prompt, as Anthropic counts them",
        body=_MESSAGES_BODY,
        more="-H 'anthropic-version: 2023-06-01' ",
        mock=count_tokens,
    ),
    _asked("/v1/responses/input_tokens", "the same as OpenAI counts them", body=_RESPONSES_BODY, mock=count_tokens),
    *(
        _asked(f"/{version}/models/{{model}}:countTokens", "the same for Gemini", body=_GEMINI_BODY, mock=count_tokens)
        for version in ("v1beta", "v1")
    ),
    _asked(
        "/model/{model}/count-tokens",
        "the same for Bedrock",
        body=f'{{"input":{{"converse":{_CONVERSE_BODY}}}}}',
        mock=count_tokens,
    ),
    _listed("/v1/models", "the models, in OpenAI's form, or with its field in Anthropic's or Gemini's"),
    _listed("/v1/models/{model}", "one of them"),
    _listed("/v1beta/models", "the same for Gemini"),
    _listed("/v1beta/models/{model}", "one of them"),
    _listed("/openai/models", "the same at Azure's path"),
    _listed("/foundation-models", "the same for Bedrock"),
    _listed("/quirks", "streams as providers really send them, for `x-chunkwire-quirk: NAME`", list_quirks),
)


def mock_resources(settings: MockSettings = DEFAULT_MOCK) -> tuple[Resource, ...]:
    """Return the resources of all providers, answering as `settings` say where a request does not."""
    return tuple(replace(resource, responder=_responder(mock, settings)) for mock, resource in _TABLE)
