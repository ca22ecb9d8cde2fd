"""Hypothesis strategies: valid bodies, bodies that are nearly valid, and ways to cut octets into reads."""

from hypothesis import strategies as st

from chunkwire.wire.abnf import FORBIDDEN_TRAILERS, canonical_name
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

TCHARS = "!#$%&'*+-.^_`|~" + "0123456789" + "abcxyzABCXYZ"

tokens = st.text(TCHARS, min_size=1, max_size=8).map(str.encode)
quoted = st.lists(
    st.one_of(
        st.sampled_from([b"a", b" ", b"\t", b";", b"=", b",", b"!", b"[", b"]", b"\x80", b"\xff"]),
        st.sampled_from([rb"\"", rb"\\", rb"\a", b"\\\t", b"\\\x80"]),
    ),
    max_size=6,
).map(lambda parts: b'"' + b"".join(parts) + b'"')
extensions = st.lists(
    st.one_of(tokens.map(b";%b".__mod__), st.tuples(tokens, st.one_of(tokens, quoted)).map(b";%b=%b".__mod__)),
    max_size=3,
).map(b"".join)

values = st.lists(st.sampled_from([b"a", b"1", b'"', b":", b"\x80", b"a b", b"a\t b"]), max_size=4).map(b"".join)
fields = st.tuples(tokens.filter(lambda name: canonical_name(name) not in FORBIDDEN_TRAILERS), values)
trailers = st.lists(fields, max_size=4)

# Data that looks like framing, and data of any octets.
data = st.one_of(
    st.sampled_from([b"\r\n", b"0\r\n\r\n", b"\r", b"\n", b"5\r\nhello\r\n", b"hello", b"x" * 300]),
    st.binary(min_size=1, max_size=40),
)


@st.composite
def size_lines(draw: st.DrawFn, size: int) -> bytes:
    """Write a size as a peer may: in either case, with leading zeros and extensions, and its CRLF."""
    digits = draw(st.sampled_from([b"%x", b"%X", b"0%x", b"%016x"])) % size
    return digits + draw(st.one_of(st.just(b""), extensions)) + b"\r\n"


@st.composite
def valid_bodies(draw: st.DrawFn) -> bytes:
    """Write a valid body with every freedom the grammar leaves."""
    parts = [draw(size_lines(len(each))) + each + b"\r\n" for each in draw(st.lists(data, max_size=5))]
    parts.append(draw(size_lines(0)))
    for name, value in draw(trailers):
        before, after = draw(st.sampled_from([(b"", b""), (b" ", b""), (b" \t", b" ")]))
        parts.append(name + b":" + before + value + after + b"\r\n")
    return b"".join([*parts, b"\r\n"])


encoded_bodies = st.builds(
    lambda chunks, section, ext: (chunks, section, ext),
    st.lists(st.tuples(data, extensions), max_size=5),
    trailers,
    extensions,
)


def encode(body: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]], bytes]) -> bytes:
    chunks, section, ext = body
    return b"".join([*(encode_chunk(each, chunk_ext) for each, chunk_ext in chunks), encode_last_chunk(section, ext)])


PIECES = [
    *(b"\r\n", b"\r\n", b"\r\n", b"\r", b"\n", b"0", b"1", b"5", b"05", b"a", b"10", b"hello", b"x"),
    *(b";", b";a", b";a=b", b'"', b"\\", b"=", b" ", b"\t", b":", b"A: 1", b"Host: h", b"_", b"\x00", b"\x80"),
    *(b"5\r\nhello\r\n", b"1\r\nx\r\n", b"0\r\n\r\n", b"0\r\nA: 1\r\n"),
]
pieced = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


@st.composite
def bent_bodies(draw: st.DrawFn) -> bytes:
    """Take a valid body and delete, insert or replace a piece of it."""
    body = draw(valid_bodies())
    at = draw(st.integers(0, len(body)))
    gone = draw(st.integers(0, 3))
    return body[:at] + draw(st.one_of(st.just(b""), st.sampled_from(PIECES), st.binary(max_size=2))) + body[at + gone :]


any_octets = st.one_of(st.binary(max_size=60), pieced, valid_bodies(), bent_bodies())


@st.composite
def reads(draw: st.DrawFn, octets: st.SearchStrategy[bytes]) -> list[bytes]:
    """Cut octets anywhere; an empty read may be among them."""
    whole = draw(octets)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
