"""Decode and encode server-sent events (WHATWG HTML §9.2).

The rule here: decoding accepts everything that the standard accepts (§9.2.6 defines the result of every input), with a
limit on the octets of one event or line. Encoding is strict: the value of a field that would be decoded as another one
is refused. What this module must not know: chunks, connections, reconnecting, and what the data means.

    stream  = [ bom ] *event
    event   = *( comment / field ) end-of-line
    comment = colon *any-char end-of-line
    field   = 1*name-char [ colon [ space ] *any-char ] end-of-line
    end-of-line = CRLF / CR / LF
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chunkwire.wire.errors import ChunkwireError, LocalError

MAX_EVENT_OCTETS: Final = 16 * 1024 * 1024
"""Octets of one event: an image as base64 takes a few MiB (AWS event streams stop at 24 MiB, gRPC at 4 MiB)."""

_BOM = b"\xef\xbb\xbf"
_CR = b"\r"
_LF = b"\n"
# Milliseconds in at most 15 digits: 31,000 years. This bounds the cost of int() for a hostile line.
_MAX_RETRY_DIGITS = 15


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One dispatched event.

    Attributes:
        event: its type; "message" if the stream names none.
        data: the data lines joined by LF.
        id: the latest id in the stream so far, of this event or of an earlier one; "" for none.
        retry: the reconnection time in this event's lines, in ms; None for none.
    """

    event: str
    data: str
    id: str = ""
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class SseComment:
    """A comment line, which many servers send as a heartbeat; `text` is all after its colon, also a leading blank."""

    text: str


class EventTooLong(ChunkwireError):
    """One event or one line is longer than the limit; neither it nor anything after it is decoded.

    Attributes:
        limit: of octets of one event.
        received: the events and comments before it that the same call has decoded; () on later calls.
    """

    def __init__(self, limit: int, received: tuple[SseEvent | SseComment, ...] = ()) -> None:
        super().__init__(f"expected an event of at most {limit} octets, got more")
        self.limit = limit
        self.received = received


class SseDecoder:
    """Decodes an event stream, which may be fed in any pieces.

    An event without a data line is dropped, and so is one whose empty line never comes (WHATWG HTML §9.2.6), unless
    `end_of_input` is called. The work is linear in the octets; the memory is bounded by a small multiple of
    `max_event_octets`.

    Attributes:
        last_event_id: the value of Last-Event-ID for a reconnection (§9.2.4); "" for none.
        retry: the latest reconnection time of the stream, in ms; None for none.

    Args:
        is_lenient: decode more than the standard, for streams of language models: a field `error` sets the type
            `error` and is a data line; an event of that type is not dropped where it has no data; field names may have
            any case, and blanks around them; from a line that begins with `{` to the next empty line, all lines are
            data.
    """

    def __init__(self, *, max_event_octets: int = MAX_EVENT_OCTETS, is_lenient: bool = False) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self._max = max_event_octets
        self._is_lenient = is_lenient
        self._is_in_json = False  # in lines of JSON without field names (`is_lenient`)
        self._line = bytearray()  # a line whose end has not come
        self._is_first_line = True
        self._is_after_cr = False
        self._data = bytearray()  # data lines, each with its LF
        self._event = b""
        self._id = ""
        self._retry: int | None = None
        self._has_begun = False  # a line of an event, other than a comment, has come since the latest empty line
        self._is_failed = False

    @property
    def is_in_event(self) -> bool:
        """A line of an event has come and its empty line has not, or a line has come in part."""
        return self._has_begun or bool(self._line)

    def feed(self, octets: bytes) -> list[SseEvent]:
        """Return the events that these octets complete.

        Raises:
            EventTooLong: on this call and on every later one.
        """
        return [item for item in self.feed_all(octets) if isinstance(item, SseEvent)]

    def feed_all(self, octets: bytes) -> list[SseEvent | SseComment]:
        """Return the events and comments that these octets complete, in order.

        Raises:
            EventTooLong: on this call and on every later one.
        """
        if self._is_failed:
            raise EventTooLong(self._max)
        if self._is_after_cr and octets:  # CRLF is one end-of-line, wherever it was cut
            octets = octets.removeprefix(_LF)
            self._is_after_cr = False
        found: list[SseEvent | SseComment] = []
        end = max(octets.rfind(_LF), octets.rfind(_CR)) + 1
        if end:
            lines = bytes(self._line) + octets[:end]
            self._line.clear()
            self._is_after_cr = lines.endswith(_CR)
            for line in lines.splitlines():  # bytes know CR, LF and CRLF, and no other end-of-line
                self._check_room(len(line), found)
                self._take_line(line, found)
        self._line += octets[end:]
        self._check_room(len(self._line), found)
        return found

    def end_of_input(self) -> list[SseEvent | SseComment]:
        """Return the event or comment that the end of input cuts, as if an empty line followed; [] after an error.

        The standard drops it; this is for callers that can tell from its data whether it is complete.
        """
        found: list[SseEvent | SseComment] = []
        if self._is_failed:
            return found
        if self._line:
            self._take_line(bytes(self._line), found)
            self._line.clear()
        self._dispatch(found)
        return found

    def _check_room(self, octets: int, found: list[SseEvent | SseComment]) -> None:
        if len(self._data) + octets > self._max:
            self._is_failed = True
            raise EventTooLong(self._max, tuple(found))

    def _take_line(self, line: bytes, found: list[SseEvent | SseComment]) -> None:
        if self._is_first_line:
            self._is_first_line = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(found)
            return
        if self._is_lenient and (self._is_in_json or line.startswith(b"{")):
            self._is_in_json = self._has_begun = True
            self._data += line + _LF
            return
        name, _, value = line.partition(b":")
        if not name:
            found.append(SseComment(_text(value)))
            return
        value = value.removeprefix(b" ")
        if self._is_lenient:
            name = name.strip().lower()
        self._has_begun = True
        if name == b"data":
            self._data += value + _LF
        elif name == b"event":
            self._event = value
        elif self._is_lenient and name == b"error":
            self._event = name
            self._data += value + _LF
        elif name == b"id" and b"\0" not in value:
            self._id = _text(value)
        elif name == b"retry" and value.isdigit() and len(digits := value.lstrip(b"0")) <= _MAX_RETRY_DIGITS:
            self._retry = self.retry = int(digits or b"0")

    def _dispatch(self, found: list[SseEvent | SseComment]) -> None:
        self.last_event_id = self._id
        if self._data or (self._is_lenient and self._event.lower() == b"error"):
            data = _text(bytes(self._data[:-1]))
            found.append(SseEvent(_text(self._event) or "message", data, self._id, self._retry))
            self._data.clear()
        self._event = b""
        self._retry = None
        self._has_begun = False
        self._is_in_json = False


def encode_event(
    data: str | None,
    event: str | None = None,
    *,
    id: str | None = None,  # noqa: A002  the field is called so
    retry: int | None = None,
) -> bytes:
    r"""Return one event with its blank line, LF throughout: `b"event: token\ndata: hello\n\n"`.

    Args:
        data: each of its lines becomes a data line. None writes no data line: readers take `id` and `retry` of such an
            event, and drop it.
        event: the type; None omits it. None and "" are decoded as "message", the default.
        id: the last event ID; "" resets it.
        retry: reconnection time in ms, 0 or more, at most 15 digits.

    Raises:
        LocalError: a value would be decoded as another one: CR in data (read as LF), CR or LF in `event` or `id`, NUL
            in `id`, a `retry` out of its range, text that UTF-8 cannot represent.
    """
    fields: list[tuple[str, str]] = []
    if event is not None:
        fields.append(("event", _one_line(event, "event")))
    if id is not None:
        if "\0" in id:
            raise LocalError(f"expected an id without NUL (readers ignore such an id), got {id!r}")
        fields.append(("id", _one_line(id, "id")))
    if retry is not None:
        if not 0 <= retry < 10**_MAX_RETRY_DIGITS:
            raise LocalError(f"expected retry in ms, 0 or more, at most {_MAX_RETRY_DIGITS} digits, got {retry}")
        fields.append(("retry", str(retry)))
    if data is not None:
        if "\r" in data:
            raise LocalError("expected data without CR (it would arrive as LF), got one")
        fields += [("data", line) for line in data.split("\n")]
    return _octets("".join(f"{name}: {value}\n" for name, value in fields) + "\n")


def encode_comment(text: str = "") -> bytes:
    r"""Return a comment and an empty line, `b": text\n\n"`: a heartbeat, which readers ignore.

    The blank after the colon is part of the comment: `SseComment.text` is `" text"`.

    Raises:
        LocalError: CR or LF in the text, or text that UTF-8 cannot represent.
    """
    return _octets(f": {_one_line(text, 'comment')}\n\n")


def _one_line(text: str, what: str) -> str:
    if "\r" in text or "\n" in text:
        raise LocalError(f"expected one line as {what}, got {text!r}")
    return text


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LocalError(f"expected text that UTF-8 can write, got a lone surrogate at {error.start}") from error


def _text(octets: bytes) -> str:
    # WHATWG HTML §9.2.5: "UTF-8 decode", which replaces what is not UTF-8. An end-of-line is never inside a character.
    return octets.decode("utf-8", "replace")
