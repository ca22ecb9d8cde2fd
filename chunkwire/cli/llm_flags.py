"""The flags of the origin's mock of language models; a request's `x-chunkwire-…` fields set the same for itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from chunkwire.cli import flags

if TYPE_CHECKING:
    from chunkwire.origin.mock.settings import MockSettings, WordSource

T = TypeVar("T")

_DESCRIPTION = """\
How the mocks answer. A request sets the same for itself by its fields: x-chunkwire-ttft: 1s, and likewise -itl,
  -jitter, -seed, -answer, -text, -tokens, -framing, -keep-alive, -fault, -error, -retry-after, -reasoning, -refusal,
  and -quirk: a stream as some provider really sends it."""


def add_llm_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how the mock answers; what is more than a duration is read by `mock_settings`."""
    group = parser.add_argument_group("language models", _DESCRIPTION)
    for name, default, what in (
        ("time-to-first-token", "200ms", "from the question to the first token"),
        ("inter-token-latency", "20ms", "from one token to the next"),
        ("llm-keep-alive", "0", "a keep-alive after so long a silence; 0 sends none"),
    ):
        group.add_argument(
            f"--{name}",
            type=flags.duration,
            default=flags.duration(default),
            metavar="TIME",
            help=f"{what} (default: {default})",
        )
    for name, metavar, what in (
        ("llm-jitter", "SHARE", "draw each of these waits from 1-SHARE to 1+SHARE times itself (default: 0)"),
        ("llm-seed", "N", "the same answers, ids and waits every time"),
        ("llm-answer", "HOW", "echo the prompt (default), lorem, or @FILE"),
        ("llm-tokens", "N", "answer with so many tokens"),
        ("llm-framing", "HOW", "event (one a frame, default), join=N, split=N or split=random"),
        ("llm-fault", "NAME[=N]", "a fault of /fault, after N events: cut=5, early-end=5, no-terminator"),
        ("llm-error", "WHAT[@N]", "fail: 429, overloaded; with @N in mid-stream, after N tokens"),
        ("llm-retry-after", "TIME", "what a failing response asks to wait (default: nothing)"),
        ("llm-reasoning", "TEXT", "think this before each answer"),
        ("llm-refusal", "TEXT", "decline with this text"),
        ("llm-quirk", "NAME", "send a quirk in place of each answer, such as error-beside-choices"),
        ("llm-failures", "SHARE", "let a share of the requests fail, each in some other way (default: 0)"),
    ):
        group.add_argument(f"--{name}", metavar=metavar, help=what)
    group.add_argument("--llm-key", action="append", default=[], metavar="KEY", help="accept this key (repeatable)")
    group.add_argument("--llm-model", action="append", default=[], metavar="NAME", help="have this model (repeatable)")


def mock_settings(options: argparse.Namespace) -> MockSettings:
    """Return what the flags of `add_llm_arguments` say.

    Raises:
        LocalError: a value that cannot be understood, by the name of its flag.
    """
    from chunkwire.origin.mock import settings as mock
    from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockSettings, WordSource

    def read(name: str, parse: Callable[[str], T], default: T) -> T:
        text = getattr(options, name)
        return default if text is None else _parsed(f"--{name.replace('_', '-')}", text, parse)

    source, text = read("llm_answer", _source, (WordSource.ECHO, ""))
    return MockSettings(
        time_to_first_token=options.time_to_first_token,
        inter_token_latency=options.inter_token_latency,
        jitter=read("llm_jitter", mock.parse_fraction, 0.0),
        seed=read("llm_seed", mock.parse_number, None),
        source=source,
        text=text,
        tokens=read("llm_tokens", mock.parse_tokens, None),
        framing=read("llm_framing", mock.parse_framing, DEFAULT_MOCK.framing),
        keep_alive=options.llm_keep_alive,
        fault=read("llm_fault", mock.parse_fault, None),
        failure=read("llm_error", mock.parse_failure, None),
        retry_after=read("llm_retry_after", mock.parse_wait, None),
        reasoning=read("llm_reasoning", str, ""),
        refusal=read("llm_refusal", str, ""),
        quirk=read("llm_quirk", mock.parse_quirk, ""),
        failures=read("llm_failures", mock.parse_fraction, 0.0),
        keys=frozenset(options.llm_key),
        models=frozenset(options.llm_model),
    )


def _source(value: str) -> tuple[WordSource, str]:
    from chunkwire.origin.mock.settings import WordSource, parse_source

    if not value.startswith("@"):
        return parse_source(value), ""
    try:
        return WordSource.TEXT, Path(value[1:]).read_text("utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {value[1:]!r}: {error.strerror}") from error


def _parsed(flag: str, text: str, parse: Callable[[str], T]) -> T:
    from chunkwire.wire.errors import LocalError

    try:
        return parse(text)
    except ValueError as error:
        raise LocalError(f"{flag}: {error}") from error
