"""What can be sent: legal pieces, pieces that parsers stumble over, anything at all."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.conformance.vectors import load

LEGAL: Final = [
    b"5\r\nhello\r\n",
    b"1;a=1\r\nx\r\n",
    b"00A\r\n0123456789\r\n",
    b'2;q="a\\"b"\r\nhi\r\n',
    b"20\r\n" + 32 * b"y" + b"\r\n",
]
ENDS: Final = [b"0\r\n\r\n", b"000;z\r\nX-Sum: 1\r\n\r\n"]
ODD: Final = [
    b"\r",
    b"\n",
    b"\r\n",
    b";",
    b"0",
    b"zz",
    b"\x00",
    b"5\n",
    b"0\r\n",
    b"0\r\nHost: x\r\n\r\n",
    b"1;a= b\r\nx\r\n",
    b" 1 \r\nx\r\n",
    b" ",
    b"\t1;a \r\nx\r\n",
]
VECTORS: Final = [vector.octets for vector in load() if len(vector.octets) < 200]

FRAMES: Final = st.sampled_from(LEGAL)
PIECES: Final = st.one_of(
    FRAMES, FRAMES, st.sampled_from(ENDS), st.sampled_from(ODD), st.sampled_from(VECTORS), st.binary(max_size=8)
)


def bodies() -> st.SearchStrategy[bytes]:
    """Return bodies: often legal up to the end, or up to somewhere."""
    legal = st.tuples(st.lists(FRAMES, max_size=6).map(b"".join), st.sampled_from([*ENDS, b""])).map(b"".join)
    return st.one_of(legal, legal, st.lists(PIECES, max_size=6).map(b"".join))


def splits() -> st.SearchStrategy[list[int]]:
    """Return sizes of the reads that a body comes in."""
    return st.lists(st.integers(1, 40), min_size=1, max_size=6)


def cut(octets: bytes, sizes: list[int]) -> list[bytes]:
    """Return octets in reads of these sizes, the last one as large as it is."""
    reads, at = [], 0
    for size in sizes:
        reads.append(octets[at : at + size])
        at += size
    return [read for read in (*reads, octets[at:]) if read]
