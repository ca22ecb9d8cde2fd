"""How the dialects that stream server-sent events are read: the part they share.

The rule here: octets to events to JSON, and every way in which that can fail, so that a dialect's file says only
what its events mean. What this module must not know: any of those meanings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from chunkwire.llm.answer import AnswerEvent, ErrorKind, KeepAlive, ProviderError
from chunkwire.llm.shape import glimpse
from chunkwire.wire.sse import EventTooLong, SseComment, SseDecoder, SseEvent

HEAD_OCTETS: Final = 64  # kept of a body that may turn out to be no stream, for the error's quotation
_FIELDS: Final = (b"data", b"event", b"id", b"retry", b":")  # what an event stream begins with
_MAX_TOOL_CALLS: Final = 1024  # of one answer; OpenAI allows 128 tools a request


Unit = TypeVar("Unit")


class Interpreter(Protocol):
    """What a dialect's events mean; the state of one answer."""

    is_complete: bool

    @property
    def terminal(self) -> str:
        """Return what the dialect's streams end with, for error messages."""
        ...

    def take(self, name: str, data: str) -> Iterable[AnswerEvent]:
        """Return what an event means, nothing for an unknown one; raise ValueError where it means nothing at all."""
        ...


class ToolIndex:
    """Number the tool calls of one answer from 0, by whatever key the dialect gives them."""

    def __init__(self) -> None:
        self._ordinals: dict[object, int] = {}

    def __len__(self) -> int:
        return len(self._ordinals)

    def of(self, key: object) -> int:
        """Return the number of the call of that key, the next one for a new key."""
        if key not in self._ordinals and len(self._ordinals) >= _MAX_TOOL_CALLS:
            raise ValueError(f"expected at most {_MAX_TOOL_CALLS} tool calls, got more")
        return self._ordinals.setdefault(key, len(self._ordinals))


class AnswerReader(ABC, Generic[Unit]):
    """What the readers of all dialects share: units, events or messages, are taken one by one until one is broken."""

    unit: ClassVar[str]

    def __init__(self) -> None:
        self._head = b""  # the first octets, until a unit shows that this is a stream
        self._units = 0
        self._is_failed = False

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """The dialect's own terminal event was seen."""

    def feed(self, octets: bytes) -> list[AnswerEvent]:
        """Return what these octets complete; see `Reader`."""
        found: list[AnswerEvent] = []
        if not self._is_failed:
            if not self._units and len(self._head) < HEAD_OCTETS:
                self._head += octets[:HEAD_OCTETS]
            self._read(octets, found)
        return found

    @abstractmethod
    def _read(self, octets: bytes, found: list[AnswerEvent]) -> None:
        """Add what these octets complete."""

    @abstractmethod
    def _lack(self) -> tuple[str, bool]:
        """Return what the answer should have ended with, and whether the input ends inside of a unit."""

    @abstractmethod
    def _is_other(self) -> bool:
        """Say whether the head is that of something else than a stream."""

    @abstractmethod
    def _meanings(self, unit: Unit) -> Iterable[AnswerEvent]:
        """Return what a unit means; raise ValueError where it means nothing at all."""

    def _take(self, unit: Unit, found: list[AnswerEvent]) -> bool:
        """Add what one unit means; say whether more can be read."""
        self._units += 1
        try:
            for meaning in self._meanings(unit):
                found.append(meaning)  # one by one: what precedes a broken part stays
                if isinstance(meaning, ProviderError):
                    self._is_failed = True
                    break
        except ValueError as error:
            found.append(self._fail(ErrorKind.BROKEN, f"{self.unit} {self._units}: {error}"))
        return not self._is_failed

    def _fail(self, kind: ErrorKind, message: str) -> ProviderError:
        self._is_failed = True
        return ProviderError(kind, message)

    def end_of_input(self) -> ProviderError | None:
        """Return what the answer lacks; see `Reader`."""
        if self._is_failed or self.is_complete:
            return None
        if not self._units and self._is_other():
            got = glimpse(self._head[:HEAD_OCTETS].strip())
            return self._fail(ErrorKind.NOT_A_STREAM, f"expected an event stream, got {got}")
        terminal, is_inside = self._lack()
        where = (
            f", in the middle of {self.unit} {self._units + 1}" if is_inside else f" after {self._units} {self.unit}s"
        )
        return self._fail(ErrorKind.INCOMPLETE, f"expected {terminal}, got the end of input{where}")


class SseReader(AnswerReader[SseEvent | SseComment]):
    """Read an answer that comes as server-sent events."""

    unit = "event"

    def __init__(self, interpreter: Interpreter) -> None:
        super().__init__()
        self._interpreter = interpreter
        self._decoder = SseDecoder()

    @property
    def is_complete(self) -> bool:
        """The dialect's own terminal event was seen."""
        return self._interpreter.is_complete

    def _read(self, octets: bytes, found: list[AnswerEvent]) -> None:
        too_long: EventTooLong | None = None
        try:
            items = self._decoder.feed_all(octets)
        except EventTooLong as error:
            too_long = error
            items = list(error.received)
        for item in items:
            if not self._take(item, found):
                return
        if too_long is not None:
            found.append(self._fail(ErrorKind.BROKEN, str(too_long)))

    def _meanings(self, unit: SseEvent | SseComment) -> Iterable[AnswerEvent]:
        return (KeepAlive(),) if isinstance(unit, SseComment) else self._interpreter.take(unit.event, unit.data)

    def _lack(self) -> tuple[str, bool]:
        return self._interpreter.terminal, not self._decoder.is_between_events

    def _is_other(self) -> bool:
        return bool(self._head.strip()) and not self._head.startswith(_FIELDS)
