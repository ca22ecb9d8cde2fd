"""Standard streams that close, are full, or lack characters; and names of files in messages."""

import os
import subprocess
from pathlib import Path

import pytest

from chunkwire.cli import start
from chunkwire.cli.exits import ExitCode
from tests.cli.test_main import Captured, refused
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, called
from tests.peers.process import run


def test_a_reader_that_leaves_is_no_error() -> None:
    result = run(["bash", "-o", "pipefail", "-c", '"$@" | head -n 1', "bash", *CHUNKWIRE, "--help"])
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize(
    "words, piped, code",
    [
        ("diff a.jsonl b.jsonl", "| true", ExitCode.FINDING),
        ("diff a.jsonl a.jsonl", "| true", ExitCode.OK),
        ("puzzle 1 --seed 1 --answer 1 buffer", "| true", ExitCode.FINDING),
        ("lesson --check a.jsonl", "2>/dev/null | true", ExitCode.FINDING),
        ("help record", "> /dev/full", ExitCode.USAGE),
        ("--help", "> /dev/full", ExitCode.USAGE),
        ("--version", "> /dev/full", ExitCode.USAGE),
    ],
)
def test_output_that_nobody_takes_makes_no_success_of_a_finding(
    words: str, piped: str, code: ExitCode, tmp_path: Path
) -> None:
    for name, octets in (("a", b"1\r\na\r\n0\r\n\r\n"), ("b", b"1\r\nb\r\n0\r\n\r\n")):
        assert (
            called("watch", "-q", save_capture(tmp_path, name, octets), "--save", f"{tmp_path}/{name}.jsonl").returncode
            == 0
        )
    shell = f'cd "$0" && set -o pipefail && "$@" {piped}'
    result = run(["bash", "-c", shell, str(tmp_path), *CHUNKWIRE, *words.split()])
    assert (result.returncode, len(result.stderr.splitlines())) == (code, int("full" in piped))


def save_capture(folder: Path, name: str, octets: bytes) -> str:
    path = folder / f"{name}.chunked"
    path.write_bytes(octets)
    return str(path)


def test_what_standard_output_does_not_have_is_escaped() -> None:
    result = run(["env", "PYTHONIOENCODING=ascii", "COLUMNS=²", *CHUNKWIRE, "lesson", "--handout", "-"])
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\\u2014" in result.stdout or b"\\xe9" in result.stdout


@pytest.mark.parametrize("name", ["a\nb.jsonl", "\udcff.jsonl", "./ "])
def test_a_name_of_a_file_leaves_a_message_one_line(name: str, capsys: Captured) -> None:
    assert "no such file" in refused(["watch", f"./{name}"], capsys)


@pytest.mark.parametrize(
    "words, redirected, code",
    [
        ("help record", ">&-", ExitCode.OK),
        ("watch :REFUSING/", ">&- 2>&-", ExitCode.NO_CONNECTION),
        ("watch :REFUSING/", "2>/dev/full", ExitCode.NO_CONNECTION),
    ],
)
def test_a_standard_stream_that_takes_nothing_changes_no_exit_code(
    words: str, redirected: str, code: ExitCode, refusing_port: int
) -> None:
    words = words.replace("REFUSING", str(refusing_port))
    result = run(["bash", "-c", f'"$@" {redirected}', "bash", *CHUNKWIRE, *words.split()])
    assert (result.returncode, result.stdout, result.stderr) == (code, b"", b"")


def test_a_reader_of_messages_that_leaves_changes_no_exit_code_and_loses_no_output(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe")
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [*CHUNKWIRE, "watch", str(tmp_path / "cut")], stdout=subprocess.PIPE, stderr=writer, timeout=PATIENCE
    )
    os.close(writer)
    assert (result.returncode, b"hello" in result.stdout) == (ExitCode.CUT, True)


@pytest.mark.parametrize(
    "words, is_read", [("watch -", True), ("-q watch - --raw", True), ("diff - watch", False), ("watch a", False)]
)
def test_standard_input_is_read_early_only_for_the_verb_that_takes_it(words: str, is_read: bool) -> None:
    """Fails where octets are taken from a verb that reads standard input itself."""
    assert start.watches_stdin(words.split()) is is_read


def test_the_messages_of_watch_are_coloured_on_the_terminal_that_shows_them_alone(tmp_path: Path) -> None:
    """Fails where they are coloured as standard output is, and leave escape sequences in a file."""
    file = save_capture(tmp_path, "a", b"1\r\na\r\n0\r\n\r\n")
    outer, inner = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    words = [*CHUNKWIRE, "watch", file]
    done = subprocess.run(words, stdout=inner, stderr=subprocess.PIPE, env=environment, timeout=PATIENCE, check=True)
    assert b"\x1b[" in os.read(outer, 4096)
    assert b"* complete: 1 chunk" in done.stderr
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=inner, env=environment, timeout=PATIENCE, check=True)
    os.close(inner)
    assert b"\x1b[" not in done.stdout
    assert b"\x1b[" in os.read(outer, 4096)
    os.close(outer)
