"""When an answer of a language model has content, and what it makes of TTFT and ITL as AIPerf defines them. Pure.

The rule here: a frame counts where it completes text, reasoning or a tool call; a role, a ping or usage alone does not.
"""

from __future__ import annotations

from chunkwire.llm.answer import Reasoning, Text, ToolCall, Usage
from chunkwire.llm.dialect import Reader


class ContentTimes:
    """When content came in one stream, and how many tokens it was.

    Args:
        reader: of the answer's dialect; None where every frame is content, and one token.
    """

    def __init__(self, reader: Reader | None) -> None:
        self._first_ns = self._last_ns = 0
        self._is_first_known = self._is_last_known = True
        self._reader = reader
        self._pieces = 0
        self._usage: int | None = None

    def take(self, now_ns: int, octets: bytes, *, is_known: bool = True) -> bool:
        """Take octets of content, or a frame where there is no reader; say whether they are the first with content.

        Args:
            is_known: `now_ns` is when they came, not only a moment behind it.
        """
        pieces = 1
        if self._reader is not None:
            events = self._reader.feed(octets)
            pieces = sum(isinstance(event, Text | Reasoning | ToolCall) for event in events)
            for event in events:
                if isinstance(event, Usage) and event.completion:
                    self._usage = event.completion
        if not pieces:
            return False
        is_first = not self._pieces
        self._pieces += pieces
        self._last_ns, self._is_last_known = now_ns, is_known
        if is_first:
            self._first_ns, self._is_first_known = now_ns, is_known
        return is_first

    @property
    def is_known(self) -> bool:
        """Say whether it is known when the first and the last content came."""
        return self._is_first_known and self._is_last_known

    @property
    def latency_ns(self) -> int | None:
        """(Last content - first) / (tokens - 1), by the provider's usage where it says; None for fewer than two."""
        tokens = self._usage or self._pieces
        return None if tokens < 2 else (self._last_ns - self._first_ns) // (tokens - 1)
