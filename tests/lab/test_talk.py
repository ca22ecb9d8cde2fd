"""`chunkwire talk`: CRLF however its input is cut, octets of both ways, and both ends of a connection."""

import os
import socket
from typing import cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.cli import talk
from chunkwire.cli.main import main
from chunkwire.lab.talking import LineEnds, TalkLine
from chunkwire.lab.talking import talk as converse
from tests.cli.test_terminal import COLUMNS, terminal
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE
from tests.peers.process import LOOPBACK, Reader, listening_socket, started


@given(st.binary(max_size=30).map(lambda octets: octets.replace(b"a", b"\n").replace(b"b", b"\r")), st.data())
def test_each_lf_gets_a_cr_however_the_input_is_cut(octets: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=4)))
    ends = LineEnds()
    pieces = [octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)]
    sent = b"".join(ends.with_cr(piece) for piece in pieces if piece)
    assert sent == octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_what_is_piped_goes_with_crlf_and_both_ways_are_shown() -> None:
    with listening_socket() as listener, started([*CHUNKWIRE, "talk", str(listener.getsockname()[1])]) as process:
        assert process.stdin is not None
        peer, _ = listener.accept()
        with peer:
            process.stdin.write(b"GET / HTTP/1.1\nHost: x\r\n\n")
            process.stdin.close()
            assert Reader(peer, whose="talk").rest() == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"  # and a half-close
            peer.sendall(b"caf\xc3\xa9\t\x1b[2J\r\n")
        shown = Reader(process.stdout, whose="talk").rest().decode()
        assert "> GET / HTTP/1.1\\r\\n" in shown
        assert "< caf\\xc3\\xa9\\t\\x1b[2J\\r\\n" in shown
        assert process.wait(10) == 0


class AnsweringStream:
    """A connection whose peer answers while `send_all` has not returned, and ends after that."""

    def __init__(self) -> None:
        self._is_asked, self._is_shown = trio.Event(), trio.Event()

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None

    async def send_all(self, _: bytes) -> None:
        self._is_asked.set()
        await self._is_shown.wait()

    async def receive_some(self) -> bytes:
        if self._is_asked.is_set():
            self._is_shown.set()
            return b""
        await self._is_asked.wait()
        return b"answer"

    async def send_eof(self) -> None:
        return None


async def test_a_request_is_shown_before_its_answer() -> None:
    lines: list[TalkLine] = []
    source, sink = os.pipe()
    os.write(sink, b"request")
    os.close(sink)
    with trio.fail_after(PATIENCE):
        await converse(cast("trio.SocketStream", AnsweringStream()), source, lines.append, lambda _: None)
    os.close(source)
    assert [line.text for line in lines] == ["request", "answer"]


def test_as_is_changes_no_octet() -> None:
    with (
        listening_socket() as listener,
        started([*CHUNKWIRE, "talk", "--as-is", str(listener.getsockname()[1])]) as one,
    ):
        assert one.stdin is not None
        peer, _ = listener.accept()
        with peer:
            one.stdin.write(b"a\nb\r\n\xff\n")
            one.stdin.close()
            assert Reader(peer, whose="talk").rest() == b"a\nb\r\n\xff\n"


def test_it_listens_for_one_connection_and_types_the_answer() -> None:
    with started([*CHUNKWIRE, "talk", "-l", "0"]) as process:
        assert process.stdin is not None
        messages = Reader(process.stderr, whose="talk")
        port = int(messages.line().rpartition(":")[2])
        with socket.create_connection((LOOPBACK, port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n")
            process.stdin.write(b"HTTP/1.1 200 OK\n")
            assert Reader(client, whose="talk").until(b"\n") == b"HTTP/1.1 200 OK\r\n"
        assert process.wait(10) == 0


def test_a_reset_is_told_from_an_end() -> None:
    with listening_socket() as listener, started([*CHUNKWIRE, "talk", str(listener.getsockname()[1])]) as process:
        peer, _ = listener.accept()
        messages = Reader(process.stderr, whose="talk")
        messages.line()  # it is connected
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        assert process.wait(10) == 56
        assert "RST" in messages.rest().decode()


@pytest.mark.parametrize(
    "words, code",
    [
        ((), 2),
        (("x",), 2),
        (("127.0.0.1:99999",), 2),
        (("127.0.0.1:1", "-l", "2"), 2),
        (("no.such.host.invalid:80",), 7),
        (("REFUSING",), 7),
    ],
)
def test_a_bad_address_gets_one_line(
    words: tuple[str, ...], code: int, refusing_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["talk", "-q", *(word.replace("REFUSING", str(refusing_port)) for word in words)]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_port_that_is_taken_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with listening_socket() as taken:
        assert main(["talk", "-l", str(taken.getsockname()[1])]) == 71
    assert capsys.readouterr().err.count("\n") == 1


def test_a_note_is_wrapped_at_the_width_of_the_terminal() -> None:
    with terminal() as stream:
        talk._note("connected to 127.0.0.1:8081 from 127.0.0.1:60384; Ctrl-D half-closes")
    assert max(map(len, stream.getvalue().splitlines())) <= COLUMNS
