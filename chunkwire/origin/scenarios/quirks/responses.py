"""Quirks of OpenAI's responses."""

from __future__ import annotations

from functools import partial
from typing import Final

from chunkwire.llm.answer import ErrorKind, StopReason, Usage
from chunkwire.origin.scenarios.quirks.values import DONE, JSON, Quirk, Said, data, dumped, named, row

_row: Final = partial(row, ("openai-responses",))
_USAGE: Final = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 5},
}
_COUNTED: Final = Said("Hello", usage=Usage(9, 7, reasoning=5, cached=8))
_MESSAGE: Final = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
_OVERLOADED: Final = {"code": "server_is_overloaded", "message": "Try later."}


def _response(status: str, *output: object, **members: object) -> dict[str, object]:
    return {"id": "r-1", "object": "response", "model": "m", "status": status, "output": list(output), **members}


def _ending(status: str, *output: object, **members: object) -> dict[str, object]:
    return {"type": f"response.{status}", "response": _response(status, *output, **members)}


def _delta(kind: str, delta: str) -> dict[str, object]:
    return {"type": f"response.{kind}.delta", "output_index": 0, "delta": delta}


_CREATED: Final = {"type": "response.created", "response": _response("in_progress")}
_HELLO: Final = (_CREATED, _delta("output_text", "Hel"), _delta("output_text", "lo"))
_SENT: Final = tuple(named(event) for event in _HELLO)
_COMPLETED: Final = named(_ending("completed"))
_before_text: Final = partial(_row, before=_SENT[:1], after=(*_SENT[1:], _COMPLETED))
_in_place_of_text: Final = partial(_row, before=_SENT[:1], after=(_COMPLETED,))
_after_text: Final = partial(_row, before=_SENT)
_CALL: Final = {
    "type": "response.output_item.added",
    "output_index": 1,
    "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
}
_ARGUED: Final = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
_CALLED: Final = Said("Hello", calls=(("f", '{"a":1}'),), stop=StopReason.TOOL_CALLS)
_SUMMARY: Final = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}
_STOPPED: Final = {"reason": "max_output_tokens"}
_FAILED: Final = Said("Hello", stop=None, error=ErrorKind.OVERLOADED)

RESPONSES: Final[tuple[Quirk, ...]] = (
    _row("responses-done | [DONE] behind response.completed | LiteLLM, OpenRouter | 2025", *_SENT, _COMPLETED, DONE),
    _row(
        "responses-no-names | events without their `event:` line | vLLM, proxies | 2025",
        *(data(event) for event in (*_HELLO, _ending("completed"))),
    ),
    _after_text(
        "responses-no-last-blank-line | response.completed lacks its blank line | home-made proxies | 2025",
        _COMPLETED[:-1],
    ),
    _after_text(
        "responses-usage | cached and reasoning tokens | OpenAI | 2025-03",
        named(_ending("completed", usage=_USAGE)),
        said=_COUNTED,
    ),
    _row(
        "responses-no-deltas | no delta before response.completed, which has the text "
        "| proxies that fake a stream | 2025",
        named(_CREATED),
        named(_ending("completed", _MESSAGE)),
    ),
    _row(
        "responses-whole-json | one JSON response in answer to a streaming request | gateways without streaming | 2025",
        dumped(_response("completed", _MESSAGE, usage=_USAGE)),
        said=_COUNTED,
        content_type=JSON,
    ),
    _before_text(
        "responses-summary | a summary of the reasoning | OpenAI | 2025-03",
        named({"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "summary": []}}),
        named(_delta("reasoning_summary_text", "Hm.")),
        said=Said("Hello", reasoning="Hm."),
    ),
    _before_text(
        "responses-reasoning | the text of the reasoning | vLLM, LM Studio | 2025-08",
        named(_delta("reasoning_text", "Hm.")),
        said=Said("Hello", reasoning="Hm."),
    ),
    _in_place_of_text(
        "responses-refusal | the model declines | OpenAI | 2025-03",
        named(_delta("refusal", "I cannot.")),
        said=Said("I cannot.", stop=StopReason.REFUSAL),
    ),
    _after_text(
        "responses-incomplete | the limit of tokens was reached | OpenAI | 2025-03",
        named(_ending("incomplete", incomplete_details=_STOPPED)),
        said=Said("Hello", stop=StopReason.LENGTH),
    ),
    _after_text(
        "responses-failed | response.failed | OpenAI | 2025-03",
        named(_ending("failed", error=_OVERLOADED)),
        said=_FAILED,
    ),
    _after_text(
        "responses-error-flat | an error whose members stand beside its type | OpenAI | 2025-03",
        named({"type": "error", **_OVERLOADED}),
        said=_FAILED,
    ),
    _after_text(
        "responses-error-nested | an error whose members stand under `error` | OpenRouter, proxies | 2025",
        named({"type": "error", "error": _OVERLOADED}),
        said=_FAILED,
    ),
    _after_text(
        "responses-cancelled | response.cancelled | OpenAI | 2025-06",
        named(_ending("cancelled")),
        said=Said("Hello", stop=None, error=ErrorKind.SERVER),
    ),
    _after_text(
        "responses-cut | [DONE] and a clean end without response.completed "
        "| CLIProxyAPI, proxies whose upstream was cut | 2026-08",
        DONE,
        said=Said("Hello", stop=None, error=ErrorKind.INCOMPLETE),
    ),
    _in_place_of_text(
        "responses-nothing-said | response.completed, and no word | proxies | 2026-08",
        said=Said(error=ErrorKind.EMPTY),
    ),
    _in_place_of_text(
        "responses-items-alone | no delta before response.output_item.done, which has the text "
        "| proxies that fake a stream | 2025",
        named({"type": "response.output_item.done", "output_index": 0, "item": _MESSAGE}),
    ),
    _row(
        "responses-reasoning-only-deltas | deltas of the reasoning alone; the text comes with response.completed "
        "| proxies | 2025",
        named(_CREATED),
        named(_delta("reasoning_summary_text", "Hm.")),
        named(_ending("completed", _SUMMARY, _MESSAGE)),
        said=Said("Hello", reasoning="Hm."),
    ),
    _in_place_of_text(
        "responses-done-alone | the text and the arguments of a call at once, in events that end in `done` "
        "| proxies that fake a stream | 2025",
        named({"type": "response.output_text.done", "output_index": 0, "text": "Hello"}),
        named(_CALL),
        named({"type": "response.function_call_arguments.done", "output_index": 1, "arguments": "{}"}),
        said=Said("Hello", calls=(("f", "{}"),), stop=StopReason.TOOL_CALLS),
    ),
    _after_text(
        "responses-arguments-last | the arguments of a call in response.output_item.done alone | proxies | 2025",
        named(_CALL),
        named({**_CALL, "type": "response.output_item.done", "item": _ARGUED}),
        _COMPLETED,
        said=_CALLED,
    ),
    _after_text(
        "responses-call-last | a call that response.completed alone has, behind text that came in deltas "
        "| proxies | 2025",
        named(_ending("completed", _MESSAGE, _ARGUED)),
        said=_CALLED,
    ),
    _row(
        "responses-in-progress | a response in JSON that is not over yet | OpenAI, background mode | 2025",
        dumped(_response("in_progress", _MESSAGE)),
        said=Said("Hello", stop=None, error=ErrorKind.INCOMPLETE),
        content_type=JSON,
    ),
)
