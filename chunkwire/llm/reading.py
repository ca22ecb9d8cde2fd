"""How the dialects that stream server-sent events are read: the part they share.

The rule here: octets to events to JSON, and every way in which that can fail, so that a dialect's file says only
what its events mean. What this module must not know: any of those meanings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol

from chunkwire.llm.answer import AnswerEvent, ErrorKind, KeepAlive, ProviderError
from chunkwire.llm.shape import glimpse, load_object
from chunkwire.wire.sse import EventTooLong, SseComment, SseDecoder, SseEvent

_HEAD_OCTETS: Final = 64  # kept of a body that may turn out to be no stream, for the error's quotation
_FIELDS: Final = (b"data", b"event", b"id", b"retry", b":")  # what an event stream begins with
_MAX_TOOL_CALLS: Final = 1024  # of one answer; OpenAI allows 128 tools a request


class BrokenStream(Exception):
    """An event breaks the dialect's grammar; inside the room only, readers turn it into a `ProviderError`."""


class Interpreter(Protocol):
    """What a dialect's events mean; the state of one answer."""

    is_complete: bool

    @property
    def terminal(self) -> str:
        """Return what the dialect's streams end with, for error messages."""
        ...

    def take(self, name: str, data: str) -> Iterable[AnswerEvent]:
        """Return what an event means, nothing for an unknown one; raise BrokenStream where it means nothing at all."""
        ...


class ToolIndex:
    """Number the tool calls of one answer from 0, by whatever the dialect tells them apart with."""

    def __init__(self) -> None:
        self._ordinals: dict[object, int] = {}

    def __len__(self) -> int:
        return len(self._ordinals)

    def of(self, key: object) -> int:
        """Return the number of the call of that key, the next one for a new key."""
        if key not in self._ordinals and len(self._ordinals) >= _MAX_TOOL_CALLS:
            raise BrokenStream(f"expected at most {_MAX_TOOL_CALLS} tool calls, got more")
        return self._ordinals.setdefault(key, len(self._ordinals))


class SseReader:
    """Read an answer that comes as server-sent events."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._decoder = SseDecoder()
        self._head = b""  # the first octets, until an event shows that this is a stream
        self._items = 0
        self._is_failed = False

    @property
    def is_complete(self) -> bool:
        """The dialect's own terminal event was seen."""
        return self._interpreter.is_complete

    def feed(self, octets: bytes) -> list[AnswerEvent]:
        """Return what these octets complete; see `Reader`."""
        if self._is_failed:
            return []
        too_long: EventTooLong | None = None
        try:
            items = self._decoder.feed_all(octets)
        except EventTooLong as error:
            too_long = error
            items = list(error.received)
        if not self._items and not items and len(self._head) < _HEAD_OCTETS:
            self._head += octets[:_HEAD_OCTETS]
        found: list[AnswerEvent] = []
        for item in items:
            self._items += 1
            if isinstance(item, SseComment):
                found.append(KeepAlive())
            elif self._take(item, found):
                return found
        if too_long is not None:
            found.append(self._fail(ErrorKind.BROKEN, str(too_long)))
        return found

    def _take(self, event: SseEvent, found: list[AnswerEvent]) -> bool:
        """Add what an event means; say whether it was the last that can be read."""
        try:
            for meaning in self._interpreter.take(event.event, event.data):
                found.append(meaning)  # one by one: what precedes a broken part stays
                if isinstance(meaning, ProviderError):
                    self._is_failed = True
                    return True
        except BrokenStream as error:
            found.append(self._fail(ErrorKind.BROKEN, f"event {self._items}: {error}"))
            return True
        return False

    def _fail(self, kind: ErrorKind, message: str) -> ProviderError:
        self._is_failed = True
        return ProviderError(kind, message)

    def end_of_input(self) -> ProviderError | None:
        """Return what the answer lacks; see `Reader`."""
        if self._is_failed or self.is_complete:
            return None
        if not self._items and self._head.strip() and not self._head.startswith(_FIELDS):
            head = glimpse(self._head[:_HEAD_OCTETS].strip())
            return self._fail(ErrorKind.NOT_A_STREAM, f"expected an event stream, got {head}")
        where = "" if self._decoder.is_between_events else " in the middle of an event"
        message = f"expected {self._interpreter.terminal}, got the end of input{where} after {self._items} events"
        return self._fail(ErrorKind.INCOMPLETE, message)


def payload_of(data: str) -> dict[str, object]:
    """Return the JSON object in an event's data, or raise BrokenStream."""
    try:
        return load_object(data)
    except ValueError as error:
        raise BrokenStream(str(error)) from error
