"""Quirks of what chat completions say: usage, reasoning, refusals, tool calls."""

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
    calls,
    choice,
    chunk,
    ended,
    row,
    says,
)

_row: Final = partial(row, CHAT)
_THOUGHT: Final = Said("Hello", reasoning="Hm.")
_TWO: Final = Said(calls=(("f", '{"a":1}'), ("g", '{"b":2}')), stop=StopReason.TOOL_CALLS)
_ONE: Final = Said(calls=(("f", '{"a":1}'),), stop=StopReason.TOOL_CALLS)
_reasoning: Final = partial(_row, before=(ROLE,), after=(says("Hello"), *END), said=_THOUGHT)
_calling: Final = partial(_row, after=ended("tool_calls"), said=_ONE)
_calling_in_turn: Final = partial(_calling, before=(ROLE,))


def _thinks(**members: object) -> bytes:
    return chunk(choice({"content": None, **members}))


def _call(arguments: object = '{"a":1}', **members: object) -> dict[str, object]:
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": arguments}, **members}


def _second(**members: object) -> dict[str, object]:
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
        "usage-input-output | usage as input_tokens and output_tokens | proxies before Anthropic | 2024",
        chunk(usage={"input_tokens": 1, "output_tokens": 2}),
    ),
    _reasoning(
        "reasoning-content | reasoning_content | DeepSeek, xAI, llama.cpp, LiteLLM, SGLang | 2025-01",
        _thinks(reasoning_content="H"),
        _thinks(reasoning_content="m."),
    ),
    _reasoning("reasoning | reasoning | OpenRouter, Groq, Ollama, vLLM from 0.19 | 2025-02", _thinks(reasoning="Hm.")),
    _reasoning(
        "reasoning-both | the same reasoning under both names | vLLM, proxies | 2026-02",
        _thinks(reasoning="Hm.", reasoning_content="Hm."),
    ),
    _reasoning(
        "reasoning-details | reasoning_details, with the same text as reasoning or alone | OpenRouter | 2025-06",
        _thinks(reasoning="H", reasoning_details=[{"type": "reasoning.text", "text": "H"}]),
        _thinks(reasoning_details=[{"type": "reasoning.text", "text": "m."}]),
    ),
    _reasoning(
        "reasoning-encrypted | reasoning that the provider keeps to itself | OpenRouter | 2025-06",
        _thinks(reasoning_details=[{"type": "reasoning.encrypted", "data": "abc"}]),
        said=Said("Hello"),
    ),
    _reasoning(
        "thinking-parts | content as a list with thinking in it | Mistral | 2025-08",
        chunk(choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]})),
    ),
    _reasoning(
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
    _calling_in_turn(
        "tool-index-missing | tool calls without an index | Gemini's OpenAI form, chatanywhere | 2024-06",
        calls(_call()),
        calls(_second()),
        said=_TWO,
    ),
    _calling_in_turn(
        "tool-index-zero | parallel tool calls all of index 0 | Gemini's OpenAI form, Dynamo | 2025-12",
        calls(_call(index=0)),
        calls(_second(index=0)),
        said=_TWO,
    ),
    _calling_in_turn(
        "tool-id-repeated | each delta repeats the call's id and name | Qwen, SGLang | 2025",
        calls(_call('{"a":', index=0)),
        calls(_call("1}", index=0)),
    ),
    _calling_in_turn(
        "tool-id-empty | later deltas have an empty id and a null name | Qwen, LiteLLM | 2025",
        calls(_call('{"a":', index=0)),
        calls({"index": 0, "id": "", "function": {"name": None, "arguments": "1}"}}),
    ),
    _calling_in_turn(
        "tool-arguments-object | arguments are an object and no text | Ollama, older versions | 2024",
        calls(_call({"a": 1}, index=0)),
    ),
    _row(
        "tool-finish-stop | finish_reason is `stop` after tool calls "
        "| Ollama, llama.cpp, OpenAI for a named tool | 2024",
        ROLE,
        calls(_call(index=0)),
        *END,
        said=_ONE,
    ),
    _row(
        "function-call | function_call, as before tools | older servers | 2023-06",
        ROLE,
        chunk(choice({"function_call": {"name": "f", "arguments": '{"a":'}})),
        chunk(choice({"function_call": {"arguments": "1}"}})),
        *ended("function_call"),
        said=_ONE,
    ),
    _calling_in_turn(
        "tool-name-later | a delta of a tool call before its id and name | home-made servers | 2025",
        calls({"index": 0, "type": "function", "function": {"arguments": ""}}),
        calls(_call(index=0)),
    ),
    _row(
        "audio-transcript | the text as the transcript of what is spoken | OpenAI, audio models | 2024-10",
        chunk(choice({"role": "assistant", "audio": {"id": "a", "transcript": "Hello"}})),
        chunk(choice({"audio": {"data": "AAAA"}})),
        *END,
        said=Said("Hello"),
    ),
    _row(
        "tool-calls-object | tool_calls is one object and no list | TGI before 3.0 | 2024-03",
        chunk(choice({"tool_calls": _call('{"a"', index=0)})),
        chunk(choice({"tool_calls": {"index": 0, "id": "", "function": {"name": None, "arguments": ":1}"}}})),
        *ended("eos_token"),
        said=_ONE,
    ),
    _calling(
        "tool-index-text | the index of a tool call is a text | home-made servers | 2024",
        calls(_call("", index="0"), {**_second(index="1"), "function": {"name": "g", "arguments": ""}}),
        calls({"index": "0", "function": {"arguments": '{"a":1}'}}),
        calls({"index": "1", "function": {"arguments": '{"b":2}'}}),
        said=_TWO,
    ),
    _calling(
        "tool-arguments-none | a call without arguments, which are an empty object | vLLM, Ollama | 2024",
        calls(_call(None, index=0)),
        said=Said(calls=(("f", "{}"),), stop=StopReason.TOOL_CALLS),
    ),
    _calling(
        "tool-custom | a call of a tool that takes a text | OpenAI | 2025-08",
        calls({"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "f", "input": "a"}}),
        said=Said(calls=(("f", "a"),), stop=StopReason.TOOL_CALLS),
    ),
    _calling(
        "tool-flat | name and arguments of a call without an object around them, and a null beside it "
        "| home-made servers | 2024",
        calls(None, {"index": 0, "id": "call_1", "name": "f", "arguments": '{"a":1}'}),
    ),
)
