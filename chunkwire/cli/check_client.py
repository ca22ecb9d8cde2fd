"""`chunkwire check client -- CMD {url}`: which broken responses a client accepts as whole."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from chunkwire.cli import check
from chunkwire.cli.terminal import say
from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import expected_one_of

if TYPE_CHECKING:
    from chunkwire.tools.check.client.rows import ClientCase

SUMMARY = "a command, run once for each scenario: which broken responses does it accept as whole?"
EPILOG = f"""\
The command must exit with 0 after a legal response, and with another code after a broken one. If it prints the content
  of a legal response, it must print all of it. It is first run on a plain response, which it must accept. A command
  that does not end within --patience is killed with its process group, and its row is undecided (open).
{check.EXIT_CODES}

examples:
  chunkwire check client -- curl -sSN {{url}}
      exit code and output of a command that prints the content
  chunkwire check client -- 'node get.js > /dev/null'
      one word with blanks is a line for the shell; {{url}} is in CHUNKWIRE_URL too
  chunkwire check client --as openai -- python ask.py
      the stream of a provider; the SDK's base URL is CHUNKWIRE_URL
  chunkwire check client --only cut,9112/7.1 -v -- wget -qO- {{url}}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command and the flags."""
    parser.usage = "chunkwire check client [FLAGS] -- CMD [ARGUMENTS]"
    setattr(parser, "unknown_hint", "; put -- in front of the command")  # noqa: B010  a member of cli.parser.Parser
    parser.add_argument("command", nargs="*", metavar="CMD", help="after --: a program and its arguments")
    add = parser.add_argument_group("client").add_argument
    printed = (
        "what it prints: the content, the text in its events, or nothing to judge (default: auto, the first of these "
        "that a plain response shows)"
    )
    add("--stdout", choices=("auto", "content", "text", "ignore"), default="auto", help=printed)
    form = "the content: sse, or a provider's stream, such as openai, anthropic, gemini (default: sse)"
    add("--as", dest="form", default="sse", metavar="FORM", help=form)
    check.add_rows(parser, jobs=2, patience="10s", patience_is="how long one run may take")


def run(options: argparse.Namespace) -> int:
    """Judge the rows and print them."""
    from chunkwire.cli import check_run
    from chunkwire.tools.check.client.command import lacks_url
    from chunkwire.tools.check.client.rows import FORMS, client_cases

    if options.form not in FORMS:
        raise LocalError(f"--as: {expected_one_of(FORMS, options.form)}")
    missing = ""
    if not options.command:
        missing = "expected a command after --, such as: chunkwire check client -- curl -sSN {url}"
    elif lacks_url(options.command):
        missing = f"expected {{url}} among the arguments, such as: {shlex.join(options.command)} {{url}}"
    return check_run.run(options, client_cases(options.form), judge, missing=missing)


async def judge(options: argparse.Namespace, cases: Sequence[ClientCase]) -> int:
    """Run the command on a plain response, then once for each row."""
    from chunkwire.cli import check_run
    from chunkwire.tools.check.client.command import run_command
    from chunkwire.tools.check.client.judging import (
        PLAIN_SCENARIO,
        CheckedClient,
        OutputForm,
        detect_output_form,
        playing,
    )
    from chunkwire.tools.check.client.rows import client_cases

    plain = next(case for case in client_cases(options.form) if case.scenario.name == PLAIN_SCENARIO)
    form = None if options.stdout == "auto" else OutputForm(options.stdout)
    async with playing((plain, *cases)) as origin:
        run = partial(run_command, options.command, patience=options.patience)
        found = await detect_output_form(run, origin, plain, form)
        if form is None and found is OutputForm.IGNORED and not options.quiet:
            say("what it prints is neither the content nor the text in its events, so its exit code alone is judged")
        client = CheckedClient(run, origin, found)
        return await check_run.run_rows("client", shlex.join(options.command), cases, client.judge, options)
