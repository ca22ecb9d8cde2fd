"""Quirks of how chat completions fail: a reader might take them for whole answers, or lose the reason."""

from __future__ import annotations

from typing import Final

from chunkwire.llm.answer import ErrorKind, StopReason
from chunkwire.origin.scenarios.quirks.values import (
    CHAT,
    DONE,
    END,
    EVENT_STREAM,
    HELLO,
    JSON,
    ROLE,
    STOP,
    Quirk,
    Said,
    choice,
    chunk,
    data,
    dumped,
    ended,
    row,
)

_PAGE: Final = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
)
_OVERLOADED: Final = {"message": "The engine is overloaded.", "type": "overloaded_error", "code": 503}


def _broken(title: str, *pieces: bytes, kind: ErrorKind = ErrorKind.SERVER) -> Quirk:
    """Return a row whose failure comes after the text "Hello"."""
    return row(CHAT, title, *HELLO, *pieces, said=Said("Hello", stop=None, error=kind))


def _refused(
    title: str, *pieces: bytes, kind: ErrorKind, stop: StopReason | None = None, content_type: bytes = EVENT_STREAM
) -> Quirk:
    """Return a row that has no text."""
    return row(CHAT, title, *pieces, said=Said(stop=stop, error=kind), content_type=content_type)


FAILURES: Final[tuple[Quirk, ...]] = (
    _broken(
        "clean-end-too-early | a body that ends properly in mid-answer "
        "| Azure, proxies whose upstream was cut | 2026-09",
        kind=ErrorKind.INCOMPLETE,
    ),
    _broken(
        "cut-json | the last event is cut in its JSON, and the body ends properly "
        "| Gemini's OpenAI form, proxies | 2024-08",
        b'data: {"choices":[{"index":0,"delta":{"content":"lo',
        kind=ErrorKind.INCOMPLETE,
    ),
    row(
        CHAT,
        "cut-after-finish | the connection breaks between the finish_reason and [DONE] | any | -",
        *HELLO,
        STOP,
        said=Said("Hello", error=ErrorKind.INCOMPLETE),
        is_cut=True,
    ),
    _broken(
        "broken-json | an event whose JSON is broken | servers that write JSON by hand | 2024",
        b'data: {"choices":[{"index":0,"delta":{"content":"a"b"}}]}\n\n',
        *END,
        kind=ErrorKind.BROKEN,
    ),
    _broken(
        "error-member | an event with an error and no choices, and [DONE] behind it | vLLM, SGLang, OpenAI | 2024",
        data({"error": _OVERLOADED}),
        DONE,
        kind=ErrorKind.OVERLOADED,
    ),
    _broken(
        "error-beside-choices | an error beside choices with finish_reason `error` | OpenRouter | 2024",
        chunk(choice({"content": ""}, "error"), error={"code": 502, "message": "Provider disconnected"}),
    ),
    _broken(
        "error-in-choice | an error inside of the choice | OpenRouter | 2024",
        chunk(choice({}, "error", error={"code": 429, "message": "Rate limited"})),
        kind=ErrorKind.RATE_LIMIT,
    ),
    _broken(
        "error-object | `object` is `error`, and its members stand beside it | vLLM, FastChat | 2023",
        data({"object": "error", "message": "CUDA out of memory", "type": "InternalServerError", "code": 500}),
        DONE,
    ),
    _broken(
        "error-field | a field `error` of the event stream | llama.cpp until 2025-09 | 2023",
        b"error: " + dumped({"code": 500, "message": "Context shift is disabled", "type": "server_error"}) + b"\n\n",
        DONE,
    ),
    _broken(
        "error-event | an event called `error` | Anthropic-like servers, LiteLLM | 2024",
        b"event: error\n" + data({"message": "upstream reset", "code": "server_error"}),
    ),
    _broken(
        "error-event-text | an event called `error` with a text | gateways | 2024",
        b"event: error\ndata: upstream reset\n\n",
    ),
    _broken(
        "error-text | `error` is a text, `error_type` says more | TGI | 2023",
        data({"error": "Model is overloaded", "error_type": "overloaded"}),
        kind=ErrorKind.OVERLOADED,
    ),
    _broken(
        "error-bare | an error as lines of JSON that are no fields | Lemonade, Gemini | 2025-03",
        b'{\n  "error": {\n    "code": 503,\n    "message": "The model is overloaded."\n  }\n}\n',
        kind=ErrorKind.OVERLOADED,
    ),
    _broken("error-detail | `detail` and no choices | FastAPI | 2023", data({"detail": "Internal Server Error"}), DONE),
    _broken(
        "error-message-alone | an object with nothing but a message, and [DONE] behind it | API gateways | 2023",
        data({"message": "Internal server error"}),
        DONE,
    ),
    row(
        CHAT,
        "mislabelled-chunks | chunks that call themselves whole completions, and a clean end in mid-answer "
        "| home-made servers | 2024",
        *(piece.replace(b"chat.completion.chunk", b"chat.completion") for piece in HELLO),
        said=Said("Hello", stop=None, error=ErrorKind.INCOMPLETE),
    ),
    _broken(
        "error-x-groq | the reason under x_groq | Groq | 2024",
        chunk(x_groq={"id": "r", "error": "over_capacity"}),
        DONE,
        kind=ErrorKind.OVERLOADED,
    ),
    _broken(
        "finish-error | finish_reason is `error`, and nothing says why | Mistral, OpenRouter | 2024", *ended("error")
    ),
    _broken("finish-abort | finish_reason is `abort` | vLLM, SGLang | 2024", *ended("abort")),
    _broken(
        "finish-no-resources | finish_reason is `insufficient_system_resource` | DeepSeek | 2025-01",
        *ended("insufficient_system_resource"),
        kind=ErrorKind.OVERLOADED,
    ),
    _refused(
        "done-alone | [DONE] and nothing before it | proxies whose upstream failed | 2024", DONE, kind=ErrorKind.EMPTY
    ),
    _refused(
        "nothing-said | a finish_reason and no word | Gemini's OpenAI form, Ollama | 2025",
        ROLE,
        *END,
        kind=ErrorKind.EMPTY,
        stop=StopReason.STOP,
    ),
    row(
        CHAT,
        "reasoning-alone | reasoning, a finish_reason and no word | Ollama, vLLM | 2025",
        ROLE,
        chunk(choice({"reasoning": "Hm."})),
        *END,
        said=Said(reasoning="Hm.", error=ErrorKind.EMPTY),
    ),
    _refused(
        "calls-missing | finish_reason is `tool_calls`, and there is none "
        "| gateways that lose what they do not know | 2026-08",
        ROLE,
        *ended("tool_calls"),
        kind=ErrorKind.EMPTY,
        stop=StopReason.TOOL_CALLS,
    ),
    _refused(
        "comments-alone | comments, and then the end | OpenRouter | 2024",
        b": OPENROUTER PROCESSING\n\n" * 3,
        kind=ErrorKind.INCOMPLETE,
    ),
    _refused(
        "error-json | an error as JSON under status 200 | OpenRouter, proxies | 2023",
        dumped({"error": {"code": 429, "message": "Rate limit reached"}}),
        kind=ErrorKind.RATE_LIMIT,
        content_type=JSON,
    ),
    _refused(
        "error-json-mislabelled | the same, called an event stream | Lemonade | 2026-07",
        dumped({"error": _OVERLOADED}),
        kind=ErrorKind.OVERLOADED,
    ),
    _refused(
        "error-json-success | `success` is false under status 200 | Cloudflare | 2024",
        dumped({"success": False, "errors": [{"code": 7003, "message": "Could not route"}], "result": None}),
        kind=ErrorKind.SERVER,
        content_type=JSON,
    ),
    _refused(
        "html-page | a page of HTML under status 200 | reverse proxies | 2023",
        _PAGE,
        kind=ErrorKind.NOT_A_STREAM,
        content_type=b"text/html",
    ),
    _refused(
        "html-page-mislabelled | the same, called an event stream | reverse proxies | 2023",
        _PAGE,
        kind=ErrorKind.NOT_A_STREAM,
    ),
    _refused(
        "plain-text | a text under status 200 | Envoy | 2023",
        b"upstream connect error or disconnect/reset before headers\n",
        kind=ErrorKind.NOT_A_STREAM,
        content_type=b"text/plain",
    ),
    _broken("finish-toxic | finish_reason is `ERROR_TOXIC` | Cohere | 2024", *ended("ERROR_TOXIC")),
    _broken("finish-user-cancel | finish_reason is `USER_CANCEL` | Cohere | 2024", *ended("USER_CANCEL")),
    _broken("error-event-empty | an event called `error` without data | gateways | 2024", b"event: error\n\n", DONE),
    _broken("error-event-upper | an event called `ERROR` | gateways | 2024", b"event: ERROR\ndata: boom\n\n", DONE),
    _broken(
        "error-base-resp | a code in `base_resp`, which is 0 where all is well | MiniMax | 2024",
        data({"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
        DONE,
    ),
    _refused(
        "error-dashscope | `code` is the name of an error, and `message` stands beside it | DashScope | 2024",
        dumped({"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "request_id": "r"}),
        kind=ErrorKind.RATE_LIMIT,
        content_type=JSON,
    ),
)
