"""Files that a bench writes while it measures."""

import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from chunkwire.cli.bench_files import LineFile


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFO")
def test_lines_of_two_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    file = LineFile("save", str(path))
    lengths = (300, 77, 1500)

    def write(letter: str) -> None:
        for n in range(6000):
            file.write(letter * lengths[n % 3])

    threads = [Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    reader.join()
    assert sorted(received[0].splitlines()) == sorted(
        letter * length for letter in (b"a", b"b", b"c") for length in lengths for _ in range(2000)
    )
