"""Join surrogate pairs that a provider has split over two deltas.

The rule here: JSON may write a character above U+FFFF as two escapes (RFC 8259 §7), and some servers cut their text
between them. The first half is held until the second comes; without it, it becomes U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from chunkwire.llm.answer import AnswerEvent, Reasoning, Text, ToolCall

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_Key: TypeAlias = type[Text] | type[Reasoning] | int
"""A text of an answer: its own, its reasoning, or the arguments of a tool call, by index."""


class SurrogateJoiner:
    """Pass events on, without lone surrogates in their texts."""

    def __init__(self) -> None:
        self._held: dict[_Key, str] = {}  # the first half of a pair, by the text that it belongs to

    def take(self, event: AnswerEvent, found: list[AnswerEvent]) -> None:
        """Add the event with its text joined; nothing where all of a `Text` or `Reasoning` is held."""
        if isinstance(event, Text | Reasoning):
            joined = self._join(type(event), event.text)
            if joined is event.text:
                found.append(event)
            elif joined:
                found.append(replace(event, text=joined))
        elif isinstance(event, ToolCall):
            found.append(replace(event, arguments=self._join(event.index, event.arguments)))
        else:
            found.append(event)

    def flush(self) -> Iterator[AnswerEvent]:
        """Yield one U+FFFD for each half that is held, at the end of an answer."""
        held, self._held = self._held, {}
        for key in held:
            yield ToolCall(key, "", "", "\ufffd") if isinstance(key, int) else key("\ufffd")

    def _join(self, key: _Key, text: str) -> str:
        if not self._held and _SURROGATE.search(text) is None:
            return text
        text = self._held.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._held[key] = text[-1]
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
