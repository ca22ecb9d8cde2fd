"""Records of one stream to a line for each server-sent event, with the frames that it came in.

The rule here: as in `view`, which gives the lines of heads and of the end. An event has the time of the frame that
completed it. The content is read as an event stream whatever type its head declares; a notice names another type. An
error (4xx, 5xx) of another type is shown frame by frame: it explains why there are no events.

       time ms     gap  frames  event       id  data
          50.6               1  message      1  {"t":"Hel"}
         101.1   +50.5     2-3  message      2  {"t":"lo"}
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from chunkwire.record.values import RECORD_VERSION, DataRecord, EndRecord, FrameRecord, HeadRecord, Record
from chunkwire.tools.watch.content import Content
from chunkwire.tools.watch.view import Line, ViewOptions, WatchView
from chunkwire.wire.sse import EventTooLong, SseDecoder, SseEvent

_MIN_TYPE: Final = 10
_MAX_TYPE: Final = 28  # columns of a type: "response.output_text.delta" has 26
_MAX_ID: Final = 16
_MIN_DATA: Final = 8


class FramedEvent(NamedTuple):
    """A server-sent event, and the first and the last frame that its lines came in."""

    event: SseEvent
    first: int
    last: int


class EventFrames:
    """Find the events in the content of frames.

    Attributes:
        error: one line, why no more events can be found; None while they can.
        count: events so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._content = Content(())
        self._decoder: SseDecoder | None = SseDecoder()
        self._first: int | None = None
        self._long: str | None = None

    @property
    def error(self) -> str | None:
        """Return why no more events can be found."""
        return self._long or self._content.error

    def take_head(self, record: HeadRecord) -> None:
        """Begin the content that this head describes."""
        self._content = Content(record.fields)

    def take(self, record: FrameRecord | DataRecord) -> list[FramedEvent]:
        """Return the events that a frame completes."""
        found: list[FramedEvent] = []
        if self._decoder is None:
            return found
        try:
            for piece in self._content.pieces(record):
                for event in self._decoder.feed(piece):
                    found.append(FramedEvent(event, self._first or record.n, record.n))
                    self._first = None
                # An event that is not whole began here, unless it began before.
                self._first = (self._first or record.n) if self._decoder.is_in_event else None
        except EventTooLong as error:
            self._decoder, self._long = None, str(error)
        self.count += len(found)
        return found

    def end(self) -> str | None:
        """Return what is wrong with an event stream that ends here; None for nothing, or if `error` was set before."""
        if self._decoder is None or self.error is not None:
            return None
        if self._first is not None:
            return f"an event that began in frame {self._first} was never ended by its empty line"
        return self._content.end_of_input()


class EventsView(WatchView):
    """The lines of one stream's events."""

    def __init__(self, options: ViewOptions) -> None:
        super().__init__(options)
        self._events = EventFrames()
        self._is_by_event = True
        self._last_t: float | None = None
        self._id_width = 2

    def _head(self, record: HeadRecord) -> list[Line]:
        lines = super()._head(record)
        self._events.take_head(record)
        kinds = [value.partition(";")[0].strip() for name, value in record.fields if name.lower() == "content-type"]
        if kinds and kinds[0].lower() != "text/event-stream":
            self._is_by_event = not 400 <= record.status < 600
            if self._is_by_event:
                lines += self.note(f"declared as {kinds[0]}, read as text/event-stream anyway")
        return lines

    def _row(self, record: FrameRecord | DataRecord, bracket: str, after: Sequence[Record]) -> list[Line]:
        if not self._is_by_event:
            return super()._row(record, bracket, after)
        was = self._events.error
        found = self._events.take(record)
        lines = [] if self._has_header or not found else [Line(self._header(is_chunked=True))]
        self._has_header = self._has_header or bool(found)
        lines += [Line(self._event(one, record).rstrip()) for one in found]
        if self._events.error is not None and was is None:
            lines += self._message("*", "bad", self._message_paint.text(self._events.error))
        return lines

    def _trailers(self, record: Record) -> list[Line]:
        return []

    def _end(self, record: EndRecord) -> list[Line]:
        if not self._is_by_event:
            return super()._end(record)
        lines = super()._end(record._replace(events=self._events.count))
        problem = self._events.end() if record.way == "response" else None
        return lines if problem is None else [*lines, *self._message("*", "bad", problem)]

    def _header(self, *, is_chunked: bool) -> str:
        when = "   time ms     gap  " if self._options.is_timed else ""
        return self._paint("quiet", f"{when}frames  {'event':<{self._type_width}}  {'id':>{self._id_width}}  data")

    def _event(self, one: FramedEvent, record: FrameRecord | DataRecord) -> str:
        event = one.event
        frames = f"{one.first}-{one.last}" if one.last > one.first else f"{one.last}"
        name = self._padded(event.event, self._type_width)
        most = _MAX_ID if self._options.width is None else min(_MAX_ID, self._options.width // 6)
        self._id_width = max(self._id_width, min(len(event.id), most))
        event_id = self._paint("mark", self._padded(event.id, self._id_width, is_right=True))
        before = f"{self._event_when(record)}{frames:>6}  {name}  {event_id}  "
        room = None
        if self._options.width is not None:
            used = (20 if self._options.is_timed else 0) + max(6, len(frames)) + 6 + self._type_width + self._id_width
            room = max(_MIN_DATA, self._options.width - used)
        data = event.data if self._options.has_data else ""
        return before + self._paint.text(data if room is None else data[: 2 * room], room)

    def _event_when(self, record: FrameRecord | DataRecord) -> str:
        if not self._options.is_timed:
            return ""
        if not record.read:
            return self._paint("quiet", f"{'before':>10}") + " " * 10
        gap = "" if self._last_t is None else f"+{(record.t - self._last_t) * 1000:.1f}"
        self._last_t = record.t
        return self._paint("quiet", f"{record.t * 1000:10.1f}") + f"{gap:>8}  "

    @property
    def _type_width(self) -> int:
        width = self._options.width
        return _MAX_TYPE if width is None else max(_MIN_TYPE, min(_MAX_TYPE, width // 4 - 8))

    def _padded(self, text: str, width: int, *, is_right: bool = False) -> str:
        shown = self._paint.text(text, width)
        blanks = " " * max(0, width - len(text))
        return blanks + shown if is_right else shown + blanks


def event_lines(events: EventFrames, record: Record, *, with_data: bool) -> list[str]:
    """Return the events that a record completes as JSON: records of a kind that other readers ignore."""
    if isinstance(record, HeadRecord):
        events.take_head(record)
    if not isinstance(record, FrameRecord | DataRecord):
        return []
    before = events.count
    return [
        json.dumps(
            {
                "v": RECORD_VERSION,
                "kind": "event",
                "stream": record.stream,
                "point": record.point,
                "way": record.way,
                "n": before + place,
                "t": round(record.t, 6),
                "read": record.read,
                "frames": [one.first, one.last],
                "event": one.event.event,
                "id": one.event.id,
                **({"data": one.event.data} if with_data else {"size": len(one.event.data.encode())}),
            },
            separators=(",", ":"),
        )
        for place, one in enumerate(events.take(record), 1)
    ]
