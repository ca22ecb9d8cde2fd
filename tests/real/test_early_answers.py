"""A refusal in the middle of a large upload: the client must get it, however much it still sends (RFC 9112 §9.6)."""

import socket
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.peers.command import Served
from tests.peers.process import run
from tests.peers.programs import program

MANY = 200 << 20  # octets; far more than all buffers between a client and an upstream hold
TARGET = "/v1/chat/completions"  # takes bodies of a few MiB


def test_a_413_survives_a_client_that_sends_200_mb_before_it_reads(served: Served) -> None:
    """Suites: an early answer to a long upload. Fails where a close waits for 1 MiB: a reset takes the answer."""
    host, _, port = served.url("").removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port.rstrip("/"))), timeout=PATIENCE) as client:
        client.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (TARGET.encode(), MANY))
        block = bytes(1 << 20)
        for _ in range(MANY >> 20):
            client.sendall(block)
        got = b"".join(iter(lambda: client.recv(65536), b""))
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nConnection: close\r\n" in got
    assert b"expected at most" in got.partition(b"\r\n\r\n")[2]


@pytest.mark.needs("curl")
@pytest.mark.parametrize("lines", [("Expect:",), ("Expect:", "Transfer-Encoding: chunked"), ()])
def test_curl_gets_a_413_each_time(served: Served, lines: tuple[str, ...], tmp_path: Path) -> None:
    """Suites: an early answer to a long upload. Fails, a few times in a hundred, where a close waits for 1 MiB."""
    upload = tmp_path / "upload"
    with upload.open("wb") as file:
        file.truncate(MANY)
    fields = [word for line in lines for word in ("-H", line)]
    command = [program("curl"), "-s", "-X", "POST", "-T", str(upload), *fields, "-o", "/dev/null", "-w", "%{http_code}"]
    for _ in range(5):
        result = run([*command, served.url(TARGET)])
        assert (result.returncode, result.stdout) == (0, b"413")
