"""Messages and the line of progress, on a terminal and elsewhere."""

import io
import os
import sys
import termios
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chunkwire.cli.terminal import is_coloured, progress, say

COLUMNS = 40
ERASE = "\r\x1b[K"


class TerminalStream(io.StringIO):
    """A stream that goes to a terminal of `COLUMNS`."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd


@contextmanager
def terminal(term: str = "xterm", no_color: str = "") -> Iterator[TerminalStream]:
    """Make standard error a terminal. No fixture can: pytest replaces the stream again before the test."""
    outer, inner = os.openpty()
    termios.tcsetwinsize(inner, (24, COLUMNS))
    with pytest.MonkeyPatch.context() as patch:
        stream = TerminalStream(inner)
        patch.setattr(sys, "stderr", stream)
        patch.delenv("COLUMNS", raising=False)
        patch.setenv("TERM", term)
        patch.setenv("NO_COLOR", no_color)
        yield stream
    os.close(outer)
    os.close(inner)


def test_a_message_is_wrapped_at_the_width_of_the_terminal_that_shows_it() -> None:
    """Fails where the width is that of standard output, which is no terminal here."""
    with terminal() as stream:
        say("word " * 20)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert " ".join(lines).split() == ["chunkwire:", *["word"] * 20]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_line_of_progress_is_replaced_cut_and_erased(no_color: str) -> None:
    with terminal(no_color=no_color) as stream, progress(Namespace(quiet=False)) as show:
        show("a")
        show("b" * 100)
    assert stream.getvalue() == f"{ERASE}a{ERASE}{'b' * (COLUMNS - 2)}…{ERASE}"


@pytest.mark.parametrize("term, is_quiet", [("dumb", False), ("", False), ("xterm", True)])
def test_a_terminal_without_escape_sequences_gets_no_line_of_progress(term: str, is_quiet: bool) -> None:
    with terminal(term) as stream, progress(Namespace(quiet=is_quiet)) as show:
        show("a")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "term, no_color, flag, takes",
    [("xterm", "", False, True), ("dumb", "", False, False), ("xterm", "1", False, False), ("xterm", "", True, False)],
)
def test_colours_go_to_a_terminal_that_has_them_unless_they_are_turned_off(
    term: str, no_color: str, flag: bool, takes: bool
) -> None:
    with terminal(term, no_color) as stream:
        assert is_coloured(stream, no_color=flag) is takes
        assert not is_coloured(io.StringIO())
