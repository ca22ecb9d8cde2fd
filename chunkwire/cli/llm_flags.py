"""The flags of the origin's mock of language models; a request's `x-chunkwire-…` fields set the same for itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.wire.errors import LocalError, reason_of

if TYPE_CHECKING:
    from chunkwire.origin.mock.settings import MockSettings

_DESCRIPTION = """\
How the mocks answer. A request sets the same for itself by its fields: x-chunkwire-ttft: 1s, and likewise -itl,
  -jitter, -seed, -answer, -text, -tokens, -framing, -keep-alive, -fault, -error, -retry-after, -reasoning, -refusal,
  and -quirk: a stream as some provider really sends it."""


def add_llm_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the mock; `mock_settings` parses all values but those of `flags.add_each`."""
    group = parser.add_argument_group("language models", _DESCRIPTION)
    flags.add_each(
        group,
        ("time-to-first-token", flags.duration, "200ms", "from the question to the first token"),
        ("inter-token-latency", flags.duration, "20ms", "from one token to the next"),
        ("llm-keep-alive", flags.duration, "0", "after this time without an octet send a keep-alive; 0: none"),
    )
    for name, metavar, what in (
        ("llm-jitter", "SHARE", "multiply each of these waits by a random number from 1-SHARE to 1+SHARE (default: 0)"),
        ("llm-seed", "N", "the same answers, ids and waits every time"),
        ("llm-answer", "HOW", "echo the prompt (default), lorem, or @FILE"),
        ("llm-tokens", "N", "answer with N tokens"),
        ("llm-framing", "HOW", "event (one per frame, default), join=N, split=N or split=random"),
        ("llm-fault", "NAME[=N]", "a fault of /fault, after N events: cut=5, early-end=5, no-terminator"),
        ("llm-error", "WHAT[@N]", "fail: 429, overloaded; with @N in mid-stream, after N tokens"),
        ("llm-retry-after", "TIME", "what a failing response asks to wait (default: nothing)"),
        ("llm-reasoning", "TEXT", "think this before each answer"),
        ("llm-refusal", "TEXT", "decline with this text"),
        ("llm-quirk", "NAME", "send a quirk in place of each answer, such as error-beside-choices"),
        ("llm-failures", "SHARE", "fail a share of the requests, each in a different way (default: 0)"),
    ):
        group.add_argument(f"--{name}", metavar=metavar, help=what)
    group.add_argument("--llm-key", action="append", default=[], metavar="KEY", help="accept this key (repeatable)")
    group.add_argument("--llm-model", action="append", default=[], metavar="NAME", help="offer this model (repeatable)")


def mock_settings(options: argparse.Namespace) -> MockSettings:
    """Return the settings that the flags of `add_llm_arguments` give.

    Raises:
        LocalError: a wrong value, or a file that cannot be read; the message begins with the flag.
    """
    from chunkwire.origin.mock.settings import FIELDS, MockSettings, WordSource, parse_fraction

    changes: dict[str, object] = {}
    for name, (attribute, parse) in {**FIELDS, "failures": ("failures", parse_fraction)}.items():
        text = getattr(options, f"llm_{name.replace('-', '_')}", None)
        if not isinstance(text, str):
            continue  # not given, or parsed already
        try:
            if name == "answer" and text.startswith("@"):
                with open(text[1:], encoding="utf-8") as file:
                    changes |= {"source": WordSource.TEXT, "text": file.read()}
            else:
                changes[attribute] = parse(text)
        except UnicodeDecodeError as error:
            raise LocalError(f"--llm-{name}: expected UTF-8 in {text[1:]!r}, got other octets") from error
        except ValueError as error:
            raise LocalError(f"--llm-{name}: {error}") from error
        except OSError as error:
            raise LocalError(f"--llm-{name}: cannot read {text[1:]!r}: {reason_of(error)}") from error
    return MockSettings(
        time_to_first_token=options.time_to_first_token,
        inter_token_latency=options.inter_token_latency,
        keep_alive=options.llm_keep_alive,
        keys=frozenset(options.llm_key),
        models=frozenset(options.llm_model),
        **changes,  # type: ignore[arg-type]
    )
