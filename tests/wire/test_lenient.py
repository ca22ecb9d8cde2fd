"""What only a tool that looks takes: whitespace around chunk-size, and more zeros than a 64-bit size needs."""

import pytest

from chunkwire.wire.errors import FramingError, Rule
from chunkwire.wire.frames import Chunk
from chunkwire.wire.limits import LENIENT_LIMITS, Limits
from chunkwire.wire.reader import FrameReader
from chunkwire.wire.scanner import ChunkedScanner
from tests.conformance.vectors import Vector, load
from tests.wire.relay import octet_by_octet, relay

END = b"0\r\n\r\n"

PADDED = [
    b"5 \r\nhello\r\n",
    b"5\t  \r\nhello\r\n",
    b" 5\r\nhello\r\n",
    b"  5 ;a = b \r\nhello\r\n",
    b"0" * 40 + b"5\r\nhello\r\n",
]


@pytest.mark.parametrize("frame", PADDED)
def test_padded_size_is_taken_where_leniency_was_asked_for_and_only_there(frame: bytes) -> None:
    assert relay(frame + END).verdict == "reject"
    body = frame * 3 + b"  0  \r\n\r\n"
    for reads in ([body], octet_by_octet(body)):
        lenient = relay(*reads, scanner=ChunkedScanner(LENIENT_LIMITS))
        assert (lenient.verdict, lenient.sent) == ("accept", body)


def test_padding_belongs_to_the_line_and_not_to_the_ext() -> None:
    chunk, other, _ = FrameReader(LENIENT_LIMITS).feed(b" 5 ;a \r\nhello\r\n5 \r\nhello\r\n" + END)
    assert isinstance(chunk, Chunk)
    assert isinstance(other, Chunk)
    assert (chunk.line, chunk.size, chunk.ext) == (b" 5 ;a ", 5, b" ;a")
    assert (other.line, other.size, other.ext) == (b"5 ", 5, b"")


@pytest.mark.parametrize("line", [b"5 5\r\n", b"  \r\n", b" ;a\r\n", b"5 \n", b"5;\r\n", b"0x5\r\n"])
def test_leniency_takes_whitespace_and_nothing_else(line: bytes) -> None:
    assert relay(line + b"hello\r\n" + END, scanner=ChunkedScanner(LENIENT_LIMITS)).verdict == "reject"


@pytest.mark.parametrize(
    "line, excess",
    [(b" " * 8 + b"0005", b" "), (b" " * 4 + b"0005;a \t", b" "), (b"0005;abcdefg", b"h"), (b"  0005  ;a=b", b"c")],
)
def test_padding_counts_as_chunk_ext_however_the_octets_are_split(line: bytes, excess: bytes) -> None:
    limits = Limits(max_size_digits=4, max_ext_octets=8, allow_padding=True)
    at = 8 if line.startswith(b" " * 8) else len(line)  # of the first octet too many
    for body, verdict in ((line, "accept"), (line[:at] + excess + line[at:], "reject")):
        for cut in range(len(body) + 1):
            pieces = [piece for piece in (body[:cut], body[cut:] + b"\r\nhello\r\n" + END) if piece]
            for reads in (pieces, octet_by_octet(b"".join(pieces))):
                reader = FrameReader(limits)
                found = relay(*reads, scanner=ChunkedScanner(limits))
                assert found.verdict == verdict
                if verdict == "reject":
                    with pytest.raises(FramingError) as caught:
                        [reader.feed(read) for read in reads]
                    assert (caught.value.rule, caught.value.offset) == (Rule.CHUNK_EXT_OCTETS, at)


@pytest.mark.parametrize("vector", [each for each in load() if each.verdict == "accept"], ids=str)
def test_leniency_takes_all_that_is_legal(vector: Vector) -> None:
    lenient = relay(vector.octets, scanner=ChunkedScanner(LENIENT_LIMITS))
    assert (lenient.verdict, len(lenient.sent)) == ("accept", vector.forward_max)
