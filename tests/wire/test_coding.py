"""Content codings taken off: however they are cut, whatever is packed into them, and named where they cannot be."""

import bz2
import gzip
import types
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.wire import coding
from chunkwire.wire.coding import PIECE_OCTETS, ContentDecoder

TEXT = b"".join(b"data: token %d\n\n" % n for n in range(5000))


def raw_deflate(octets: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(octets) + compressor.flush()


CODED = [
    ("gzip", gzip.compress(TEXT)),
    ("X-GZip", gzip.compress(TEXT)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", raw_deflate(TEXT)),
    ("gzip", gzip.compress(TEXT[:100]) + gzip.compress(b"") + gzip.compress(TEXT[100:])),
    ("gzip", gzip.compress(TEXT) + b"\0\0\0"),
    ("gzip, identity, deflate", zlib.compress(gzip.compress(TEXT))),
    ("", TEXT),
    ("identity", TEXT),
]


def decoded(decoder: ContentDecoder, octets: bytes, step: int) -> bytes:
    return b"".join(piece for at in range(0, len(octets), step) for piece in decoder.feed(octets[at : at + step]))


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name, octets", CODED)
def test_a_coding_is_taken_off_however_it_is_cut(name: str, octets: bytes, step: int) -> None:
    decoder = ContentDecoder(name)
    assert decoded(decoder, octets, step) == TEXT
    decoder.end_of_input()
    assert decoder.error is None


@pytest.mark.parametrize("wbits", [31, 15, -15])
def test_what_was_flushed_is_decoded_at_once(wbits: int) -> None:
    compressor = zlib.compressobj(wbits=wbits)
    decoder = ContentDecoder("gzip" if wbits == 31 else "deflate")
    for n in range(3):
        event = b"data: %d\n\n" % n
        flushed = compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(decoder.feed(flushed)) == event


def test_a_bomb_comes_in_bounded_pieces() -> None:
    compressor = zlib.compressobj(wbits=31)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()
    sizes = [len(piece) for piece in ContentDecoder("gzip").feed(bomb)]
    assert sum(sizes) == 64 << 20
    assert max(sizes) <= PIECE_OCTETS


@pytest.mark.parametrize("name, octets", CODED[:5])
def test_a_coding_that_is_cut_is_an_error(name: str, octets: bytes) -> None:
    decoder = ContentDecoder(name)
    decoded(decoder, octets[:-1], len(octets))
    decoder.end_of_input()
    assert "is cut" in str(decoder.error)


def test_data_that_is_no_gzip_is_one_error_and_ends_the_decoding() -> None:
    decoder = ContentDecoder("gzip")
    assert list(decoder.feed(b"hello world")) == []
    assert decoder.error == "the gzip data is broken: incorrect header check"
    assert list(decoder.feed(gzip.compress(TEXT))) == []


@pytest.mark.parametrize(
    "name, why",
    [("br", "no Brotli"), ("gzip, BR", "br is not decoded"), ("zstd", "3.14"), ("wavelet", "no such coding")],
)
def test_a_coding_that_cannot_be_taken_off_is_named(name: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "_zstd", lambda: None)
    decoder = ContentDecoder(name)
    assert decoder.error is not None
    assert why in decoder.error
    assert list(decoder.feed(b"x")) == []


def test_zstd_is_taken_off_where_python_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # bz2's decompressor has the interface of zstd's (eof, unused_data, max_length), and is in every Python.
    module = types.SimpleNamespace(ZstdDecompressor=bz2.BZ2Decompressor, ZstdError=OSError)
    monkeypatch.setattr(coding, "_zstd", lambda: module)
    for step in (1, 1 << 20):
        assert decoded(ContentDecoder("zstd"), bz2.compress(TEXT), step) == TEXT
    broken = ContentDecoder("zstd")
    assert list(broken.feed(b"no bz2 at all")) == []
    assert "the zstd data is broken" in str(broken.error)


def test_the_shortest_deflate_data_is_whole_after_two_octets() -> None:
    decoder = ContentDecoder("deflate")
    assert list(decoder.feed(raw_deflate(b""))) == []
    decoder.end_of_input()
    assert decoder.error is None


@given(st.sampled_from(["gzip", "deflate", "gzip, deflate"]), st.binary(), st.binary(max_size=40))
def test_no_octets_make_a_decoder_raise(name: str, octets: bytes, more: bytes) -> None:
    decoder = ContentDecoder(name)
    for piece in (octets, gzip.compress(more), more):
        assert all(decoder.feed(piece))
    decoder.end_of_input()


def test_so_many_codings_are_taken_off_and_no_more() -> None:
    """Fails where each of thousands is a layer: one octet would be decoded thousands of times."""
    octets = TEXT
    for _ in range(5):
        octets = gzip.compress(octets)
    assert decoded(ContentDecoder(", ".join(["gzip"] * 5)), octets, 1 << 20) == TEXT
    decoder = ContentDecoder(", ".join(["gzip"] * 6))
    assert decoded(decoder, gzip.compress(octets), 1 << 20) == b""
    assert decoder.error == "expected at most 5 content codings, got 6"
