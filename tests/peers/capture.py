"""What Wireshark's dissector says of a conversation on the loopback interface."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.peers.process import Reader, started
from tests.peers.programs import program


class Capture:
    """A running tshark that prints, for each HTTP message it has dissected whole, its chunk sizes."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def chunk_sizes(self) -> list[int]:
        """Wait for the next message that has chunks; return the sizes that tshark read, the last-chunk's 0 too."""
        while not (line := self._reader.line()):
            pass  # a message without chunks, such as the request
        return [int(size) for size in line.split(",")]


@contextmanager
def tshark(port: int) -> Generator[Capture, None, None]:
    """Capture what is said on a loopback port, from the moment this returns."""
    path = program("tshark")
    if os.geteuid() != 0:
        pytest.skip("needs tshark, and root to capture with it")
    fields = ["-T", "fields", "-e", "http.chunk_size"]
    argv = [path, "-n", "-l", "-i", "lo", "-f", f"tcp port {port}", "-d", f"tcp.port=={port},http", "-Y", "http"]
    with started([*argv, *fields]) as process:
        # It says so once the interface is open: what is sent from then on is seen.
        Reader(process.stderr, whose="tshark").until(b"Capture started")
        yield Capture(Reader(process.stdout, whose="tshark"))
