"""Judge a head inside the data of a message: it is either content, or the start of the next message after a cut one.

The rule here: the framing decides. If the message ends properly with these octets as its data, they are data; else it
was cut before them. Only later octets can show which, so the octets from the head on are held, at most
`MAX_INNER_OCTETS`.
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
"""Octets held from a head in data on: as many as a head may have. If there are more, they are taken for data."""


class Inner(enum.Enum):
    """What the octets from a head in data on are."""

    DATA = "data"
    IN_CHUNK = "in chunk"
    """Data of a chunk that ends properly; the octets after that chunk are judged separately."""
    NEXT = "next"
    """The next message; this one was cut."""
    BROKEN = "broken"
    """The framing is malformed at the head itself, or after octets that are no whole head."""
    UNDECIDED = "undecided"
    """More octets are needed."""
    TOO_MANY = "too many"
    """Too many octets to hold: taken for data, which may be wrong."""


class InnerHead:
    """Judges a head in the data of a message: a copy of the message's scanner scans the head and what follows.

    Args:
        scanner: of the message; it has approved all octets before the head.
    """

    def __init__(self, scanner: BodyScanner) -> None:
        self._at, self._chunks = scanner.wire_octets, scanner.chunks
        self._trial = Feed(copy.deepcopy(scanner))
        self._shown = 0

    def judge(self, octets: bytes, *, is_whole: bool, is_last: bool) -> Inner:
        """Return what the octets are.

        Args:
            octets: all octets from the head on, including those of earlier calls.
            is_whole: they begin with a whole head, not only with octets that may become one.
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
    """Judge the octets after a body with Content-Length.

    DATA: they are consistent with it: none, or another message; NEXT: they are not; UNDECIDED: more are needed.
    """
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
    """Return why a body with a head in its data is taken for a cut one."""
    try:
        scanner.end_of_input()
    except IncompleteBody as cut:
        return f"{cut}; its data contains what looks like a head: taken for the next message"
    return "expected the end of the input behind the content, got octets of no message"
