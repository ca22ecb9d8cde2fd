"""When the content of a language model's answer arrived, for TTFT and ITL as AIPerf defines them. Pure.

The rule here: a frame has content where it completes text, reasoning or a part of a tool call; a role, a ping or usage
is not content.
"""

from __future__ import annotations

from chunkwire.llm.answer import Reasoning, Text, ToolCall, Usage
from chunkwire.llm.reading import AnswerReader


class ContentTimes:
    """The moments of the first and the last content of one stream, and its number of tokens.

    Args:
        reader: of the answer's dialect; None where each frame counts as content and as one token.
    """

    def __init__(self, reader: AnswerReader | None) -> None:
        self._first_ns = self._last_ns = 0
        self._is_first_known = self._is_last_known = True
        self._reader = reader
        self._pieces = 0
        self._usage: int | None = None

    def take(self, now_ns: int, octets: bytes, *, is_known: bool = True) -> bool:
        """Take octets, or without a reader a frame; say whether they are the first with content.

        Args:
            is_known: `now_ns` is their arrival; otherwise it is only later than that.
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
        """Say whether the arrivals of the first and the last content are known."""
        return self._is_first_known and self._is_last_known

    @property
    def latency_ns(self) -> int | None:
        """(Last content - first) / (tokens - 1), ns, by the provider's usage if there is one; None below two tokens."""
        tokens = self._usage or self._pieces
        return None if tokens < 2 else (self._last_ns - self._first_ns) // (tokens - 1)
