"""What a lesson is made of: its text, its steps, the commands that a step shows, and the judge of a step.

The rule here: values only. Text is plain: paragraphs without markup. `{origin}` and the names of other places in it are
replaced by the real HOST:PORT, in a class followed by the learner's own path.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from chunkwire.lab.lessons.judgement import Judgement
from chunkwire.lab.lessons.netcats import InstalledNetcat
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.net.listen import Address

Judge: TypeAlias = Callable[[WatchedConnection], Judgement | None]
"""Judges a connection whenever something happened on it; None for no judgement (yet).

Once the connection `is_over` nothing more comes, so what is missing is wrong.
"""

AnswerJudge: TypeAlias = Callable[[str, Sequence[WatchedConnection]], Judgement]
"""Judges what stood behind `/answer/`, given all connections of this session."""

ORIGIN: Final = "origin"
LEARNER: Final = "learner"
"""Places that a lesson may have beside its hops: the origin, and what leads to the learner's own server."""
OWN: Final = "own"
"""Where the learner's own server listens."""

_TARGET: Final = re.compile("^([A-Z]+ )/", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LessonAddress:
    """Where a learner connects to."""

    address: Address
    path: str = ""  # prefix of each target there; "" for an address that is one learner's alone

    def __str__(self) -> str:
        return f"{self.address}{self.path}"

    def addressed(self, text: str) -> str:
        """Return a request as it must be sent to this address: its path in front of the target."""
        return _TARGET.sub(rf"\g<1>{self.path}/", text) if self.path else text


class CommandKind(enum.StrEnum):
    """What a learner does with a command."""

    TYPE = "type"
    """Connect to the origin and type the lines, each with CRLF; `…` is what the learner has to find."""
    PIPE = "pipe"
    """Send the text to the origin in one go."""
    CURL = "curl"
    """Run curl with the text, which may name places as `{origin}`; `chunkwire watch` without it."""
    LISTEN = "listen"
    """Listen on the learner's port, and type the lines once a request has come."""


@dataclass(frozen=True, slots=True)
class LessonCommand:
    """One command of a step."""

    kind: CommandKind
    lines: tuple[str, ...]  # or one text
    note: str = ""  # its purpose


@dataclass(frozen=True, slots=True)
class LessonStep:
    """One thing to do."""

    task: tuple[str, ...]  # paragraphs
    commands: tuple[LessonCommand, ...]  # what to run, in this order
    lesson_learned: tuple[str, ...]  # what is right, and why: said after the judgement that it is
    judge: Judge | None = None  # of each connection; None where only answers count
    answer: AnswerJudge | None = None  # of what is asked for under `/answer/`; None where the step has no question


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson."""

    number: int
    title: str
    intro: tuple[str, ...]
    steps: tuple[LessonStep, ...]
    # relay modes of the gateways in front of the origin, by the names of their places
    hops: Mapping[str, str] = field(default_factory=dict)
    is_served_by_learner: bool = False  # the learner's own server is asked, through the place `learner`


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command as a learner sees it: what to run, and the lines to type then."""

    run: str
    lines: tuple[str, ...] = ()
    note: str = ""


def shown_command(
    command: LessonCommand, nc: InstalledNetcat, addresses: Mapping[str, LessonAddress], *, has_curl: bool
) -> ShownCommand:
    """Return a command for one kind of nc, with the real addresses."""
    match command.kind:
        case CommandKind.TYPE:
            origin = addresses[ORIGIN]
            return ShownCommand(nc.by_hand(origin.address), tuple(map(origin.addressed, command.lines)))
        case CommandKind.PIPE:
            origin = addresses[ORIGIN]
            return ShownCommand(nc.piped(origin.addressed(command.lines[0]).encode(), origin.address))
        case CommandKind.LISTEN:
            return ShownCommand(nc.listening(addresses[OWN].address), command.lines)
        case CommandKind.CURL:
            program = "curl -sN" if has_curl else "chunkwire watch"
            return ShownCommand(f"{program} {with_addresses(command.lines[0], addresses)}", note=command.note)


def with_addresses(text: str, addresses: Mapping[str, LessonAddress]) -> str:
    """Return a text with each `{place}` replaced by where it is."""
    for name, where in addresses.items():
        text = text.replace("{" + name + "}", str(where))
    return text
