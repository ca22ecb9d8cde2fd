"""What a capture reader does with octets and requests after something went wrong: none counts twice, or is lost."""

from chunkwire.client.capture import CaptureReader
from chunkwire.client.captured import MAX_STRAY_OCTETS
from tests.client.test_capture import CHUNKED, CODED, GET, HEAD, NEXT, SIZED, UNSENT, Reports, read


def test_octets_after_a_capture_was_refused_are_noted() -> None:
    """Fails where the octets in its record, which are not held any more, are counted off the next ones."""
    seen = Reports()
    reader = CaptureReader(seen)
    reader.feed(b"!\n" * (MAX_STRAY_OCTETS // 2 + 1), t=0.0, read=1)
    reader.feed(b"more\n", t=1.0, read=2)
    reader.end(2.0)
    assert seen.lines == ["malformed 0", r'note left out, of no message: 5 octets, "more\n"']


def test_a_body_after_a_malformed_one_in_the_same_read_is_returned_once() -> None:
    reader = CaptureReader(Reports())
    assert reader.feed(CODED + b"5\r\nhello\r\nzz\r\n" + SIZED, t=0.0, read=1) == b"5\r\nhello\r\nzz\r\nhi"


def test_the_response_to_a_refused_request_is_not_taken_for_that_of_the_next_one() -> None:
    wrong = GET.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: foo")
    lines = read(wrong + HEAD + SIZED + UNSENT).short
    assert lines[:2] == ["request GET", "malformed 0"]
    assert lines[4:] == ["complete 0", "-- response 1", "200", "complete 2", *NEXT, "complete 0"]


def test_a_101_answers_its_request() -> None:
    reader = CaptureReader(Reports())
    reader.feed(GET + b"HTTP/1.1 101 Switching Protocols\r\n\r\nhi", t=0.0, read=1)
    assert not reader.asked


def test_the_reason_of_the_caller_is_kept_for_a_body_that_was_cut() -> None:
    seen = Reports()
    reader = CaptureReader(seen)
    reader.feed(CHUNKED[:-3], t=0.0, read=1)
    reader.end(1.0, "cut", "the pipe broke")
    assert seen.last.error == "the pipe broke"
