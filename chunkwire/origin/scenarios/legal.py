"""The legal scenarios: ways to send a stream that the RFCs and WHATWG HTML allow, and on which clients often fail."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from chunkwire.origin.scenarios.values import EVENT_STREAM_TYPE, Ending, Scenario, Write, Written, head_of
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

END: Final = encode_last_chunk()
PAUSE_S: Final = 0.02  # a client on the same machine usually reads everything it has in less time
_PAUSES: Final = 16  # of one response, so that a long one takes no longer than a test may
_BEFORE_LATER_OCTETS: Final = re.compile(rb"(?=[\x80-\xbf])")
_KEEP_ALIVE: Final = b": keep-alive\n\n"
_EARLY_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
_GZIP_WINDOW: Final = 31  # zlib's number for a gzip header around its largest window

Pieces = Callable[[Sequence[bytes]], Iterable[bytes]]


def whole(events: Sequence[bytes]) -> Iterable[bytes]:
    """Return the events unchanged."""
    return events


def _chunked(
    events: Sequence[bytes],
    content_type: bytes,
    *,
    pieces: Pieces = whole,
    end: bytes = END,
    fields: tuple[bytes, ...] = (),
) -> Written:
    """Write each piece of the events as a chunk, in a separate write."""
    chunks = [*pieces(events)]
    writes = (*(Write(encode_chunk(chunk)) for chunk in chunks), Write(end))
    return Written(head_of(content_type, *fields), writes, b"".join(chunks))


def _apart(made: Written) -> Written:
    """Pause before the first writes after the first one, so that a client sees where the chunks end."""
    first, *rest = made.writes
    apart = (Write(each.octets, PAUSE_S if n < _PAUSES else 0.0) for n, each in enumerate(rest))
    return Written(made.head, (first, *apart), made.content)


def _cut(pieces: Pieces, events: Sequence[bytes], content_type: bytes) -> Written:
    return _apart(_chunked(events, content_type, pieces=pieces))


def _cut_at(pattern: re.Pattern[bytes], events: Sequence[bytes]) -> Iterator[bytes]:
    for event in events:
        yield from (piece for piece in pattern.split(event) if piece)


def _octets(events: Sequence[bytes]) -> Iterable[bytes]:
    return (bytes((octet,)) for octet in b"".join(events))


def _joined(events: Sequence[bytes]) -> Iterable[bytes]:
    return (b"".join(events),)


def _halves(events: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the content cut in the middle of each event."""
    content, at = b"".join(events), 0
    ends = [len(b"".join(events[: n + 1])) for n in range(len(events))]
    for start, end in zip([0, *ends], ends, strict=False):
        middle = (start + end) // 2
        yield content[at:middle]
        at = middle
    yield content[at:]


def _of_events(change: Pieces, events: Sequence[bytes], content_type: bytes) -> Written:
    """Write changed server-sent events; content of another type is written unchanged, one event in each chunk."""
    is_changed = content_type.partition(b";")[0] == EVENT_STREAM_TYPE
    return _apart(_chunked(events, content_type, pieces=change if is_changed else whole))


def _crlf_cut(events: Sequence[bytes]) -> Iterable[bytes]:
    """Yield the events with CRLF at the ends of lines, cut between each CR and its LF."""
    return _cut_at(re.compile(rb"(?<=\r)(?=\n)"), [event.replace(b"\n", b"\r\n") for event in events])


def _lone_cr(events: Sequence[bytes]) -> Iterable[bytes]:
    return [event.replace(b"\n", b"\r") for event in events]


def _commented(events: Sequence[bytes]) -> Iterator[bytes]:
    for event in events:
        yield _KEEP_ALIVE
        yield event


def _extended(events: Sequence[bytes], content_type: bytes) -> Written:
    exts = (b";t=12.3", b';note="a;b, \\"c\\""', b";a;b=1")
    writes = [Write(encode_chunk(event, exts[n % len(exts)])) for n, event in enumerate(events)]
    return Written(head_of(content_type), (*writes, Write(encode_last_chunk(ext=b";end"))), b"".join(events))


def _sized(form: bytes, last: bytes, events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the size of each chunk in another form."""
    writes = [Write(form % len(event) + b"\r\n" + event + b"\r\n") for event in events]
    return Written(head_of(content_type), (*writes, Write(last)), b"".join(events))


def _written_in(pieces: Pieces, events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the usual octets, in other writes."""
    made = _chunked(events, content_type)
    return Written(made.head, tuple(map(Write, pieces([write.octets for write in made.writes]))), made.content)


def _paused(events: Sequence[bytes], content_type: bytes) -> Written:
    """Pause inside the framing: in a size line, before the CRLF after chunk-data, and inside that CRLF."""
    writes: list[Write] = []
    for event in events:
        chunk = encode_chunk(event)
        writes += [Write(piece, PAUSE_S) for piece in (chunk[:1], chunk[1:-2], chunk[-2:-1], chunk[-1:])]
    writes += [Write(piece, PAUSE_S) for piece in (END[:1], END[1:3], END[3:])]
    return Written(head_of(content_type), tuple(writes), b"".join(events))


def _early_hints(events: Sequence[bytes], content_type: bytes) -> Written:
    made = _chunked(events, content_type)
    return Written(_EARLY_HINTS + made.head, made.writes, made.content)


def unchunked(framing: bytes, events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the events unchanged, after a head whose last field is `framing`."""
    return Written(head_of(content_type, framing=framing), tuple(map(Write, events)), b"".join(events))


def _of_length(events: Sequence[bytes], content_type: bytes) -> Written:
    return unchunked(b"Content-Length: %d" % len(b"".join(events)), events, content_type)


def gzipped(events: Sequence[bytes], content_type: bytes) -> Written:
    """Write the events in gzip, each flushed and in a chunk, the gzip trailer with the last one."""
    coder = zlib.compressobj(wbits=_GZIP_WINDOW)
    coded = [coder.compress(event) + coder.flush(zlib.Z_SYNC_FLUSH) for event in events]
    coded[-1:] = [b"".join(coded[-1:]) + coder.flush()]
    made = _chunked(coded, content_type, fields=(b"Content-Encoding: gzip",))
    return Written(made.head, made.writes, b"".join(events))


_BOUNDARIES: Final = "give the content as one sequence of octets; boundaries of chunks and reads mean nothing"

LEGAL: Final = (
    Scenario("event-per-chunk | each event in a chunk of its own | 9112 §7.1", _BOUNDARIES, _chunked),
    Scenario(
        "tiny | legal, though wasteful: every octet in a chunk of its own | 9112 §7.1",
        _BOUNDARIES,
        partial(_chunked, pieces=_octets),
        slice_octets=1,
    ),
    Scenario(
        "octet-per-write | every octet of the framing in a write of its own | 9112 §7.1",
        _BOUNDARIES,
        partial(_written_in, _octets),
    ),
    Scenario("one-chunk | all events in one chunk | 9112 §7.1", _BOUNDARIES, partial(_chunked, pieces=_joined)),
    Scenario(
        "one-write | all chunks and the last-chunk in one write | 9112 §7.1", _BOUNDARIES, partial(_written_in, _joined)
    ),
    Scenario(
        "across-events | chunks that hold the end of an event and the beginning of the next | 9112 §7.1",
        _BOUNDARIES,
        partial(_cut, _halves),
    ),
    Scenario(
        "split-utf8 | chunks that end inside characters of several octets | 9112 §7.1",
        "decode UTF-8 over the whole content, not chunk by chunk",
        partial(_cut, partial(_cut_at, _BEFORE_LATER_OCTETS)),
    ),
    Scenario(
        "split-blank-line | chunks that end between the two line ends that end an event | WHATWG HTML §9.2.6",
        _BOUNDARIES,
        partial(_cut, partial(_cut_at, re.compile(rb"(?<=\n)(?=\n)"))),
    ),
    Scenario(
        "split-crlf | lines of events that end in CRLF, and chunks that end between CR and LF | WHATWG HTML §9.2.6",
        "take CRLF for one line end wherever it is cut",
        partial(_of_events, _crlf_cut),
    ),
    Scenario(
        "lone-cr | lines of events that end in CR alone | WHATWG HTML §9.2.6",
        "take CR alone for a line end",
        partial(_of_events, _lone_cr),
    ),
    Scenario(
        "comments | a comment before each event | WHATWG HTML §9.2.6",
        "ignore lines that begin with a colon",
        partial(_of_events, _commented),
    ),
    Scenario(
        "extensions | chunk extensions: with and without value, quoted, several, on the last-chunk | 9112 §7.1.1",
        "ignore chunk extensions that it does not know",
        _extended,
    ),
    Scenario(
        "trailers | a trailer section after the last-chunk | 9112 §7.1.2",
        "read the trailer section; keep it apart from the content",
        partial(
            _chunked,
            end=encode_last_chunk(((b"Server-Timing", b"total;dur=12.3"), (b"X-Checksum", b"none"))),
            fields=(b"Trailer: Server-Timing, X-Checksum",),
        ),
    ),
    Scenario(
        "upper-case-sizes | chunk-sizes in upper-case hex digits | 9112 §7.1",
        "read HEXDIG in either case",
        partial(_sized, b"%X", END),
    ),
    Scenario(
        "padded-sizes | chunk-sizes with leading zeros, in the last-chunk too | 9112 §7.1",
        'read 1*HEXDIG; a last-chunk is 1*("0")',
        partial(_sized, b"%08x", b"00000000\r\n\r\n"),
    ),
    Scenario(
        "early-hints | 103 (Early Hints) before the final response | 9110 §15.2",
        "take any number of 1xx responses before the final one",
        _early_hints,
    ),
    Scenario(
        "close-delimited | no framing: the end of the connection ends the body | 9112 §6.3",
        "read to the FIN and take the content for whole",
        partial(unchunked, b"Connection: close"),
        ending=Ending.CLOSE,
    ),
    Scenario(
        "content-length | a Content-Length, its octets in several writes | 9112 §6.2",
        "read exactly so many octets",
        _of_length,
    ),
    Scenario(
        "gzip | gzip, flushed at the end of each event | 9110 §8.4.1.3",
        "decode as the octets arrive, if its request accepted gzip",
        gzipped,
    ),
    Scenario(
        "pauses | pauses inside size lines, before and inside the CRLF after chunk-data | 9112 §7.1",
        "wait for more; a read is no unit of the framing",
        _paused,
    ),
)
