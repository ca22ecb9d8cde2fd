"""The picture that `watch --events` draws: a line an event, and the frames that it came in."""

import json

import pytest

from chunkwire.record.values import FrameRecord, Record
from chunkwire.tools.watch.events import EventFrames, EventsView, event_lines
from chunkwire.tools.watch.view import ViewOptions, batches
from chunkwire.wire.unchunked import CloseScanner
from tests.tools.seen import seen

LAST = b"0\r\n\r\n"
HEAD = (b"HTTP/1.1 200 OK", ((b"Content-Type", b"text/event-stream"), (b"Transfer-Encoding", b"chunked")))


def frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def lines_of(records: list[Record], **options: object) -> list[str]:
    view = EventsView(ViewOptions(**options))  # type: ignore[arg-type]
    return [line.text for batch in batches(records) for line in view.show(batch)]


def rows_of(records: list[Record], **options: object) -> list[list[str]]:
    return [line.split() for line in lines_of(records, **options) if line[:1] == " "][1:]


def test_an_event_has_its_type_its_id_its_time_and_its_frames() -> None:
    reads = [(1.0, frame(b"event: token\nid: 7\n")), (5.0, frame(b"data: a\n\ndata: b\n")), (9.0, frame(b"\n") + LAST)]
    assert rows_of(seen(reads, head=HEAD)) == [
        ["5.0", "1-2", "token", "7", "a"],
        ["9.0", "+4.0", "2-3", "message", "7", "b"],
    ]


def test_several_events_of_one_frame_name_it_each() -> None:
    found = EventFrames()
    records = seen([(1, frame(b"data: a\n\n") + frame(b": beat\n\ndata: b\n\ndata: c\n\n") + LAST)])
    frames = [record for record in records if isinstance(record, FrameRecord)]
    assert [(one.event.data, one.first, one.last) for record in frames for one in found.take(record)] == [
        ("a", 1, 1),
        ("b", 2, 2),
        ("c", 2, 2),
    ]


def test_an_event_without_its_empty_line_is_said() -> None:
    lines = lines_of(seen([(1, frame(b"data: a\n\n") + frame(b"data: b\n") + LAST)], head=HEAD))
    assert lines[-1] == "* an event that began in frame 2 was never ended by its empty line"


def test_another_content_type_is_read_all_the_same_and_said() -> None:
    head = (b"HTTP/1.1 200 OK", ((b"Content-Type", b"text/plain; charset=utf-8"),))
    lines = lines_of(seen([(1, b"data: a\n\n")], head=head, scanner=CloseScanner()))
    assert "* declared as text/plain, read as text/event-stream anyway" in lines
    assert "text/plain" not in "".join(lines_of(seen([(1, frame(b"data: a\n\n") + LAST)], head=HEAD)))


@pytest.mark.parametrize("kind, shown", [(b"text/plain", "n: not a parameter"), (b"text/event-stream", "")])
def test_an_error_of_another_type_shows_what_it_says(kind: bytes, shown: str) -> None:
    head = (b"HTTP/1.1 400 Bad Request", ((b"Content-Type", kind),))
    lines = lines_of(seen([(1, b"n: not a parameter\n")], head=head, scanner=CloseScanner()))
    assert any("n: not a parameter" in line for line in lines) == bool(shown)
    assert any("never ended" in line for line in lines) != bool(shown)


def test_content_that_was_not_recorded_is_said_once() -> None:
    records = seen([(1, frame(b"data: a\n\n") + frame(b"data: b\n\n") + LAST)], head=HEAD)
    bare = [record._replace(data=None) if isinstance(record, FrameRecord) else record for record in records]
    said = [line for line in lines_of(bare) if "not recorded" in line]
    assert said == ["* frame 1 has octets that were not recorded: its content cannot be read on"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_rows_fit_the_terminal(width: int) -> None:
    event = b"event: response.output_text.delta\nid: 0123456789abcdef0123\ndata: " + b"x" * 200 + b"\n\n"
    lines = lines_of(seen([(1, frame(event) * 12 + LAST)], head=HEAD), width=width, message_width=width)
    assert max(map(len, lines)) <= width


def test_control_characters_never_reach_the_terminal() -> None:
    event = b"event: a\x1b[31m\nid: \x1b]0;x\x07\ndata: \x1b[2J\n\n"
    assert "\x1b" not in "".join(lines_of(seen([(1, frame(event) + LAST)], head=HEAD)))


@pytest.mark.parametrize("with_data", [True, False])
def test_an_event_in_json_is_a_record_of_a_kind_that_readers_pass_over(with_data: bool) -> None:
    records = seen([(1, frame(b"id: 1\ndata: a\n") + frame(b"data: b\n\n") + LAST)], head=HEAD)
    events = EventFrames()
    (line,) = [line for record in records for line in event_lines(events, record, with_data=with_data)]
    told = json.loads(line)
    assert (told["v"], told["kind"], told["stream"], told["n"], told["frames"]) == (1, "event", 1, 1, [1, 2])
    assert (told["event"], told["id"], told.get("data")) == ("message", "1", "a\nb" if with_data else None)
