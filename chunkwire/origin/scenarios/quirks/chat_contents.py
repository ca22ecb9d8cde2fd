"""Quirks of what chat completions say: usage, reasoning, refusals, audio, tool calls.

Each row has its title (`NAME | SUMMARY | WHO | SEEN`; SEEN: since when one of WHO was seen to send it), the chunks that
are sent, and `said`: what a reader must find in them (see `values`).
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
    ROLE,
    STOP,
    Quirk,
    Said,
    call_chunk,
    choice,
    chunk,
    ended,
    row,
    text_chunk,
)

_row: Final = partial(row, CHAT)
_HELLO_REASONED: Final = Said("Hello", reasoning="Hm.")
_CALLS_F_AND_G: Final = Said(calls=(("f", '{"a":1}'), ("g", '{"b":2}')), stop=StopReason.TOOL_CALLS)
_CALLS_F: Final = Said(calls=(("f", '{"a":1}'),), stop=StopReason.TOOL_CALLS)
# What rows of these kinds begin and end with, and what they mean; a row may give its own.
_reasoning_row: Final = partial(_row, before=(ROLE,), after=(text_chunk("Hello"), *END), said=_HELLO_REASONED)
_call_row: Final = partial(_row, after=ended("tool_calls"), said=_CALLS_F)
_role_call_row: Final = partial(_call_row, before=(ROLE,))


def _reasoning_chunk(**members: object) -> bytes:
    return chunk(choice({"content": None, **members}))


def _call_f(arguments: object = '{"a":1}', **members: object) -> dict[str, object]:
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}, **members}


def _call_g(**members: object) -> dict[str, object]:
    return {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": '{"b":2}'}, **members}


_COUNTS: Final = {"prompt_tokens": 1, "completion_tokens": 2}
_counted: Final = partial(row, CHAT, said=Said("Hello", usage=Usage(1, 2)))
_after_text: Final = partial(_counted, before=HELLO, after=(DONE,))
_after_stop: Final = partial(_counted, before=(*HELLO, STOP), after=(DONE,))

CONTENTS: Final[tuple[Quirk, ...]] = (
    _after_stop(
        "usage-floats | usage as floats | servers whose numbers are floats | 2024",
        chunk(usage={"prompt_tokens": 1.0, "completion_tokens": 2.0}),
    ),
    _after_stop(
        "usage-null | usage with null in it | vLLM, SGLang | 2024",
        chunk(usage={"prompt_tokens": 1, "completion_tokens": None, "prompt_tokens_details": None}),
        said=Said("Hello", usage=Usage(1, 0)),
    ),
    _counted(
        "usage-everywhere | the usage so far in each chunk | vLLM continuous_usage_stats, xAI | 2024",
        chunk(choice({"content": "Hel"}), usage={"prompt_tokens": 1, "completion_tokens": 1}),
        chunk(choice({"content": "lo"}, "stop"), usage=_COUNTS),
        DONE,
    ),
    _after_text(
        "usage-x-groq | usage under x_groq | Groq | 2024",
        chunk(choice({}, "stop"), x_groq={"id": "r", "usage": _COUNTS}),
    ),
    _after_text(
        "usage-in-choice | usage inside of the choice | Moonshot | 2024",
        chunk(choice({}, "stop", usage=_COUNTS)),
    ),
    _after_stop(
        "usage-details | cached and reasoning tokens | OpenAI | 2024-10",
        chunk(
            usage={
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 5},
            }
        ),
        said=Said("Hello", usage=Usage(9, 7, reasoning=5, cached=8)),
    ),
    _counted("usage-after-done | usage after [DONE] | proxies | 2024", *HELLO, *END, chunk(usage=_COUNTS)),
    _after_text(
        "usage-empty-last | an empty usage behind the real one | proxies | 2024",
        chunk(choice({}, "stop"), usage=_COUNTS),
        chunk(usage={}),
    ),
    _after_stop(
        "usage-input-output | usage as input_tokens and output_tokens | proxies in front of Anthropic | 2024",
        chunk(usage={"input_tokens": 1, "output_tokens": 2}),
    ),
    _reasoning_row(
        "reasoning-content | reasoning_content | DeepSeek, xAI, llama.cpp, LiteLLM, SGLang | 2025-01",
        _reasoning_chunk(reasoning_content="H"),
        _reasoning_chunk(reasoning_content="m."),
    ),
    _reasoning_row(
        "reasoning | reasoning | OpenRouter, Groq, Ollama, vLLM from 0.19 | 2025-02", _reasoning_chunk(reasoning="Hm.")
    ),
    _reasoning_row(
        "reasoning-both | the same reasoning under both names | vLLM, proxies | 2026-02",
        _reasoning_chunk(reasoning="Hm.", reasoning_content="Hm."),
    ),
    _reasoning_row(
        "reasoning-details | reasoning_details, beside `reasoning` with the same text, or alone | OpenRouter | 2025-06",
        _reasoning_chunk(reasoning="H", reasoning_details=[{"type": "reasoning.text", "text": "H"}]),
        _reasoning_chunk(reasoning_details=[{"type": "reasoning.text", "text": "m."}]),
    ),
    _reasoning_row(
        "reasoning-encrypted | reasoning_details with encrypted reasoning alone | OpenRouter | 2025-06",
        _reasoning_chunk(reasoning_details=[{"type": "reasoning.encrypted", "data": "abc"}]),
        said=Said("Hello"),
    ),
    _reasoning_row(
        "thinking-parts | content as a list with thinking in it | Mistral | 2025-08",
        chunk(choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]})),
    ),
    _reasoning_row(
        "reasoning-parts | content as a list with a summary of the reasoning in it | Databricks | 2025-08",
        chunk(choice({"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}]})),
    ),
    _row(
        "refusal | the model declines in delta.refusal | OpenAI | 2024-08",
        chunk(choice({"role": "assistant", "content": None, "refusal": "I can"})),
        chunk(choice({"refusal": "not."})),
        *END,
        said=Said("I cannot.", stop=StopReason.REFUSAL),
    ),
    _role_call_row(
        "tool-index-missing | tool calls without an index | Gemini's OpenAI form, chatanywhere | 2024-06",
        call_chunk(_call_f()),
        call_chunk(_call_g()),
        said=_CALLS_F_AND_G,
    ),
    _role_call_row(
        "tool-index-zero | parallel tool calls all of index 0 | Gemini's OpenAI form, Dynamo | 2025-12",
        call_chunk(_call_f(index=0)),
        call_chunk(_call_g(index=0)),
        said=_CALLS_F_AND_G,
    ),
    _role_call_row(
        "tool-id-repeated | each delta repeats the call's id and name | Qwen, SGLang | 2025",
        call_chunk(_call_f('{"a":', index=0)),
        call_chunk(_call_f("1}", index=0)),
    ),
    _role_call_row(
        "tool-id-empty | later deltas have an empty id and a null name | Qwen, LiteLLM | 2025",
        call_chunk(_call_f('{"a":', index=0)),
        call_chunk({"index": 0, "id": "", "function": {"name": None, "arguments": "1}"}}),
    ),
    _role_call_row(
        "tool-arguments-object | arguments are an object, not a text | Ollama, older versions | 2024",
        call_chunk(_call_f({"a": 1}, index=0)),
    ),
    _row(
        "tool-finish-stop | finish_reason is `stop` after tool calls "
        "| Ollama, llama.cpp, OpenAI for a named tool | 2024",
        ROLE,
        call_chunk(_call_f(index=0)),
        *END,
        said=_CALLS_F,
    ),
    _row(
        "function-call | function_call, from the time before `tools` | older servers | 2023-06",
        ROLE,
        chunk(choice({"function_call": {"name": "f", "arguments": '{"a":'}})),
        chunk(choice({"function_call": {"arguments": "1}"}})),
        *ended("function_call"),
        said=_CALLS_F,
    ),
    _role_call_row(
        "tool-name-later | a delta of a tool call before its id and name | home-made servers | 2025",
        call_chunk({"index": 0, "type": "function", "function": {"arguments": ""}}),
        call_chunk(_call_f(index=0)),
    ),
    _row(
        "audio-transcript | the text is in audio.transcript | OpenAI, audio models | 2024-10",
        chunk(choice({"role": "assistant", "audio": {"id": "a", "transcript": "Hello"}})),
        chunk(choice({"audio": {"data": "AAAA"}})),
        *END,
        said=Said("Hello"),
    ),
    _row(
        "tool-calls-object | tool_calls is one object and no list | TGI before 3.0 | 2024-03",
        chunk(choice({"tool_calls": _call_f('{"a"', index=0)})),
        chunk(choice({"tool_calls": {"index": 0, "id": "", "function": {"name": None, "arguments": ":1}"}}})),
        *ended("eos_token"),
        said=_CALLS_F,
    ),
    _call_row(
        "tool-index-text | the index of a tool call is a text | home-made servers | 2024",
        call_chunk(_call_f("", index="0"), {**_call_g(index="1"), "function": {"name": "g", "arguments": ""}}),
        call_chunk({"index": "0", "function": {"arguments": '{"a":1}'}}),
        call_chunk({"index": "1", "function": {"arguments": '{"b":2}'}}),
        said=_CALLS_F_AND_G,
    ),
    _call_row(
        "tool-arguments-none | arguments are null, which means an empty object | vLLM, Ollama | 2024",
        call_chunk(_call_f(None, index=0)),
        said=Said(calls=(("f", "{}"),), stop=StopReason.TOOL_CALLS),
    ),
    _call_row(
        "tool-custom | a call of a custom tool, whose input is a text and no JSON | OpenAI | 2025-08",
        call_chunk({"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "f", "input": "a"}}),
        said=Said(calls=(("f", "a"),), stop=StopReason.TOOL_CALLS),
    ),
    _call_row(
        "tool-flat | name and arguments directly in the call, without `function`; a null in the list of calls "
        "| home-made servers | 2024",
        call_chunk(None, {"index": 0, "id": "call_1", "name": "f", "arguments": '{"a":1}'}),
    ),
)
