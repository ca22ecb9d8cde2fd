"""The ways to look at one body: reads, frames, lines, events; and `throttled`, which groups the items of a view.

The rule here: a view is an iterator that may be left and continued, and each step of which may be cancelled without
loss (a deadline of the caller's, `throttled`). They are classes because an async generator that is not run to its end
needs an explicit `aclose`.
"""

from __future__ import annotations

import abc
import codecs
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from io import StringIO
from math import inf
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

import trio

from chunkwire.client.body import Read
from chunkwire.client.errors import TooLong
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.frames import Data, Event, Frame
from chunkwire.wire.reader import FrameAssembler
from chunkwire.wire.sse import EventTooLong, SseDecoder, SseEvent

MAX_GATHERED: Final = 10_000
"""Items of one list of `throttled`: a screen shows some hundred, and the lab keeps 20 000 records for a page."""

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


NextRead: TypeAlias = Callable[[], Awaitable[Read | None]]
"""Returns the next read of a stream, None after the end."""


class View(abc.ABC, Generic[T]):
    """An async iterator over the items that the reads of a stream complete."""

    def __init__(self, next_read: NextRead) -> None:
        self._next_read = next_read
        self._ready: deque[T] = deque()
        self._is_over = False
        self._error: ChunkwireError | None = None  # of the content; set by `_turn` or `_last`, raised after their items

    def __aiter__(self) -> View[T]:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            read = await self._next_read()
            if read is None:
                self._is_over = True
                self._ready.extend(self._last())
            else:
                self._ready.extend(self._turn(read))
        return self._ready.popleft()

    @abc.abstractmethod
    def _turn(self, read: Read) -> list[T]:
        """Return what a read completes."""

    def _last(self) -> list[T]:
        """Return what the end completes."""
        return []


class Frames(View[Frame | Data]):
    """Whole frames as they become whole; for a body that is not chunked, its data as it comes."""

    def __init__(self, next_read: NextRead, *, is_chunked: bool) -> None:
        super().__init__(next_read)
        self._whole = Assembly(is_chunked=is_chunked)

    def _turn(self, read: Read) -> list[Frame | Data]:
        return self._whole.take(read.events)


class Reads(View[Read]):
    """Receives; with `whole_frames`, each with the frames that it completed."""

    def __init__(self, next_read: NextRead, *, is_chunked: bool, whole_frames: bool) -> None:
        super().__init__(next_read)
        self._whole = Assembly(is_chunked=is_chunked) if whole_frames else None

    def _turn(self, read: Read) -> list[Read]:
        return [read if self._whole is None else replace(read, frames=tuple(self._whole.take(read.events)))]


class Assembly:
    """Makes frames of events; of a body that is not chunked, data."""

    def __init__(self, *, is_chunked: bool) -> None:
        self._assembler = FrameAssembler() if is_chunked else None

    def take(self, events: tuple[Event, ...]) -> list[Frame | Data]:
        """Return what these events complete."""
        if self._assembler is None:
            return [event for event in events if isinstance(event, Data)]
        take = self._assembler.take
        return [frame for event in events if (frame := take(event)) is not None]


class Lines(View[str]):
    """Lines without their ends (LF or CRLF), each once its end is in; the last one needs none.

    The work is linear in the octets.

    Args:
        max_characters: of one line; a longer one is the error `TooLong`.
    """

    def __init__(self, next_read: NextRead, *, charset: str, max_characters: int) -> None:
        super().__init__(next_read)
        self._charset = charset
        self._decoder = codecs.getincrementaldecoder(charset)("replace")
        self._max = max_characters
        self._held = StringIO()  # a line whose end has not come

    def _turn(self, read: Read) -> list[str]:
        *lines, rest = self._decode(content(read)).split("\n")
        if lines and self._held.tell():
            lines[0] = self._take_held() + lines[0]
        if rest:
            self._held.write(rest)
            if self._held.tell() > self._max + 1:  # one more may be the CR of its end
                self._fail()
        return self._checked([line.removesuffix("\r") for line in lines])

    def _last(self) -> list[str]:
        rest = self._take_held() + self._decode(b"", is_last=True)
        return self._checked([rest] if rest else [])

    def _take_held(self) -> str:
        held = self._held.getvalue()
        self._held = StringIO()
        return held

    def _decode(self, octets: bytes, *, is_last: bool = False) -> str:
        try:
            return self._decoder.decode(octets, is_last)
        except UnicodeError:
            # Unlike `bytes.decode`, Python's incremental decoders refuse UTF-16 and UTF-32 without a byte order mark.
            # Some of ISO 2022 fail at a malformed escape sequence.
            octets = self._decoder.getstate()[0] + octets
            charset = f"{self._charset}-le" if self._charset in ("utf-16", "utf-32") else "utf-8"
            self._decoder = codecs.getincrementaldecoder(charset)("replace")
            return self._decoder.decode(octets, is_last)

    def _checked(self, lines: list[str]) -> list[str]:
        """Return the lines in front of one that is too long."""
        for place, line in enumerate(lines):
            if len(line) > self._max:
                self._fail()
                return lines[:place]
        return lines

    def _fail(self) -> None:
        self._error = TooLong("a line", self._max, "characters")


class Events(View[SseEvent]):
    """Server-sent events (WHATWG HTML §9.2), on a new connection if the old one breaks and that is asked for.

    An event of more than `wire.sse.MAX_EVENT_OCTETS` is the error `EventTooLong`; no new connection is opened then.

    Args:
        resume: opens another exchange, given the last event id, the wait in s that the stream asked for and what
            broke; True when there is one, False if the server has ended the stream. With None the error is raised.
    """

    def __init__(
        self, next_read: NextRead, *, resume: Callable[[str, float | None, ChunkwireError], Awaitable[bool]] | None
    ) -> None:
        super().__init__(next_read)
        self._decoder = SseDecoder()
        self._resume = resume
        self._last_id = ""
        self._has_given = False

    async def __anext__(self) -> SseEvent:
        while True:
            try:
                return await super().__anext__()
            except ChunkwireError as error:
                # Without an id the server would begin again: that is a repeat, unless nothing has been given yet.
                is_repeat = self._has_given and not self._last_id
                if self._resume is None or is_repeat or error is self._error:
                    raise
                retry = self._decoder.retry
                if not await self._resume(self._last_id, None if retry is None else retry / 1000, error):
                    self._is_over = True
                    raise StopAsyncIteration from error
                self._decoder = SseDecoder()
                self._decoder.retry = retry

    def _turn(self, read: Read) -> list[SseEvent]:
        try:
            events = self._decoder.feed(content(read))
        except EventTooLong as error:
            self._error = error
            events = [event for event in error.received if isinstance(event, SseEvent)]
        self._last_id = self._decoder.last_event_id or self._last_id
        self._has_given = self._has_given or bool(events)
        return events


def content(read: Read) -> bytes:
    """Return the content that a read brought, framing left out."""
    return b"".join([event.octets for event in read.events if isinstance(event, Data)])


class CancelSafeIterator(Protocol[Item]):
    """An iterator whose `__anext__` can be cancelled without losing an item, as all views of a stream."""

    async def __anext__(self) -> Item:
        """Return the next item."""


class Throttled(Generic[T]):
    """Groups items, for consumers that cannot process each, such as a screen; see `throttled`."""

    def __init__(self, view: CancelSafeIterator[T], every: float) -> None:
        self._view = view
        self._every = every
        self._not_before = -float("inf")
        self._error: BaseException | None = None
        self._batch: list[T] = []  # kept where a step is cancelled, for the next one

    def __aiter__(self) -> AsyncIterator[list[T]]:
        return self

    async def __anext__(self) -> list[T]:
        if not self._batch:
            if self._error is not None:
                raise self._error
            self._batch.append(await self._view.__anext__())
        with trio.move_on_at(self._not_before):
            while self._error is None and self._not_before > trio.current_time():
                if len(self._batch) >= MAX_GATHERED:
                    if self._every == inf:
                        break
                    await trio.sleep_forever()
                try:
                    self._batch.append(await self._view.__anext__())
                except Exception as error:  # noqa: BLE001  raised by the next step; the end of the view is one, too
                    self._error = error
        self._not_before = trio.current_time() + self._every
        batch, self._batch = self._batch, []
        return batch


def throttled(view: CancelSafeIterator[T], *, every: float) -> Throttled[T]:
    """Iterate over a view's items in lists, at most one list in `every` seconds; the first item comes at once.

    No item is lost, also where a step is cancelled. An error of the view is raised after the list of the items before
    it. While the caller processes a list nothing is read: flow control slows the stream down. While it waits for one,
    the items of up to `every` seconds are gathered, but at most `MAX_GATHERED`: then nothing is read either.
    With `math.inf` each list has so many, and the last one the rest.
    """
    return Throttled(view, every)
