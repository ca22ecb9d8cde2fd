"""`chunkwire watch` of a file and of standard input: several messages, exit codes, stopping, what came early."""

import array
import fcntl
import gzip
import json
import os
import re
import signal
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from tests.cli.test_watch import HELLO, LAST, answered, ended, printed, watched, watching
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, chunkwire
from tests.peers.plain import CHUNKED_HEAD
from tests.peers.process import Reader, started

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = CHUNKED_HEAD + HELLO + LAST
SIZED = OK + b"Content-Length: 2\r\n\r\nhi"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
EVENTS = OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"

SIGNALS = [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]

# The program, with the loading of trio held up until an octet comes down the descriptor GATE.
HELD_UP = """
import os, sys
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name == "trio":
            sys.meta_path.remove(self)
            os.write(2, b"loading\\n")
            os.read(int(os.environ["GATE"]), 1)
sys.meta_path.insert(0, Gate())
from chunkwire.cli.start import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "messages, code",
    [
        ([WHOLE, SIZED], ExitCode.OK),
        ([NOT_FOUND, WHOLE], ExitCode.HTTP_ERROR),
        ([WHOLE, NOT_FOUND, WHOLE[:-2]], ExitCode.HTTP_ERROR),
        ([CHUNKED_HEAD + HELLO, NOT_FOUND], ExitCode.CUT),
        ([CHUNKED_HEAD + b"100\r\nabc", SIZED], ExitCode.CUT),
        ([OK + b"Content-Length: 10\r\n\r\nabc", SIZED], ExitCode.CUT),
        ([OK + b"Content-Length: 43\r\n\r\nlog", SIZED], ExitCode.OK),
        ([CHUNKED_HEAD + b"zz\r\n", NOT_FOUND], ExitCode.BROKEN),
        ([b"GET / HTTP/1.1\r\n\r\n", WHOLE], ExitCode.BROKEN),
        ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", WHOLE], ExitCode.OK),
        ([b"hello"], ExitCode.BROKEN),
        ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], ExitCode.BROKEN),
    ],
)
def test_the_first_message_that_failed_gives_the_code(messages: Sequence[bytes], code: ExitCode) -> None:
    assert watched(b"".join(messages))[0] == code


def test_the_first_message_that_failed_gives_the_code_on_standard_input_too() -> None:
    for octets, code in ((WHOLE + SIZED, ExitCode.OK), (WHOLE + NOT_FOUND + WHOLE[:-2], ExitCode.HTTP_ERROR)):
        assert chunkwire("watch", "-", octets=octets).returncode == code


def test_each_message_has_its_head_its_rows_and_its_summary() -> None:
    code, out, err = watched(WHOLE + b"\n" + SIZED)
    assert code == ExitCode.OK
    assert [line for line in err.splitlines() if line[:2] != "< " or "200 OK" in line] == [
        "< HTTP/1.1 200 OK",
        "* complete: 1 chunk, 5 octets (15 on the wire)",
        r'* left out, of no message: 1 octet, "\n"',
        "* response 2",
        "< HTTP/1.1 200 OK",
        "* complete: 2 octets",
    ]
    assert [row.split()[-1] for row in out.splitlines()] == ["data", "hello", "last-chunk", "data", "hi"]


def test_a_typed_request_is_annotated_and_its_mistake_named() -> None:
    head = b"POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n"
    code, _, err = watched(head + b"5\nhello\n0\n\n")
    assert code == ExitCode.BROKEN
    assert err.splitlines()[:2] == ["> POST /echo HTTP/1.1", "> Transfer-Encoding: chunked"]
    assert "nc -C" in err


def test_the_method_that_was_asked_with_can_be_said() -> None:
    octets = OK + b"Content-Length: 5\r\n\r\n"
    code, _, err = watched(octets)
    assert (code, "-X HEAD" in err) == (ExitCode.CUT, True)
    assert watched(octets, "-X", "HEAD")[0] == ExitCode.OK


def test_lenient_takes_padded_sizes_and_marks_them() -> None:
    octets = CHUNKED_HEAD + b"5  \r\nhello\r\n" + LAST
    code, _, err = watched(octets)
    assert (code, "--lenient takes it" in err) == (ExitCode.BROKEN, True)
    code, out, err = watched(octets, "--lenient")
    assert (code, 'lenient: "5  "' in out, "* lenient: 1 size line" in err) == (ExitCode.OK, True, True)
    assert answered(octets, "--lenient")[0] == ExitCode.OK


def event_stream(*, coding: bytes = b"") -> bytes:
    content = b"id: 7\ndata: one\n\nevent: done\ndata: {}\n\n"
    if coding:
        content, coding = gzip.compress(content), b"Content-Encoding: " + coding + b"\r\n"
    half = len(content) // 2
    return (
        EVENTS
        + coding
        + b"\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (content[:half], content[half:]))
        + LAST
    )


def untimed(rows: str) -> str:
    return re.sub(r" *\+?\d+\.\d", "", rows)


@pytest.mark.parametrize("coding", [b"", b"gzip"])
def test_events_are_shown_counted_and_judged_with_the_coding_taken_off(coding: bytes, tmp_path: Path) -> None:
    saved = tmp_path / "a.jsonl"
    code, out, err = answered(event_stream(coding=coding), "--events", "--save", str(saved))
    assert code == ExitCode.OK
    assert [row.split()[-3:] for row in out.splitlines()[1:]] == [["message", "7", "one"], ["done", "7", "{}"]]
    assert "2 chunks, 2 events" in err
    assert "the answer is complete" in err
    _, again, said = printed("watch", str(saved), "--events")
    # A record keeps microseconds, so that a time may be rounded the other way.
    assert (untimed(again), said) == (untimed(out), err)
    assert "message" in watched(event_stream(coding=coding), "--events")[1]


def test_a_coding_that_is_not_known_is_named_and_not_counted() -> None:
    code, _, err = answered(event_stream(coding=b"br"))
    assert (code, "br is not decoded" in err, "event," in err) == (ExitCode.OK, True, False)


def test_events_in_json_are_records_that_other_readers_pass_over(tmp_path: Path) -> None:
    code, out, err = answered(event_stream(), "--events", "--json")
    assert (code, err) == (ExitCode.OK, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [record["kind"] for record in told] == ["request", "head", "event", "event", "end"]
    assert [record["data"] for record in told[2:4]] == ["one", "{}"]
    (tmp_path / "b.jsonl").write_text(out)
    assert printed("watch", str(tmp_path / "b.jsonl"))[0] == ExitCode.OK


@pytest.mark.parametrize("number, code", SIGNALS)
def test_a_signal_stops_a_stream_and_sums_up(number: int, code: ExitCode, tmp_path: Path) -> None:
    saved = tmp_path / "a.jsonl"
    with watching("--save", str(saved)) as (process, wire):
        wire.read_head()
        wire.send(CHUNKED_HEAD + HELLO)
        Reader(process.stdout, whose="watch").until(b"hello")
        process.send_signal(number)
        returned, _, err = ended(process)
        assert wire.read_rest() == (b"", True)
    assert returned == code
    assert err.splitlines()[-1].startswith("* stopped: 1 chunk")
    assert json.loads(saved.read_text().splitlines()[-1])["framing"] == "stopped"
    assert printed("watch", str(saved))[0] == ExitCode.OK


@pytest.mark.parametrize(
    "octets, mark, words", [(CHUNKED_HEAD + HELLO, b"hello", "* stopped: 1 chunk"), (WHOLE, b"last-chunk", "* stopped")]
)
def test_a_signal_stops_a_capture_and_sums_up(octets: bytes, mark: bytes, words: str) -> None:
    with started([*CHUNKWIRE, "watch", "-"]) as process:
        assert process.stdin is not None
        process.stdin.write(octets)
        Reader(process.stdout, whose="watch -").until(mark)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == ExitCode.INTERRUPTED  # standard input is still open
        assert process.stderr is not None
        assert process.stderr.read().decode().splitlines()[-1].startswith(words)


def test_a_signal_before_the_head_is_stopped_too() -> None:
    with watching() as (process, wire):
        wire.read_head()
        process.send_signal(signal.SIGINT)
        returned, _, err = ended(process)
    assert (returned, err.splitlines()[-1]) == (ExitCode.INTERRUPTED, "* stopped")


def wait_empty(fd: int) -> None:
    """Wait until the reader of a pipe has taken all that was written into it."""
    count, deadline = array.array("i", [1]), time.monotonic() + PATIENCE
    while count[0]:
        fcntl.ioctl(fd, termios.FIONREAD, count)
        assert time.monotonic() < deadline, "nobody reads"
        os.sched_yield()


def test_standard_input_is_read_while_the_program_is_still_being_loaded(tmp_path: Path) -> None:
    gate, opener = os.pipe()
    command = [sys.executable, "-c", HELD_UP, "watch", "-", "--save", str(tmp_path / "a.jsonl")]
    with started(command, env={"GATE": str(gate)}, pass_fds=[gate]) as process:
        assert process.stdin is not None
        assert Reader(process.stderr, whose="watch -").line() == "loading"
        for n in range(3):
            process.stdin.write(b"1\r\n%d\r\n" % n)
            wait_empty(process.stdin.fileno())
        os.write(opener, b"\0")
        process.stdin.write(LAST)
        process.stdin.close()
        process.stdin = None
        code, _, _ = ended(process)
    os.close(gate)
    os.close(opener)
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert code == ExitCode.OK
    reads = [record["read"] for record in records if record["kind"] == "frame"][:3]
    assert reads == [1, 2, 3]


def test_what_was_there_before_watch_started_is_marked_and_no_read(tmp_path: Path) -> None:
    source, sink = os.pipe()
    os.write(sink, b"1\r\na\r\n1\r\nb\r\n")
    os.set_inheritable(source, True)
    script = f"exec {' '.join(CHUNKWIRE)} watch - <&{source}"
    with started(["bash", "-c", script], pass_fds=[source]) as process:
        reader = Reader(process.stdout, whose="watch -")
        rows = reader.until(b"b\n").decode().splitlines()
        os.write(sink, LAST)
        os.close(sink)
        code, out, err = ended(process)
    os.close(source)
    assert [row.split() for row in rows[1:]] == [["before", "-", "1", "a"], ["before", "-", "1", "b"]]
    assert "last-chunk" in reader.held.decode() + out
    assert (code, "1 read; 2 chunks were there before watch started" in err) == (ExitCode.OK, True)


@pytest.mark.parametrize(
    "source, words",
    [
        ("no/such/file", "no such file"),
        (".", ".: is a directory"),
        ("/", "/: is a directory"),
        ("nothing.txt", "no such file"),
    ],
)
def test_a_source_that_is_no_file_is_one_line(source: str, words: str, tmp_path: Path) -> None:
    code, out, err = printed("watch", source if "/" not in source or source == "/" else str(tmp_path / source))
    assert (code, out, err.count("\n"), words in err.lower()) == (ExitCode.USAGE, "", 1, True)
