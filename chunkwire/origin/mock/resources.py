"""The resources of the providers' mocks: their paths, an example each, and CORS.

The rule here: no answers; only the table, and CORS as the providers have it. They allow web pages of any origin, as a
key is needed anyway; Anthropic only with an opt-in field in the request. With `--cors`, only its origins are allowed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

from chunkwire.origin.mock.catalog import count_tokens, list_models, list_quirks, refuse_path
from chunkwire.origin.mock.responder import answer_question
from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockSettings
from chunkwire.server.cors import ANY, cors_fields, preflight_fields
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource, ResponderFunction

MockFunction: TypeAlias = Callable[[MockSettings, IncomingRequest, Responder], Awaitable[None]]
_OPT_IN: Final = b"anthropic-dangerous-direct-browser-access"
_METHODS: Final = b"GET, POST, OPTIONS"

_CHAT: Final = """-d '{"model":"m","stream":true,"messages":[{"role":"user","content":"Say hello"}]}' """
_RESPONSES: Final = """-d '{"model":"m","stream":true,"input":"Say hello"}' """
_MESSAGES: Final = (
    """-d '{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"Say hello"}]}' """
    "-H 'anthropic-version: 2023-06-01' "
)
_GEMINI: Final = """-d '{"contents":[{"role":"user","parts":[{"text":"Say hello"}]}]}' """
_CONVERSE: Final = """-d '{"messages":[{"role":"user","content":[{"text":"Say hello"}]}]}' """
_COUNT: Final = """-d '{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"Say hello"}]}]}}}' """
_INVOKE: Final = (
    """-d '{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"""
    """"messages":[{"role":"user","content":"Say hello"}]}' """
)

# Of each resource: path, summary, the responder, and curl's options in the example, which are "" for a GET.
_TABLE: Final[tuple[tuple[str, str, MockFunction, str], ...]] = (
    ("/v1/chat/completions", "OpenAI chat completions, mocked", answer_question, _CHAT),
    ("/chat/completions", "the same below a base URL without /v1, as DeepSeek's", answer_question, _CHAT),
    ("/openai/deployments/{model}/chat/completions", "OpenAI chat completions at Azure's path", answer_question, _CHAT),
    ("/v1/responses", "OpenAI responses, mocked", answer_question, _RESPONSES),
    ("/responses", "the same below a base URL without /v1", answer_question, _RESPONSES),
    ("/v1/messages", "Anthropic messages, mocked", answer_question, _MESSAGES),
    *(
        (f"{version}/models/{{model}}:{method}", summary, answer_question, _GEMINI)
        for version in ("/v1beta", "/v1", "")  # LiteLLM puts no version behind an api_base
        for method, summary in (
            ("streamGenerateContent", "Gemini, mocked; with ?alt=sse as events"),
            ("generateContent", "Gemini in one body"),
        )
    ),
    ("/model/{model}/converse-stream", "Bedrock ConverseStream, mocked", answer_question, _CONVERSE),
    ("/model/{model}/converse", "Bedrock Converse in one body", answer_question, _CONVERSE),
    (
        "/model/{model}/invoke-with-response-stream",
        "Bedrock InvokeModel of Anthropic's models",
        answer_question,
        _INVOKE,
    ),
    ("/model/{model}/invoke", "Bedrock InvokeModel in one body", answer_question, _INVOKE),
    ("/v1/messages/count_tokens", "the tokens of a prompt, as Anthropic counts them", count_tokens, _MESSAGES),
    ("/v1/responses/input_tokens", "the tokens of a prompt, as OpenAI counts them", count_tokens, _RESPONSES),
    ("/v1beta/models/{model}:countTokens", "the tokens of a prompt, as Gemini counts them", count_tokens, _GEMINI),
    ("/v1/models/{model}:countTokens", "the tokens of a prompt, as Gemini counts them", count_tokens, _GEMINI),
    ("/model/{model}/count-tokens", "the tokens of a prompt, as Bedrock counts them", count_tokens, _COUNT),
    (
        "/v1/models",
        "OpenAI's list of models; Anthropic's with anthropic-version, Gemini's with x-goog-api-key",
        list_models,
        "",
    ),
    ("/v1/models/{model}", "a model of /v1/models", list_models, ""),
    ("/models", "the same below a base URL without /v1", list_models, ""),
    ("/v1beta/models", "Gemini's list of models", list_models, ""),
    ("/v1beta/models/{model}", "a model of /v1beta/models", list_models, ""),
    ("/openai/models", "Azure's list of models", list_models, ""),
    ("/foundation-models", "Bedrock's list of models", list_models, ""),
    ("/quirks", "streams as providers really send them, for `x-chunkwire-quirk: NAME`", list_quirks, ""),
)


def mock_resources(settings: MockSettings = DEFAULT_MOCK) -> tuple[Resource, ...]:
    """Return the resources of all providers' mocks; fields of a request may override `settings`."""
    mocks = (
        Resource(
            path,
            partial(_answer_with_cors, partial(mock, settings)),
            summary,
            f"{options}'{{origin}}{path.replace('{model}', 'm')}'",
            ("POST" if options else "GET", "OPTIONS"),
            parameters=None,
        )
        for path, summary, mock, options in _TABLE
    )
    others = (
        Resource(
            f"/{version}/{{rest*}}",
            partial(_answer_with_cors, refuse_path),
            "404 for any other path, in the form that the SDKs read",
            methods=("GET", "POST", "DELETE", "OPTIONS"),
            parameters=None,
        )
        for version in ("v1", "v1beta")
    )
    return (*mocks, *others)


async def _answer_with_cors(answering: ResponderFunction, request: IncomingRequest, response: Responder) -> None:
    """Answer an OPTIONS, or call `answering` with the provider's CORS fields added to its response."""
    allowed = request.settings.cors
    if not allowed and _is_open(request):
        response.always = (*response.always, *cors_fields(request.head, frozenset({ANY})))
        allowed = frozenset({ANY})
    if request.head.method != b"OPTIONS":
        await answering(request, response)
        return
    fields = preflight_fields(request.head, _METHODS) if allowed else ()
    await response.fixed(204, ((b"Allow", _METHODS), *fields))


def _is_open(request: IncomingRequest) -> bool:
    head = request.head
    is_anthropic = "/v1/messages" in request.path or head.get(b"anthropic-version") is not None
    names = (head.get(b"access-control-request-headers") or b"").lower()
    return not is_anthropic or head.get(_OPT_IN) is not None or _OPT_IN in names
