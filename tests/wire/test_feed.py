"""What is held, what comes first when a body breaks, and how much one turn takes."""

import tracemalloc
from itertools import product

import pytest

from chunkwire.wire.encoder import encode_chunk
from chunkwire.wire.errors import Rule
from chunkwire.wire.feed import TURN_OCTETS, WATCHED_TURN_OCTETS, Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.limits import Limits
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner
from tests.wire.relay import octet_by_octet

END = b"0\r\n\r\n"
EXT = encode_chunk(b"0123456789", b";t=1")
EXT_FRAMING = len(EXT) - 10


def turns_of(body: bytes, *, is_watched: bool = False, scanner: BodyScanner | None = None) -> list[bytes]:
    """Return what each turn approves of a body that came in one read."""
    feed = Feed(scanner or ChunkedScanner(), takes_turns=True)
    events: list[Event] | None = [] if is_watched else None
    turns = [bytes(feed.take(body, events))]
    while feed.is_behind:
        turns.append(bytes(feed.take(b"", events)))
    assert feed.error is None
    assert b"".join(turns) + feed.held == body
    return turns


def test_what_is_not_approved_is_held_and_shown_again() -> None:
    feed = Feed(ChunkedScanner())
    assert bytes(feed.take(b"5\r")) == b""
    assert feed.held == b"5\r"
    assert bytes(feed.take(b"\nhel")) == b"5\r\nhel"
    assert feed.held == b""


def test_a_body_is_the_same_octet_by_octet() -> None:
    body = EXT * 3 + b"0;z\r\nX-Sum: 1\r\n\r\n"
    whole, pieces = list[Event](), list[Event]()
    Feed(ChunkedScanner()).take(body, whole)
    feed = Feed(ChunkedScanner())
    assert b"".join(bytes(feed.take(octet, pieces)) for octet in octet_by_octet(body)) == body
    assert b"".join(event.raw for event in pieces) == b"".join(event.raw for event in whole) == body


def test_what_follows_a_body_stays_held() -> None:
    feed = Feed(ChunkedScanner())
    assert bytes(feed.take(b"1\r\nx\r\n" + END + b"HTTP")) == b"1\r\nx\r\n" + END
    assert bytes(feed.take(b"/1.1")) == b""
    assert feed.held == b"HTTP/1.1"


def test_what_is_valid_comes_before_the_error() -> None:
    feed, events = Feed(ChunkedScanner()), list[Event]()
    assert bytes(feed.take(b"1\r\nx\r\nZZ\r\n", events)) == b"1\r\nx\r\n"
    assert feed.error is not None
    assert feed.error.rule == Rule.CHUNK_SIZE
    assert len(events) == 3
    assert bytes(feed.take(b"0\r\n\r\n")) == b""
    assert feed.held.startswith(b"ZZ\r\n")


def test_a_broken_body_is_never_behind() -> None:
    feed = Feed(ChunkedScanner(), takes_turns=True)
    feed.take(EXT * (TURN_OCTETS // EXT_FRAMING + 1) + b"ZZ\r\n")
    assert feed.is_behind
    feed.take(b"")
    assert feed.error is not None
    assert not feed.is_behind


def test_a_shared_buffer_is_judged_up_to_its_end_alone() -> None:
    memory = bytearray(b"1\r\nx\r\n5\r\nbeyond")
    feed = Feed(ChunkedScanner())
    assert feed.take_from(memory, memoryview(memory), 7) == 6
    assert feed.held == b"5"


@pytest.mark.parametrize("is_watched, most", [(False, TURN_OCTETS), (True, WATCHED_TURN_OCTETS)])
def test_a_turn_takes_so_many_octets_of_framing(most: int, is_watched: bool) -> None:
    """The last size line makes the turn full exactly: all of that goes, and one octet of framing more waits."""
    frames = (most - 16) // EXT_FRAMING
    rest = most - frames * EXT_FRAMING
    full = EXT * frames + encode_chunk(b"x" * 10, b";" + b"e" * (rest - 6))
    assert turns_of(full, is_watched=is_watched) == [full]
    assert turns_of(full + b"1", is_watched=is_watched) == [full, b""]
    assert turns_of(full + EXT, is_watched=is_watched) == [full, EXT]


def test_a_body_that_ends_with_a_turn_is_not_behind() -> None:
    frames = TURN_OCTETS // EXT_FRAMING + 1
    feed = Feed(ChunkedScanner(), takes_turns=True)
    feed.take(EXT * frames + END)
    assert feed.is_behind
    feed.take(b"")
    assert feed.scanner.is_complete
    assert not feed.is_behind


def test_no_turn_takes_much_more_than_its_octets() -> None:
    """Whatever the frames are: small or large, with a chunk-ext or without, of sizes seen before or not."""
    bodies = [
        EXT * 5000,
        b"1;a\r\nx\r\n" * 5000,
        b"".join(encode_chunk(b"x" * (n % 1500 + 1)) for n in range(3000)),
        b"".join(encode_chunk(b"x" * 40, b";t=%d" % n) for n in range(5000)),
        b"".join(b"0" * (n % 16) + b"1\r\nx\r\n" + EXT for n in range(3000)),
    ]
    for body, is_watched in product(bodies, (False, True)):
        feed, events = Feed(ChunkedScanner(), takes_turns=True), list[Event]()
        most = (WATCHED_TURN_OCTETS if is_watched else TURN_OCTETS * 8) + 16 * 20
        turn, octets = feed.take(body, events if is_watched else None), 0
        while feed.is_behind:
            assert 0 < len(turn) - (feed.scanner.octets - octets) <= most
            octets = feed.scanner.octets
            turn = feed.take(b"", events if is_watched else None)
        assert feed.scanner.wire_octets == len(body)


def test_size_lines_without_an_extension_count_an_eighth() -> None:
    chunks = TURN_OCTETS // 5
    assert len(turns_of(b"1\r\nx\r\n" * chunks * 4)) == 1
    assert len(turns_of(b"1\r\nx\r\n" * chunks * 8 * 3, scanner=ChunkedScanner(Limits(max_size_digits=15)))) > 1


def test_chunk_data_does_not_count() -> None:
    body = encode_chunk(b"x" * 100_000, b";a=1") * 20
    assert turns_of(body) == [body]
    assert turns_of(b"x" * 100_000, scanner=CloseScanner()) == [b"x" * 100_000]
    assert turns_of(b"x" * 9, scanner=LengthScanner(9)) == [b"x" * 9]


def test_a_feed_that_takes_no_turns_takes_all() -> None:
    body = EXT * 10_000 + END
    feed = Feed(ChunkedScanner())
    assert bytes(feed.take(body, [])) == body
    assert not feed.is_behind


def test_size_lines_beyond_those_that_are_remembered_cost_no_memory() -> None:
    """20,000 lines, each one once: to remember them all takes 2.5 MB, and 4096 of them 0.5 MB."""
    feed = Feed(ChunkedScanner(Limits(max_size_digits=14)))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for size, zeros in product(range(1, 2001), range(10)):
            feed.take(b"%b%x\r\n%b\r\n" % (b"0" * zeros, size, b"x" * size))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert feed.scanner.chunks == 20_000
    assert after - before < 1_000_000
