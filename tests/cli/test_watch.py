"""`chunkwire watch URL` against a server that the test writes octet by octet; a process where it is watched live."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread

import pytest

from chunkwire.cli.exits import ExitCode
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, called
from tests.peers.plain import CHUNKED_HEAD, Wire, upstream
from tests.peers.process import Reader, started

HELLO, LAST = b"5\r\nhello\r\n", b"0\r\n\r\n"


@contextmanager
def watching(*words: str) -> Generator[tuple[subprocess.Popen[bytes], Wire], None, None]:
    """Run `chunkwire watch` on a server of the test; give the process and the server's end, the request unread."""
    with upstream() as server, started([*CHUNKWIRE, "watch", server.url(), *words]) as process:
        yield process, server.accept()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a process that ends; no traceback among them."""
    out, err = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode(), err.decode()


def printed(*words: str) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit code, standard output and standard error."""
    result = called(*words)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def watched(octets: bytes, *words: str) -> tuple[int, str, str]:
    """Return how a watch of a file of these octets ends."""
    with NamedTemporaryFile() as file:
        file.write(octets)
        file.flush()
        return printed("watch", *words, file.name)


def answered(octets: bytes, *words: str) -> tuple[int, str, str]:
    """Return how a watch of these octets, and then a FIN, ends."""
    with upstream() as server:

        def serve() -> None:
            wire = server.accept()
            wire.read_head()
            wire.send(octets)
            wire.close()

        thread = Thread(target=serve, name="upstream")
        thread.start()
        try:
            return printed("watch", server.url(), *words)
        finally:
            thread.join()


def test_each_frame_is_shown_before_the_next_one_is_sent() -> None:
    with watching() as (process, wire):
        wire.read_head()
        wire.send(CHUNKED_HEAD)
        rows = Reader(process.stdout, whose="watch")
        for n in range(1, 4):
            wire.send(b"7\r\nframe %d\r\n" % n)
            assert f"{n}       7  frame {n}" in rows.until(b"frame %d\n" % n).decode()
        wire.send(LAST)
        code, out, err = ended(process)
    assert code == ExitCode.OK
    assert out.endswith("  0  last-chunk\n")
    assert err.splitlines()[-1].startswith("* complete: 3 chunks, 21 octets (41 on the wire), 4 reads")


@pytest.mark.parametrize(
    "octets, code, words",
    [
        (CHUNKED_HEAD + HELLO, ExitCode.CUT, "* cut: 1 chunk"),
        (CHUNKED_HEAD + HELLO + b"zz\r\n", ExitCode.BROKEN, "* malformed: 1 chunk"),
        (CHUNKED_HEAD + b"5\nhello\r\n", ExitCode.BROKEN, "LF"),
        (b"", ExitCode.EMPTY, "got nothing"),
        (b"HTTP/1.1 2", ExitCode.BROKEN, "octets of a head"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", ExitCode.BROKEN, "SSH-2.0"),
        (b"\x16\x03\x01\x00", ExitCode.BROKEN, "HTTP/1.1"),
        (b"\0\0\x12\x04\0\0\0\0\0" + bytes(18), ExitCode.BROKEN, "HTTP/2 in clear"),
        (b"\x15\x03\x01\x00\x02\x02\x46", ExitCode.BROKEN, "TLS alert"),
        (b"HTTP/2 200 \r\n\r\n", ExitCode.BROKEN, "HTTP/2 or HTTP/3"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", ExitCode.HTTP_ERROR, "404 Not Found"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", ExitCode.OK, "redirects are not followed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", ExitCode.BROKEN, "got both"),
    ],
)
def test_an_ending_has_its_code_and_is_said(octets: bytes, code: ExitCode, words: str) -> None:
    returned, _, err = answered(octets)
    assert returned == code, err
    assert words in err


def test_the_content_of_an_http_error_is_shown_all_the_same() -> None:
    _, out, _ = answered(b"HTTP/1.1 404 Not Found\r\nContent-Length: 8\r\n\r\nnot here")
    assert "not here" in out


def test_a_reset_is_broken_framing() -> None:
    with watching() as (process, wire):
        wire.read_head()
        wire.send(CHUNKED_HEAD + HELLO)
        Reader(process.stdout, whose="watch").until(b"hello")
        wire.reset()
        code, _, err = ended(process)
    assert code == ExitCode.BROKEN
    assert "* reset: 1 chunk" in err


def test_the_time_limit_ends_a_silent_stream() -> None:
    with watching("-m", "300ms") as (process, wire):
        wire.read_head()
        wire.send(CHUNKED_HEAD + HELLO)
        code, _, err = ended(process)
    assert code == ExitCode.TIMEOUT
    assert "* timeout: 1 chunk" in err


def test_a_closed_standard_output_ends_the_stream_without_a_message() -> None:
    with watching("-q") as (process, wire):
        wire.read_head()
        assert process.stdout is not None
        process.stdout.close()
        wire.send(CHUNKED_HEAD + HELLO)
        assert wire.read_rest() == (b"", True)
        assert process.wait(PATIENCE) == ExitCode.OK
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize("url, words", [(":REFUSING/", "refused"), ("http://nowhere.invalid/", "nowhere.invalid")])
def test_a_server_that_cannot_be_reached_is_one_line(url: str, words: str, refusing_port: int) -> None:
    code, out, err = printed("watch", url.replace("REFUSING", str(refusing_port)))
    assert (code, out, err.count("\n"), words in err) == (ExitCode.NO_CONNECTION, "", 1, True)


def test_the_request_flags_make_the_request(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"from a file")
    with watching("-X", "PUT", "-H", "X-One: 1", "-H", "accept: text/event-stream", "-d", f"@{body}") as (
        process,
        wire,
    ):
        head = wire.read_head()
        assert head.startswith(b"PUT / HTTP/1.1\r\n")
        assert b"\r\nX-One: 1\r\naccept: text/event-stream\r\n" in head
        assert b"\r\nAccept:" not in head
        assert wire.reader.exactly(11) == b"from a file"
        wire.send(CHUNKED_HEAD + LAST)
        assert ended(process)[0] == ExitCode.OK


def test_standard_input_goes_up_a_chunk_a_read() -> None:
    with watching("-d", "-") as (process, wire):
        assert process.stdin is not None
        assert wire.read_head().startswith(b"POST / HTTP/1.1\r\n")
        wire.send(CHUNKED_HEAD)
        rows = Reader(process.stdout, whose="watch")
        for word in (b"one", b"three"):
            process.stdin.write(word)
            assert wire.reader.until(word + b"\r\n") == b"%x\r\n%b\r\n" % (len(word), word)
            assert b">" in rows.until(word + b"\n")
        process.stdin.close()
        process.stdin = None
        assert wire.reader.until(LAST) == LAST
        wire.send(LAST)
        assert ended(process)[0] == ExitCode.OK


def test_raw_prints_the_octets_at_once_and_nothing_else() -> None:
    with watching("--raw") as (process, wire):
        wire.read_head()
        octets = Reader(process.stdout, whose="watch --raw")
        wire.send(CHUNKED_HEAD + b"0")
        assert octets.exactly(1) == b"0"
        wire.send(b"5;a=1\r\nhello\r\n")
        assert octets.exactly(14) == b"5;a=1\r\nhello\r\n"
        wire.send(b"0\r\nX-T: 1\r\n\r\n")
        code, out, err = ended(process)
    assert (code, out, err) == (ExitCode.OK, "0\r\nX-T: 1\r\n\r\n", "")


def test_raw_says_what_went_wrong_in_one_line() -> None:
    code, out, err = answered(CHUNKED_HEAD + b"5\r\nhel", "--raw")
    assert (code, out) == (ExitCode.CUT, "5\r\nhel")
    assert err.startswith("chunkwire: expected chunk-data at 6")
    assert len(err.splitlines()) == 1


def test_quiet_keeps_the_rows_and_the_error_alone() -> None:
    code, out, err = answered(CHUNKED_HEAD + HELLO, "-q")
    assert code == ExitCode.CUT
    assert len(out.splitlines()) == 2
    assert [line[:11] for line in err.splitlines()] == ["chunkwire: "]
