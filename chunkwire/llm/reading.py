"""The part of reading an answer that all dialects share.

The rule here: lenient in form, strict in meaning. Octets become events or JSON objects, whatever the Content-Type is.
This module decides whether an answer is whole, broken, empty or no answer at all; what an event means is in the
dialect's file. What this module must not know: that meaning.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Final

from chunkwire.llm.answer import AnswerEvent, ErrorKind, ProviderError, Stop, StopReason, Text, ToolCall, Usage
from chunkwire.llm.elements import ElementDecoder
from chunkwire.llm.errors import error_in, error_of_event, read_error
from chunkwire.llm.shape import glimpse, load_values
from chunkwire.llm.surrogates import SurrogateJoiner
from chunkwire.llm.tool_calls import ToolCalls
from chunkwire.wire.sse import EventTooLong, SseDecoder, SseEvent

HEAD_OCTETS: Final = 4096  # kept of a body until it is known to be a stream, for the error message if it is none
_BLANKS: Final = b"\xef\xbb\xbf \t\r\n"
_FIELD: Final = re.compile(rb"(?i)\s*+(?:data|event|id|retry|error|)\s*+:")  # the start of a line of an event stream
_WRAPPERS: Final = re.compile(r"\A(?>(?:data:\s*+)*)")  # of a proxy that wraps events in events
_DONE: Final = "[done]"
_KEEP_ALIVE_WORDS: Final = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive", "processing"})
# Names of the dialects' own events. In an event of another name, data that is neither object nor array is ignored.
_ANY_DIALECTS: Final = frozenset({"message", "data", "chunk", "completion"})
_NAME_PREFIXES: Final = ("response.", "message_", "content_block_")
# Reasons to stop with which an answer without content is no error.
_MAY_BE_EMPTY: Final = frozenset({StopReason.LENGTH, StopReason.FILTER, StopReason.REFUSAL})


class Interpreter(ABC):
    """The meaning of a dialect's events; the state of one answer.

    An answer is whole after the terminal event, even if the body is cut then; after a finish, only if the body ends
    properly. With neither it is incomplete, even if the body ends properly. A body of JSON has no terminal event: it
    ends with its finish and its last bracket.
    """

    terminal: ClassVar[str] = ""  # the terminal event; "" for a dialect that has none
    finish: ClassVar[str] = ""  # what reports that the model has stopped; "" where only the terminal event does

    def __init__(self) -> None:
        self.is_complete = False  # the terminal event was seen
        self.is_finished = False  # a reason to stop was seen
        self._is_started = False
        self._calls = ToolCalls()

    @abstractmethod
    def take(self, name: str, payload: dict[str, object]) -> Iterable[AnswerEvent]:
        """Return what an event, or a whole answer (`name` is ""), means; nothing for an unknown one.

        Errors in the forms that all dialects share were looked for before.

        Raises:
            ValueError: it is broken.
        """

    def done(self) -> None:  # noqa: B027  (a default, not a duty)
        """Take OpenAI's `[DONE]`, which proxies add to the streams of every dialect; elsewhere it ends nothing."""


class AnswerReader(ABC):
    """Reads one answer, unit (event, binary message or JSON object) by unit, until the first error.

    The octets of an answer give the same events, however they are cut; only the text of an error of ours may differ. A
    body that begins with { or [ is read as JSON: a provider that cannot stream answers with one whole object, Gemini
    with an array, and many with an error under a status of 200.
    """

    unit: ClassVar[str]

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._head = b""  # the first octets after blanks; no longer filled once a unit was read
        self._units = 0
        self._is_failed = False
        self._is_whole = False
        self._is_past_end = False
        self._has_content = False
        self._stop: StopReason | None = None
        self._without_arguments: set[int] = set()  # the indexes of tool calls
        self._joiner = SurrogateJoiner()
        self._elements: ElementDecoder | None = None

    @property
    def is_complete(self) -> bool:
        """The answer has come to its end, even if the body is cut from here on; `end_of_input` may still find it empty.

        True after the dialect's terminal event, and after an `end_of_input` that returned no error.
        """
        return (self._is_whole or self._interpreter.is_complete) and not self._is_failed

    def feed(self, octets: bytes) -> list[AnswerEvent]:
        """Return what these octets complete. A `ProviderError` is the last event; what is fed after it is ignored."""
        found: list[AnswerEvent] = []
        if self._is_failed or self._is_whole or self._is_past_end:
            return found
        if not self._units and len(self._head) < HEAD_OCTETS:
            is_first = not self._head
            self._head = (self._head + octets).lstrip(_BLANKS)[:HEAD_OCTETS]
            if is_first and self._head[:1] in (b"{", b"["):
                self._elements = ElementDecoder()
        if self._elements is not None:
            self._read_elements(self._elements, octets, found)
        elif (
            not self._units
            and self._is_no_stream()
            and (len(self._head) >= HEAD_OCTETS or b"</html>" in self._head.lower())
        ):
            found.append(self._no_stream_error())
        else:
            self._read(octets, found)
        return found

    def end_of_input(self, broken: ProviderError | None = None) -> list[AnswerEvent]:
        """Return what the end completes; a `ProviderError` comes last where the answer is not whole, or empty.

        An answer without text and tool calls is empty, unless a limit, a filter or a refusal stopped it. Call it once:
        at the end of the body, or after `is_complete` when no more is read.

        Args:
            broken: what ended the body early: a cut, a timeout; returned where the answer is not whole. None for a
                body that ended properly.
        """
        found: list[AnswerEvent] = []
        if self._is_failed or self._is_whole:
            return found
        if broken is None and self._elements is None and not self._read_last(found):
            return found
        found += self._joiner.flush()
        is_ended = broken is None and self._interpreter.is_finished and not self._ends_inside
        if self._interpreter.is_complete or is_ended:
            if self._has_content or self._stop in _MAY_BE_EMPTY:
                self._is_whole = True
                found += [ToolCall(index, "", "", "{}") for index in sorted(self._without_arguments)]
            else:
                reason = "" if self._stop is None else f", and {self._stop.value!r} as the reason to stop"
                got = f"got the end of an answer without either{reason}"
                found.append(self._fail(ErrorKind.EMPTY, f"expected text or a tool call, {got}"))
            return found
        self._is_failed = True
        found.append(broken or self._incomplete_error())
        return found

    @abstractmethod
    def _decode(self, octets: bytes) -> tuple[Sequence[Any], str]:
        """Return the units that these octets complete, and why no more can follow them; "" where more can."""

    @abstractmethod
    def _meanings(self, unit: Any) -> Iterable[AnswerEvent]:
        """Return what a unit means. Iterating raises ValueError if it is broken."""

    def _read_last(self, found: list[AnswerEvent]) -> bool:
        """Add what only the end of input completes; return False after an error."""
        return True

    @property
    @abstractmethod
    def _is_inside(self) -> bool:
        """The input ends inside a unit."""

    @abstractmethod
    def _is_no_stream(self) -> bool:
        """Say whether the body begins as something else than a stream."""

    def _read(self, octets: bytes, found: list[AnswerEvent]) -> None:
        """Add what these octets complete."""
        units, broken = self._decode(octets)
        for unit in units:
            if not self._take(self._meanings(unit), found, is_after=self._interpreter.is_complete):
                return
        if broken and not self._interpreter.is_complete:
            found.append(self._fail(ErrorKind.BROKEN, broken))

    def _take(self, meanings: Iterable[AnswerEvent], found: list[AnswerEvent], *, is_after: bool) -> bool:
        """Add what one unit means, up to an error, or to a broken part; return False after an error.

        Args:
            is_after: the terminal event was seen before; of what follows, only usage counts.
        """
        self._units += 1
        try:
            for meaning in meanings:
                if isinstance(meaning, ProviderError):
                    if is_after:
                        break
                    self._is_failed = True
                    found += self._joiner.flush()
                    found.append(meaning)
                    break
                if not is_after or isinstance(meaning, Usage):
                    self._note(meaning)
                    self._joiner.take(meaning, found)
        except ValueError as error:
            if not is_after:
                found.append(self._fail(ErrorKind.BROKEN, f"{self._name_unit(self._units)}: {error}"))
        return not self._is_failed

    def _note(self, event: AnswerEvent) -> None:
        if isinstance(event, Text):
            self._has_content = True
        elif isinstance(event, ToolCall):
            self._has_content = True
            if event.arguments:
                self._without_arguments.discard(event.index)
            elif event.id or event.name:
                self._without_arguments.add(event.index)
        elif isinstance(event, Stop):
            self._stop = event.reason

    def _read_elements(self, elements: ElementDecoder, octets: bytes, found: list[AnswerEvent]) -> None:
        units: list[bytes] = []
        broken: ValueError | None = None
        try:
            elements.feed(octets, units)
        except ValueError as error:
            broken = error
        for unit in units:
            if not self._take(self._object(unit), found, is_after=self._interpreter.is_complete):
                return
        if broken is not None and self._interpreter.is_finished and not elements.is_in_array:
            self._elements, self._is_past_end = ElementDecoder(), True  # an unused one: nothing of an object is held
        elif broken is not None and not self._interpreter.is_complete:
            found.append(self._fail(ErrorKind.BROKEN, f"{self._name_unit(self._units + 1)}: {broken}"))

    def _object(self, octets: bytes) -> Iterator[AnswerEvent]:
        """Yield what an object means; a first one without a meaning is an error."""
        known = False
        for payload in load_values(octets.decode("utf-8", "replace")):
            if (error := error_in(payload)) is not None:
                yield error
                return
            for event in self._interpreter.take("", payload) if isinstance(payload, dict) else ():
                known = True
                yield event
        if not known and self._units == 1:
            yield read_error(200, (), octets)

    def _fail(self, kind: ErrorKind, message: str) -> ProviderError:
        self._is_failed = True
        return ProviderError(kind, message, is_ours=True)

    @property
    def _ends_inside(self) -> bool:
        return self._is_inside if self._elements is None else not self._elements.is_between

    def _no_stream_error(self) -> ProviderError:
        self._is_failed = True
        return read_error(200, (), self._head)

    def _incomplete_error(self) -> ProviderError:
        if not self._units and self._is_no_stream() and self._elements is None:
            return self._no_stream_error()
        where = f" after {self._units} {self.unit if self._elements is None else 'object'}s"
        if self._ends_inside:
            where = f", in the middle of {self._name_unit(self._units + 1)}"
        ending = self._interpreter.terminal or f"{self._interpreter.finish} and the end of the body"
        ending = ending if self._elements is None else "the end of the JSON"
        return self._fail(ErrorKind.INCOMPLETE, f"expected {ending}, got the end of input{where}")

    def _name_unit(self, number: int) -> str:
        return f"{self.unit if self._elements is None else 'object'} {number}"


class SseReader(AnswerReader):
    """Read an answer that comes as server-sent events."""

    unit = "event"

    def __init__(self, interpreter: Interpreter) -> None:
        super().__init__(interpreter)
        self._is_cut = False
        self._decoder = SseDecoder(is_lenient=True)

    def _decode(self, octets: bytes) -> tuple[Sequence[SseEvent], str]:
        try:
            return self._decoder.feed(octets), ""
        except EventTooLong as error:
            return [item for item in error.received if isinstance(item, SseEvent)], str(error)

    def _read_last(self, found: list[AnswerEvent]) -> bool:
        """Take a last event without its blank line, which a browser would drop, unless its JSON is cut."""
        for item in self._decoder.end_of_input():
            if not isinstance(item, SseEvent):
                continue
            is_after = self._interpreter.is_complete
            try:
                meanings = list(self._meanings(item))
            except ValueError:
                self._is_cut = True
            else:
                self._take(meanings, found, is_after=is_after)
        return not self._is_failed

    @property
    def _is_inside(self) -> bool:
        return self._is_cut

    def _is_no_stream(self) -> bool:
        lines = self._head.splitlines()
        return bool(lines) and not any(map(_FIELD.match, lines))

    def _meanings(self, unit: SseEvent) -> Iterator[AnswerEvent]:
        data = unit.data.strip()
        data = _WRAPPERS.sub("", data, count=1)
        if unit.event.lower() == "error":
            yield error_of_event(data)
            return
        if not data.startswith("{") and _is_keep_alive(unit.event, data):
            return
        for payload in self._payloads(data):
            if (error := error_in(payload)) is not None:
                yield error
                return
            yield from self._interpreter.take(unit.event, payload)

    def _payloads(self, data: str) -> Iterator[dict[str, object]]:
        """Yield the objects in an event: mostly one, several where a server leaves out the blank lines between them."""
        try:
            values = load_values(data) if data and not _is_done(data) else []
        except ValueError:
            lines = data.splitlines()
            if self._interpreter.is_finished and not data.startswith(("{", "[")):
                return  # text of the server after the answer
            if len(lines) < 2:
                raise
            for line in lines:
                yield from self._payloads(line.strip())
            return
        if _is_done(data):
            self._interpreter.done()
        for value in values:
            for payload in value if isinstance(value, list) else [value]:
                if isinstance(payload, dict):
                    yield payload
                elif payload is not None:
                    raise ValueError(f"expected a JSON object, got {glimpse(data)}")


def _is_keep_alive(name: str, data: str) -> bool:
    """Say whether data that is no object is a proxy's keep-alive: `event: ping` with the time, `data: ping`."""
    is_foreign = name not in _ANY_DIALECTS and not name.startswith(_NAME_PREFIXES)
    return (is_foreign and not data.startswith("[")) or data.strip(": ").lower() in _KEEP_ALIVE_WORDS


def _is_done(data: str) -> bool:
    return data[:8].strip('"').lower().startswith(_DONE)
