"""Records that are made later are those that would have been made at once, in the gateway and in the server.

What a gateway received is left out of them.
"""

from collections import deque

import pytest

from chunkwire.forward.failure import Outcome
from chunkwire.forward.tap import RECEIVED, Tap
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.heads import Request, Response
from chunkwire.record.values import FrameRecord, Record, RequestRecord
from chunkwire.server.journal import Ended
from chunkwire.server.tap import MAX_NOTED_OCTETS, MAX_NOTED_WRITES, SentTap, Work
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.limits import DEFAULT_LIMITS

REQUEST = Request(b"GET", b"/")
BODY = b"5;a=1\r\nhello\r\n1\r\n\xe2\r\n" + b"1\r\nx\r\n" * 300 + b"0\r\nX-T: 1\r\n\r\n"


class Kept(list[Record]):
    """Keeps records; `later` keeps the work."""

    def __init__(self) -> None:
        self.work: deque[Work] = deque()

    def __call__(self, record: Record) -> None:
        self.append(record._replace(wall=0.0) if isinstance(record, RequestRecord) else record)

    def do(self) -> None:
        while self.work:
            if not self.work[0]():
                self.work.popleft()


class Late(Kept):
    """Takes them later."""

    def later(self, work: Work) -> None:
        self.work.append(work)


def relayed(kept: Kept, reads: list[bytes], framing: Framing) -> None:
    """Have a body's reads recorded as a mover does, one each s; the last one is received and never sent."""
    now = 0.0
    tap = Tap(kept, 1, REQUEST, DEFAULT_LIMITS)
    tap.clock = lambda: now  # type: ignore[method-assign]
    tap.request(REQUEST)
    observer = tap.body("response", framing, frozenset())
    feed = Feed(framing.scanner(), takes_turns=True)
    for read, octets in enumerate(reads, 1):
        now = float(read)
        while octets or feed.is_behind:
            events: list[Event] | None = [] if observer.takes_events else None
            approved = feed.take(octets, events)
            observer.received(approved, events or [], read)
            octets = b""
        if read < len(reads):
            observer.sent()
    tap.end(Outcome.CUT)
    kept.do()


@pytest.mark.parametrize("size", [1, 3, 7, 100, 5000])
@pytest.mark.parametrize("kind", [BodyKind.CHUNKED, BodyKind.CLOSE])
def test_a_gateways_records_made_later_are_those_made_at_once(size: int, kind: BodyKind) -> None:
    reads = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    at_once, late = Kept(), Late()
    for kept in (at_once, late):
        relayed(kept, reads, Framing(kind))
    expected = [each for each in at_once if (each.point, each.way) != ("gateway.received", "response")]
    assert 2 < len(expected) < len(at_once)
    assert sorted(late, key=by_point) == sorted(expected, key=by_point)


def test_each_frame_is_received_at_the_time_of_its_read() -> None:
    kept = Kept()
    relayed(kept, [b"1\r\nx\r\n", b"1\r\ny\r\n1\r\nz\r\n", b"0\r\n\r\n"], Framing(BodyKind.CHUNKED))
    frames = [each for each in kept if isinstance(each, FrameRecord) and each.point == RECEIVED]
    assert [frame.t for frame in frames] == [1.0, 2.0, 2.0, 3.0]


def by_point(record: Record) -> tuple[str, str]:
    return record.point, record.way


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_servers_records_made_later_are_those_made_at_once(size: int) -> None:
    at_once, late = Kept(), Late()
    for kept in (at_once, late):
        tap = SentTap(kept, REQUEST, stream=1, began=0.0, wall=0.0)
        tap.head(0.0, Response(200, b"OK"), BodyKind.CHUNKED)
        for at in range(0, len(BODY), size):
            tap.sent(at / 8, BODY[at : at + size])
        tap.end(1e3, Ended.COMPLETE)
    assert (len(late) == 2) == (len(BODY) <= size * MAX_NOTED_WRITES)
    late.do()
    assert late == at_once


def test_a_body_that_outruns_its_records_is_slowed_and_little_of_it_is_kept() -> None:
    late = Late()
    observer = Tap(late, 1, REQUEST, DEFAULT_LIMITS).body("response", Framing(BodyKind.CLOSE), frozenset())
    half = memoryview(bytes(MAX_NOTED_OCTETS // 2))
    for read in (1, 2):
        observer.received(half, [], read)
        observer.sent()
    assert (len(late), observer.takes_events) == (0, False)
    observer.received(half[:1], [], 3)
    assert (len(late), observer.takes_events) == (2, False)


def test_the_writes_that_are_kept_of_a_body_have_a_most() -> None:
    """Fails where the records of any number of frames are made in one go."""
    sent, relayed = Late(), Late()
    tap = SentTap(sent, REQUEST, stream=1, began=0.0, wall=0.0)
    tap.head(0.0, Response(200, b"OK"), BodyKind.CLOSE)
    observer = Tap(relayed, 1, REQUEST, DEFAULT_LIMITS).body("response", Framing(BodyKind.CLOSE), frozenset())
    for read in range(MAX_NOTED_WRITES):
        tap.sent(0.0, b"x")
        observer.received(memoryview(b"x"), [], read)
        observer.sent()
    assert (len(sent), len(relayed)) == (2, 0)
    for read in (MAX_NOTED_WRITES, MAX_NOTED_WRITES + 1):
        tap.sent(0.0, b"x")
        observer.received(memoryview(b"x"), [], read)
        observer.sent()
    assert (len(sent), len(relayed)) == (4, 2)
