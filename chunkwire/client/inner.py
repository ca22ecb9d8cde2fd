"""A head inside the data of a message: content that shows one, or the next message behind a cut one.

The rule here: the framing decides. Where the message ends properly with those octets as its data, they are its data;
where it does not, it was cut in front of them. Only later octets can show that, so the octets from the head on are
held, `MAX_INNER_OCTETS` of them at most.
"""

from __future__ import annotations

import copy
import enum
from typing import Final

from chunkwire.client.sniff import Beginning, sniff
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.scanner import BodyScanner
from chunkwire.wire.unchunked import LengthScanner

MAX_INNER_OCTETS: Final = 65536
"""Octets held from a head in data on: as many as a head may have. With more of them they are taken for data."""


class Inner(enum.Enum):
    """What the octets from a head in data on are."""

    DATA = "data"
    IN_CHUNK = "in chunk"
    """Data of a chunk that ends properly; what follows it is to be judged by itself."""
    NEXT = "next"
    """The next message: this one was cut."""
    BROKEN = "broken"
    """No data: the framing breaks at the place itself."""
    UNDECIDED = "undecided"
    """More octets are needed."""
    TOO_MANY = "too many"
    """Too many octets to hold: taken for data, which may be wrong."""


class InnerHead:
    """Judge one place in the data of a message, by a copy of its scanner that goes on from there.

    Args:
        scanner: of the message; it has approved all octets in front of the place.
    """

    def __init__(self, scanner: BodyScanner) -> None:
        self._at, self._chunks = scanner.wire_octets, scanner.chunks
        self._trial = Feed(copy.deepcopy(scanner))
        self._shown = 0

    def judge(self, octets: bytes, *, is_whole: bool, is_last: bool) -> Inner:
        """Return what the octets are.

        Args:
            octets: all from the place on, the ones of the call before included.
            is_whole: they begin with a head to its end, not with what may become one.
            is_last: no more octets will come.
        """
        is_over = len(octets) > MAX_INNER_OCTETS
        octets, is_last = octets[:MAX_INNER_OCTETS], is_last and not is_over
        self._trial.take(octets[self._shown :])
        self._shown = len(octets)
        scanner = self._trial.scanner
        if scanner.chunks > self._chunks and not scanner.is_complete:
            return Inner.IN_CHUNK
        if self._trial.error is not None:
            return Inner.NEXT if is_whole and scanner.wire_octets > self._at else Inner.BROKEN
        if scanner.is_complete:
            is_doubtful = isinstance(scanner, LengthScanner) and (is_whole or octets.startswith(b"HTTP/1."))
            found = judge_rest(self._trial.held, is_last=is_last) if is_doubtful else Inner.DATA
        elif is_last:
            found = Inner.NEXT if is_whole else Inner.DATA
        else:
            found = Inner.UNDECIDED
        return Inner.TOO_MANY if is_over and found is Inner.UNDECIDED else found


def judge_rest(rest: bytes, *, is_last: bool) -> Inner:
    """Return DATA where the octets behind a body of a known length allow that length: none, or another message."""
    begun = rest.lstrip(b"\r\n")
    if not begun:
        return Inner.DATA if is_last or len(rest) > MAX_INNER_OCTETS else Inner.UNDECIDED
    match sniff(begun, may_be_chunked=False, is_lenient=False, is_last=is_last):
        case Beginning.UNDECIDED:
            return Inner.UNDECIDED
        case Beginning.OTHER:
            return Inner.NEXT
        case _:
            return Inner.DATA


def describe_cut(scanner: BodyScanner) -> str:
    """Return what an incomplete body lacks, where a head stands in its data."""
    try:
        scanner.end_of_input()
    except IncompleteBody as cut:
        return f"{cut}; what looks like a head stands in its data: taken for the next message"
    return "expected the end of the input behind the content, got octets of no message"
