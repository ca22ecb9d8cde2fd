"""Packet captures at the command line: watched, listed, compared, probed; and bad input in one line."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import main
from tests.tools.packets import pcap
from tests.tools.test_captures import FRAMES, GET, HEAD, at_two_places, talk
from tests.tools.test_curl_trace import trace


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(talk().packets))
    return str(path)


def test_a_capture_is_watched_as_a_recording_is(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", capture]) == 0
    shown = capsys.readouterr()
    assert "5;a=1  hello" in shown.out
    assert "GET /sse HTTP/1.1" in shown.err
    assert "complete: 2 chunks, 11 octets" in shown.err


def test_its_records_are_printed_and_saved(capture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "a.jsonl"
    assert main(["watch", capture, "--json", "--save", str(saved)]) == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["request", "head", "frame", "frame", "frame", "end"]
    assert main(["diff", capture, str(saved)]) == 0


def test_its_exchanges_are_listed_and_one_is_chosen(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", capture, "--list"]) == 0
    assert "GET /sse  200 complete" in capsys.readouterr().out
    assert main(["watch", capture, "--exchange", "1"]) == 0
    assert main(["watch", capture, "--exchange", "2"]) == 2
    assert "expected an exchange from 1 to 1, got 2; --list shows them" in capsys.readouterr().err


def test_captures_at_two_hops_name_the_one_that_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, octets in zip("ab", at_two_places(lambda _, __: 1.05), strict=True):
        tmp_path.joinpath(f"{name}.pcap").write_bytes(octets)
    assert main(["probe", *(str(tmp_path / f"{name}.pcap") for name in "ab")]) == 1
    shown = capsys.readouterr().out
    assert "HOLDS to the end" in shown
    assert "held 950.0" in shown
    assert main(["probe", *(str(tmp_path / f"{name}.pcap") for name in "ab"), "--junit", "-"]) == 1
    assert ElementTree.fromstring(capsys.readouterr().out).get("failures") == "1"


BAD = {
    "no capture": (b"hello world", 2, "expected a packet capture (pcap or pcapng), got a file that begins with 68 65"),
    "empty": (b"", 52, "got an empty input"),
    "missing octets": (pcap([each for each in talk().packets if each.data != FRAMES[1]]), 1, "11 octets are not"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_good_capture_is_said_in_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets, code, message = BAD[name]
    path = tmp_path / "a.pcap"
    path.write_bytes(octets)
    assert main(["watch", str(path)]) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_the_flags_of_captures_are_for_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(GET + HEAD + b"".join(FRAMES))
    assert main(["watch", str(path), "--list"]) == 2
    assert "--list is for a packet capture" in capsys.readouterr().err
    assert main(["probe", str(path), "--keylog", "k"]) == 2
    assert "--keylog is for a packet capture" in capsys.readouterr().err
    assert main(["watch", str(path), "--keylog", "k"]) == 2
    assert "--keylog is for a packet capture" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["watch", "probe"])
def test_a_key_log_for_a_capture_without_tls_is_refused(
    verb: str, capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, capture, "--keylog", capture]) == 2
    assert "--keylog: expected the secrets of TLS in the capture, got none in " in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        *("-H a:b", "-d x", "-X POST", "-m 5", "-k", "--cafile x", "--barrier-at :8001", "--as curl", "--save x.jsonl"),
        "--patience 5",
    ],
)
def test_flags_about_requests_are_refused_where_nothing_is_requested(
    flags: str, capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", capture, *flags.split()]) == 2
    assert f"{flags.split()[0]} is for a URL: nothing is sent to {capture!r}" in capsys.readouterr().err


ABOUT_REQUESTS = {
    "HEADER": "a: b",
    "DATA": "x",
    "METHOD": "POST",
    "MAX_TIME": "5",
    "INSECURE": "1",
    "PROBE_AS": "curl",
    "PROBE_PATIENCE": "5",
}


@pytest.mark.parametrize("verb", ["watch", "probe"])
def test_flags_about_requests_may_stand_in_the_environment(
    verb: str, capture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where CHUNKWIRE_INSECURE, set for all verbs, forbids to read a file."""
    for name, value in ABOUT_REQUESTS.items():
        monkeypatch.setenv(f"CHUNKWIRE_{name}", value)
    assert main([verb, capture]) == (ExitCode.TIMEOUT if verb == "probe" else ExitCode.OK)  # it is too short to judge
    assert main([verb, capture, "-k"]) == 2


def test_a_file_for_records_of_runs_stays_as_it_is_where_nothing_is_requested(
    capture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "saved.jsonl"
    saved.write_text("of an earlier run\n")
    monkeypatch.setenv("CHUNKWIRE_PROBE_SAVE", str(saved))
    assert main(["probe", capture]) == ExitCode.TIMEOUT  # undecided
    assert saved.read_text() == "of an earlier run\n"


def test_a_key_log_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where CHUNKWIRE_KEYLOG, set for captures, forbids to watch anything else."""
    monkeypatch.setenv("CHUNKWIRE_KEYLOG", "k")
    path = tmp_path / "a.raw"
    path.write_bytes(GET + HEAD + b"".join(FRAMES))
    assert main(["watch", str(path)]) == 0


def test_a_recording_that_is_read_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    assert main(["probe", str(path), ":1/probe", "--save", str(path)]) == 2
    assert "--save: expected a file of its own, got " in capsys.readouterr().err
    assert path.read_text() == "{}"


@pytest.mark.parametrize(
    "path, other, code", [(b"/sse", b"tock", 0), (b"/other", b"tick", 0), (b"/other", b"tock", 28)]
)
def test_traces_of_two_streams_are_not_compared(
    path: bytes, other: bytes, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails where each of them alone streams, and so "no hop holds the stream"; or where a new run is another."""
    for name, target, word in (("a", b"/sse", b"tick"), ("b", path, other)):
        frames = [b"%x\r\ndata: %b %d\n\n\r\n" % (len(word) + 11, word, number) for number in range(10, 20)]
        (tmp_path / name).write_text(trace(*frames, b"0\r\n\r\n", request=GET.replace(b"/sse", target)))
    assert main(["probe", str(tmp_path / "a"), str(tmp_path / "b")]) == code
    shown = capsys.readouterr().out
    assert ("its content is not that of a, from octet 8 on: another stream, or another run" in shown) == (code == 28)
    assert ("no hop holds the stream" in shown) == (code == 0)


def test_a_hop_that_holds_is_told_by_traces_of_two_runs_whose_content_has_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ([b"%d o'clock\n" % (hour + number) for number in range(8)] for hour in (10, 20))
    (tmp_path / "a").write_text(trace(*(b"b\r\n%b\r\n" % line for line in first), b"0\r\n\r\n", request=GET))
    whole = b"%x\r\n%b\r\n0\r\n\r\n" % (len(b"".join(second)), b"".join(second))
    (tmp_path / "b").write_text(trace(whole, request=GET).replace("00:00:00.0005", "00:00:07.0005"))
    assert main(["probe", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "b is the first hop that holds the stream." in capsys.readouterr().out


def test_a_trace_is_compared_with_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.trace"
    path.write_text(trace(*FRAMES, request=GET))
    (tmp_path / "a.pcap").write_bytes(pcap(talk().packets))
    assert main(["diff", str(path), str(tmp_path / "a.pcap")]) == 0
    assert "* same: 3 frames alike, 0 not" in capsys.readouterr().out
