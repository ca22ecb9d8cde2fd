"""Record and replay: the octets, the moments and the end of a stream, recorded once and served again."""

import json
from pathlib import Path

import pytest

from tests.peers.command import Served, chunkwire, serving
from tests.peers.readers import curl

pytestmark = pytest.mark.needs("curl")

STREAMS = {
    "frames, an extension and a trailer": ("/frames?plan=5@0,6:a=1@100,3@100,0@200&text=hello+world&trailer=X-T:1", 0),
    "cut in the middle of chunk-data": ("/fault/cut", 18),
    "a reset": ("/fault/reset?interval=50ms", 56),
    "a size that is no number": ("/fault/bad-size", 56),
    "one octet a chunk": ("/fault/tiny?n=2", 0),
}


@pytest.mark.parametrize("name", STREAMS)
def test_what_was_recorded_is_served_again_octet_for_octet(origin: Served, tmp_path: Path, name: str) -> None:
    target, curls_code = STREAMS[name]
    saved = tmp_path / "a.jsonl"
    chunkwire("watch", origin.url(target), "--save", str(saved))
    expected = curl("--raw", origin.url(target))
    with serving("serve", "--replay", str(saved)) as replaying:
        assert curl("--raw", replaying.url(target)) == curl("--raw", replaying.url("/replay")) == expected
        assert curl(replaying.url("/replay"))[0] == curls_code


def test_a_recording_of_half_an_hour_is_served_in_no_time_at_such_a_speed(origin: Served, tmp_path: Path) -> None:
    """Fails where the flag does not reach the replay: curl would be waited for too long."""
    saved = tmp_path / "a.jsonl"
    chunkwire("watch", origin.url("/generate?n=3&interval=1ms"), "--save", str(saved))
    records = [json.loads(line) for line in saved.read_text().splitlines()]
    slow = [{**record, "t": record["t"] * 1e6} for record in records]
    saved.write_text("".join(json.dumps(record) + "\n" for record in slow))
    with serving("serve", "--replay", str(saved), "--speed", "1000000") as replaying:
        code, octets = curl(replaying.url("/replay"))
    assert (octets.count(b"Chunk "), code) == (3, 0)
