"""`chunkwire watch` of a file or a pipe, recordings saved and replayed, and `diff` of two of them."""

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.record.values import MAX_LINE
from tests.cli.test_watch import HELLO, LAST, answered, printed, watched
from tests.peers.command import CHUNKWIRE, chunkwire
from tests.peers.plain import CHUNKED_HEAD
from tests.peers.process import Reader, started

WHOLE = HELLO + b"6;t=1\r\n world\r\n0\r\nX-T: 1\r\n\r\n"


def rows(said: str) -> list[list[str]]:
    """Return the rows below the header, as words."""
    return [line.split() for line in said.splitlines()[1:]]


@pytest.mark.parametrize("octets", [WHOLE, CHUNKED_HEAD + WHOLE], ids=["bare body", "with its head"])
def test_captured_octets_in_a_file_are_annotated(octets: bytes) -> None:
    code, out, err = watched(octets)
    assert code == ExitCode.OK
    assert rows(out) == [["5", "hello"], ["6;t=1", "world"], ["0", "last-chunk"], ["X-T:", "1"]]
    assert "* complete: 2 chunks, 11 octets" in err


def test_a_pipe_is_annotated_as_it_comes() -> None:
    with started([*CHUNKWIRE, "watch", "-"]) as process:
        assert process.stdin is not None
        shown = Reader(process.stdout, whose="watch -")
        process.stdin.write(CHUNKED_HEAD + HELLO)
        assert b"hello" in shown.until(b"hello\n")
        process.stdin.write(b"5\r\nagain\r\n")
        assert b"again" in shown.until(b"again\n")
        process.stdin.close()
        process.stdin = None
        assert process.wait(30) == ExitCode.CUT


@pytest.mark.parametrize(
    "octets, code, words",
    [
        (b"", ExitCode.EMPTY, "empty input"),
        (b"garbage", ExitCode.BROKEN, "malformed"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", ExitCode.BROKEN, "no colon"),
        (b"HTTP/1.1 200 OK\r\n", ExitCode.BROKEN, "head"),
        (b"{not json", ExitCode.USAGE, "not json"),
        (b'{"v":1,"kind":"later"}\n', ExitCode.CUT, "stops before"),
        (b"\xff\x00\x1b[31m", ExitCode.BROKEN, "malformed"),
    ],
)
def test_garbage_has_its_exit_code_and_a_message(octets: bytes, code: ExitCode, words: str) -> None:
    returned, out, err = watched(octets)
    assert (returned, words in err, "\x1b" in out + err) == (code, True, False), err


@pytest.mark.parametrize("flags", ["-d body", "-k", "--cafile roots.pem"])
def test_what_is_sent_needs_a_url(flags: str) -> None:
    code, _, err = watched(WHOLE, *flags.split())
    assert (code, f"{flags.split()[0]} is for a URL" in err) == (ExitCode.USAGE, True)


def test_a_recording_replays_as_it_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    code, out, err = answered(CHUNKED_HEAD + WHOLE, "--save", str(path))
    assert code == ExitCode.OK
    assert printed("watch", str(path)) == (code, out, err)
    piped = chunkwire("watch", "-", octets=path.read_bytes())
    assert piped.stdout.decode() == out


def test_a_recording_of_a_cut_stream_exits_as_the_stream_did(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert answered(CHUNKED_HEAD + HELLO, "--save", str(path))[0] == ExitCode.CUT
    assert printed("watch", str(path))[0] == ExitCode.CUT


def test_json_is_a_record_a_line_and_nothing_else() -> None:
    code, out, err = answered(CHUNKED_HEAD + WHOLE, "--json")
    assert (code, err) == (ExitCode.OK, "")
    kinds = [json.loads(line)["kind"] for line in out.splitlines()]
    assert kinds == ["request", "head", "frame", "frame", "frame", "trailers", "end"]


def test_records_are_saved_to_standard_output_in_place_of_the_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert watched(CHUNKED_HEAD + WHOLE, "--save", "-") == watched(CHUNKED_HEAD + WHOLE, "--json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("octets, code", [(WHOLE, ExitCode.USAGE), (HELLO, ExitCode.CUT)], ids=["whole", "cut"])
def test_a_file_that_cannot_be_saved_ends_no_watch(octets: bytes, code: ExitCode) -> None:
    returned, out, err = watched(octets, "--save", "/dev/full")
    assert (returned, out) == (code, watched(octets)[1])
    assert err.count("/dev/full") == 1
    assert "chunkwire: --save /dev/full: no space left on device; nothing more is written there\n" in err


def test_no_data_keeps_content_out_of_the_records(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    _, out, _ = answered(CHUNKED_HEAD + WHOLE, "--no-data", "--save", str(path))
    assert "hello" not in out + path.read_text()


def test_credentials_stay_out_of_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    answered(CHUNKED_HEAD + LAST, "--save", str(path), "-H", "Authorization: Bearer secret", "-v")
    assert "secret" not in path.read_text()


def test_diff_says_by_its_code_whether_two_recordings_are_the_same(tmp_path: Path) -> None:
    a, b, c = (str(tmp_path / name) for name in ("a.jsonl", "b.jsonl", "c.jsonl"))
    for path, octets in ((a, WHOLE), (b, WHOLE), (c, b"b\r\nhello world\r\n0\r\nX-T: 1\r\n\r\n")):
        answered(CHUNKED_HEAD + octets, "--save", path)
    assert printed("diff", a, b)[0] == ExitCode.OK
    code, out, _ = printed("diff", a, c)
    assert code == ExitCode.FINDING
    assert "the same 11 octets of content, framed differently: 2 chunks in A, 1 chunk in B" in out


def test_a_recording_of_several_streams_is_shown_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    answered(CHUNKED_HEAD + WHOLE, "--save", str(path))
    path.write_text(path.read_text() + path.read_text().replace('"stream":1', '"stream":2'))
    code, _, err = printed("watch", str(path))
    assert code == ExitCode.OK
    titles = [line for line in err.splitlines() if " at " in line]
    assert titles == ["* stream 1 at client", "* stream 2 at client"]
    assert printed("diff", f"{path}#1", f"{path}#2")[0] == ExitCode.OK
    assert printed("diff", f"{path}#3", str(path))[0] == ExitCode.USAGE


@pytest.mark.parametrize(
    "octets", [b"{" * (MAX_LINE + 2), b"\xd4\xc3\xb2\xa1" + bytes(MAX_LINE)], ids=["record", "packets"]
)
def test_a_pipe_that_never_ends_is_refused(octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chunkwire.cli.watch_run.MAX_HELD_OCTETS", MAX_LINE // 2)
    reader, writer = os.pipe()
    feeder = threading.Thread(target=fed, args=(writer, octets))
    feeder.start()
    try:
        code, out, err = printed("watch", f"/dev/fd/{reader}")
    finally:
        os.close(reader)
        feeder.join()
    assert (code, out, len(err.splitlines())) == (ExitCode.USAGE, "", 1)
    assert "expected a record of at most" in err or "of packets or records, got more" in err


def fed(writer: int, octets: bytes) -> None:
    """Write octets to a pipe whose reader may leave, and keep it open till then."""
    with suppress(BrokenPipeError), open(writer, "wb", buffering=0) as file:
        while True:
            file.write(octets)
