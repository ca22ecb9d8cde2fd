"""Flags that the environment sets, and empty values."""

import argparse
import importlib
from types import ModuleType

import pytest

from chunkwire.cli import ask, check_client, diff, lesson, probe, puzzle, serve, watch
from chunkwire.cli.flags import MANY_MEANINGS
from chunkwire.cli.main import VERBS, main, verb_parser
from tests.cli.test_main import Captured, refused


def seen_by(verb: ModuleType, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> argparse.Namespace:
    """Return the options that a verb is run with."""
    given: list[argparse.Namespace] = []

    def run(options: argparse.Namespace) -> int:
        given.append(options)
        return 0

    monkeypatch.setattr(verb, "run", run, raising=False)  # that of a longer verb is in another module
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


def test_a_flag_that_takes_other_values_in_another_verb_has_no_variable_for_all_verbs() -> None:
    kinds: dict[str, set[object]] = {}
    for verb in VERBS:
        module = importlib.import_module(f"chunkwire.cli.{verb}")
        names = [f"{verb} {subverb}" for subverb in getattr(module, "SUBVERBS", ())] or [verb]
        for name in names:
            found = importlib.import_module(f"chunkwire.cli.{name.replace(' ', '_')}")
            for action in verb_parser(name, found)._actions:
                kind = (type(action), action.nargs, action.type, tuple(action.choices or ()), action.metavar)
                for option in action.option_strings:
                    kinds.setdefault(option, set()).add(kind)
    assert {option[2:] for option, found in kinds.items() if len(found) > 1} == MANY_MEANINGS


def test_such_a_flag_is_set_by_the_variable_of_a_verb(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Fails where CHUNKWIRE_JSON=1 is a switch to `watch`, and to `check` a file that is called 1."""
    monkeypatch.setenv("CHUNKWIRE_JSON", "1")
    assert "CHUNKWIRE_JSON: --json differs from verb to verb: expected CHUNKWIRE_WATCH_JSON" in refused(
        ["watch", ":1"], capsys
    )
    assert "expected CHUNKWIRE_CHECK_JSON" in refused(["check", "client"], capsys)
    monkeypatch.setenv("CHUNKWIRE_WATCH_JSON", "1")
    monkeypatch.setenv("CHUNKWIRE_CHECK_JSON", "a.json")
    assert seen_by(watch, monkeypatch, ["watch", ":1"]).json is True
    assert seen_by(check_client, monkeypatch, ["check", "client"]).json == "a.json"
    monkeypatch.setenv("CHUNKWIRE_CHECK_CLIENT_JSON", "b.json")
    assert seen_by(check_client, monkeypatch, ["check", "client"]).json == "b.json"


@pytest.mark.parametrize("words", [["lesson", "1"], ["watch", ":1"]])
def test_a_flag_that_means_a_recording_or_a_hand_in_is_set_for_one_verb(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("CHUNKWIRE_SAVE", "a")
    assert f"--save differs from verb to verb: expected CHUNKWIRE_{words[0].upper()}_SAVE" in refused(words, capsys)


def test_members_of_the_command_line_are_told_from_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWIRE_GAPS", "5ms")
    assert seen_by(diff, monkeypatch, ["diff", "a", "b", "-v"]).given == {"a", "b", "verbose"}
    assert "gaps" in seen_by(diff, monkeypatch, ["diff", "a", "b", "--gaps=5ms"]).given


def test_a_lesson_on_the_command_line_stands_above_a_task_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWIRE_HANDOUT", "a.html")
    monkeypatch.setattr("chunkwire.cli.lesson_run.teach", lambda _: 0)
    assert main(["lesson", "1"]) == 0


def test_an_address_to_connect_to_stands_above_one_to_listen_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert "expected HOST:PORT to connect to, or -l ADDR to listen on, got neither" in refused(["talk"], capsys)
    monkeypatch.setenv("CHUNKWIRE_LISTEN", "127.0.0.1:2")
    monkeypatch.setattr("chunkwire.cli.stopping.run_until_stopped", lambda _: 0)
    assert main(["talk", ":1"]) == 0
    assert "got both" in refused(["talk", ":1", "-l", ":2"], capsys)


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
        (probe, "CHUNKWIRE_PROBE_AS", "node,curl", "agents", ["node", "curl"]),
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
