"""Number the tool calls of an answer, and leave out what a provider or a proxy repeats.

The rule here: which deltas belong to one call. What this module must not know: any dialect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from chunkwire.llm.answer import ToolCall

_MAX_TOOL_CALLS: Final = 1024  # of one answer; OpenAI allows 128 tools a request


@dataclass(slots=True)
class _Call:
    number: int
    id: str
    name: str
    has_arguments: bool = False
    has_ended: bool = False
    is_repeated: bool = False  # it began again after its end: the arguments that follow are repeated too


class ToolCalls:
    """The tool calls of one answer, numbered from 0; what a provider repeats is left out.

    The key of a call is the index of its block or item. If a later call has the same key, the events that follow belong
    to the later one.
    """

    def __init__(self) -> None:
        self._count = 0
        self._latest: dict[object, _Call] = {}  # by key

    def __len__(self) -> int:
        return self._count

    def add(self) -> int:
        """Return the number of one more call.

        Raises:
            ValueError: there are too many.
        """
        if self._count >= _MAX_TOOL_CALLS:
            raise ValueError(f"expected at most {_MAX_TOOL_CALLS} tool calls, got more")
        self._count += 1
        return self._count - 1

    def begin(self, key: object, id_: str, name: str, arguments: str = "") -> Iterator[ToolCall]:
        """Yield the beginning of a call; of one that begins again, only what did not come before.

        A call begins again with the id of the latest one with this key; without an id, with its name before its end.

        Raises:
            ValueError: there are too many calls.
        """
        known = self._latest.get(key)
        if known is None or not _is_same(known, id_, name):
            self._latest[key] = _Call(self.add(), id_, name, arguments != "")
            yield ToolCall(self._latest[key].number, id_, name, arguments)
            return
        more = "" if known.has_arguments else arguments
        rest = ToolCall(known.number, "" if known.id else id_, "" if known.name else name, more)
        known.id, known.name = known.id or id_, known.name or name
        known.is_repeated = known.has_ended and known.has_arguments
        known.has_arguments = known.has_arguments or more != ""
        if rest.id or rest.name or more:
            yield rest

    def more(self, key: object, arguments: str) -> Iterator[ToolCall]:
        """Yield more arguments of the latest call with this key, which may not have begun; nothing of a repeated call.

        Raises:
            ValueError: there are too many calls.
        """
        known = self._latest.get(key)
        if known is None:
            known = self._latest[key] = _Call(self.add(), "", "")
        if not known.is_repeated:
            known.has_arguments = True
            yield ToolCall(known.number, "", "", arguments)

    def complete(self, key: object, arguments: str) -> Iterator[ToolCall]:
        """Yield the whole arguments of the latest call with this key, unless some came before; "" yields nothing.

        Raises:
            ValueError: there are too many calls.
        """
        known = self._latest.get(key)
        if arguments and (known is None or not known.has_arguments):
            yield from self.more(key, arguments)

    def end(self, key: object) -> None:
        """Note that the call with this key, if there is one, has ended."""
        if (known := self._latest.get(key)) is not None:
            known.has_ended = True


def _is_same(known: _Call, id_: str, name: str) -> bool:
    if id_ and known.id:
        return id_ == known.id
    return not known.has_ended and (name == known.name or not name or not known.name)
