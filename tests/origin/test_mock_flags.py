"""The mock's flags of `chunkwire serve`: what they say, and what is refused by its name."""

import argparse
from pathlib import Path

import pytest

from chunkwire.cli.serve import add_llm_arguments, mock_settings
from chunkwire.llm.answer import ErrorKind
from chunkwire.origin.mock.settings import DEFAULT_MOCK, EventFraming, Layout, MockFault, MockSettings, WordSource
from chunkwire.wire.errors import LocalError


def settings(*words: str) -> MockSettings:
    parser = argparse.ArgumentParser()
    add_llm_arguments(parser)
    return mock_settings(parser.parse_args(words))


def test_without_flags_the_defaults_hold() -> None:
    assert settings() == DEFAULT_MOCK


def test_every_flag_sets_its_setting() -> None:
    given = settings(
        *["--time-to-first-token", "1s", "--inter-token-latency", "5ms", "--llm-keep-alive", "2s"],
        *["--llm-jitter", "0.5", "--llm-seed", "3", "--llm-answer", "lorem", "--llm-tokens", "4"],
        *["--llm-framing", "join=2", "--llm-fault", "cut=5", "--llm-failures", "0.1", "--llm-retry-after", "2s"],
        *["--llm-key", "a", "--llm-key", "b", "--llm-model", "m"],
    )
    assert given == MockSettings(
        time_to_first_token=1.0,
        inter_token_latency=0.005,
        keep_alive=2.0,
        jitter=0.5,
        seed=3,
        source=WordSource.LOREM,
        tokens=4,
        framing=EventFraming(Layout.JOIN, 2),
        fault=MockFault("cut", 5),
        failures=0.1,
        retry_after=2.0,
        keys=frozenset({"a", "b"}),
        models=frozenset({"m"}),
    )


def test_an_error_can_be_ordered() -> None:
    failure = settings("--llm-error", "rate-limit@2").failure
    assert failure is not None
    assert (failure.error.kind, failure.after) == (ErrorKind.RATE_LIMIT, 2)


def test_an_answer_can_be_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    path.write_text("Grüße", "utf-8")
    given = settings("--llm-answer", f"@{path}")
    assert (given.source, given.text) == (WordSource.TEXT, "Grüße")


@pytest.mark.parametrize(
    "flag, value, message",
    [
        ("--llm-jitter", "2", "expected a number from 0 to 1, got '2'"),
        ("--llm-seed", "x", "expected a whole number"),
        ("--llm-answer", "poem", "expected echo or lorem"),
        ("--llm-answer", "@/no/such/file", "cannot read '/no/such/file'"),
        ("--llm-tokens", "-1", "expected a whole number"),
        ("--llm-framing", "all", "expected event, join=N"),
        ("--llm-fault", "boom", "no scenario 'boom'; there are "),
        ("--llm-quirk", "no-dnoe", r"no quirk 'no-dnoe'; did you mean no-done\?"),
        ("--llm-error", "overlaoded", r"expected a status .*; did you mean overloaded\?"),
        ("--llm-error", "boom", "expected a status"),
        ("--llm-failures", "many", "expected a number from 0 to 1"),
    ],
)
def test_a_value_that_cannot_be_understood_is_refused_by_its_flag(flag: str, value: str, message: str) -> None:
    with pytest.raises(LocalError, match=f"^{flag}: {message}"):
        settings(f"{flag}={value}")
