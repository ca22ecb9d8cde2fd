"""Record and replay: the octets, the moments and the end of a stream, recorded once and served again."""

import json
from pathlib import Path

import pytest

from tests.peers.command import Served, chunkwire, serving
from tests.peers.process import run
from tests.peers.programs import program

pytestmark = pytest.mark.needs("curl")

STREAMS = {
    "frames, an extension and a trailer": ("/frames?plan=5@0,6:a=1@100,3@100,0@200&text=hello+world&trailer=X-T:1", 0),
    "cut in the middle of chunk-data": ("/fault/cut", 18),
    "a reset": ("/fault/reset?interval=50ms", 56),
    "a size that is no number": ("/fault/bad-size", 56),
    "one octet a chunk": ("/fault/tiny?n=2", 0),
}


def raw(url: str) -> tuple[bytes, int]:
    """Return the body as on the wire, and curl's exit code."""
    result = run([program("curl"), "-sN", "--raw", url])
    return result.stdout, result.returncode


def times(url: str) -> list[float]:
    lines = chunkwire("watch", url, "--json").stdout.splitlines()
    frames = [line for line in map(json.loads, lines) if line["kind"] == "frame"]
    return [frame["t"] for frame in frames]


@pytest.mark.parametrize("name", STREAMS)
def test_what_was_recorded_is_served_again_octet_for_octet(origin: Served, tmp_path: Path, name: str) -> None:
    target, curls_code = STREAMS[name]
    saved = tmp_path / "a.jsonl"
    chunkwire("watch", origin.url(target), "--save", str(saved))
    expected, code = raw(origin.url(target))
    with serving("serve", "--replay", str(saved)) as replaying:
        assert raw(replaying.url(target)) == (expected, code)
        assert raw(replaying.url("/replay")) == (expected, code)
        assert run([program("curl"), "-sN", replaying.url("/replay")]).returncode == curls_code


def test_twice_the_speed_halves_the_pauses(origin: Served, tmp_path: Path) -> None:
    saved = tmp_path / "a.jsonl"
    chunkwire("watch", origin.url("/generate?n=3&interval=1s"), "--save", str(saved))
    with serving("serve", "--replay", str(saved), "--speed", "2") as replaying:
        found = times(replaying.url("/replay"))
    assert 0.7 < found[2] - found[0] < 1.5
