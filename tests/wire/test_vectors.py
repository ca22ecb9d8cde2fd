"""Every vector of tests/conformance, every way its README lists."""

import hashlib

import pytest

from chunkwire.wire.abnf import FORBIDDEN_TRAILERS
from chunkwire.wire.errors import FramingError
from chunkwire.wire.frames import Chunk, Frame, LastChunk
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits
from chunkwire.wire.reader import FrameReader
from chunkwire.wire.scanner import ChunkedScanner
from tests.conformance.vectors import Vector, load, policy
from tests.wire.relay import Relay, is_cut, octet_by_octet, relay

MAX_SPLIT_OCTETS = 700  # a longer vector is cut in a hundred places only
MORE = b"0\r\n\r\n" * 205  # 1 KiB that would look like an end

every_vector = pytest.mark.parametrize("vector", load(), ids=str)


def shown(frame: Frame) -> list[object]:
    """Return a frame as the vectors write it."""
    data = frame.data if isinstance(frame, Chunk) else b""
    text = data.hex() if len(data) <= 64 else "sha256:" + hashlib.sha256(data).hexdigest()
    return [len(data), frame.ext.decode("latin-1"), text]


def test_limits_are_those_of_the_policy() -> None:
    names = {"max_ext_octets": "max_ext_bytes", "max_trailer_octets": "max_trailer_bytes"}
    expected = {**policy()["limits"], "allow_padding": False}
    assert {name: expected[names.get(name, name)] for name in Limits.__slots__} == {
        name: getattr(DEFAULT_LIMITS, name) for name in Limits.__slots__
    }


def test_forbidden_trailers_are_those_of_the_policy() -> None:
    assert {name.decode() for name in FORBIDDEN_TRAILERS} == set(policy()["forbidden_trailers"])


@every_vector
def test_verdict_of_the_whole_is_that_of_the_vector(vector: Vector) -> None:
    whole = relay(vector.octets)
    assert whole.verdict == vector.verdict, vector.why
    assert whole.sent == whole.raw == vector.octets[: whole.scanner.wire_octets]
    assert len(whole.sent) == vector.forward_max
    assert len(whole.sent) == vector.consumed or vector.verdict != "accept"


@every_vector
def test_verdict_octet_by_octet_comes_at_the_octet_that_settles_it(vector: Vector) -> None:
    slow = Relay()
    for octet in octet_by_octet(vector.octets):
        slow.show(octet)
        assert len(slow.sent) <= vector.forward_max
        if slow.verdict != "incomplete":
            break
    assert slow.verdict == vector.verdict, vector.why
    assert slow.verdict == "incomplete" or slow.shown == vector.decided_at
    assert slow.sent == slow.raw == vector.octets[: vector.forward_max]


@every_vector
def test_verdict_is_the_same_at_every_two_way_split(vector: Vector) -> None:
    whole = relay(vector.octets)
    step = 1 if len(vector.octets) < MAX_SPLIT_OCTETS else len(vector.octets) // 100
    for cut in range(1, len(vector.octets), step):
        split = relay(vector.octets[:cut], vector.octets[cut:])
        assert (split.verdict, split.sent, split.raw) == (vector.verdict, whole.sent, whole.sent), cut
        if whole.error is not None and split.error is not None:
            assert (split.error.rule, split.error.offset) == (whole.error.rule, whole.error.offset), cut


@pytest.mark.parametrize("vector", [each for each in load() if each.verdict == "reject"], ids=str)
def test_nothing_is_sent_after_a_refusal(vector: Vector) -> None:
    refused = relay(vector.octets)
    before, first = refused.sent, refused.error
    refused.show(MORE)
    assert (refused.sent, refused.error) == (before, first)
    with pytest.raises(FramingError):
        refused.scanner.end_of_input()


@pytest.mark.parametrize("vector", [each for each in load() if each.verdict == "incomplete"], ids=str)
def test_end_of_input_is_an_error_where_the_body_is_incomplete(vector: Vector) -> None:
    assert is_cut(relay(vector.octets).scanner)


@pytest.mark.parametrize("vector", [each for each in load() if each.completes_with is not None], ids=str)
def test_incomplete_body_is_whole_with_the_rest(vector: Vector) -> None:
    assert vector.completes_with is not None
    completed = relay(vector.octets, vector.completes_with)
    assert completed.verdict == "accept"
    assert completed.sent == vector.octets + vector.completes_with


@every_vector
def test_verdict_where_bad_whitespace_is_allowed(vector: Vector) -> None:
    limits = Limits(allow_bws=True)
    assert relay(vector.octets, scanner=ChunkedScanner(limits)).verdict == vector.lenient_verdict
    slow = Relay(ChunkedScanner(limits)).show_all(octet_by_octet(vector.octets))
    assert slow.verdict == vector.lenient_verdict


@pytest.mark.parametrize("vector", [each for each in load() if each.verdict == "accept"], ids=str)
def test_a_valid_vector_has_its_frames_trailers_and_leftover(vector: Vector) -> None:
    reader = FrameReader()
    frames = reader.feed(vector.octets)
    assert [shown(frame) for frame in frames] == [list(frame) for frame in vector.frames]
    last = frames[-1]
    assert isinstance(last, LastChunk)
    assert list(last.trailers) == vector.trailers
    assert b"".join(frame.raw for frame in frames) == vector.octets[: vector.consumed]
    assert reader.leftover == vector.octets[vector.consumed :]
