"""Frames out of content, and what the encoder refuses before an octet leaves."""

from typing import Any

import pytest

from chunkwire.wire.abnf import UNWRITTEN_TRAILERS
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError


def test_chunk_is_size_data_and_two_crlfs() -> None:
    assert encode_chunk(b"hello") == b"5\r\nhello\r\n"
    assert encode_chunk(bytearray(b"x" * 26)) == b"1a\r\n" + b"x" * 26 + b"\r\n"


def test_chunk_ext_goes_between_size_and_crlf() -> None:
    assert encode_chunk(b"hello", b';t=4;q="a b"') == b'5;t=4;q="a b"\r\nhello\r\n'


def test_empty_chunk_would_end_the_body_and_is_refused() -> None:
    with pytest.raises(LocalError, match="expected chunk-data, got no octets"):
        encode_chunk(b"")
    assert encode_chunk(b"0")


@pytest.mark.parametrize("ext", [b"a=1", b";", b"; a", b";a=", b";a=b\r\n", b';a="\n"', b";a b", b";\xe9"])
def test_ext_that_is_none_is_refused(ext: bytes) -> None:
    with pytest.raises(LocalError, match="expected a chunk-ext"):
        encode_chunk(b"x", ext)
    with pytest.raises(LocalError, match="expected a chunk-ext"):
        encode_last_chunk(ext=ext)


def test_ext_is_limited_as_in_the_scanner() -> None:
    assert encode_chunk(b"x", b";" + b"a" * 4095)
    with pytest.raises(LocalError, match="at most 4096 octets, got 4097"):
        encode_chunk(b"x", b";" + b"a" * 4096)


def test_last_chunk_is_five_octets() -> None:
    assert encode_last_chunk() == b"0\r\n\r\n"


def test_last_chunk_may_have_ext_and_trailers() -> None:
    trailers = [(b"X-Sum", b"1"), (b"x-empty", b"")]
    assert encode_last_chunk(trailers, b";a") == b"0;a\r\nX-Sum: 1\r\nx-empty: \r\n\r\n"


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"\xe9"])
def test_trailer_name_that_is_none_is_refused(name: bytes) -> None:
    with pytest.raises(LocalError, match="expected a field-name"):
        encode_last_chunk([(name, b"1")])


@pytest.mark.parametrize("value", [b" a", b"a ", b"a\r\nHost: b", b"\x00", b"\x7f", b"a\nb"])
def test_trailer_value_that_is_none_is_refused(value: bytes) -> None:
    with pytest.raises(LocalError, match="expected a field-value"):
        encode_last_chunk([(b"X-Sum", value)])
    assert encode_last_chunk([(b"X-Sum", b"a \t b\xff")])


@pytest.mark.parametrize("name", sorted(UNWRITTEN_TRAILERS))
def test_field_that_must_not_be_a_trailer_is_refused(name: bytes) -> None:
    for written in (name, name.upper(), name.replace(b"-", b"_")):
        with pytest.raises(LocalError, match="may be a trailer"):
            encode_last_chunk([(written, b"1")])


def test_trailers_are_limited_as_in_the_scanner() -> None:
    assert encode_last_chunk([(b"a", b"b")] * 64)
    with pytest.raises(LocalError, match="at most 64 trailers, got 65"):
        encode_last_chunk([(b"a", b"b")] * 65)
    assert encode_last_chunk([(b"a", b"b" * 8187)])
    with pytest.raises(LocalError, match="at most 8192 trailer octets, got 8193"):
        encode_last_chunk([(b"a", b"b" * 8188)])


@pytest.mark.parametrize("data", ["hello", 5, [104, 105], "", 0, None])
def test_what_is_no_octets_is_refused_by_the_name_of_its_type(data: Any) -> None:
    name = type(data).__name__
    with pytest.raises(LocalError, match=f"expected chunk-data in octets .bytes., got {name}"):
        encode_chunk(data)
    with pytest.raises(LocalError, match=f"expected a chunk-ext in octets .bytes., got {name}"):
        encode_chunk(b"x", data)
    trailers: list[Any] = [(data, b"1"), (b"X-Sum", data), (b"X-Sum", b"1", b"2"), b"X-Sum: 1"]
    for trailer in trailers:
        with pytest.raises(LocalError, match="expected each trailer as a pair of octet strings"):
            encode_last_chunk([trailer])
    with pytest.raises(LocalError, match="expected each trailer as a pair of octet strings"):
        encode_last_chunk([data])
    with pytest.raises(LocalError, match="expected a chunk-ext in octets"):
        encode_last_chunk(ext=data)
    assert encode_chunk(memoryview(b"hello")) == encode_chunk(b"hello")
    assert encode_chunk(memoryview(b"hello!!!").cast("I")) == encode_chunk(b"hello!!!")
