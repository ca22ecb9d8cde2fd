"""Recordings to plans: what leaves in which write, when, and how it ends."""

import pytest

from chunkwire.origin.replay import Replay, plan_replays, replay_resources
from chunkwire.record.values import EndRecord, FrameRecord, Record
from chunkwire.wire.errors import LocalError
from chunkwire.wire.unchunked import CloseScanner
from tests.tools.seen import seen

FRAMES = b"5;n=1\r\nhello\r\n"
SECOND = b"1\r\nx\r\n"
LAST = b"0;e\r\nX-T: 1\r\nX-U:2\r\n\r\n"


def planned(records: list[Record], *, speed: float = 1.0) -> Replay:
    (replay,) = plan_replays(records, speed=speed)
    return replay


def octets_of(replay: Replay) -> bytes:
    return b"".join(step.octets for step in replay.steps)


def test_the_octets_are_those_that_were_recorded() -> None:
    replay = planned(seen([(10.0, FRAMES), (20.0, SECOND), (30.0, LAST)]))
    assert octets_of(replay) == FRAMES + SECOND + LAST
    assert (replay.inexact, replay.ending, replay.path) == ("", "complete", "/frames")


def test_frames_of_one_read_leave_in_one_write() -> None:
    replay = planned(seen([(10.0, FRAMES + SECOND), (30.0, LAST)]))
    assert [step.octets for step in replay.steps] == [FRAMES + SECOND, LAST]
    assert [(step.chunks, step.content) for step in replay.steps] == [(2, 6), (0, 0)]


@pytest.mark.parametrize("speed, moments", [(1.0, [0.009, 0.019]), (2.0, [0.0045, 0.0095])])
def test_moments_count_from_the_head_at_the_speed_asked_for(speed: float, moments: list[float]) -> None:
    replay = planned(seen([(10.0, FRAMES), (20.0, LAST)]), speed=speed)
    assert [step.t for step in replay.steps] == pytest.approx(moments)


@pytest.mark.parametrize(
    "read, octets", [(b"10\r\nhalf of ", FRAMES + b"10\r\nhalf of "), (b"zz\r\nnot hex", FRAMES + b"zz\r\nnot hex")]
)
def test_a_body_that_broke_off_or_was_malformed_is_sent_as_it_was_and_cut(read: bytes, octets: bytes) -> None:
    replay = planned(seen([(10.0, FRAMES + read)]))
    assert (octets_of(replay), replay.ending) == (octets, "cut")


def test_what_was_not_chunked_becomes_a_chunk_a_read() -> None:
    replay = planned(seen([(10.0, b"hello"), (20.0, b"x")], scanner=CloseScanner()))
    assert octets_of(replay) == b"5\r\nhello\r\n1\r\nx\r\n0\r\n\r\n"
    assert replay.inexact == "they were not chunked, and are sent in chunks"


@pytest.mark.parametrize("status, octets", [(200, b"0\r\n\r\n"), (204, b"")])
def test_an_empty_body_is_exact_only_without_a_last_chunk_of_ours(status: int, octets: bytes) -> None:
    replay = planned(seen([], scanner=CloseScanner(), head=(b"HTTP/1.1 %d X" % status, ())))
    assert (octets_of(replay), not replay.inexact) == (octets, octets == b"")


def test_content_that_was_left_out_is_filled_with_dots() -> None:
    bare = [r._replace(data=None) if isinstance(r, FrameRecord) else r for r in seen([(1.0, FRAMES), (2.0, LAST)])]
    replay = planned(bare)
    assert octets_of(replay) == FRAMES.replace(b"hello", b".....") + LAST
    assert replay.inexact == "their content is not in the recording, and dots replace it"


def test_a_recording_without_the_end_or_with_other_framing_says_so() -> None:
    records = seen([(1.0, FRAMES), (2.0, LAST)])
    endless: list[Record] = [each for each in records if not isinstance(each, EndRecord)]
    assert planned(endless).inexact == "their end is not in the recording"
    other = [each._replace(sha256="0" * 64) if isinstance(each, EndRecord) else each for each in records]
    assert planned(other).inexact == "the recording lacks octets of their framing"


def without_data(*reads: tuple[float, bytes]) -> list[Record]:
    return [each._replace(data=None) if isinstance(each, FrameRecord) else each for each in seen([*reads])]


@pytest.mark.parametrize("came", [b"10\r\nhalf of ", b"10\r\n", b"8\r\nhalf of XX"])
def test_of_a_frame_that_broke_off_no_more_is_filled_up_than_came(came: bytes) -> None:
    """Fails where the whole chunk-size is filled, as if all of the chunk had come."""
    replay = planned(without_data((1.0, FRAMES), (2.0, came)))
    assert octets_of(replay) == (FRAMES.replace(b"hello", b".....") + came.replace(b"half of ", b"." * 8))
    assert replay.ending == "cut"


def test_how_much_of_a_frame_came_is_not_guessed() -> None:
    records = [each for each in without_data((1.0, b"10\r\nhalf of ")) if not isinstance(each, EndRecord)]
    with pytest.raises(
        LocalError, match=r"^expected the end of the body in the recording: it says how much of frame 1"
    ):
        plan_replays(records)


CUT = [r._replace(cut=True) if isinstance(r, FrameRecord) else r for r in seen([(1.0, FRAMES), (2.0, LAST)])]


@pytest.mark.parametrize(
    "records, why",
    [
        (CUT, "keeps no more"),
        ([], "got none"),
        (seen([], head=(b"HTTP/1.1 103 Early Hints", ())), "got none"),
    ],
)
def test_what_cannot_be_replayed_is_refused(records: list[Record], why: str) -> None:
    with pytest.raises(LocalError, match=why):
        plan_replays(records)


def test_fields_of_the_connection_are_left_out_and_the_others_kept() -> None:
    head = (b"HTTP/1.1 201 Created", ((b"Date", b"x"), (b"X-A", b"1"), (b"Transfer-Encoding", b"chunked")))
    replay = planned(seen([(1.0, LAST)], head=head))
    assert (replay.status, replay.fields) == (201, ((b"X-A", b"1"),))


def test_each_path_is_a_resource_and_replay_is_the_first() -> None:
    resources = replay_resources(plan_replays(seen([(1.0, LAST)])))
    assert [resource.path for resource in resources] == ["/frames", "/replay"]
    assert resources[0].methods == ("GET", "DELETE", "PATCH", "POST", "PUT", "TRACE")
