"""From the task that reads a provider to the task that writes to the caller: bounded, and in order.

The rule here: while the caller takes all that comes, the reading task writes by itself, which saves a task switch for
each token. Once the caller's socket has not taken all, items are queued here, `CHANNEL_ITEMS` at most; then the reading
task waits, and the provider too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from chunkwire.llm.answer import Reasoning, Text, ToolCall

CHANNEL_ITEMS: Final = 100
MAX_WHOLE_CHARACTERS: Final = 4 << 20  # of an answer kept whole; the longest that providers give have some 0.5 Mi
_BATCH_CHARACTERS: Final = 65536  # a batch with so many takes no further item


@dataclass(frozen=True, slots=True)
class End:
    """The answer is over; the audit entry says whether it is whole."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """The caller's socket did not take all octets of items that were written; `send` sends the rest."""

    send: Callable[[], Awaitable[None]]


Content: TypeAlias = Text | Reasoning | ToolCall
Item: TypeAlias = Content | Unsent | End
WriteNowait: TypeAlias = Callable[[list[Content]], Unsent | None]
"""Write items without waiting."""


class AnswerChannel:
    """The items of one answer."""

    def __init__(self, *, keeps_text: bool) -> None:
        self.keeps_text = keeps_text  # keep the text of the answer; becomes False when there is more than can be kept
        self._send, self._receive = trio.open_memory_channel[Item](CHANNEL_ITEMS)
        self._write_nowait: WriteNowait | None = None  # set while the writing task waits and nothing is queued
        self._written_at = 0.0  # when items were written last, or the writing task began to wait; trio's seconds
        self._pieces: list[str] = []
        self._characters = 0

    @property
    def text(self) -> str:
        """The text so far; "" where it is not kept."""
        return "".join(self._pieces)

    def put_nowait(self, items: list[Content]) -> list[Content]:
        """Write items, or queue them; return those for which there was no room."""
        if items and self._write_nowait is not None:
            self._written_at = trio.current_time()
            for item in items:
                self._keep(item)
            if (unsent := self._write_nowait(items)) is not None:
                self._queue(unsent)
            return []
        for number, item in enumerate(items):
            try:
                self._queue(item)
            except trio.WouldBlock:
                return items[number:]
        return []

    async def put(self, item: Content | End) -> None:
        """Queue an item once there is room."""
        self._write_nowait = None
        await self._send.send(item)

    def _queue(self, item: Content | Unsent) -> None:
        self._send.send_nowait(item)
        self._write_nowait = None

    async def next(self, patience: float, write_nowait: WriteNowait | None = None) -> list[Item]:
        """Return the next items, all that are queued up to a bound; an `Unsent` or `End` is the last of them.

        Args:
            patience: seconds in which nothing is queued or written, after which it returns none.
            write_nowait: for the reading task, to write by itself while this one waits; None to queue all.
        """
        batch: list[Item] = []
        characters = 0
        while characters < _BATCH_CHARACTERS:
            try:
                item: Item | None = self._receive.receive_nowait()
            except trio.WouldBlock:
                item = None if batch else await self._wait(patience, write_nowait)
            if item is None:
                break
            batch.append(item)
            if not isinstance(item, Text | Reasoning | ToolCall):
                break
            characters += self._keep(item)
        return batch

    async def _wait(self, patience: float, write_nowait: WriteNowait | None) -> Item | None:
        """Return the next item; None when nothing was queued or written for so many seconds."""
        self._write_nowait, self._written_at = write_nowait, trio.current_time()
        try:
            while self._written_at + patience > trio.current_time():
                with trio.move_on_at(self._written_at + patience):
                    return await self._receive.receive()
            # An `Unsent` may have been queued since the deadline; no keep-alive may be written before its octets.
            return self._receive.receive_nowait()
        except trio.WouldBlock:
            return None
        finally:
            self._write_nowait = None

    def _keep(self, item: Content) -> int:
        """Keep the text of an item where it is wanted; return its length in characters."""
        text = item.id + item.name + item.arguments if isinstance(item, ToolCall) else item.text
        if self.keeps_text and not isinstance(item, Reasoning):
            if isinstance(item, Text):
                self._pieces.append(text)
            self._characters += len(text)
            if self._characters > MAX_WHOLE_CHARACTERS:
                self.keeps_text = False
                self._pieces.clear()
        return len(text)
