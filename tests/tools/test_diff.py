"""Two recordings of one stream: what is the same, what differs, and what it rests on."""

import pytest

from chunkwire import LocalError
from chunkwire.record.values import FrameRecord, HeadRecord, Record
from chunkwire.tools.diff.compare import Comparison, compare, load, render
from tests.tools.seen import seen

A = b"5\r\nhello\r\n", b"6;t=1\r\n world\r\n", b"0\r\n\r\n"


def recording(*reads: bytes, every: float = 100.0) -> list[Record]:
    return seen([(n * every, octets) for n, octets in enumerate(reads)])


def compared(a: list[Record], b: list[Record], **options: float) -> Comparison:
    return compare(load("a.jsonl", a), load("b.jsonl", b), **options)


def marks(found: Comparison) -> str:
    return "".join(row.mark for row in found.rows)


@pytest.mark.parametrize("other", [recording(*A), recording(b"".join(A), every=3.0)], ids=["itself", "other reads"])
def test_times_and_reads_make_no_difference(other: list[Record]) -> None:
    found = compared(recording(*A), other)
    assert (found.is_same, marks(found)) == (True, "===")


def test_gaps_make_a_difference_when_asked_to() -> None:
    found = compared(recording(*A), recording(*A, every=120.0), gap_tolerance=0.01)
    assert not found.is_same
    assert [row.why for row in found.rows] == ["", "gap, by 20.0 ms", "gap, by 20.0 ms"]


@pytest.mark.parametrize(
    "frame, why",
    [
        (b"6\r\n world\r\n", "chunk-ext"),
        (b"06;t=1\r\n world\r\n", "size digits"),
        (b"6;t=1\r\n World\r\n", "data"),
        (b"7;t=1\r\n world!\r\n", "size"),
    ],
)
def test_what_differs_in_a_frame_is_named(frame: bytes, why: str) -> None:
    found = compared(recording(*A), recording(A[0], frame, A[2]))
    assert marks(found) == "=~="
    assert found.rows[1].why == why


def test_a_frame_more_leaves_the_others_aligned() -> None:
    found = compared(recording(*A), recording(A[0], b"1\r\n!\r\n", *A[1:]))
    assert marks(found) == "=>=="
    assert found.rows[1].why == "only in B"


def test_a_cut_recording_is_the_beginning_of_the_whole_one() -> None:
    found = compared(recording(*A), recording(*A[:2]))
    assert "B is the beginning of A: 2 of 3 frames" in found.notes
    assert "A ended complete, B ended cut" in found.notes


def test_what_came_at_once_has_no_gaps_to_compare_but_a_time_of_its_first_frame() -> None:
    def late(records: list[Record], coding: str) -> list[Record]:
        head = HeadRecord(1, "client.received", 0.0, "HTTP/1.1 200 OK", (("Content-Encoding", coding),))
        return [head, *(record._replace(t=2.0) for record in records if not isinstance(record, HeadRecord))]

    found = compared(recording(*A), late(recording(b"1\r\nx\r\n", A[2]), "gzip"))
    assert "the content differs, as coded: plain in A, gzip in B" in found.notes
    assert any(note.endswith(" ms in A, 2000.0 ms in B") for note in found.notes)
    assert not any(note.startswith("gaps are") for note in found.notes)


def test_trailers_are_compared() -> None:
    found = compared(recording(*A), recording(*A[:2], b"0\r\nX-T: 1\r\n\r\n"))
    assert not found.is_same
    assert "trailers differ: none in A, X-T: 1 in B" in found.notes


def without_data(records: list[Record]) -> list[Record]:
    return [record._replace(data=None) if isinstance(record, FrameRecord) else record for record in records]


def test_without_data_the_hash_of_the_wire_decides() -> None:
    same = compared(recording(*A), without_data(recording(*A)))
    assert same.is_same
    assert "the SHA-256 of all octets on the wire are equal" in same.notes
    other = compared(recording(*A), without_data(recording(b"5\r\nHELLO\r\n", *A[1:])))
    assert marks(other) == "==="
    assert not other.is_same


def test_two_recordings_without_a_frame_and_without_an_end_are_not_the_same() -> None:
    heads: list[Record] = [HeadRecord(1, "client.received", 0.0, "HTTP/1.1 200 OK", ())]
    found = compared(heads, heads)
    assert (found.is_same, found.notes) == (
        False,
        ("neither recording has a frame or an end: nothing was compared",),
    )
    assert compared(recording(A[2]), recording(A[2])).is_same


def test_a_file_without_a_response_is_refused() -> None:
    with pytest.raises(LocalError, match=r"empty\.jsonl"):
        load("empty.jsonl", [])


def test_many_unlike_frames_are_paired_by_position() -> None:
    one, other = (b"1\r\n%b\r\n" % letter for letter in (b"a", b"b"))
    found = compared(recording(one * 2500, A[2]), recording(other * 2501, A[2]))
    assert marks(found) == "~" * 2500 + ">="


def test_the_two_sides_stand_in_columns_with_what_differs() -> None:
    found = compared(recording(*A), recording(A[0], b"6\r\n world\r\n", A[2]))
    assert render(found)[2:6] == [
        "     A     gap  size          B     gap  size        data, or what differs",
        "     1          5       =      1          5        hello",
        "     2  +100.0  6;t=1   ~      2  +100.0  6        chunk-ext",
        "     3  +100.0  0       =      3  +100.0  0        last-chunk",
    ]


def test_a_long_run_of_equal_frames_takes_one_line() -> None:
    frames = [b"1\r\na\r\n"] * 50 + [A[2]]
    found = compared(recording(*frames), recording(*frames))
    assert "     … 45 frames alike" in render(found)
    assert len(render(found, is_whole=True)) == len(frames) + 5


def test_a_recording_of_several_streams_says_which_one_is_compared() -> None:
    several = recording(*A) + [record._replace(stream=2) for record in recording(A[0], A[2])]
    found = compared(several, recording(*A))
    assert found.is_same
    assert "a.jsonl holds 2 streams; the first is compared, a.jsonl#2 is the next" in found.notes
    assert load("a.jsonl", several, place=2).rows[1].size == 0
    with pytest.raises(LocalError, match="2 responses"):
        load("a.jsonl", several, place=3)


def test_no_line_is_wider_than_the_terminal() -> None:
    long = b"data: " + b"word " * 40
    a = recording(b"%x\r\n%b\r\n" % (len(long), long), A[2])
    b = recording(b"1\r\n!\r\n", b"%x\r\n%b\r\n" % (len(long) - 1, long[1:]), A[2])
    for other in (a, b):
        found = compare(load(" ".join(["a"] * 40), a), load("b" * 40, other))
        assert max(map(len, render(found, width=80))) <= 80
