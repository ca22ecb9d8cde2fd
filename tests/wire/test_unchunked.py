"""Bodies without chunks: of a known length, and up to the end of the connection."""

import pytest

from chunkwire.wire.errors import IncompleteBody, LocalError
from chunkwire.wire.frames import Data
from chunkwire.wire.unchunked import CloseScanner, LengthScanner
from tests.wire.relay import is_cut, relay


def test_body_of_a_length_ends_at_its_length() -> None:
    done = relay(b"hel", b"loHTTP/1.1 200 OK", scanner=LengthScanner(5))
    assert (done.verdict, done.sent, done.events) == ("accept", b"hello", [Data(0, b"hel"), Data(3, b"lo")])
    assert (done.scanner.octets, done.scanner.wire_octets, done.scanner.chunks) == (5, 5, 0)
    done.scanner.end_of_input()


def test_body_of_a_length_that_is_short_is_incomplete() -> None:
    scanner = relay(b"hell", scanner=LengthScanner(5)).scanner
    with pytest.raises(IncompleteBody, match="expected content of 5 octets at 4, got the end of input"):
        scanner.end_of_input()


def test_body_of_length_0_is_complete_before_an_octet() -> None:
    scanner = LengthScanner(0)
    assert scanner.is_complete
    assert scanner.scan(b"HTTP", 4, []) == 0
    assert scanner.wire_octets == 0


def test_length_below_0_is_our_own_error() -> None:
    with pytest.raises(LocalError, match="-1"):
        LengthScanner(-1)


def test_body_up_to_the_close_is_complete_at_the_end_of_input() -> None:
    scanner = CloseScanner()
    done = relay(b"hel", b"lo", scanner=scanner)
    assert (done.verdict, done.sent, done.events) == ("incomplete", b"hello", [Data(0, b"hel"), Data(3, b"lo")])
    assert not is_cut(scanner)
    assert scanner.is_complete
    assert scanner.scan(b"late", 4) == 0


@pytest.mark.parametrize("scanner", [LengthScanner(5), CloseScanner()])
def test_nothing_to_scan_gives_no_event(scanner: LengthScanner | CloseScanner) -> None:
    assert relay(b"", scanner=scanner).events == []
