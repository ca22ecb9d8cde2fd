"""README.md is true: its examples run and print what it shows, its tables are those of the code.

How it is read: in a fenced block of the language `console`, a line that opens with `$ ` is a command and the lines
after it are what it prints. The commands run in order, with the ports of servers started for the test, as the block
that opens with `chunkwire serve` starts them; so is the program in Python that serves on a port. A number counts as
any number, a line `…` as any lines, and `…` at the end of a line as any rest; blanks and the brackets of frames that
shared a read are not compared, since a busy machine joins reads.
"""

import os
import re
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.main import VERBS
from chunkwire.lab.pages import PAGES
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, DEFAULT_LIMITS
from tests.peers.command import ROOT, Served, serving
from tests.peers.process import LOOPBACK, free_port, run, started, wait_listening
from tests.test_layering import ROOMS

README = ROOT.joinpath("README.md").read_text("utf-8")
PAGES_WITH_EXAMPLES = (README, ROOT.joinpath("bench/README.md").read_text("utf-8"))
BLOCKS = [
    block
    for page in PAGES_WITH_EXAMPLES
    for block in re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
]
PROGRAMS = re.findall(r"^```python\n((?:(?!^```).)*server\.run\(\":(\d+)\".*?)^```$", README, re.DOTALL | re.MULTILINE)
# A difference of times may be negative on a busy machine: the wall clocks that relate two places are read in passing.
# bench marks a figure with ≤ if its receive came late.
NUMBER = re.compile(r"(?:[+≤]|(?<=\s)-)?\b\d[\d.:]*\b")
HASH = re.compile(r"\b(?:[0-9a-f]{32}…|[0-9a-f]{16}\b)")
PORTS = {"serve": "8081", "forward": "8080", "ask": "8082"}  # where each listens unless told otherwise
# What the demo says only where it is so: a port in use elsewhere, and a machine that kept up.
ONLY_AT_TIMES = ("chunkwire: port 80", "  prompt: ")
ANY_LINES = r"(?:.*\n)*?"
JOINED = re.compile(r"; \d+ chunks came in one read")
BRACKETS = frozenset("/|\\")


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a block, with the lines that it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.rstrip("\n").split("\n")
        yield command, lines


def always(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(ONLY_AT_TIMES)]


def pattern(shown: list[str]) -> re.Pattern[str]:
    """Return what matches the output that README shows."""
    lines = [ANY_LINES if line.strip() == "…" else re.escape(plain(line)) + r"\n" for line in always(shown)]
    return re.compile("".join(lines).replace("…\\n", ".*\\n"))


def plain(line: str) -> str:
    """Return a line without what differs from run to run."""
    line = HASH.sub("#", JOINED.sub("", line))
    return " ".join(word for word in NUMBER.sub("0", line).split() if word not in BRACKETS)


@pytest.fixture(scope="module")
def servers() -> Generator[dict[str, Served], None, None]:
    """Run what README starts before its lessons, each on a free port; the keys are the ports that README names."""
    first = re.search(r"^chunkwire serve\b.*\n(?:chunkwire .*\n)*", README, re.MULTILINE)
    assert first
    running: dict[str, Served] = {}
    with ExitStack() as stack:
        for line in first[0].splitlines():
            verb, *words = on_free_ports(line.split(" # ")[0], running).split()[1:]
            port = words.pop().strip(":") if "-l" in words else PORTS[verb]
            served = serving(verb, *(word for word in words if word != "-l"))
            running[port] = stack.enter_context(served)
        running.update({port: stack.enter_context(program(text, port)) for text, port in PROGRAMS})
        yield running


@contextmanager
def program(text: str, port: str) -> Generator[Served, None, None]:
    """Run a program of README that serves on a port, on a free one."""
    free = free_port()
    with started([sys.executable, "-W", "error", "-c", text.replace(f":{port}", f":{free}")]) as process:
        wait_listening(free, process)
        yield Served(LOOPBACK, free, process)


def on_free_ports(command: str, running: dict[str, Served]) -> str:
    """Return a command of README with the ports that its servers have here."""
    for port, served in running.items():
        command = re.sub(rf"(?<=[: ]){port}\b", str(served.port), command)
    return command


@pytest.mark.needs("curl", "nc")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0].removeprefix("$ ")[:50])
def test_an_example_prints_what_readme_shows(block: str, servers: dict[str, Served], tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for command, shown in commands(block):
        words = f"cd {tmp_path}; {{ {on_free_ports(command, servers)}\n}} 2>&1"
        result = run(["bash", "-c", words], env={"PATH": path})
        said = result.stdout.decode().rstrip().splitlines()
        assert pattern(shown).fullmatch("".join(plain(line) + "\n" for line in always(said))), result.stdout.decode()


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 4
    assert len(README.splitlines()) <= 250
    assert [port for _, port in PROGRAMS] == ["8000"]


def section(heading: str) -> str:
    """Return what stands under a heading."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def rows(heading: str) -> dict[str, str]:
    """Return the first two columns of the table under a heading."""
    cells = [line.strip("| ").split(" | ") for line in section(heading).splitlines() if line.startswith("|")]
    return {row[0].strip("`/ "): row[1] for row in cells[2:]}


def test_the_map_of_rooms_is_the_tree() -> None:
    folders = {path.name for path in ROOT.joinpath("chunkwire").iterdir() if path.is_dir() and path.name.isalpha()}
    named = list(rows("The map"))
    assert named == [room for room in ROOMS if room in folders]


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    sentence = section("Exit codes and limits").partition("Exit codes")[2].partition("\n\n")[0]
    assert [int(code) for code in re.findall(r"\b(\d+) ", sentence)] == sorted(ExitCode)


def test_the_limits_are_those_of_the_code() -> None:
    held = {
        field.name: str(getattr(limits, field.name))
        for limits in (DEFAULT_LIMITS, DEFAULT_HEAD_LIMITS)
        for field in fields(limits)
        if field.name.startswith("max_")
    }
    assert dict(re.findall(r"`(max_\w+)` (\d+)", section("Exit codes and limits"))) == held
    assert dict(re.findall(r"^\| `(max_\w+)` \| (\d+) \|", PAGES["limits"].text(), re.MULTILINE)) == held


def test_both_commands_stand_alone_on_their_lines() -> None:
    first = re.findall(r"^python3 -m venv \.venv && .* && \.venv/bin/chunkwire demo$", README, re.MULTILINE)
    second = re.findall(r"^python3 -m venv \.venv && .* && \.venv/bin/python -m tests$", README, re.MULTILINE)
    assert (len(first), len(second)) == (1, 1)


def test_each_verb_of_the_command_line_is_named() -> None:
    assert [verb for verb in VERBS if f"chunkwire {verb}" not in README] == []
