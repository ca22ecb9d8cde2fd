"""A view that groups items into batches, for consumers that cannot process each item, such as a screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Generic, Protocol, TypeVar

import trio

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


class CancelSafeIterator(Protocol[Item]):
    """An iterator whose `__anext__` can be cancelled without losing an item, as all views of a stream."""

    async def __anext__(self) -> Item:
        """Return the next item."""


class Throttled(Generic[T]):
    """See `throttled`."""

    def __init__(self, view: CancelSafeIterator[T], every: float) -> None:
        self._view = view
        self._every = every
        self._not_before = -float("inf")
        self._error: BaseException | None = None

    def __aiter__(self) -> AsyncIterator[list[T]]:
        return self

    async def __anext__(self) -> list[T]:
        if self._error is not None:
            raise self._error
        batch = [await self._view.__anext__()]
        with trio.move_on_at(self._not_before):
            while self._not_before > trio.current_time():
                try:
                    batch.append(await self._view.__anext__())
                except (StopAsyncIteration, Exception) as error:  # noqa: BLE001  raised by the next step
                    self._error = error
                    break
        self._not_before = trio.current_time() + self._every
        return batch


def throttled(view: CancelSafeIterator[T], *, every: float) -> Throttled[T]:
    """Iterate over a view's items in lists, at most one list in `every` seconds; the first item comes at once.

    No item is lost. An error of the view is raised after the list of the items before it. Between two lists nothing is
    read: flow control slows the stream down, so no items are queued here.
    """
    return Throttled(view, every)
