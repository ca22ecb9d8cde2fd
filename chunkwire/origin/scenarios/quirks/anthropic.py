"""Quirks of Anthropic's messages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Final

from chunkwire.llm.answer import ErrorKind, StopReason, Usage
from chunkwire.origin.scenarios.quirks.values import DONE, JSON, Quirk, Said, data, dumped, named, row


def _row(title: str, *pieces: bytes, said: Said | None = None, **options: Any) -> Quirk:
    """Return a quirk; a usage that its row does not name is that of `_start` and `_end`."""
    made = row(("anthropic",), title, *pieces, said=said, **options)
    if made.said.usage is not None or b'"message_delta"' not in made.content or made.said.error is ErrorKind.BROKEN:
        return made
    return replace(made, said=replace(made.said, usage=Usage(1, 2)))


def _start(id_: str = "msg_1", **usage: object) -> dict[str, object]:
    message = {"id": id_, "type": "message", "role": "assistant", "model": "m", "content": []}
    return {"type": "message_start", "message": {**message, "usage": usage or {"input_tokens": 1, "output_tokens": 1}}}


def _delta(**delta: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def _block(**block: object) -> dict[str, object]:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def _end(reason: str = "end_turn", **usage: object) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage or {"output_tokens": 2}}


_STOP: Final = {"type": "message_stop"}
_HELLO: Final = (
    _start(),
    _block(type="text", text=""),
    _delta(type="text_delta", text="Hel"),
    _delta(type="text_delta", text="lo"),
)
_SENT: Final = tuple(named(event) for event in _HELLO)
_END: Final = (named(_end()), named(_STOP))
_WHOLE: Final = (*_SENT, *_END)
_after_text: Final = partial(_row, before=_SENT)
_before_text: Final = partial(_row, before=_SENT[:1], after=(*_SENT[1:], *_END))
_THINKS: Final = (
    named(_block(type="thinking", thinking="")),
    named(_delta(type="thinking_delta", thinking="Hm.")),
    named(_delta(type="signature_delta", signature="abc")),
)
_CALL: Final = named(_block(type="tool_use", id="t", name="f", input={"a": 1}))
_CALL_END: Final = (named(_end("tool_use")), named(_STOP))
_CALLED: Final = Said(calls=(("f", '{"a":1}'),), stop=StopReason.TOOL_CALLS)
_MESSAGE: Final = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
_OVERLOADED: Final = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

ANTHROPIC: Final[tuple[Quirk, ...]] = (
    _before_text(
        "messages-thinking | thinking before the text | Anthropic | 2025-02",
        *_THINKS,
        said=Said("Hello", reasoning="Hm."),
    ),
    _before_text(
        "messages-thinking-redacted | thinking that is encrypted | Anthropic | 2025-02",
        named(_block(type="redacted_thinking", data="abc")),
    ),
    _after_text(
        "messages-unknown-delta | deltas of kinds that came later | Anthropic, citations | 2025-01",
        named(_delta(type="citations_delta", citation={"cited_text": "x"})),
        *_END,
    ),
    _row("messages-done | [DONE] behind message_stop | GitHub Copilot, LiteLLM | 2026-09", *_WHOLE, DONE),
    _after_text(
        "messages-no-stop | a stop_reason and a clean end, without message_stop | GitHub Copilot, MiniMax | 2026-07",
        named(_end()),
        DONE,
    ),
    _row(
        "messages-no-names | events without their `event:` line | vLLM, proxies | 2025",
        *(data(event) for event in (*_HELLO, _end(), _STOP)),
    ),
    _row(
        "messages-no-last-blank-line | message_stop lacks its blank line | home-made proxies | 2025",
        *_WHOLE[:-1],
        _WHOLE[-1][:-1],
    ),
    _row("messages-no-block-start | deltas without content_block_start | proxies | 2025", _SENT[0], *_SENT[2:], *_END),
    _row(
        "messages-usage | counts of the cache, and null for what is not counted again | Anthropic | 2024-08",
        named(_start(input_tokens=9, cache_read_input_tokens=8, output_tokens=1)),
        *_SENT[1:],
        named(_end(input_tokens=None, output_tokens=7)),
        named(_STOP),
        said=Said("Hello", usage=Usage(9, 7, cached=8)),
    ),
    _row(
        "messages-whole-json | one JSON message in answer to a streaming request | gateways without streaming | 2025",
        dumped(_MESSAGE),
        said=Said("Hello", reasoning="Hm.", usage=Usage(1, 2)),
        content_type=JSON,
    ),
    _after_text(
        "messages-refusal | stop_reason is `refusal` | Anthropic | 2025-05",
        named(_end("refusal")),
        named(_STOP),
        said=Said("Hello", stop=StopReason.FILTER),
    ),
    _after_text(
        "messages-overloaded | an error in mid-stream | Anthropic | 2024",
        named(_OVERLOADED),
        said=Said("Hello", stop=None, error=ErrorKind.OVERLOADED),
    ),
    _row(
        "messages-error-json | an error as JSON under status 200 | proxies | 2025",
        dumped(_OVERLOADED),
        said=Said(stop=None, error=ErrorKind.OVERLOADED),
        content_type=JSON,
    ),
    _after_text(
        "messages-cut | a clean end without a stop_reason | MiniMax, Bedrock behind LiteLLM | 2026-07",
        said=Said("Hello", stop=None, error=ErrorKind.INCOMPLETE),
    ),
    _row(
        "messages-nothing-said | end_turn without content | Anthropic, after a tool's result | 2025",
        named(_start()),
        *_END,
        said=Said(error=ErrorKind.EMPTY),
    ),
    _row(
        "messages-input-at-once | the arguments of a tool stand in content_block_start "
        "| proxies that fake a stream | 2025",
        named(_start()),
        _CALL,
        *_CALL_END,
        said=_CALLED,
    ),
    _row("messages-start-twice | message_start is sent twice | LiteLLM, Kimi | 2026-03", _SENT[0], *_WHOLE),
    _after_text(
        "messages-spliced | another message begins within the first | proxies that ask again in mid-stream | 2026-08",
        named(_start("msg_2")),
        *_SENT[1:],
        *_END,
        said=Said("Hello", stop=None, error=ErrorKind.BROKEN),
    ),
    _row(
        "messages-tool-twice | the start of a tool's block is sent twice | LiteLLM | 2026-08",
        named(_start()),
        _CALL,
        _CALL,
        *_CALL_END,
        said=_CALLED,
    ),
    _row(
        "messages-index-again | a block has the index of the one before | Anthropic, web search | 2026-01",
        named(_start()),
        named(_block(type="server_tool_use", id="s", name="web_search", input={})),
        named({"type": "content_block_stop", "index": 0}),
        named(_block(type="tool_use", id="t", name="f", input={})),
        named(_delta(type="input_json_delta", partial_json='{"a":1}')),
        *_CALL_END,
        said=_CALLED,
    ),
    _before_text(
        "messages-server-tool | a tool that the provider runs itself, before the text "
        "| Anthropic, web search | 2025-05",
        named({"type": "content_block_start", "index": 7, "content_block": {"type": "server_tool_use", "id": "s"}}),
        named({"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": "{}"}}),
    ),
)
