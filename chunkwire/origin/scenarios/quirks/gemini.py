"""Quirks of Gemini."""

from __future__ import annotations

from functools import partial
from typing import Final

from chunkwire.llm.answer import ErrorKind, StopReason, Usage
from chunkwire.origin.scenarios.quirks.values import DONE, JSON, Quirk, Said, data, dumped, row

_row: Final = partial(row, ("gemini",))


def _answer(*parts: object, finish: str = "", **members: object) -> dict[str, object]:
    candidate: dict[str, object] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **members}


def _event(*parts: object, finish: str = "", **members: object) -> bytes:
    return data(_answer(*parts, finish=finish, **members))


_HEL: Final = {"text": "Hel"}
_LO: Final = {"text": "lo"}
_USAGE: Final = {
    "promptTokenCount": 9,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 5,
    "cachedContentTokenCount": 8,
}
_WHICH: Final[tuple[dict[str, object], ...]] = ({}, {"index": 1})
_CALL: Final = {"functionCall": {"id": "f", "name": "f", "args": {"a": 1}}}
_UNAVAILABLE: Final = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
_ARRAY: Final = (b"[" + dumped(_answer(_HEL)), b",\r\n" + dumped(_answer(_LO, finish="STOP")), b"\n]\n")
_OVERLOADED: Final = Said("Hel", stop=None, error=ErrorKind.OVERLOADED)

GEMINI: Final[tuple[Quirk, ...]] = (
    _row(
        "gemini-finish-everywhere | finishReason in each event | Gemini 1.0, Vertex | 2024",
        _event(_HEL, finish="STOP"),
        _event(_LO, finish="STOP"),
    ),
    _row(
        "gemini-finish-early | finishReason before the last words | Gemini | 2025",
        _event(_HEL, finish="STOP"),
        _event(_LO),
    ),
    _row(
        "gemini-thoughts | thoughts, and their tokens | Gemini 2.5 | 2025-05",
        _event({"text": "Hm.", "thought": True}),
        _event(_HEL),
        _event(_LO, finish="STOP", usageMetadata=_USAGE),
        said=Said("Hello", reasoning="Hm.", usage=Usage(9, 7, reasoning=5, cached=8)),
    ),
    _row(
        "gemini-signature | a part of nothing but a thoughtSignature | Gemini 3 | 2025-11",
        _event(_HEL),
        _event(_LO),
        _event({"text": "", "thoughtSignature": "abc"}, finish="STOP"),
    ),
    _row(
        "gemini-done | [DONE] and `event:` lines | proxies | 2025",
        b"event: message\n" + _event(_HEL),
        _event(_LO, finish="STOP"),
        DONE,
    ),
    _row("gemini-array | one JSON array, as without alt=sse | Gemini | 2023-12", *_ARRAY, content_type=JSON),
    _row(
        "gemini-array-cut | the array ends before its bracket | proxies whose upstream was cut | 2024",
        *_ARRAY[:2],
        said=Said("Hello", error=ErrorKind.INCOMPLETE),
        content_type=JSON,
    ),
    _row(
        "gemini-array-error | an error as an element of the array | Gemini | 2024",
        _ARRAY[0],
        b",\n" + dumped(_UNAVAILABLE) + b"]",
        said=_OVERLOADED,
        content_type=JSON,
    ),
    _row("gemini-error | an error in mid-stream | Gemini | 2024", _event(_HEL), data(_UNAVAILABLE), said=_OVERLOADED),
    _row(
        "gemini-error-bare | an error as lines of JSON that are no fields, behind a finishReason "
        "| Gemini 2.0 | 2025-03",
        _event(_HEL, finish="STOP"),
        b'{\n  "error": {\n    "code": 503,\n    "status": "UNAVAILABLE"\n  }\n}\n',
        said=Said("Hel", error=ErrorKind.OVERLOADED),
    ),
    _row(
        "gemini-error-json | an error in an array under status 200 | proxies | 2024",
        b"[" + dumped({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota"}}) + b"]",
        said=Said(stop=None, error=ErrorKind.RATE_LIMIT),
        content_type=JSON,
    ),
    _row(
        "gemini-nothing-said | STOP without parts | Gemini 2.5 | 2025-06",
        data({"candidates": [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}]}),
        said=Said(error=ErrorKind.EMPTY),
    ),
    _row(
        "gemini-malformed-call | finishReason is MALFORMED_FUNCTION_CALL | Gemini 2.0 | 2025",
        _event(finish="MALFORMED_FUNCTION_CALL"),
        said=Said(stop=None, error=ErrorKind.BROKEN),
    ),
    _row(
        "gemini-blocked | a prompt that is blocked, and no candidates | Gemini | 2024",
        data({"promptFeedback": {"blockReason": "SAFETY"}}),
        said=Said(stop=StopReason.FILTER),
    ),
    _row(
        "gemini-cut | a clean end without a finishReason | Gemini, proxies | 2025",
        _event(_HEL),
        said=Said("Hel", stop=None, error=ErrorKind.INCOMPLETE),
    ),
    _row(
        "gemini-call-twice | the event of a call is sent twice | Archestra | 2025-12",
        _event(_CALL),
        _event(_CALL),
        _event(finish="STOP"),
        said=Said(calls=(("f", '{"a":1}'),), stop=StopReason.TOOL_CALLS),
    ),
    _row(
        "gemini-call-names | two calls, each with the tool's name as its id | eino, proxies | 2026-01",
        _event(_CALL, {"functionCall": {"id": "f", "name": "f", "args": {"a": 2}}}, finish="STOP"),
        said=Said(calls=(("f", '{"a":1}'), ("f", '{"a":2}')), stop=StopReason.TOOL_CALLS),
    ),
    _row(
        "gemini-two-candidates | two candidates, an event each; an index of 0 is left out | Gemini | 2024",
        *(data({"candidates": [{"content": {"parts": [part]}, **which}]}) for part in (_HEL, _LO) for which in _WHICH),
        data({"candidates": [{"finishReason": "STOP"}]}),
        data({"candidates": [{"finishReason": "MAX_TOKENS", "index": 1}]}),
    ),
    _row(
        "gemini-too-many-calls | finishReason is TOO_MANY_TOOL_CALLS | Gemini 3 | 2025",
        _event(_HEL, finish="TOO_MANY_TOOL_CALLS"),
        said=Said("Hel", stop=None, error=ErrorKind.BROKEN),
    ),
)
