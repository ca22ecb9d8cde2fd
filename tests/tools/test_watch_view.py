"""The picture that `watch` draws of records."""

import zlib

import pytest

from chunkwire.record.recorder import Recorder
from chunkwire.record.values import DataRecord, EndRecord, FrameRecord, Record, from_json, to_json
from chunkwire.tools.paint import Paint, columns, fitted
from chunkwire.tools.watch.view import ViewOptions, WatchView, batches, brackets, is_lenient_line, streams
from chunkwire.wire.unchunked import CloseScanner
from tests.tools.seen import seen

REL, LO, REST = b'13\r\ndata: {"t":"Hel"}\n\n\r\n', b'12\r\ndata: {"t":"lo"}\n\n\r\n', b'12\r\ndata: {"t":", "}\n\n\r\n'
WOR, LD, LAST = b'13\r\ndata: {"t":"wor"}\n\n\r\n', b'12\r\ndata: {"t":"ld"}\n\n\r\n', b"0\r\n\r\n"

PICTURE = """\
> GET /frames HTTP/1.1
< HTTP/1.1 200 OK
< Transfer-Encoding: chunked
   time ms     gap  read   size  data
      50.6            1      13  data: {"t":"Hel"}..
     101.1   +50.5    2      12  data: {"t":"lo"}..
     251.3  +150.2    3 /    12  data: {"t":", "}..
     251.3       .    3 |    13  data: {"t":"wor"}..
     251.3       .    3 \\    12  data: {"t":"ld"}..
     351.9  +100.6    4       0  last-chunk
* complete: 5 chunks, 92 octets (127 on the wire), 4 reads; 3 chunks came in one read"""


def lines_of(records: list[Record], **options: object) -> list[str]:
    view = WatchView(ViewOptions(**options))  # type: ignore[arg-type]
    return [line.text for batch in batches(records) for line in view.show(batch)]


def rows_of(records: list[Record], **options: object) -> list[str]:
    view = WatchView(ViewOptions(**options))  # type: ignore[arg-type]
    return [line.text for batch in batches(records) for line in view.show(batch) if not line.is_message][1:]


def test_the_picture_is_the_one_in_the_design() -> None:
    reads = [(50.6, REL), (101.1, LO), (251.3, REST + WOR + LD), (351.9, LAST)]
    assert "\n".join(lines_of(seen(reads))) == PICTURE


def test_a_frame_with_a_kernel_stamp_shows_how_long_it_waited() -> None:
    """The columns change at the first stamp; a frame without one is left blank."""
    found = iter([None, 0.10105, None, None, None, 0.351])
    records = [
        record._replace(kernel=next(found)) if isinstance(record, FrameRecord) else record
        for record in seen([(50.6, REL), (101.1, LO), (251.3, REST + WOR + LD), (351.9, LAST)])
    ]
    lines = lines_of(records, width=60)
    assert lines[4:9] == [
        '      50.6            1      13  data: {"t":"Hel"}..',
        "   time ms     gap  read   waited  size  data",
        '     101.1   +50.5    2     0.050    12  data: {"t":"lo"}..',
        '     251.3  +150.2    3 /            12  data: {"t":", "}..',
        '     251.3       .    3 |            13  data: {"t":"wor"}..',
    ]
    assert lines[-1] == "* waited: ms from the kernel's stamp of a frame to its receive, of 2 frames"


def test_rows_are_data_and_marks_are_messages() -> None:
    view = WatchView(ViewOptions())
    lines = [line for batch in batches(seen([(1, LAST)])) for line in view.show(batch)]
    assert {line.text[0] for line in lines if line.is_message} == {">", "<", "*"}
    assert [line.text[:1] for line in lines if not line.is_message] == [" ", " "]


@pytest.mark.parametrize("rows, marks", [(0, ""), (1, ""), (2, "/\\"), (3, "/|\\"), (5, "/|||\\")])
def test_a_bracket_joins_the_rows_of_one_read(rows: int, marks: str) -> None:
    assert "".join(brackets(rows)) == marks


def test_a_chunk_ext_and_its_size_stand_as_on_the_wire() -> None:
    (row, _) = rows_of(seen([(1, b"0A;t=4\r\n0123456789\r\n" + LAST)]))
    assert row.endswith("    0A;t=4  0123456789")


def test_trailers_stand_below_their_last_chunk() -> None:
    rows = rows_of(seen([(1, b"0\r\nX-T: 1\r\nX-U: 2\r\n\r\n")]))
    assert [row.strip() for row in rows[1:]] == ["X-T: 1", "X-U: 2"]


def test_a_cut_tells_how_much_of_its_chunk_came() -> None:
    records = seen([(1, b"5\r\nhel")])
    assert rows_of(records)[0].endswith("     5  hel  (3 of 5 octets came)")
    assert lines_of(records)[-2:] == [
        "* cut: 0 chunks, 3 octets (6 on the wire), 1 read",
        "* expected chunk-data at 6, got the end of input: the size line said 5, 3 of 5 octets came",
    ]


def test_broken_framing_shows_what_was_held_back() -> None:
    records = seen([(1, b"1\r\na\r\nzz\r\nmore")])
    assert lines_of(records)[-1] == "* not taken: zz..more"
    assert "malformed: 1 chunk, 1 octet" in lines_of(records)[-3]


def test_a_body_that_is_not_chunked_shows_its_reads() -> None:
    records = seen([(1, b"hello"), (2, b"world!")], scanner=CloseScanner(), head=(b"HTTP/1.1 200 OK", ()))
    assert [row.split() for row in rows_of(records)] == [
        ["1.0", "1", "5", "hello"],
        ["2.0", "+1.0", "2", "6", "world!"],
    ]
    assert lines_of(records)[-1] == "* complete: 11 octets, 2 reads"


def test_no_data_keeps_sizes_and_times() -> None:
    (row, _) = rows_of(seen([(1, b"5\r\nhello\r\n" + LAST)]), has_data=False)
    assert row.split() == ["1.0", "1", "/", "5"]


def test_control_characters_never_reach_the_terminal() -> None:
    hostile = b"a\x1b[31mb\x07\xc2\x9bc\xe2\x80\xaed\xff"
    (row, _) = rows_of(seen([(1, b"%x\r\n%b\r\n" % (len(hostile), hostile) + LAST)]))
    assert row.endswith("  a.[31mb..c.d.")


def test_a_head_is_shown_by_what_frames_the_body_and_whole_with_verbose() -> None:
    records = seen([(1, LAST)])
    assert "< Date: today" not in lines_of(records)
    assert "< Date: today" in lines_of(records, is_verbose=True)


def test_the_end_of_the_connection_is_shown_where_it_is_the_framing() -> None:
    close = (b"Connection", b"close")
    chunked = (b"HTTP/1.1 200 OK", (*((b"Transfer-Encoding", b"chunked"),), close))
    assert "< Connection: close" not in lines_of(seen([(1, LAST)], head=chunked))
    bare = seen([(1, b"x")], scanner=CloseScanner(), head=(b"HTTP/1.1 200 OK", (close,)))
    assert "< Connection: close" in lines_of(bare)


def test_a_redirect_is_shown_with_where_it_leads() -> None:
    head = (b"HTTP/1.1 302 Found", ((b"Location", b"/there"), (b"Transfer-Encoding", b"chunked")))
    assert "< Location: /there" in lines_of(seen([(1, LAST)], head=head))


@pytest.mark.parametrize("application, words", [("complete", "answer is complete"), ("incomplete", "never came")])
def test_the_applications_own_end_is_shown(application: str, words: str) -> None:
    assert words in lines_of(seen([(1, LAST)], application=application))[-1]


@pytest.mark.parametrize(
    "status, octets, is_whole",
    [("400 Bad Request", 512, True), ("400 Bad Request", 513, False), ("200 OK", 512, False)],
)
def test_a_short_text_of_an_error_is_shown_whole(status: str, octets: int, is_whole: bool) -> None:
    text = b"word " * (octets // 5) + b"e" * (octets % 5)
    head = (f"HTTP/1.1 {status}".encode(), ((b"Transfer-Encoding", b"chunked"),))
    rows = rows_of(seen([(1, b"%x\r\n%b\r\n" % (octets, text)), (2, LAST)], head=head), width=60)
    assert max(columns(row) for row in rows) <= 60
    assert (sum(row.count("word") for row in rows) == octets // 5) is is_whole
    assert (len(rows) == 2) is not is_whole


@pytest.mark.parametrize("width", [60, 80, 100])
def test_rows_fit_the_terminal(width: int) -> None:
    data = "wide 漢字 and é́ ".encode() * 40
    rows = rows_of(seen([(1, b"%x;ext=1\r\n%b\r\n5\r\nhe" % (len(data), data))]), width=width)
    assert max(columns(row) for row in rows) <= width
    assert columns(rows[0]) >= width - 2


def test_hex_names_each_part_and_shows_cr_and_lf_apart() -> None:
    rows = rows_of(seen([(1, b"5;a=1\r\nhe\nlo\r\n" + b"0;z\r\nX-T: 1\r\n\r\n")]), is_hex=True)
    shown = [(row[:10].strip(), row[12:59].strip(), *row[61:].split(None, 1)) for row in rows if row[4:10].isalnum()]
    assert shown == [
        ("000000", "35", "size", "5"),
        ("000001", "3b 61 3d 31", "extension", ";a=1"),
        ("000005", "0d 0a", "CRLF", r"\r\n"),
        ("000007", "68 65 0a 6c 6f", "data", r"he\nlo"),
        ("00000c", "0d 0a", "CRLF", r"\r\n"),
        ("00000e", "30", "last-chunk", "0"),
        ("00000f", "3b 7a", "extension", ";z"),
        ("000011", "0d 0a", "CRLF", r"\r\n"),
        ("000013", "58 2d 54 3a 20 31", "trailer", "X-T: 1"),
        ("000019", "0d 0a", "CRLF", r"\r\n"),
        ("00001b", "0d 0a", "CRLF", r"\r\n"),
    ]


def test_hex_with_verbose_shows_the_head_too() -> None:
    lines = lines_of(seen([(1, LAST)]), is_hex=True, is_verbose=True)
    assert any("status-line" in line and "HTTP/1.1 200 OK" in line for line in lines)
    assert not any("status-line" in line for line in lines_of(seen([(1, LAST)]), is_hex=True))


def test_hex_shows_a_head_as_it_was_written() -> None:
    records: list[Record] = []
    octets = b"HTTP/1.1 200  OK \r\nA:\t b\r\n\r\n"
    Recorder(records.append, stream=1, point="client.received").head(0.0, b"x", ((b"A", b"b"),), octets=octets)
    rows = [line.split(None, 1)[1] for line in lines_of(records, is_hex=True, is_verbose=True)[-6:]]
    shown = b"".join(bytes.fromhex(row[:48]) for row in rows)
    assert shown == octets
    assert [row[50:].split()[0] for row in rows] == ["status-line", "status-line", *["CRLF", "field", "CRLF", "CRLF"]]


def test_hex_of_a_last_chunk_lacks_no_data_without_the_data_of_a_recording() -> None:
    records = [from_json(to_json(record, with_data=False)) for record in seen([(1, b"1\r\na\r\n"), (2, LAST)])]
    lines = lines_of([record for record in records if record is not None], is_hex=True)
    assert [line.strip() for line in lines if "…" in line] == ["…  data left out of the recording"]
    assert lines[-2].split()[0] == "000009"


def test_hex_stops_before_trailers_that_are_not_as_sent() -> None:
    records = seen([(1, b"0\r\nX-Api-Key: k\r\n\r\n")])
    rows = [line.split()[:2] for line in lines_of(records, is_hex=True)[-4:-1]]
    assert rows == [["000000", "30"], ["000001", "0d"], ["…", "trailer"]]


def test_of_a_large_chunk_that_was_cut_only_a_minimum_is_shown() -> None:
    records = seen([(1, b"30d40\r\n" + b"a" * 100_000)])
    assert any("(at least 65536 of 200000 octets came)" in line for line in lines_of(records))
    assert "    …  more octets, of unknown number" in lines_of(records, is_hex=True)
    without = [from_json(to_json(record, with_data=False)) for record in records]
    assert any("(at least 0 of " in line for line in lines_of([each for each in without if each is not None]))


@pytest.mark.parametrize("width", [60, 80, 111, 112])
def test_hex_fits_the_terminal(width: int) -> None:
    records = seen([(1, b"14;name=0123456789\r\n" + b"\r\n" * 10 + b"\r\n" + LAST)])
    assert max(map(len, lines_of(records, is_hex=True, width=width))) <= max(80, width)


def test_what_was_there_before_watch_started_has_neither_time_nor_read() -> None:
    records = seen([(0, b"1\r\na\r\n1\r\nb\r\n"), (7, b"1\r\nc\r\n" + LAST)])
    early: list[Record] = [
        record._replace(read=0) if isinstance(record, FrameRecord) and record.n < 3 else record for record in records
    ]
    (first, second, third, _) = rows_of(early)
    assert first.split() == ["before", "-", "1", "a"]
    assert second.split() == ["before", "-", "1", "b"]
    assert third.split()[0] == "7.0"
    assert len(first) == len(second) == len(third)
    assert "; 2 chunks were there before watch started" in lines_of(early)[-1]


@pytest.mark.parametrize(
    "line, is_lenient",
    [
        *[("5", False), ("5;a=1", False), ("0" * 15 + "5", False), ('5;a="b c"', False), ("", True)],
        *[(" 5", True), ("5 ", True), ("5 ;a=1", True), ("5;a= 1", True), ("0" * 16 + "5", True)],
    ],
)
def test_only_what_the_grammar_forbids_is_lenient(line: str, is_lenient: bool) -> None:
    assert is_lenient_line(line) == is_lenient


def gzipped(*events: bytes) -> list[Record]:
    """Return the records of an event stream that was flushed after each event."""
    compressor = zlib.compressobj(wbits=31)
    pieces = [compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH) for event in events]
    head = (b"HTTP/1.1 200 OK", ((b"Content-Encoding", b"gzip"), (b"Transfer-Encoding", b"chunked")))
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return seen([(1, body + LAST)], head=head)


def test_a_coding_is_taken_off_for_the_view() -> None:
    lines = lines_of(gzipped(b"data: one\n\n", b"data: two\n\n"))
    assert "data, gzip decoded" in lines[4]
    assert [line.split("  ")[-1] for line in lines[5:7]] == ["data: one..", "data: two.."]
    assert "the gzip data is cut" in lines[-1]


def test_an_unknown_verdict_is_shown_as_such() -> None:
    records = seen([(1, LAST)])
    line = to_json(records[-1]).replace('"complete"', '"dropped-by-moon"')
    unknown = from_json(line)
    assert isinstance(unknown, EndRecord)
    assert "* unknown: 0 chunks" in lines_of([*records[:-1], unknown])[-1]


def test_colours_add_nothing_to_what_is_read() -> None:
    records = seen([(1, b"5;a=1\r\nhel\x00o\r\n" + LAST)])
    coloured = "\n".join(lines_of(records, paint=Paint(is_coloured=True), message_paint=Paint(is_coloured=True)))
    plain = "\n".join(lines_of(records))
    assert "\x1b[" in coloured
    assert strip_colours(coloured) == plain


def strip_colours(text: str) -> str:
    pieces = text.split("\x1b[")
    return pieces[0] + "".join(piece.partition("m")[2] for piece in pieces[1:])


@pytest.mark.parametrize(
    "text, width, shown",
    [
        ("hello", 5, "hello"),
        ("hello!", 5, "hell…"),
        ("漢字漢", 5, "漢字…"),
        ("漢字", 4, "漢字"),
        ("e\u0301a", 2, "e\u0301a"),
    ],
)
def test_text_is_fitted_by_columns(text: str, width: int, shown: str) -> None:
    assert fitted(text, width) == shown


def test_a_recording_is_shown_stream_by_stream() -> None:
    records = seen([(1, LAST)])
    gateway = [
        record._replace(stream=2, point=f"gateway.{side}") for side in ("received", "sent") for record in records
    ]
    found = streams([*records, *gateway])
    assert list(found) == ["stream 1 at client", "stream 2 at gateway.received", "stream 2 at gateway.sent"]
    assert [len(group) for group in found.values()] == [len(records)] * 3


UNSAID = "* the body looks chunked, but the head does not say Transfer-Encoding: chunked"
PLAIN_HEAD = (b"HTTP/1.1 200 OK", ((b"Trailer", b"X-T"),))


@pytest.mark.parametrize(
    "reads", [[REL + LAST], [REL, LO, LAST], [LAST], [REL + LO[:9]], [bytes([each]) for each in REL]]
)
def test_a_body_that_looks_chunked_and_is_not_said_to_be_gets_a_note(reads: list[bytes]) -> None:
    for name, more in ((b"X", ""), (b"Transfer-Encodin", "; Transfer-Encodin is misspelt")):
        head = (PLAIN_HEAD[0], (*PLAIN_HEAD[1], (name, b"chunked")))
        records = seen([(1, octets) for octets in reads], scanner=CloseScanner(), head=head)
        assert [line for line in lines_of(records) if "looks" in line] == [UNSAID + more]


@pytest.mark.parametrize("octets", [b"hello", b"5\r\nhello!", b"5 hello", LAST + b"x", b"a\r\n", b"13"])
def test_another_body_without_a_framing_gets_no_such_note(octets: bytes) -> None:
    assert UNSAID not in lines_of(seen([(1, octets), (2, b"")], scanner=CloseScanner(), head=PLAIN_HEAD))
    assert UNSAID not in lines_of(seen([(1, REL + LAST)]))


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_body_with_octets_that_were_not_recorded_gets_no_such_note(is_cut: bool) -> None:
    records = seen([(1, REL), (2, LO)], scanner=CloseScanner(), head=PLAIN_HEAD)
    second = next(each for each in records if isinstance(each, DataRecord) and each.n == 2)
    kept = second._replace(cut=True) if is_cut else second._replace(data=None)
    assert UNSAID not in lines_of([kept if each is second else each for each in records])


@pytest.mark.parametrize("framing, said", [("timeout", ""), ("stopped", ""), ("cut", "* the answer is incomplete")])
def test_a_last_event_is_not_missed_where_the_framing_was_not_complete(framing: str, said: str) -> None:
    """Content such as ticks has no last event of its own."""
    *records, end = seen([(50.6, REL)], application="incomplete")
    assert isinstance(end, EndRecord)
    lines = lines_of([*records, end._replace(framing=framing)])
    assert [line for line in lines if "incomplete" in line or "never" in line] == ([said] if said else [])
