"""Captures of any number of messages: each is reported with its own head, and no octet is left out in silence."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.client.capture import MAX_ASKED, CaptureReader
from chunkwire.client.captured import MAX_STRAY_OCTETS
from chunkwire.client.inner import MAX_INNER_OCTETS
from chunkwire.record.values import DataRecord, EndRecord, HeadRecord, Record, RequestRecord

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = b"5\r\nhello\r\n0\r\n\r\n"
CODED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKED = CODED + WHOLE
SIZED = OK + b"Content-Length: 2\r\n\r\nhi"
UNSENT = OK + b"Content-Length: 5\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Reports:
    """What a capture reader reported, in a line each."""

    lines: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def record(self, record: Record) -> None:
        self.records.append(record)
        if isinstance(record, HeadRecord):
            self.lines.append(f"head {record.status_line}")
        elif isinstance(record, RequestRecord):
            self.lines.append(f"request {record.method}")
        elif isinstance(record, EndRecord):
            self.lines.append(f"{record.framing} {record.octets}")

    def note(self, text: str) -> None:
        self.lines.append(f"note {text}")

    def begin(self, title: str) -> None:
        self.lines.append(f"-- {title}")

    @property
    def short(self) -> list[str]:
        """The lines without the reason phrases and with the first word of each note."""
        return [line.replace("head HTTP/1.1 ", "")[:3] if line[:4] == "head" else line for line in self.lines]

    @property
    def last(self) -> EndRecord:
        return next(record for record in reversed(self.records) if isinstance(record, EndRecord))


def read(octets: bytes, step: int = 1 << 20) -> Reports:
    seen = Reports()
    reader = CaptureReader(seen)
    for n, at in enumerate(range(0, len(octets), step), 1):
        reader.feed(octets[at : at + step], t=float(n), read=n)
    reader.end(99.0)
    return seen


def words(octets: bytes) -> list[str]:
    """Return what was reported, the notes by their mark only."""
    return ["note" if line[:4] == "note" else line for line in read(octets).short]


NEXT = ["-- response 2", "200"]
TWO = [*NEXT, "complete 2"]
FOUR = ["-- response 4", "200", "complete 2"]
ASKED = ["request HEAD", "complete 0", "-- request 2", "request GET", "complete 0"]


@pytest.mark.parametrize(
    "octets, reported",
    [
        (CHUNKED + SIZED, ["200", "complete 5", *NEXT, "complete 2"]),
        (SIZED + CHUNKED, ["200", "complete 2", *NEXT, "complete 5"]),
        (
            b"HTTP/1.1 302 Found\r\nContent-Length: 154\r\n\r\n" + CHUNKED,
            ["302", "note", "complete 0", *NEXT, "complete 5"],
        ),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nhi" + CHUNKED, ["302", "complete 2", *NEXT, "complete 5"]),
        (CODED + SIZED, ["200", "note", "complete 0", *NEXT, "complete 2"]),
        (b"HTTP/1.1 200 Connection established\r\n\r\n" + SIZED, ["200", "note", "complete 0", *NEXT, "complete 2"]),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + SIZED, ["103", "200", "complete 2"]),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + SIZED, ["204", "complete 0", *NEXT, "complete 2"]),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n" + SIZED, ["304", "complete 0", *NEXT, "complete 2"]),
        (SIZED + b"\r\n\r\n" + SIZED, ["200", "complete 2", "note", *NEXT, "complete 2"]),
        (SIZED + b"junk" + SIZED + b"junk", ["200", "complete 2", "note", *NEXT, "complete 2", "note"]),
        (b"Trying ::1...\nConnected.\n" + SIZED, ["note", "200", "complete 2"]),
        (OK + b"\r\nhello" + SIZED, ["200", "note", "complete 5", *NEXT, "complete 2"]),
        (OK + b"\r\nHTTP/1.1 is a version", ["200", "complete 21"]),
        (OK + b"Content-Type: message/http\r\n\r\n" + SIZED, ["200", f"complete {len(SIZED)}"]),
        (OK + b"Content-Type: message/http;version=1.1\r\n\r\n" + SIZED, ["200", f"complete {len(SIZED)}"]),
        (OK + b"Content-Length: 1\r\n\r\nH", ["200", "complete 1"]),
        (OK + b"Content-Length: 1\r\n\r\nHT", ["200", "complete 1", "note"]),
        (OK + b"Content-Length: 10\r\n\r\nabc" + SIZED, ["200", "cut 3", *TWO]),
        (OK + b"Content-Length: 10\r\n\r\nabc" + OK + b"\r\nhi", ["200", "cut 3", *TWO]),
        (OK + b"Content-Length: 10\r\n\r\nabcHTTP/1.1 200", ["200", "cut 3", "-- response 2", "malformed 0"]),
        (OK + b"Content-Length: 99\r\n\r\nabc" + SIZED, ["200", "cut 3", *TWO]),
        (OK + b"Content-Length: 99\r\n\r\nabc" + OK, ["200", f"cut {3 + len(OK)}"]),
        (OK + b"Content-Length: 99\r\n\r\nab" + SIZED * 3, ["200", "cut 2", *TWO, "-- response 3", *TWO[1:], *FOUR]),
        (CODED + b"100\r\nabc" + SIZED, ["200", "cut 3", *TWO]),
        (CODED + b"20\r\nabc" + SIZED, ["200", "cut 3", *TWO]),
        (CODED + b"5\r\nhello\r\n100\r\nabc" + CHUNKED, ["200", "cut 8", *NEXT, "complete 5"]),
        (POST + b"100\r\nabc" + SIZED, ["request POST", "cut 3", "-- response 1", *TWO[1:]]),
        (CODED + b"2b\r\nlog" + SIZED + b"\r\n0\r\n\r\n" + SIZED, ["200", "note", "complete 43", *TWO]),
        (CODED + b"2b\r\nlog" + SIZED + b"\r\n99\r\nabc" + SIZED, ["200", "note", "cut 46", *TWO]),
        (OK + b"Content-Length: 43\r\n\r\nlog" + SIZED, ["200", "note", "complete 43"]),
        (OK + b"Content-Length: 43\r\n\r\nlog" + SIZED + b"\r\n", ["200", "note", "complete 43", "note"]),
        (OK + b"Content-Length: 43\r\n\r\nlog" + SIZED + CHUNKED, ["200", "note", "complete 43", *NEXT, "complete 5"]),
        (OK + b"Content-Length: 43\r\n\r\nlog" + SIZED + b"x", ["200", "cut 3", *TWO, "note"]),
        (CODED + b"5\r\nhello\r\n" + SIZED, ["200", "cut 5", *NEXT, "complete 2"]),
        (CODED + b"5\r\nhello\r\n9" + SIZED, ["200", "cut 5", *TWO]),
        (b"9" + SIZED, ["cut 0", *TWO]),
        (CODED + b"5\r\nhelloXX" + SIZED, ["200", "malformed 5", *NEXT, "complete 2"]),
        (OK + b"no colon\r\n\r\n" + SIZED, ["malformed 0", *NEXT, "complete 2"]),
        (POST + b"41\r\nlog" + GET, ["request POST", "cut 3", "-- request 2", "request GET", "complete 0"]),
        (POST + b"1e\r\nlog" + GET + b"\r\n0\r\n\r\n", ["request POST", "note", "complete 30"]),
        (CODED + b"0\r\n0:A" + SIZED, ["200", "malformed 0", *NEXT, "complete 2"]),
        (WHOLE + WHOLE, ["complete 5", "-- response 2", "complete 5"]),
        (WHOLE + SIZED, ["complete 5", *NEXT, "complete 2"]),
        (WHOLE + b"\n", ["complete 5", "note"]),
        (b"HTTP/1.1 101 Switching\r\n\r\n\x81\x02hi", ["101", "note", "complete 4"]),
    ],
)
def test_each_message_is_reported_and_no_octet_is_left_out_in_silence(octets: bytes, reported: list[str]) -> None:
    assert words(octets) == reported
    assert facts(read(octets, 1).records) == facts(read(octets).records)


@pytest.mark.parametrize(
    "octets, reported",
    [
        (POST + WHOLE + CHUNKED, ["request POST", "complete 5", "-- response 1", "200", "complete 5"]),
        (HEAD + UNSENT + SIZED, ["request HEAD", "complete 0", "-- response 1", "200", "complete 0", *TWO]),
        (HEAD + GET + UNSENT + SIZED, [*ASKED, "-- response 1", "200", "complete 0", *TWO]),
    ],
)
def test_requests_say_what_the_responses_answer(octets: bytes, reported: list[str]) -> None:
    assert words(octets) == reported


@pytest.mark.parametrize(
    "octets, words",
    [
        (b"GET / HTTP/1.1\r\n\r\n", "needs a Host line"),
        (b"GET /\r\n\r\n", "the version is missing"),
        (b"GET\r\n\r\n", 'got "GET"'),
        (b"get / HTTP/1.1\r\nHost: a b\r\n\r\n", "expected HOST or HOST:PORT"),
        (POST + b"4\r\nhello\r\n0\r\n\r\n", 'expected CRLF after chunk-data at 7, got "o"'),
        (POST.replace(b"\r\n", b"\n") + b"5\nhello\n0\n\n", "nc -C"),
        (POST + b"5\r\nhello\r\n", "expected a size line"),
        (POST[:-2], "octets of a head and the end of the input: the empty line that ends it is missing"),
        (CODED[:-3], "octets of a head and the end of the input"),
        (rb"5\r\nhello\r\n", "came as text: send it with printf"),
        (b"5\nhello\n", ". A line typed into nc ends in LF alone: use nc -C"),
        (b"5\r\nhello\n0\r\n\r\n", "the size line said 5, which is wrong, or the CR is missing"),
        (b"Trying 127.0.0.1...\n" + CODED.replace(b"\r\n", b"\n") + b"5\nhello\n0\n\n", "as telnet does"),
        (b"garbage", "curl -i"),
        (CODED + b"hello", "curl -i"),
        (b"HTTP 1.1 200 OK\r\n\r\n", "expected `HTTP/1.1 STATUS REASON`"),
        (CODED + b" 5 \r\nhello\r\n0\r\n\r\n", "--lenient"),
        (CODED + b"00000000000000005\r\nhello\r\n0\r\n\r\n", "--lenient"),
        (b"\x16\x03\x01\x02\x00\x01", "TLS handshake"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS alert"),
        (b"\0\0\x12\x04\0\0\0\0\0" + b"x" * 18, "HTTP/2 in clear"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "preface of HTTP/2"),
        (b"HTTP/2 200 \r\nserver: x\r\n\r\nhello", "--http1.1"),
        (b"data: hello\n\n", "event stream without its framing"),
        (zlib.compress(b"x"), "expected a chunk-size in hex digits"),
        (bytes(range(256)), "expected a chunk-size in hex digits"),
    ],
)
def test_a_mistake_is_named(octets: bytes, words: str) -> None:
    last = read(octets).last
    assert last.framing in ("malformed", "cut")
    assert words in str(last.error)
    assert "b'" not in str(last.error)


COUNTS = "a size counts the octets of chunk-data alone: not its characters, and not the CRLF after it"
HEX_10 = f"; the chunk before said A (hex for 10), which may be wrong: {COUNTS}"


@pytest.mark.parametrize(
    "octets, words",
    [
        (b"A\r\nhello\r\n0\r\n\r\n", f"the last-chunk, 0 and an empty line, has not come{HEX_10}"),
        (b"A\r\nhello\r\n0\r\n\r\n" + SIZED, f"expected a size line at 15, got the head of another message{HEX_10}"),
        (b"8;a=1\r\nhello\r\n0\r\n\r\n", f"; the chunk before said 8, which may be wrong: {COUNTS}"),
        (b"8\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", f"; the chunk before said 8, which may be wrong: {COUNTS}"),
        (b"c\r\nhello\r\n0\r\n\r\n", f": the size line said c (hex for 12); the size may be wrong: {COUNTS}"),
        (b"f\r\nhello\r\n0\r\n\r\n", f"f (hex for 15), 12 of 15 octets came; the size may be wrong: {COUNTS}"),
        (b"7\r\nhello\r\n0\r\n\r\n", f"the size line said 7, which is wrong, or the CRLF is missing; {COUNTS}"),
        (b"6\r\nhello\r\n0\r\n\r\n", f"the size line said 6, which is wrong, or the CR is missing; {COUNTS}"),
        (b"5\r\nGr\xc3\xbc\xc3\x9fe\r\n0\r\n\r\n", f"which is wrong, or the CRLF is missing; {COUNTS}"),
    ],
)
@pytest.mark.parametrize("head", [b"", CODED])
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_a_wrong_size_is_named_with_what_it_counts(octets: bytes, words: str, head: bytes, step: int) -> None:
    ends = [record for record in read(head + octets, step).records if isinstance(record, EndRecord)]
    assert str(ends[0].error).endswith(words)


@pytest.mark.parametrize(
    "cut", [b"5\r\nhello\r\n", b"5\r\nhello", b"5\r\nhel", b"5\r\nhello\r\n5x", b"7\r\nhello\r\n\r\n"]
)
def test_a_size_that_may_be_right_is_not_doubted(cut: bytes) -> None:
    assert "may be wrong" not in str(read(CODED + cut).last.error)


def test_a_body_without_sizes_has_none_that_may_be_wrong() -> None:
    """Fails where content that ends like a size line is taken for that of a chunk, whose size would be missing."""
    last = read(OK + b"Content-Length: 11\r\n\r\nhello\r\n5\r\n").last
    assert last.error == "expected content of 11 octets at 10, got the end of input"


@pytest.mark.parametrize(
    "fields, place",
    [
        (b"Content-Length: 5\r\nX: y\r\nTransfer-Encoding: chunked\r\n", "got both, at 17 and 42"),
        (b"Content-Length: 5\r\ncontent-length: 5\r\n", "got two, at 17 and 36"),
        (b"Content-Length: five\r\n", ", at 17"),
        (b"Content_Length: 5\r\n", ", at 17"),
        (b"X: y\r\nTransfer-Encoding: chunkd\r\n", ", at 23"),
        (b"X: y\r\nTransfer-Encoding: chunked, chunked\r\n", ", at 23"),
    ],
)
def test_a_framing_that_is_refused_is_named_with_its_place(fields: bytes, place: str) -> None:
    assert str(read(OK + fields + b"\r\nContent-Length: x").last.error).endswith(place)


@pytest.mark.parametrize("line", [b"0x5", b"5h", b"+5", b"5,a=1", b""])
def test_a_slip_in_a_size_line_is_not_taken_for_decoded_content(line: bytes) -> None:
    assert "curl" not in str(read(CODED + line + b"\r\nhello\r\n0\r\n\r\n").last.error)


def test_octets_without_a_message_are_given_up_after_as_many_as_a_head_may_have() -> None:
    seen = Reports()
    reader = CaptureReader(seen)
    reader.feed(b"!\n" * (MAX_STRAY_OCTETS // 2), t=0.0, read=1)
    assert seen.records == []
    reader.feed(b"!\n", t=0.0, read=2)
    assert seen.last.framing == "malformed"


@pytest.mark.parametrize("octets, step", [(b"HTTP/1.1 200 " * 300_000, 1 << 16), (b"z" * 200_000, 1)])
def test_what_begins_no_head_is_left_out_in_one_pass(octets: bytes, step: int) -> None:
    seen = read(SIZED + octets, step)
    left = len(octets) - len(seen.last.data or b"")  # of a malformed head
    assert seen.lines[-1].startswith(f"note left out, of no message: {left} octets, ")


def test_octets_in_the_record_of_a_malformed_message_are_not_noted_again() -> None:
    seen = Reports()
    reader = CaptureReader(seen)
    reader.feed(CODED + b"zz\r\n", t=0.0, read=1)
    reader.feed(b"more\n", t=1.0, read=2)
    reader.end(2.0)
    assert (seen.last.data, seen.lines[-1]) == (b"zz\r\n", r'note left out, of no message: 5 octets, "more\n"')


UNCODED = POST.replace(b"Transfer-Encoding: chunked\r\n", b"")
UNSAID = "but the head does not say Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "octets, hint",
    [
        (UNCODED + WHOLE, f"; they look chunked, {UNSAID}"),
        (UNCODED + b"\r\n5;a=1\r\nhello\r\n", f"; they look chunked, {UNSAID}"),
        (UNCODED.replace(b"\r\n", b"\n") + b"5\nhello\n", f"; they look chunked, {UNSAID}"),
        (GET + WHOLE, f"; they look chunked, {UNSAID}"),
        (POST.replace(b"Encoding", b"Encodng") + WHOLE, f"{UNSAID}; Transfer-Encodng is misspelt"),
        (
            UNCODED + b"hello\r\n",
            "; a request has a body only if its head says Transfer-Encoding: chunked or Content-Length",
        ),
        (SIZED + b", world\n", "; the message before ended with its Content-Length: 2"),
        (OK.replace(b"200 OK", b"204 No Content") + b"\r\nhello\n", "; a 204 has no body"),
        (HEAD + UNSENT + b"hello\n", "; an answer to HEAD or CONNECT has no body"),
        (CHUNKED + b"\r\n" + WHOLE, "; the message before ended with its last-chunk"),
        (CHUNKED + b"hello\n", '"hello\\n"'),
        (GET + b"hello\n", '"hello\\n"'),
        (UNCODED + b"\r\n", r'"\r\n"'),
        (SIZED + b"\n", r'"\n"'),
        (CODED + b"zz\r\n" + b"5\r\nhello\r\n" * 9 + b"0\r\n\r\n", None),
    ],
)
def test_octets_of_no_message_are_noted_with_the_likely_mistake(octets: bytes, hint: str | None) -> None:
    notes = [line for line in read(octets).lines if line.startswith("note left out, ")]
    assert [note.endswith(hint or "") for note in notes] == [True] * (hint is not None)


@pytest.mark.parametrize("more, framing", [(b"", "complete"), (CHUNKED, "complete"), (b"stray", "cut")])
def test_a_head_in_data_is_held_up_to_a_limit_and_doubted_beyond_it(more: bytes, framing: str) -> None:
    seen = Reports()
    reader = CaptureReader(seen)
    head = b"%sContent-Length: %d\r\n\r\nlog" % (OK, 3 + MAX_INNER_OCTETS + 2)
    held = SIZED.ljust(MAX_INNER_OCTETS, b".")
    assert reader.feed(head, t=0.0, read=1) == b"log"
    assert reader.feed(held, t=1.0, read=2) == b""
    assert reader.feed(b".", t=2.0, read=3) == held + b"."
    reader.feed(b"." + more, t=3.0, read=4)
    reader.end(4.0)
    assert next(record for record in seen.records if isinstance(record, EndRecord)).framing == framing


def test_a_chunk_that_ends_properly_is_shown_at_once_whatever_its_data() -> None:
    reader = CaptureReader(Reports())
    assert reader.feed(CODED + b"2b\r\nlog" + SIZED, t=0.0, read=1) == b"2b\r\nlog"
    assert reader.feed(b"\r\n", t=1.0, read=2) == SIZED + b"\r\n"


@pytest.mark.parametrize("octets, framing", [(CHUNKED[:-3], "stopped"), (OK, "stopped"), (CHUNKED, "complete")])
def test_a_watch_that_is_stopped_ends_what_is_not_complete(octets: bytes, framing: str) -> None:
    seen = Reports()
    reader = CaptureReader(seen)
    reader.feed(octets, t=0.0, read=1)
    reader.end(1.0, "stopped")
    assert seen.last.framing == framing


PIECES = st.sampled_from(
    [
        CHUNKED,
        SIZED,
        UNSENT,
        CODED,
        POST,
        GET,
        HEAD,
        WHOLE,
        OK,
        b"\r\n",
        b"junk\n",
        b"100\r\nabc",
        OK + b"Content-Length: 43\r\n\r\nlog",
        b"H",
        b"HTTP/1.1 ",
        b"5\r\n",
        b"0\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 No\r\n\r\n",
        b"X: 1\r\n\r\n",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\n\n",
        POST + b"41\r\nlog" + GET,
        CODED + b"5\r\nhello\r\n0\r\n0:A" + SIZED,
        b"HTTP/1.1 200 HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 103 x\r\n\r\n\x11k",
        b"PRI * HTTP/2.0\r\n\r\n",
    ]
)


def facts(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """Return what does not depend on how the octets were cut into reads."""
    return [
        (record.framing, record.sha256, str(record.error).partition(", got ")[0], record.way)
        if isinstance(record, EndRecord)
        else (record.kind, *getattr(record, "fields", ()), getattr(record, "line", ""))
        for record in records
        if not isinstance(record, DataRecord)
    ]


@given(st.lists(PIECES | st.binary(max_size=12), max_size=6).map(b"".join), st.integers(1, 9))
def test_no_capture_makes_the_reader_raise_and_each_octet_is_accounted_for(octets: bytes, step: int) -> None:
    seen = read(octets, step)
    assert not octets.strip() or seen.lines
    heads = sum(isinstance(record, HeadRecord | RequestRecord) for record in seen.records)
    ends = sum(isinstance(record, EndRecord) for record in seen.records)
    assert ends <= heads + len(octets)
    whole = [record for record in seen.records if isinstance(record, EndRecord)]
    assert all(record.framing in ("complete", "cut", "malformed") for record in whole)


@given(st.lists(PIECES, max_size=5).map(b"".join), st.integers(1, 40))
def test_how_a_capture_is_cut_into_reads_changes_no_report(octets: bytes, step: int) -> None:
    assert facts(read(octets, step).records) == facts(read(octets).records)


@pytest.mark.parametrize("others, ends", [(MAX_ASKED - 1, ["complete 0"]), (MAX_ASKED, ["cut 0"])])
def test_the_methods_of_requests_without_a_response_are_kept_up_to_a_limit(others: int, ends: list[str]) -> None:
    """Fails where a capture of requests alone takes more and more memory."""
    reader = CaptureReader(reports := Reports())
    reader.feed(HEAD + others * GET, t=0.0, read=1)
    seen = len(reports.lines)
    reader.feed(UNSENT, t=1.0, read=2)
    reader.end(2.0)
    assert [line for line in reports.lines[seen:] if line[:2] not in ("he", "--")] == ends
