"""Bad input: one clear line that names the culprit, and the right exit code."""

import pytest

from tests.peers.command import called
from tests.peers.process import listening_socket


@pytest.mark.parametrize(
    "words,culprit,code",
    [
        (["wach"], "wach", 2),
        (["watch", "--jsn", ":1/"], "--jsn", 2),
        (["watch"], "URL", 2),
        (["watch", "http://"], "http://", 2),
        (["watch", "gopher://127.0.0.1/"], "gopher", 2),
        (["watch", "http://127.0.0.1:99999/"], "99999", 2),
        (["watch", "no-such-file.jsonl"], "no-such-file.jsonl", 2),
        (["diff", "/bin/ls", "/bin/ls"], "octets that are no text", 2),
        (["probe", "/bin/ls"], "expected a capture, records (JSON Lines) or a curl --trace", 2),
        (["probe", ":1/probe", "--report", "no-such/page.html"], "no-such", 2),
        (["serve", "-l", "nonsense:port"], "nonsense:port", 2),
        (["serve", "-l", "127.0.0.1:70000"], "70000", 2),
        (["forward", "ftp://127.0.0.1"], "ftp", 2),
        (["forward"], "UPSTREAM", 2),
        (["watch", "http://127.0.0.1:1/"], "127.0.0.1:1 refused the connection", 7),
        (["watch", "http://no-such-host.invalid/"], "no-such-host.invalid", 7),
        (["serve", "-l", "192.0.2.1:80"], "192.0.2.1:80", 71),
        (["serve", "-l", "nowhere.invalid:1"], "cannot listen on nowhere.invalid:1", 71),
        (["serve", "--max-chunks", "x"], "--max-chunks", 2),
        (["serve", "--max-duration", "soon"], "--max-duration", 2),
        (["serve", "--save", "/nowhere/at/all"], "/nowhere/at/all", 2),
        (["serve", "--colour"], "unknown flag --colour", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_gets_one_line_and_its_code(words: list[str], culprit: str, code: int) -> None:
    result = called(*words)
    assert result.returncode == code, result
    assert result.stdout == b""
    (line,) = result.stderr.decode().splitlines()
    assert culprit in line
    assert len(line) < 160


@pytest.mark.parametrize("words", [["serve"], ["forward", "http://127.0.0.1:9"]], ids=["serve", "forward"])
def test_a_port_in_use_is_named_with_exit_71(words: list[str]) -> None:
    with listening_socket() as taken:
        port = taken.getsockname()[1]
        result = called(*words, "-l", f"127.0.0.1:{port}")
    assert result.returncode == 71
    (line,) = result.stderr.decode().splitlines()
    assert f"127.0.0.1:{port}" in line
