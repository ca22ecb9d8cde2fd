"""Verbs that measured or showed nothing say so, and do not end with 0."""

import json
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import main
from tests.peers.command import called

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def no_frame(tmp_path: Path) -> str:
    """Return the name of a recording of a body without a frame."""
    place = {"v": 1, "stream": 1, "point": "client.received", "way": "response"}
    fields = [["Content-Type", "text/event-stream"], ["Transfer-Encoding", "chunked"]]
    head = {**place, "kind": "head", "t": 0.1, "status_line": "HTTP/1.1 200 OK", "fields": fields}
    counts = dict.fromkeys(("chunks", "events", "reads", "octets"), 0)
    end = {"kind": "end", "t": 0.1, "framing": "complete", "application": "unknown", "wire_octets": 5, "sha256": ""}
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in (head, {**place, **counts, **end})))
    return str(path)


@pytest.mark.parametrize("flags", [[], ["--strict"], ["--json"], ["--gate"]])
def test_a_probe_without_a_frame_is_no_success(flags: list[str], no_frame: str, capsys: Captured) -> None:
    assert main(["probe", no_frame, *flags]) == ExitCode.TIMEOUT
    if not {"--json", "--gate"} & {*flags}:
        assert capsys.readouterr().out.splitlines()[-1] == "nothing was measured: no frame came"


def test_a_probe_without_a_frame_is_no_test_that_passes(no_frame: str, tmp_path: Path) -> None:
    assert main(["probe", no_frame, "--junit", f"{tmp_path}/x.xml"]) == ExitCode.TIMEOUT
    assert 'failures="0" errors="1"' in (tmp_path / "x.xml").read_text()


def test_a_demo_that_its_origin_refuses_is_no_success() -> None:
    result = called("demo", "-n", "2000000")
    assert result.returncode == ExitCode.USAGE
    assert b"the origin refuses it: n: expected a whole number" in result.stderr
    assert b"equal" not in result.stdout
