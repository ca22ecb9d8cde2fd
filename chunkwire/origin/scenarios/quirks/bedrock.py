"""Quirks of Bedrock: streams of binary messages, and JSON in their place.

Each row has its title (`NAME | SUMMARY | WHO | SEEN`), the messages that are sent, and `said`: what a reader must find
in them (see `values`). All are sent with status 200.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Final

from chunkwire.llm.answer import ErrorKind, StopReason, Usage
from chunkwire.llm.eventstream import encode_message
from chunkwire.origin.scenarios.quirks.values import JSON, Quirk, Said, dumped, row

_row: Final = partial(row, ("bedrock",), content_type=b"application/vnd.amazon.eventstream")


def _message(name: str, payload: object) -> bytes:
    return encode_message({":event-type": name, ":message-type": "event"}, dumped(payload))


def _exception(name: str, payload: bytes) -> bytes:
    return encode_message({":message-type": "exception", ":exception-type": name}, payload)


def _delta(**delta: object) -> bytes:
    return _message("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})


_START: Final = _message("messageStart", {"role": "assistant"})
_HELLO: Final = (_START, _delta(text="Hel"), _delta(text="lo"))
_after_text: Final = partial(_row, before=_HELLO)
_STOP: Final = _message("messageStop", {"stopReason": "end_turn"})
_USAGE: Final = {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 8}
_ANTHROPIC_ERROR: Final = base64.b64encode(b'{"type":"error","error":{"type":"overloaded_error"}}').decode()
_ANSWERED: Final = {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}
_COUNTED: Final = Said("Hello", usage=Usage(1, 2, cached=8))

BEDROCK: Final[tuple[Quirk, ...]] = (
    _row("converse-no-metadata | no metadata after messageStop | proxies | 2025", *_HELLO, _STOP),
    _after_text(
        "converse-cached | prompt tokens read from the cache, counted apart | Bedrock | 2025-04",
        _STOP,
        _message("metadata", {"usage": _USAGE}),
        said=_COUNTED,
    ),
    _row(
        "converse-reasoning | reasoning, and its signature, which is no text | Bedrock | 2025-02",
        _START,
        _delta(reasoningContent={"text": "Hm."}),
        _delta(reasoningContent={"signature": "abc"}),
        *_HELLO[1:],
        _STOP,
        said=Said("Hello", reasoning="Hm."),
    ),
    _row(
        "converse-whole-json | one JSON body in answer to a streaming request | gateways without streaming | 2025",
        dumped({"output": _ANSWERED, "stopReason": "end_turn", "usage": _USAGE}),
        said=_COUNTED,
        content_type=JSON,
    ),
    _after_text(
        "converse-exception | an exception in mid-stream | Bedrock | 2024",
        _exception("throttlingException", b'{"message":"Too many requests"}'),
        said=Said("Hello", stop=None, error=ErrorKind.RATE_LIMIT),
    ),
    _row(
        "converse-error-json | an error as JSON under status 200, with a message alone | proxies | 2025",
        b'{"message":"Not authorized"}',
        said=Said(stop=None, error=ErrorKind.SERVER),  # the words of a message are not interpreted
        content_type=JSON,
    ),
    _after_text(
        "converse-cut | the last message is cut, though the HTTP framing is complete | API gateways | 2025",
        _STOP[:-4],
        said=Said("Hello", stop=None, error=ErrorKind.INCOMPLETE),
    ),
    _row(
        "converse-nothing-said | messageStop without content | Bedrock | 2025",
        _START,
        _STOP,
        said=Said(stop=StopReason.STOP, error=ErrorKind.EMPTY),
    ),
    _after_text(
        "converse-malformed | stopReason is malformed_tool_use | Bedrock | 2025-12",
        _message("messageStop", {"stopReason": "malformed_tool_use"}),
        said=Said("Hello", stop=None, error=ErrorKind.BROKEN),
    ),
    _after_text(
        "converse-model-limit | an exception that gives the model's own status: originalStatusCode | Bedrock | 2024",
        _exception("modelStreamErrorException", b'{"message":"Failed","originalStatusCode":429}'),
        said=Said("Hello", stop=None, error=ErrorKind.RATE_LIMIT),
    ),
    _row(
        "converse-initial-response | a first message without payload | AWS event streams | 2024",
        encode_message({":event-type": "initial-response", ":message-type": "event"}, b""),
        *_HELLO,
        _STOP,
    ),
    _row(
        "converse-call-without-input | a call without input | Bedrock | 2024",
        _START,
        _message("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
        _message("messageStop", {"stopReason": "tool_use"}),
        said=Said(calls=(("f", "{}"),), stop=StopReason.TOOL_CALLS),
    ),
    _row(
        "invoke-error | an error of Anthropic's form in a chunk of InvokeModel | Bedrock | 2024",
        _message("chunk", {"bytes": _ANTHROPIC_ERROR}),
        said=Said(stop=None, error=ErrorKind.OVERLOADED),
    ),
    _row(
        "converse-error-type | an error as JSON under status 200, its name in `__type` | AWS gateways | 2024",
        b'{"__type":"com.amazon.coral.service#ThrottlingException","message":"Rate exceeded"}',
        said=Said(stop=None, error=ErrorKind.RATE_LIMIT),
        content_type=JSON,
    ),
)
