"""Join surrogate pairs that a provider has split over two deltas.

The rule here: JSON may write a character above U+FFFF as two escapes (RFC 8259 §7), and some servers cut their text
between them. The first half is held until the second comes; without it, it becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from chunkwire.llm.answer import AnswerEvent, Reasoning, Text, ToolCall

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class SurrogateJoiner:
    """Pass events on, without lone surrogates in their texts."""

    def __init__(self) -> None:
        self._held: dict[object, tuple[str, AnswerEvent]] = {}  # the first half, and its event

    def take(self, event: AnswerEvent, found: list[AnswerEvent]) -> None:
        """Add the event with its text joined; nothing where all of its text is held."""
        if isinstance(event, Text | Reasoning):
            joined = self._join(type(event), event, event.text)
            if joined is event.text:
                found.append(event)
            elif joined:
                found.append(replace(event, text=joined))
        elif isinstance(event, ToolCall):
            found.append(replace(event, arguments=self._join(event.index, event, event.arguments)))
        else:
            found.append(event)

    def flush(self) -> Iterator[AnswerEvent]:
        """Yield what is held as U+FFFD."""
        held, self._held = self._held, {}
        for _, event in held.values():
            match event:
                case Text():
                    yield Text("\ufffd")
                case Reasoning():
                    yield Reasoning("\ufffd")
                case ToolCall():
                    yield ToolCall(event.index, "", "", "\ufffd")

    def _join(self, key: object, event: AnswerEvent, text: str) -> str:
        if not self._held and _SURROGATE.search(text) is None:
            return text
        first, _ = self._held.pop(key, ("", event))
        text = first + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held[key] = (text[-1], event)
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
