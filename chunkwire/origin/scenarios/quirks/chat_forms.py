"""Quirks of the form of chat completions: complete answers that a strict reader would refuse or misread.

A row begins with `NAME | SUMMARY | WHO | SEEN`; SEEN is "-" where it was not seen (see `Quirk`).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from chunkwire.llm.answer import StopReason, Usage
from chunkwire.origin.scenarios.quirks.values import (
    CHAT,
    DONE,
    END,
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
    text_chunk,
)

_row: Final = partial(row, CHAT)
# The pieces of a row stand in place of the text, after the text, or after the finish_reason.
_as_text: Final = partial(_row, before=(ROLE,), after=END)
_after_text: Final = partial(_row, before=HELLO, after=END)
_after_stop: Final = partial(_row, before=(*HELLO, STOP), after=(DONE,))
_WHOLE: Final = (*HELLO, *END)
_MESSAGE: Final = {"role": "assistant", "content": "Hello"}
_COMPLETION: Final = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
_COUNTED: Final = Said("Hello", usage=Usage(1, 2))


FORMS: Final[tuple[Quirk, ...]] = (
    _row(
        "comments | comment lines while the answer is waited for | OpenRouter, Xiaomi MiMo, LiteLLM | 2023",
        b": OPENROUTER PROCESSING\n\n",
        *HELLO,
        b":\n\n",
        *END,
    ),
    _row(
        "no-space | no space after the colon | Spring's SseEmitter, DashScope | 2023",
        b"".join(_WHOLE).replace(b": ", b":"),
    ),
    _row("crlf | lines end in CRLF | Google | 2023", *(piece.replace(b"\n", b"\r\n") for piece in _WHOLE)),
    _row(
        "cr | lines end in CR alone | no known service; the standard allows it | -",
        b"".join(_WHOLE).replace(b"\n", b"\r"),
    ),
    _row("bom | a byte order mark in front | no known service; the standard allows it | -", b"\xef\xbb\xbf", *_WHOLE),
    _row(
        "no-last-blank-line | the terminal event lacks its blank line "
        "| text-generation-webui, home-made proxies | 2023-05",
        *HELLO,
        STOP,
        b"data: [DONE]",
    ),
    _row(
        "no-blank-lines | one line end between events, so that they are one | home-made proxies | 2023-05",
        *(piece.replace(b"\n\n", b"\n") for piece in _WHOLE),
        b"\n",
    ),
    _after_text(
        "empty-data | events of empty data as keep-alives | llama.cpp, gateways | 2025",
        b"data: \n\ndata:\n\n",
    ),
    _row("empty-data-last | empty data after the end | gateways | 2025", *_WHOLE, b"data:\n\n"),
    _row(
        "control-events | events of `id` and `retry` alone | LLM Gateway and other gateways | 2025-10",
        b"retry: 3000\n\n",
        *HELLO,
        b"id: 7\n\n",
        *END,
    ),
    _after_text(
        "named-ping | events of another name, with data that is no JSON | gateways | 2025-08",
        b"event: ping\ndata: 2025-08-10T12:00:00Z\n\n",
    ),
    _row("ping-data | `ping` as data | gateways | 2025", *HELLO, b"data: ping\n\n", *END),
    _row(
        "data-twice | each line begins with `data: ` twice | proxies in a row | 2024",
        *(b"data: " + piece for piece in _WHOLE),
    ),
    _row("done-twice | [DONE] twice | proxies that add their own | 2024", *_WHOLE, DONE),
    _row("no-done | a finish_reason and a clean end, without [DONE] | Perplexity | 2025-03", *HELLO, STOP),
    _row(
        "no-finish | [DONE] without a finish_reason before it | Gemini's OpenAI form | 2024-12",
        *HELLO,
        DONE,
        said=Said("Hello", stop=None),
    ),
    _row(
        "finish-with-content | the finish_reason stands beside the last words | Mistral, Gemini's OpenAI form | 2024",
        ROLE,
        text_chunk("Hel"),
        chunk(choice({"content": "lo"}, "stop")),
        DONE,
    ),
    _as_text(
        "finish-empty-text | finish_reason is an empty text until the end | SGLang | 2025-02",
        chunk(choice({"content": "Hello"}, "")),
    ),
    _row("finish-eos | finish_reason is `eos` | Together | 2024", *HELLO, *ended("eos")),
    _row(
        "finish-camel-case | finishReason in place of finish_reason | Gemini's OpenAI form | 2024-12",
        *HELLO,
        chunk({"index": 0, "delta": {}, "finish_reason": None, "finishReason": "stop"}),
    ),
    _as_text(
        "json-over-lines | the JSON of an event stands on several data lines | pretty-printing servers | 2024",
        b'data: {\ndata:   "choices": [{"index": 0, "delta": {"content":\ndata: "Hello"}}]\ndata: }\n\n',
    ),
    _row(
        "whole-json | one JSON completion in answer to a streaming request | gateways without streaming | 2023",
        dumped(_COMPLETION),
        said=_COUNTED,
        content_type=JSON,
    ),
    _row(
        "whole-json-mislabelled | the same, called an event stream | gateways without streaming | 2024",
        dumped(_COMPLETION) + b"\n",
        said=_COUNTED,
    ),
    _row(
        "whole-event | one completion as the only event | proxies that fake a stream | 2024",
        data(_COMPLETION),
        DONE,
        said=_COUNTED,
    ),
    _row(
        "message | `message` in place of `delta` | older bridges to Ollama | 2024",
        chunk({"index": 0, "message": {"role": "assistant", "content": "Hel"}, "finish_reason": None}),
        chunk({"index": 0, "message": {"content": "lo"}, "finish_reason": "stop"}),
        DONE,
    ),
    _row(
        "message-beside-delta | the text so far as `message` beside each delta | Perplexity | 2025-03",
        chunk(choice({"content": "Hel"}, message={"content": "Hel"})),
        chunk(choice({"content": "lo"}, "stop", message=_MESSAGE)),
    ),
    _row(
        "text | `text` in place of a delta, as in the old completions | llama-cpp-python | 2023-05",
        chunk({"index": 0, "text": "Hello", "finish_reason": None}),
        chunk({"index": 0, "text": "", "finish_reason": "stop"}),
        DONE,
    ),
    _as_text(
        "content-parts | the content is a list of parts | Mistral, Databricks | 2025-08",
        chunk(choice({"content": [{"type": "text", "text": "Hel"}, {"type": "reference", "reference_ids": [1]}]})),
        chunk(choice({"content": [{"type": "text", "text": "lo"}]})),
    ),
    _row(
        "filter-results-first | the first chunk has filter results and no choices | Azure | 2023-06",
        data({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}),
        *_WHOLE,
    ),
    _after_stop(
        "filter-results-last | chunks of filter results whose choice has no delta "
        "| Azure, asynchronous filter | 2024-03",
        data({"id": "", "choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}}]}),
    ),
    _row(
        "several-choices | two choices (n=2), of which the one of the lowest index is read | OpenAI | 2023",
        chunk(choice({"content": "Hel"}), {"index": 1, "delta": {"content": "Other"}}),
        chunk({"index": 1, "delta": {}, "finish_reason": "stop"}),
        text_chunk("lo"),
        *END,
    ),
    _row(
        "index-missing | choices without an index | home-made servers | 2023",
        chunk({"delta": {"content": "Hello"}}),
        chunk({"delta": {}, "finish_reason": "stop"}),
        DONE,
    ),
    _row(
        "index-one | the only choice has index 1, and is read | LiteLLM | 2023-09",
        chunk({"index": 1, "delta": {"content": "Hello"}}),
        chunk({"index": 1, "delta": {}, "finish_reason": "stop"}),
        DONE,
    ),
    _as_text(
        "split-surrogates | a surrogate pair split over two deltas | servers that cut UTF-16 | 2026-09",
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00"}}]}\n\n',
        said=Said("😀"),
    ),
    _row(
        "length | the limit of tokens is reached before the first word | OpenAI, after hidden reasoning | 2024-09",
        ROLE,
        *ended("length"),
        said=Said(stop=StopReason.LENGTH),
    ),
    _row(
        "indented | blanks before the field's name | servers that indent a template | 2024",
        *(b"  " + piece for piece in _WHOLE),
    ),
    _row(
        "field-names | field names in upper case, and a blank before the colon | home-made servers | 2024",
        *(piece.replace(b"data:", b"Data :") for piece in _WHOLE),
    ),
    _row(
        "done-word | DONE without its brackets, behind the finish_reason | home-made servers | 2024",
        *HELLO,
        STOP,
        b"data: DONE\n\n",
    ),
    _row(
        "error-form-empty | an error whose members are all empty, beside the choices | One API, New API | 2023",
        *(piece[:-3] + b',"error":{"message":"","type":"","code":null}}\n\n' for piece in (*HELLO, STOP)),
        DONE,
    ),
    _after_text(
        "success-message | an object that says that all is well | API gateways | 2024",
        data({"code": 200, "message": "success"}),
    ),
)
