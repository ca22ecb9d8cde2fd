"""Verbs, flags, help and the environment; and what becomes of errors."""

import argparse
import errno
import sys
from collections.abc import Callable

import pytest
import trio

from chunkwire.cli import bench, diff, flags
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import VERBS, main
from chunkwire.cli.parser import paragraphs
from chunkwire.cli.terminal import shortened
from tests.cli.examples import modules
from tests.cli.test_terminal import terminal
from tests.peers.process import listening_socket

Captured = pytest.CaptureFixture[str]


def refused(words: list[str], capsys: Captured) -> str:
    """Return the one line that a wrong command line gets."""
    assert main(words) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("chunkwire: ")
    return line


def test_help_lists_every_verb_that_is_there(capsys: Captured) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {verb}" in text for verb in VERBS)
    assert "exit codes:" in text.split("examples:")[0]


@pytest.mark.parametrize("verb", [verb for verb, _ in modules()])
def test_every_verb_has_help_with_examples(verb: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*verb.split(), "-h"]) == 0
    text = capsys.readouterr().out
    assert f"chunkwire {verb}" in text
    assert text.rpartition("examples:\n")[2].startswith("  ")  # they come last, and a test runs them
    assert "exit codes" not in text.partition("examples:\n")[2]
    assert "--quiet" in text
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_the_command_alone_prints_its_help(capsys: Captured) -> None:
    assert main([]) == 0
    assert "chunkwire VERB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, culprit, suggestion",
    [
        (["wach"], "'wach'", "watch"),
        (["xyzzy"], "'xyzzy'", ""),
        (["gateway", ":1/"], "'gateway'", "forward"),
        (["version"], "'version'", "--version"),
        (["bensh"], "'bensh'", "bench"),
        (["ebnch"], "'ebnch'", "bench"),
        (["vatch"], "'vatch'", "watch"),
        (["Watch"], "'Watch'", "watch"),
        (["--"], "expected a verb", ""),
        (["-m", "5", "watch", ":1/"], "expected the verb first: watch before -m", ""),
        (["talk", "--"], "got neither", ""),
        (["watch", ":1/", "--aw"], "--aw", ""),
        (["watch", ":1/", "--asve", "x"], "--asve", "--save"),
        (["bench", ":1/", "--max"], "--max", "--max-time"),
        (["bench", ":1/", "--insec"], "--insec", "--insecure"),
        (["bench", ":1/", "--baselin"], "--baselin", "--baseline"),
        (["help", "bariers"], "'bariers'", "barrier"),
        (["help", "gateway"], "'gateway'", "forward"),
        (["completion", "bsh"], "SHELL: expected one of bash, zsh, tcsh, got 'bsh'", "bash"),
        (["completion", "fish"], "SHELL: expected one of bash, zsh, tcsh, got 'fish'  (see", ""),
        (["bench", ":1/", "--format", "jsn"], "--format: expected go, got 'jsn'  (see", ""),
        (["bench", "mrege", "a.json"], "expected a URL, or merge FILE…, got 'mrege'", "merge"),
        (["help", "prboe"], "'prboe'", "probe"),
        (["help", "watch", "nothing"], "got 'watch nothing'", ""),
        (["help", ""], "got ''", ""),
        (["probe", "-"], "-: no such file or directory", ""),
        (["watch", ":1/", "--save", "--raw"], "--save: expected a value  (see", ""),
        (["puzzle", "1", "--answer", "x"], "--answer: expected 2 values  (see", ""),
        (["lesson", "--check"], "--check: expected a value  (see", ""),
        (["demo", "-n", "9" * 19], "expected a whole number of at most 18 digits, got '999", ""),
        (["check", "clinet"], "'clinet'", "client"),
        (["serve", "--tls", "selv"], "--tls: expected self, got 'selv'", "self"),
        (["serve", "--stamps", "3"], "--stamps: expected one of 1, 2, got '3'  (see", ""),
        (["serve", "-p", "80"], "unknown flag -p; did you mean -l HOST:PORT?", ""),
        (["forward", ":1/", "--port=80"], "unknown flag --port; did you mean -l HOST:PORT?", ""),
        (["serve", ":8081"], "unexpected argument ':8081'; did you mean -l :8081?", ""),
        (["serve", "localhost:80"], "unexpected argument 'localhost:80'; did you mean -l localhost:80?", ""),
        (["serve", "--exec", "npm", "test"], "unexpected argument 'test'; put the command of --exec in quotes", ""),
        (["serve", "--exec=npm", "test"], "unexpected argument 'test'; put the command of --exec in quotes", ""),
        (["serve", "a.jsonl"], "unexpected argument 'a.jsonl'  (see", ""),
        (["serve", "a.jsonl", "--exec", "npm test"], "unexpected argument 'a.jsonl'  (see", ""),
        (["bench"], "chunkwire: expected URL  (see chunkwire bench --help)", ""),
        (["watch", "--jsn"], "--jsn", "--json"),
        (["--versio"], "--versio", "--version"),
        (["-q"], "expected a verb", ""),
        (["watch"], "URL|FILE|-", ""),
        (["watch", ":1/", "extra"], "'extra'", ""),
        (["watch", ":1/", "-m", "soon"], "'soon'", ""),
        (["watch", ":1/", "--json", "--raw"], "--raw", ""),
        (["watch", ":1/", "--json=1"], "--json: expected no value, got '1'", ""),
        (["watch", ":1/", "-H", "no colon"], "'no colon'", ""),
        (["watch", ":1/", "-H", "Bad Name: x"], "Bad Name", ""),
        (["watch", ":1/", "-H", "Content-Length: 3"], "Content-Length", ""),
        (["watch", ":1/", "-d", "@no-such-file"], "no-such-file", ""),
        (["watch", ":1/", "--cafile", "no-such-file"], "no-such-file", ""),
        (["watch", ":1/", "-X", "GET /"], "GET /", ""),
        (["probe", ":1/", "-X", "GET /"], "GET /", ""),
        (["bench", ":1/", "-X", "GET /"], "GET /", ""),
        (["bench", ":1/", "-H", "Content-Length: 3"], "Content-Length", ""),
        (["watch", "gopher://x/"], "gopher", ""),
        (["watch", "http://x:99999/"], "99999", ""),
        (["watch", "http://"], "http://", ""),
        (["watch", "nothing.jsonl"], "nothing.jsonl", ""),
        (["watch", ":1/", "--save", "no/such/folder/x"], "no/such/folder/x", ""),
        (["diff", "a.jsonl"], "B.jsonl", ""),
        (["diff", "nothing.jsonl", "-"], "nothing.jsonl", ""),
        (["diff", "/bin/ls", "/bin/ls"], "octets that are no text", ""),
        (["probe", "/bin/ls"], "expected a capture, records (JSON Lines) or a curl --trace", ""),
        (["probe", ":1/probe", "--report", "no-such/page.html"], "no-such", ""),
        (["forward"], "UPSTREAM", ""),
        (["forward", "ftp://127.0.0.1"], "ftp", ""),
        (["serve", "-l", "nonsense:port"], "-l: expected HOST:PORT", ""),
        (["serve", "-l", ":0", "--admin", "nonsense:port"], "--admin: expected HOST:PORT", ""),
        (["serve", "-l", ":0", "--control", "nonsense:port"], "--control: expected HOST:PORT", ""),
        (["lab", "-l", "nonsense:port"], "-l: expected HOST:PORT", ""),
        (["check", "proxy", ":1", "--upstream", "nonsense:port"], "--upstream: expected HOST:PORT", ""),
        (["serve", "-l", "127.0.0.1:70000"], "70000", ""),
        (["serve", "--max-chunks", "x"], "--max-chunks", ""),
        (["serve", "--max-duration", "soon"], "--max-duration", ""),
        (["serve", "--save", "/nowhere/at/all"], "/nowhere/at/all", ""),
        (["serve", "--colour"], "unknown flag --colour", ""),
        (["demo", "-n", "0"], "'0'", ""),
        (["demo", "--admin", "unix:/x"], "unix:/x", ""),
        (["demo", "--admin", ":0"], "--admin without --keep", ""),
        (["lab", "-l", "unix:/x"], "unix:/x", ""),
        (["lesson", "1", "-l", "unix:/x"], "unix:/x", ""),
        (["talk", "unix:/x"], "unix:/x", ""),
        (["talk", ""], "HOST:PORT", ""),
        (["talk", "-l", "unix:/x"], "unix:/x", ""),
        (["demo", "--interval", "-1"], "--interval", ""),
        (["forward", "http://127.0.0.1:1/a?b", "-l", ":0"], "expected no query in UPSTREAM", ""),
        (["forward", ":1/", "-l", ":0", "--save", "x", "--workers", "2"], "--save goes with one process", ""),
        (["forward", ":1/", "--max-connections", "0"], "--max-connections: expected 1 or more", ""),
        (["forward", ":1/", "--barrier", "--mode", "buffer"], "--barrier goes with --mode exact, reframe or slice", ""),
        (["forward", ":1/", "--mode", "bufer"], "--mode: expected exact, reframe, ", "buffer"),
        (["forward", ":1/", "--fault", "cutt"], "--fault: no scenario 'cutt'", "cut"),
        (["serve", "--llm-answer", f"@{sys.executable}"], "--llm-answer: expected UTF-8 in", ""),
        (["serve", "--llm-answer", "@"], "--llm-answer: cannot read '': no such file or directory", ""),
        (["serve", "--max-connections", "0"], "--max-connections: expected 1 or more", ""),
        (["serve", "--speed", "2"], "--speed without --replay", ""),
        (["serve", "--speed", "0"], "--speed: expected a number above 0, got '0'", ""),
    ],
)
def test_a_wrong_command_line_gets_one_line_that_names_the_culprit(
    words: list[str], culprit: str, suggestion: str, capsys: Captured
) -> None:
    line = refused(words, capsys)
    assert culprit in line
    if suggestion:
        assert f"did you mean {suggestion}?" in line


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "-l", "192.0.2.1:80"],
        ["serve", "-l", "nowhere.invalid:1"],
        ["serve", "-l", "127.0.0.1:TAKEN"],
        ["forward", "http://127.0.0.1:9", "-l", "127.0.0.1:TAKEN"],
    ],
)
def test_an_address_that_cannot_be_bound_is_named_with_exit_71(words: list[str], capsys: Captured) -> None:
    with listening_socket() as taken:
        address = words[-1].replace("TAKEN", str(taken.getsockname()[1]))
        assert main([*words[:-1], address]) == ExitCode.CANNOT_BIND
    (line,) = capsys.readouterr().err.splitlines()
    assert f"cannot listen on {address}" in line


@pytest.mark.parametrize(
    "words, flag",
    [
        (["watch", ":1/", "--cert", "x"], "--cert"),
        (["bench", ":1/", "--cert=x"], "--cert"),
        (["probe", ":1/", "--port", "1"], "--port"),
        (["probe", ":1/", "--hex"], "--hex"),
        (["diff", "a", "b", "--mode"], "--mode"),
        (["watch", ":1/", "-z"], "-z"),
    ],
)
def test_a_flag_that_a_verb_does_not_have_suggests_none_that_only_looks_alike(
    words: list[str], flag: str, capsys: Captured
) -> None:
    assert refused(words, capsys) == f"chunkwire: unknown flag {flag}  (see chunkwire {words[0]} --help)"


@pytest.mark.parametrize(
    "line, is_short",
    [
        ("a" * 200, True),
        ("a" * 201, False),
        (f"got '{'a b ' * 50}'", True),
        (f"got '{'a b ' * 50}c'", False),
        (f'got "{"a b " * 50}"', True),
        (f'got "{"a b " * 50}c"', False),
        (f"the hop's {'words ' * 50} are the caller's", True),
    ],
)
def test_only_a_long_argument_is_shortened_in_a_message(line: str, is_short: bool) -> None:
    assert (shortened(line) == line) is is_short
    assert shortened(line)[:100] == line[:100]
    assert shortened(line)[-50:] == line[-50:]


@pytest.mark.parametrize("words", [["{}"], ["diff", "{}", "b"], ["watch", ":1/", "-m", "{}"], ["bench", ":1/", "--{}"]])
def test_an_argument_of_many_characters_does_not_fill_the_terminal(words: list[str], capsys: Captured) -> None:
    line = refused([word.format("x" * 5000) for word in words], capsys)
    assert "xxx…xxx" in line
    assert len(line) < 300


def test_shared_flags_may_stand_before_the_verb(capsys: Captured) -> None:
    assert "did you mean --quiet?" in refused(["--quit", "watch", ":1/"], capsys)
    assert "nothing.jsonl" in refused(["-q", "watch", "nothing.jsonl"], capsys)


def raising(error: BaseException) -> object:
    def run(_: argparse.Namespace) -> int:
        raise error

    return run


def test_a_bug_is_one_line_and_says_how_to_learn_more(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(diff, "run", raising(KeyError("inner")))
    assert main(["diff", "a", "b"]) == ExitCode.BUG
    (line,) = capsys.readouterr().err.splitlines()
    assert "a bug: KeyError: 'inner'" in line
    assert "-v" in line


def test_a_bug_shows_its_traceback_when_asked_to(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(diff, "run", raising(BaseExceptionGroup("group", [KeyError("inner")])))
    assert main(["diff", "a", "b", "-v"]) == ExitCode.BUG
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.splitlines()[-1].startswith("chunkwire: a bug: KeyError")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("group", [KeyboardInterrupt()])])
def test_an_interrupt_exits_130_without_a_message(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(diff, "run", raising(error))
    assert main(["diff", "a", "b"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == ""


def test_an_interrupt_ends_the_line_on_which_the_terminal_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of `diff -`, which waits for standard input outside trio."""
    with terminal() as stream:
        monkeypatch.setattr(diff, "run", raising(KeyboardInterrupt()))
        assert main(["diff", "a", "b"]) == ExitCode.INTERRUPTED
    assert stream.getvalue() == "\n"


def test_an_error_of_the_system_in_a_task_of_trios_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Fails where the line asks to report a bug to trio: a task of the sleeper found no descriptor left."""
    error = trio.TrioInternalError("please file a bug!")
    error.__cause__ = ExceptionGroup("group", [OSError(errno.EMFILE, "Too many open files")])
    monkeypatch.setattr(diff, "run", raising(error))
    assert main(["diff", "a", "b"]) == ExitCode.USAGE
    assert capsys.readouterr().err == "chunkwire: too many open files\n"


def test_a_second_signal_in_a_nursery_is_the_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(diff, "run", raising(BaseExceptionGroup("group", [SystemExit(ExitCode.TERMINATED)])))
    assert main(["diff", "a", "b"]) == ExitCode.TERMINATED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["", "ms", "-1", "1d", "1 s", "inf", "nan", "1e3", "1000000001", "9" * 400, "٣"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a duration"):
        flags.duration(text)


@pytest.mark.parametrize(
    "kind", [flags.count, flags.whole_number, flags.share, flags.factor, flags.duration, bench.rate]
)
@pytest.mark.parametrize("text", ["٣", "1_0", "²", "+1", "1e3", "0x1", "nan", "inf", "-1", "9" * 400])
def test_a_number_has_ascii_digits_and_an_end(kind: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        kind(text)


def test_an_indented_line_of_help_goes_on_with_its_paragraph() -> None:
    assert paragraphs("a: b\n  c\n  d\nexamples:\n  e\n  f\n\ng") == ["a: b c d", "examples:", "  e", "  f", "", "g"]


@pytest.mark.parametrize("text", ["*", "null", "https://app.example", "http://127.0.0.1:8080", "chrome-extension://ab"])
def test_an_origin_is_as_browsers_send_it(text: str) -> None:
    assert flags.page_origin(text) == text


@pytest.mark.parametrize("text", ["", "app.example", "https://app.example/", "https://App.example", "https://", "a, b"])
def test_what_no_browser_sends_as_origin_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"expected \* or an origin"):
        flags.page_origin(text)
