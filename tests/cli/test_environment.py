"""Flags that the environment sets, and empty values."""

import argparse
from types import ModuleType

import pytest

from chunkwire.cli import ask, diff, lesson, probe, puzzle, serve, watch
from chunkwire.cli.main import main
from tests.cli.test_main import Captured, refused


def seen_by(verb: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> argparse.Namespace:
    """Return the options that a verb is run with."""
    given: list[argparse.Namespace] = []

    def run(options: argparse.Namespace) -> int:
        given.append(options)
        return 0

    monkeypatch.setattr(verb, "run", run)
    assert main(words) == 0
    return given[0]


@pytest.mark.parametrize("name", ["CHUNKWIRE_GAPS", "CHUNKWIRE_DIFF_GAPS"])
def test_the_environment_stands_below_the_flags(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "5ms")
    assert seen_by(diff, monkeypatch, ["diff", "a", "b"]).gaps == 0.005
    assert seen_by(diff, monkeypatch, ["diff", "a", "b", "--gaps", "1s"]).gaps == 1.0


def test_the_environment_of_the_verb_stands_above_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWIRE_GAPS", "5ms")
    monkeypatch.setenv("CHUNKWIRE_DIFF_GAPS", "7ms")
    assert seen_by(diff, monkeypatch, ["diff", "a", "b"]).gaps == 0.007


def test_the_environment_sets_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWIRE_QUIET", "yes")
    monkeypatch.setenv("CHUNKWIRE_VERBOSE", "2")
    options = seen_by(diff, monkeypatch, ["diff", "a", "b"])
    assert (options.quiet, options.verbose) == (True, 2)


@pytest.mark.parametrize("value, passes", [("1", False), ("0", True)])
def test_the_environment_sets_a_switch_that_turns_something_off(
    value: str, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNKWIRE_NO_REASONING", value)
    assert seen_by(ask, monkeypatch, ["ask", "a=openai:http://127.0.0.1:1#m"]).passes_reasoning is passes


def test_a_flag_that_is_repeatable_adds_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWIRE_HEADER", "A: b")
    monkeypatch.setenv("CHUNKWIRE_VERBOSE", "1")
    options = seen_by(watch, monkeypatch, ["watch", ":1", "-H", "C: d", "-v"])
    assert (options.header, options.verbose) == (["A: b", "C: d"], 2)


def test_a_flag_without_help_has_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWIRE_WORKER", "3")
    assert seen_by(serve, monkeypatch, ["serve"]).worker is None


@pytest.mark.parametrize(
    "verb, name, value, member, wanted",
    [
        (puzzle, "CHUNKWIRE_ANSWER", "3 slice=4", "answer", ["3", "slice=4"]),
        (lesson, "CHUNKWIRE_LESSON_CHECK", "a.jsonl 'b c.jsonl'", "check", ["a.jsonl", "b c.jsonl"]),
        (probe, "CHUNKWIRE_AS", "node,curl", "agents", ["node", "curl"]),
        (watch, "CHUNKWIRE_HEADER", "A: b c", "header", ["A: b c"]),
    ],
)
def test_the_environment_sets_a_flag_to_what_the_command_line_would(
    verb: ModuleType, name: str, value: str, member: str, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    words = {"watch": [":1"], "probe": [":1"]}.get(verb.__name__.rpartition(".")[2], [])
    assert getattr(seen_by(verb, monkeypatch, [verb.__name__.rpartition(".")[2], *words]), member) == wanted


@pytest.mark.parametrize(
    "words",
    [["serve", "--cert", ""], ["serve", "--cert="], ["check", "server", ":1", "--only", ""], ["serve", "--exec="]],
)
def test_a_flag_without_its_value_is_refused_where_a_text_may_be_empty(words: list[str], capsys: Captured) -> None:
    assert f"{words[-1].removesuffix('=') or words[-2]}: expected a value, got ''" in refused(words, capsys)


def test_a_text_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen_by(watch, monkeypatch, ["watch", ":1", "-d", ""]).data == ""


@pytest.mark.parametrize(
    "verb, name, value",
    [
        ("diff", "CHUNKWIRE_GAPS", "soon"),
        ("diff", "CHUNKWIRE_QUIET", "perhaps"),
        ("ask", "CHUNKWIRE_NO_REASONING", "2"),
        ("forward", "CHUNKWIRE_ON_CLIENT_FIN", "kept"),
        ("diff", "CHUNKWIRE_VERBOSE", "²"),
        ("diff", "CHUNKWIRE_VERBOSE", "-1"),
    ],
)
def test_a_wrong_environment_names_the_variable(
    verb: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv(name, value)
    line = refused([verb, "a", "b"], capsys)
    assert name in line
    assert value in line
