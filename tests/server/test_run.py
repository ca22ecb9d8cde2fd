"""`server.run` as a whole program: Ctrl-C and SIGTERM let a stream end, and end the program without a traceback."""

import re
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from subprocess import Popen

import pytest

from tests.patience import PATIENCE
from tests.peers.process import LOOPBACK, Reader, free_port, started, wait_listening

PROGRAM = """
from chunkwire import server

async def echo(request, response):
    async with response.chunked() as body:
        await body.send_chunk(b"first")
        await body.send_chunk(await request.read_body(99))

server.run(":PORT", [server.Resource("/echo", echo, methods=("POST",))], settings=server.ServerSettings(grace=GRACE))
"""
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"


@contextmanager
def running(grace: float = 3600.0) -> Generator[tuple[Popen[bytes], int], None, None]:
    port = free_port()
    program = PROGRAM.replace("PORT", str(port)).replace("GRACE", str(grace))
    with started([sys.executable, "-W", "error", "-c", program]) as process:
        wait_listening(port, process)
        yield process, port


@contextmanager
def streaming(port: int) -> Generator[tuple[socket.socket, Reader], None, None]:
    """Ask, and hold the body of the request back once the response has begun."""
    with socket.create_connection((LOOPBACK, port), PATIENCE) as client:
        client.sendall(POST)
        reader = Reader(client, whose="the program")
        reader.until(b"first\r\n")
        yield client, reader


def test_it_says_where_it_listens_also_in_another_thread_than_the_first() -> None:
    program = PROGRAM.replace("PORT", "0").replace("GRACE", "1").replace("server.run(", "run(")
    program = (
        f"import threading\ndef run(*a, **k): threading.Thread(target=server.run, args=a, kwargs=k).start()\n{program}"
    )
    with started([sys.executable, "-W", "error", "-c", program]) as process:
        line = Reader(process.stderr, whose="the program").until(b"\n")
    assert re.fullmatch(rb"listening on http://127\.0\.0\.1:\d+\n", line)


@pytest.mark.parametrize("wrong", ['run("x", [])', "run(':0', [echo])"])
def test_a_wrong_call_has_a_traceback_of_two_lines(wrong: str) -> None:
    program = PROGRAM[: PROGRAM.index("server.run")] + f"server.{wrong}"
    with started([sys.executable, "-W", "error", "-c", program]) as process:
        printed = Reader(process.stderr, whose="the program").rest().decode()
    assert printed.count("  File ") == 2
    assert "LocalError: expected " in printed


def test_an_address_that_cannot_be_bound_is_one_line_and_exit_71() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        program = PROGRAM.replace("PORT", str(port)).replace("GRACE", "1")
        with started([sys.executable, "-W", "error", "-c", program]) as process:
            printed = Reader(process.stderr, whose="the program").rest()
            assert process.wait(PATIENCE) == 71
    assert printed.decode().splitlines() == [f"cannot listen on {LOOPBACK}:{port}: address already in use"]


@pytest.mark.parametrize("number, name, code", [(signal.SIGINT, b"Ctrl-C", 130), (signal.SIGTERM, b"", 0)])
def test_a_signal_lets_a_stream_end_and_ends_the_program_without_a_traceback(
    number: signal.Signals, name: bytes, code: int
) -> None:
    with running() as (process, port), streaming(port) as (client, reader):
        process.send_signal(number)
        if name:
            assert name in Reader(process.stderr, whose="the program").until(b"ends at once\n")
        client.sendall(b"second")
        assert reader.rest() == b"6\r\nsecond\r\n0\r\n\r\n"
        assert process.wait(PATIENCE) == code
        assert b"Traceback" not in Reader(process.stderr, whose="the program").rest()


def test_a_second_ctrl_c_ends_at_once() -> None:
    """The grace time is an hour here."""
    with running() as (process, port), streaming(port) as (_, reader):
        process.send_signal(signal.SIGINT)
        errors = Reader(process.stderr, whose="the program")
        errors.until(b"ends at once\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert reader.rest() == b""
        assert errors.rest() == b"ended at once\n"
