"""The broken scenarios: responses whose content is not complete.

A client that knows where its content ends must report every one of them, such as one of a language model, whose stream
has an end mark. Of those with `http_allows`, HTTP alone does not require that: `check client` only shows them. Those
with a `tail` are the faults of `/fault/NAME` as well; see `Scenario`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from chunkwire.origin.scenarios.legal import gzipped, unchunked
from chunkwire.origin.scenarios.values import Ending, Scenario, Write, Written, head_of
from chunkwire.wire.encoder import encode_chunk

_INCOMPLETE: Final = "report an incomplete message: the zero-sized chunk has not come"
_BAD_CRLF: Final = "report broken framing: CRLF is expected after chunk-data"
_OVERFLOW: Final = "prevent an integer overflow; report an incomplete message"
_STALL: Final = "time out, and report it"
_LENGTH_ERROR: Final = "close the connection and discard the response: the framing is invalid"
# Values of `http_allows`.
_BY_CONTENT: Final = "only the content shows the fault"
_HAS_ZERO: Final = "with the zero-sized chunk a chunked body is complete (RFC 9112 §8)"
_RECOVERS: Final = "a client may recover from an invalid construct (RFC 9110 §2.4), and the content stays as it is"


def _first(events: Sequence[bytes]) -> Sequence[bytes]:
    """Return the events before the fault: half of them, rounded down."""
    return events[: len(events) // 2]


def _broken_off(tail: bytes, given: bytes, events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the first half of the events, a chunk each, and then the fault."""
    first = _first(events)
    writes = tuple(Write(octets) for octets in (*map(encode_chunk, first), tail) if octets)
    return Written(head_of(content_type), writes, b"".join(first) + given)


# A fault outside the chunked framing: in the head, in a body without chunks, in a gzip.
_other_fault: Final = partial(Scenario, is_legal=False, ending=Ending.CLOSE, is_framed=False)


def _fault(
    title: str,
    tail: bytes,
    *,
    demand: str = _INCOMPLETE,
    ending: Ending = Ending.CLOSE,
    given: bytes = b"",
    is_framed: bool = False,
    http_allows: str = "",
) -> Scenario:
    """Return a fault in a chunked body; `given` is content in its tail, which a client may deliver before its error."""
    return Scenario(
        title,
        demand,
        partial(_broken_off, tail, given),
        is_legal=False,
        ending=ending,
        is_framed=is_framed,
        http_allows=http_allows,
        tail=tail,
    )


def _bad_size(title: str, line: bytes, *, http_allows: str = "") -> Scenario:
    demand = "report broken framing: 1*HEXDIG is expected"
    tail = line + b"\r\nnot hex\r\n0\r\n\r\n"
    return _fault(f"{title} | 9112 §7.1", tail, demand=demand, http_allows=http_allows)


def _head_alone(head: bytes, events: Sequence[bytes], content_type: bytes) -> Written:
    return Written(head, (), b"")


def _cut_head(title: str, demand: str, head: bytes) -> Scenario:
    """Return a fault that is only this beginning of a head; as a `tail`, it replaces the head of another response."""
    return _other_fault(title, demand, partial(_head_alone, head), tail=head)


def _lengths(framing: bytes, events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the first half of the events; `framing` announces fewer octets, so that no client waits for more."""
    return Written(head_of(content_type, framing=framing), tuple(map(Write, _first(events))), b"")


def _short(events: Sequence[bytes], content_type: bytes) -> Written:
    framing = b"Content-Length: %d" % len(b"".join(events))
    return unchunked(framing, _first(events), content_type)


def _reset_unframed(events: Sequence[bytes], content_type: bytes) -> Written:
    return unchunked(b"Connection: close", _first(events), content_type)


def _cut_gzip(events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the gzip of the first half of the events, a chunk each, and the last-chunk: the gzip lacks its end."""
    made = gzipped(events, content_type)
    first = _first(events)
    return Written(made.head, (*made.writes[: len(first)], made.writes[-1]), b"".join(first))


BROKEN: Final = (
    _fault(
        "cut | FIN in the middle of chunk-data: 16 octets announced, 8 sent | 9112 §8",
        b"10\r\nhalf of ",
        given=b"half of ",
    ),
    _fault(
        "early-end | a last-chunk before the end of the content: complete framing, incomplete content | 9112 §8",
        b"0\r\n\r\n",
        demand="report the missing end mark of the content: HTTP alone cannot tell",
        ending=Ending.KEEP,
        is_framed=True,
        http_allows=_BY_CONTENT,
    ),
    _bad_size("bad-size | a chunk-size that is no hexadecimal number", b"zz"),
    _fault(
        "missing-crlf | no CRLF after chunk-data; the next chunk follows at once | 9112 §7.1",
        b"5\r\nabcde5\r\nfghij\r\n0\r\n\r\n",
        demand=_BAD_CRLF,
        given=b"abcde",
    ),
    _fault("stall | silence between two chunks | 9112 §8", b"", demand=_STALL, ending=Ending.HOLD),
    _fault("stall-in-size | silence inside a chunk-size line | 9112 §8", b"1", demand=_STALL, ending=Ending.HOLD),
    _fault("reset | RST between two chunks | 9112 §8", b"", ending=Ending.RESET),
    _cut_head(
        "empty | FIN before any octet of a response | 9112 §8",
        "report that no response came; a request that is safe to repeat may be sent again",
        b"",
    ),
    _fault("no-terminator | FIN after whole chunks, without a last-chunk | 9112 §8", b""),
    _fault(
        "giant-size | a chunk-size of 2^64-1, and then 5 octets | 9112 §7.1",
        b"FFFFFFFFFFFFFFFF\r\nabcde",
        demand=_OVERFLOW,
        given=b"abcde",
    ),
    _fault(
        "cut-in-character | FIN in chunk-data, inside a character of two octets: 16 octets announced, 15 sent "
        "| 9112 §8",
        b'10\r\ndata: {"t":"gr\xc3',
        given=b'data: {"t":"gr\xc3',
    ),
    _fault("cut-in-size | FIN inside a chunk-size line | 9112 §8", b"1"),
    _fault("cut-in-crlf | FIN between the CR and the LF after chunk-data | 9112 §8", b"5\r\nabcde\r", given=b"abcde"),
    _fault(
        "cut-in-last-chunk | FIN after the last-chunk, before the empty line that ends the body | 9112 §8",
        b"0\r\n",
        http_allows=_HAS_ZERO,
    ),
    _fault(
        "cut-in-trailers | FIN inside the trailer section | 9112 §8",
        b"0\r\nX-Checksum: abc\r\n",
        http_allows=_HAS_ZERO,
    ),
    _fault(
        "reset-in-data | RST in the middle of chunk-data | 9112 §8",
        b"10\r\nhalf of ",
        ending=Ending.RESET,
        given=b"half of ",
    ),
    _bad_size("no-size | a size line without a chunk-size", b""),
    _bad_size("negative-size | a chunk-size with a minus sign", b"-7"),
    _bad_size("prefixed-size | a chunk-size with the prefix 0x", b"0x7", http_allows=_RECOVERS),
    _bad_size("underscored-size | a chunk-size with an underscore between its digits", b"0_7", http_allows=_RECOVERS),
    _fault(
        "wrapped-size | a chunk-size of 2^64+5, which overflows 64 bits to 5 | 9112 §7.1",
        b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
        demand=_OVERFLOW,
        given=b"abcde\r\n0\r\n\r\n",
    ),
    _fault(
        "long-data | more chunk-data than the chunk-size says | 9112 §7.1",
        b"5\r\nabcdefg\r\n0\r\n\r\n",
        demand=_BAD_CRLF,
        given=b"abcde",
    ),
    _cut_head(
        "cut-in-head | FIN inside the response head | 9112 §8",
        "report an incomplete message",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/ev",
    ),
    _other_fault(
        "short-length | FIN before Content-Length octets have come | 9112 §8",
        "report an incomplete message: fewer octets than Content-Length have come",
        _short,
    ),
    _other_fault(
        "two-lengths | two Content-Length fields that differ | 9112 §6.3",
        _LENGTH_ERROR,
        partial(_lengths, b"Content-Length: 20\r\nContent-Length: 40"),
    ),
    _other_fault(
        "bad-length | a Content-Length that is no number | 9112 §6.3",
        _LENGTH_ERROR,
        partial(_lengths, b"Content-Length: 0x20"),
    ),
    _other_fault(
        "reset-unframed | RST in a body that the end of the connection delimits | 9112 §8",
        "report an error: only an orderly close ends such a body",
        _reset_unframed,
        ending=Ending.RESET,
    ),
    _other_fault(
        "cut-gzip | a gzip content that ends early, in a framing that is complete | 9110 §8.4.1.3",
        "report the incomplete gzip, if its request accepted gzip",
        _cut_gzip,
        ending=Ending.KEEP,
        is_framed=True,
        http_allows=_BY_CONTENT,
    ),
)
