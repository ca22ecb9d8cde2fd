"""Output files of verbs."""

import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from chunkwire.cli.output_files import LineFile, check_outputs, lines_to, write_whole
from chunkwire.wire.errors import LocalError
from tests.peers.command import called


def test_an_output_is_no_input_and_no_other_output(tmp_path: Path) -> None:
    a, b, link = tmp_path / "a", tmp_path / "b", tmp_path / "link"
    a.write_text("kept")
    link.symlink_to(a)
    check_outputs(
        [("html", str(b)), ("json", "-"), ("junit", None), ("save", "/dev/null"), ("csv", "/dev/null")], [str(a)]
    )
    with pytest.raises(LocalError, match=r"^--save: expected a file of its own, got .*link, which is read$"):
        check_outputs([("save", str(link))], [str(a)])
    with pytest.raises(LocalError, match=r"^--html and --junit: .*one file twice$"):
        check_outputs([("junit", str(b)), ("html", f"{tmp_path}/./b")])
    with open(a) as file, pytest.raises(LocalError, match="which is read"):
        check_outputs([("save", str(a))], [file.fileno()])
    assert not b.exists()


@pytest.mark.parametrize("verb", ["watch", "serve"])
def test_a_recording_is_not_replaced_by_what_is_made_of_it(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"v":1,"kind":"weather"}\n')
    words = [str(path)] if verb == "watch" else ["--replay", str(path)]
    result = called(verb, *words, "--save", str(path))
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)
    assert path.read_text() == '{"v":1,"kind":"weather"}\n'


def test_octets_of_a_name_that_are_no_utf8_are_escaped_in_a_page(tmp_path: Path) -> None:
    assert write_whole("html", str(tmp_path / "a"), "\udcff") == ""
    assert (tmp_path / "a").read_bytes() == b"\\udcff"


def test_a_file_that_fails_while_a_server_runs_is_reported_once_and_ends_nothing() -> None:
    said: list[str] = []
    with lines_to("audit", "/dev/full", str, said.append, is_flushed=True, is_added_to=True) as write:
        assert write is not None
        write("a")
        write("b")
    assert said == ["--audit /dev/full: No space left on device"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFO")
def test_lines_of_two_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    file = LineFile("save", str(path), pytest.fail)
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
