"""Quirks of how chat completions count tokens."""

from __future__ import annotations

from functools import partial
from typing import Final

from chunkwire.llm.answer import Usage
from chunkwire.origin.scenarios.quirks.values import CHAT, DONE, END, HELLO, STOP, Quirk, Said, choice, chunk, row

_COUNTS: Final = {"prompt_tokens": 1, "completion_tokens": 2}
_row: Final = partial(row, CHAT, said=Said("Hello", usage=Usage(1, 2)))
_after_text: Final = partial(_row, before=HELLO, after=(DONE,))
_after_stop: Final = partial(_row, before=(*HELLO, STOP), after=(DONE,))


def _counting(usage: object) -> bytes:
    return chunk(usage=usage)


USAGES: Final[tuple[Quirk, ...]] = (
    _after_stop(
        "usage-floats | usage as floats | servers whose numbers are floats | 2024",
        _counting({"prompt_tokens": 1.0, "completion_tokens": 2.0}),
    ),
    _after_stop(
        "usage-null | usage with null in it | vLLM, SGLang | 2024",
        _counting({"prompt_tokens": 1, "completion_tokens": None, "prompt_tokens_details": None}),
        said=Said("Hello", usage=Usage(1, 0)),
    ),
    _row(
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
        _counting(
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 5},
            }
        ),
        said=Said("Hello", usage=Usage(9, 7, reasoning=5, cached=8)),
    ),
    _row("usage-after-done | usage after [DONE] | proxies | 2024", *HELLO, *END, _counting(_COUNTS)),
    _after_text(
        "usage-empty-last | an empty usage behind the real one | proxies | 2024",
        chunk(choice({}, "stop"), usage=_COUNTS),
        _counting({}),
    ),
    _after_stop(
        "usage-input-output | usage as input_tokens and output_tokens | proxies before Anthropic | 2024",
        _counting({"input_tokens": 1, "output_tokens": 2}),
    ),
)
