"""What holds of every body, valid or not, however it is cut."""

from hypothesis import assume, given
from hypothesis import strategies as st

from chunkwire.wire.frames import Chunk, LastChunk
from chunkwire.wire.limits import DEFAULT_LIMITS, LENIENT_LIMITS, Limits
from chunkwire.wire.reader import FrameReader, decode
from chunkwire.wire.scanner import ChunkedScanner
from tests.wire.bodies import any_octets, encode, encoded_bodies, reads, valid_bodies
from tests.wire.relay import Relay, octet_by_octet

MAX_MISSING_OCTETS = 100_000

either_limits = st.sampled_from([DEFAULT_LIMITS, LENIENT_LIMITS])


def shown(limits: Limits, *reads: bytes, is_watched: bool = True) -> Relay:
    """Return the relay after these reads, or as many as it took."""
    return Relay(ChunkedScanner(limits), is_watched=is_watched).show_all(reads)


def outcome(seen: Relay) -> tuple[object, ...]:
    """Return all that must not depend on where reads were cut."""
    scanner = seen.scanner
    error = seen.error and (seen.error.rule, seen.error.offset, seen.error.section)
    return (seen.verdict, error, seen.sent, scanner.wire_octets, scanner.octets, scanner.chunks)


def rest_of(prefix: bytes) -> bytes:
    """Return octets that complete a prefix which ends where the scanner may have stopped; read it naively."""
    position = 0
    while position < len(prefix):
        line_end = prefix.index(b"\r\n", position)
        size = int(prefix[position:line_end].split(b";")[0], 16)
        if size == 0:
            return b""
        position = line_end + 2 + size
        if position >= len(prefix):
            missing = position - len(prefix)
            assume(missing < MAX_MISSING_OCTETS)
            return b"x" * missing + b"\r\n0\r\n\r\n"
        assert prefix[position : position + 2] == b"\r\n"
        position += 2
    return b"0\r\n\r\n"


@given(reads(any_octets), either_limits)
def test_outcome_does_not_depend_on_the_cuts(cut: list[bytes], limits: Limits) -> None:
    whole = b"".join(cut)
    assert (
        outcome(shown(limits, *cut)) == outcome(shown(limits, whole)) == outcome(shown(limits, *octet_by_octet(whole)))
    )


@given(reads(any_octets), either_limits)
def test_watching_changes_nothing(cut: list[bytes], limits: Limits) -> None:
    assert outcome(shown(limits, *cut, is_watched=False)) == outcome(shown(limits, *cut))


@given(reads(any_octets), either_limits)
def test_raw_octets_of_the_events_are_the_octets_sent(cut: list[bytes], limits: Limits) -> None:
    seen = shown(limits, *cut)
    assert seen.raw == seen.sent == b"".join(cut)[: seen.scanner.wire_octets]
    offset = 0
    for event in seen.events or ():
        assert event.offset == offset
        offset += len(event.raw)


@given(reads(any_octets), either_limits)
def test_what_may_be_sent_on_is_a_prefix_of_some_valid_body(cut: list[bytes], limits: Limits) -> None:
    seen = Relay(ChunkedScanner(limits))
    for octets in cut:
        seen.show(octets)
        frames = decode(seen.sent + rest_of(seen.sent), limits)
        assert b"".join(frame.raw for frame in frames).startswith(seen.sent)


@given(encoded_bodies)
def test_decode_gives_back_what_was_encoded(
    body: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]], bytes],
) -> None:
    *chunks, last = decode(encode(body))
    assert [(chunk.data, chunk.ext) for chunk in chunks if isinstance(chunk, Chunk)] == body[0]
    assert isinstance(last, LastChunk)
    assert (list(last.trailers), last.ext) == body[1:]


@given(reads(valid_bodies()))
def test_reader_gives_the_same_frames_however_it_is_fed(cut: list[bytes]) -> None:
    reader = FrameReader()
    frames = [frame for octets in cut for frame in reader.feed(octets)]
    assert frames == decode(b"".join(cut))
