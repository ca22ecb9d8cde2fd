"""The fault vocabulary: what each name puts on the wire, as a pure table.

One vocabulary for `/fault/NAME` here, for `forward --fault NAME=…` and in `testing`. A fault is played after a
number of whole frames: its `octets` are written as they stand, and then the connection ends as `ending` says.
No I/O, no clock: the caller that plays a fault has both.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


class FaultEnding(enum.Enum):
    """What happens to the connection after a fault's octets."""

    COMPLETE = "the body has ended in good order; the connection may go on"
    CLOSE = "FIN"
    RESET = "RST"
    HOLD = "silence for a while, then FIN"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong.

    Attributes:
        summary: what is wrong, in the words of RFC 9112.
        octets: what is written after the whole frames, instead of the rest.
        ending: and then.
        is_framed: a strict reader finds the chunked framing complete.
        before_head: it is played before any octet of a response.
        slice_octets: every chunk's data is sent in chunks of this size; 0 leaves it alone.
    """

    name: str
    summary: str
    octets: bytes
    ending: FaultEnding
    is_framed: bool = False
    before_head: bool = False
    slice_octets: int = 0


_ALL: Final = (
    Fault("cut", "FIN in the middle of chunk-data: 16 octets announced, 8 sent", b"10\r\nhalf of ", FaultEnding.CLOSE),
    Fault(
        "early-end",
        "a last-chunk before the content is over: framing complete, content not",
        b"0\r\n\r\n",
        FaultEnding.COMPLETE,
        is_framed=True,
    ),
    Fault("bad-size", "a chunk-size that is no hexadecimal number", b"zz\r\nnot hex\r\n0\r\n\r\n", FaultEnding.CLOSE),
    Fault(
        "missing-crlf",
        "no CRLF after chunk-data; the next chunk follows at once",
        b"5\r\nabcde5\r\nfghij\r\n0\r\n\r\n",
        FaultEnding.CLOSE,
    ),
    Fault("stall", "silence between two chunks", b"", FaultEnding.HOLD),
    Fault("stall-in-size", "silence inside a chunk-size line", b"1", FaultEnding.HOLD),
    Fault("reset", "RST between two chunks", b"", FaultEnding.RESET),
    Fault("empty", "FIN before any octet of a response", b"", FaultEnding.CLOSE, before_head=True),
    Fault(
        "tiny",
        "legal, and rude: every octet in a chunk of its own",
        b"",
        FaultEnding.COMPLETE,
        is_framed=True,
        slice_octets=1,
    ),
    Fault("no-terminator", "FIN after whole chunks, without a last-chunk", b"", FaultEnding.CLOSE),
    Fault(
        "giant-size",
        "a chunk-size of 2^64-1, and then 5 octets",
        b"FFFFFFFFFFFFFFFF\r\nabcde",
        FaultEnding.CLOSE,
    ),
)

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType({fault.name: fault for fault in _ALL})
