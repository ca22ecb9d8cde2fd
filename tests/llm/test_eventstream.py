"""The binary frames of Bedrock: CRCs, lengths and headers, refused where they are wrong and only there."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.llm.eventstream import MAX_HEADERS_OCTETS, BinaryMessage, BrokenMessage, MessageDecoder, encode_message

HEADERS = {":event-type": "messageStart", ":message-type": "event"}
OCTETS = encode_message(HEADERS, b'{"role":"assistant"}')


def decode(octets: bytes) -> list[BinaryMessage]:
    found: list[BinaryMessage] = []
    MessageDecoder().feed(octets, found)
    return found


def seal(headers: bytes, payload: bytes = b"", *, total: int | None = None, headers_octets: int | None = None) -> bytes:
    """Frame raw header octets with right CRCs, whatever the lengths claim."""
    size = 16 + len(headers) + len(payload) if total is None else total
    lengths = struct.pack(">II", size, len(headers) if headers_octets is None else headers_octets)
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def test_the_smallest_message_is_the_one_of_the_specification() -> None:
    assert encode_message({}, b"") == bytes.fromhex("000000100000000005c248eb7d98c8ff")
    assert decode(bytes.fromhex("000000100000000005c248eb7d98c8ff")) == [BinaryMessage({}, b"")]


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3), st.binary(max_size=40))
def test_what_is_written_is_what_is_read(headers: dict[str, str], payload: bytes) -> None:
    assert decode(encode_message(headers, payload)) == [BinaryMessage(headers, payload)]


def test_messages_are_the_same_octet_by_octet() -> None:
    decoder, found = MessageDecoder(), list[BinaryMessage]()
    for number, octet in enumerate(OCTETS * 2, 1):
        decoder.feed(bytes([octet]), found)
        assert decoder.is_between_messages == (number % len(OCTETS) == 0)
    assert found == decode(OCTETS) * 2


def test_a_changed_octet_is_refused_by_the_crc_of_its_part() -> None:
    for place in range(len(OCTETS)):
        changed = OCTETS[:place] + bytes([OCTETS[place] ^ 1]) + OCTETS[place + 1 :]
        with pytest.raises(BrokenMessage, match=f"the CRC of a {'prelude' if place < 12 else 'message'}"):
            decode(changed)


def test_what_came_before_a_wrong_crc_is_kept() -> None:
    found: list[BinaryMessage] = []
    with pytest.raises(BrokenMessage):
        MessageDecoder().feed(OCTETS + OCTETS[:-1] + b"\0", found)
    assert found == decode(OCTETS)


def test_a_message_of_exactly_the_limit_is_read_and_one_octet_more_refused() -> None:
    found: list[BinaryMessage] = []
    MessageDecoder(max_message_octets=len(OCTETS)).feed(OCTETS, found)
    assert len(found) == 1
    with pytest.raises(BrokenMessage, match=f"expected a message of 16 to {len(OCTETS) - 1} octets, got {len(OCTETS)}"):
        MessageDecoder(max_message_octets=len(OCTETS) - 1).feed(OCTETS[:12], found)


@pytest.mark.parametrize(
    "total, headers, expected",
    [
        (0, 0, "expected a message of 16 to 16777216 octets, got 0"),
        (15, 0, "expected a message of 16 to 16777216 octets, got 15"),
        (2**32 - 1, 0, "expected a message of 16 to 16777216 octets, got 4294967295"),
        (16, 1, "expected at most 0 octets of headers in a message of 16, got 1"),
        (2**20, 2**17 + 1, "expected at most 131072 octets of headers in a message of 1048576, got 131073"),
    ],
)
def test_lengths_that_cannot_be_are_refused_with_the_prelude(total: int, headers: int, expected: str) -> None:
    with pytest.raises(BrokenMessage, match=f"^{expected}$"):
        decode(seal(b"", total=total, headers_octets=headers)[:12])


def test_headers_of_exactly_the_limit_are_waited_for() -> None:
    assert decode(seal(b"", total=2**20, headers_octets=MAX_HEADERS_OCTETS)[:12]) == []


def test_header_values_that_are_no_text_are_skipped_exactly() -> None:
    values = [b"", b"", b"\1", b"\0\1", bytes(4), bytes(8), b"\0\2ab", None, bytes(8), bytes(16)]  # 7 is text
    skipped = (b"\1n%c%b" % (kind, value) for kind, value in enumerate(values) if value is not None)
    octets = b"".join(skipped) + b"\1t\7\0\1x"
    assert decode(seal(octets, b"p")) == [BinaryMessage({"t": "x"}, b"p")]


@pytest.mark.parametrize("header", [b"\1", b"\1n", b"\1n\x0a", b"\1n\7\0\5abc", b"\1n\7\0", b"\1n\4\0", b"\5n"])
def test_a_broken_header_is_refused_by_where_it_begins(header: bytes) -> None:
    with pytest.raises(BrokenMessage, match=r"expected (a header at 6, got|the headers to end at)"):
        decode(seal(b"\1t\7\0\1x" + header))
