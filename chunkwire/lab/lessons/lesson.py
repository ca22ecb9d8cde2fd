"""What a lesson is made of: its text, its steps, the commands that a step shows, and the judge of a step.

The rule here: values only. Text is plain: paragraphs without markup. `{origin}` and the other doors in it are replaced
by the real HOST:PORT, and in a class by the path of the learner's own behind it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from chunkwire.lab.lessons.judgement import Judgement
from chunkwire.lab.lessons.netcats import InstalledNetcat
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.net.listen import Address

Judge: TypeAlias = Callable[[WatchedConnection], Judgement | None]
"""Judges a connection whenever something happened on it; None: nothing to say yet, or nothing to say at all.

Once the connection `is_over` there will not be more, so what is missing is wrong.
"""

AnswerJudge: TypeAlias = Callable[[str, Sequence[WatchedConnection]], Judgement]
"""Judges what stood behind `/answer/`, given all connections of this sitting."""

ORIGIN: Final = "origin"
LEARNER: Final = "learner"
"""The doors that every lesson may have: the origin's, and the one to the learner's own server."""
OWN: Final = "own"
"""Where the learner's own server listens."""

_TARGET: Final = re.compile("^([A-Z]+ )/", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Door:
    """Where a learner connects to.

    Attributes:
        path: that each target asked for there begins with; "" for a door that is one learner's alone.
    """

    address: Address
    path: str = ""

    def __str__(self) -> str:
        return f"{self.address}{self.path}"

    def led(self, text: str) -> str:
        """Return a request as it must be sent to this door: its path in front of the target."""
        return _TARGET.sub(rf"\g<1>{self.path}/", text) if self.path else text


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """Connect to a door and type these lines, each with CRLF; `…` is what the learner has to find."""

    lines: tuple[str, ...]
    door: str = ORIGIN


@dataclass(frozen=True, slots=True)
class PipedCommand:
    """Send these octets in one go."""

    octets: bytes
    door: str = ORIGIN


@dataclass(frozen=True, slots=True)
class CurlCommand:
    """Run curl, or what there is in its place: `{door}` in the words stands for HOST:PORT, `note` is what it is for."""

    words: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ListenCommand:
    """Listen on the learner's port, and type these lines once a request has come."""

    lines: tuple[str, ...]


Command: TypeAlias = TypedCommand | PipedCommand | CurlCommand | ListenCommand


@dataclass(frozen=True, slots=True)
class LessonStep:
    """One thing to do.

    Attributes:
        task: paragraphs.
        commands: what to run, in this order.
        judge: of each connection; None where only answers count.
        answer: of what is asked for under `/answer/`; None where the step has no question.
        lesson_learned: what is right, and why: said after the judgement that it is.
    """

    task: tuple[str, ...]
    commands: tuple[Command, ...]
    lesson_learned: tuple[str, ...]
    judge: Judge | None = None
    answer: AnswerJudge | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson.

    Attributes:
        hops: relay modes of the gateways in front of the origin, by the names of their doors.
        is_served_by_learner: the learner's own server is asked, at the door `learner`.
    """

    number: int
    title: str
    intro: tuple[str, ...]
    steps: tuple[LessonStep, ...]
    hops: Mapping[str, str] = field(default_factory=dict)
    is_served_by_learner: bool = False


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command as a learner sees it: what to run, and the lines to type then."""

    run: str
    lines: tuple[str, ...] = ()
    note: str = ""


def shown_command(command: Command, nc: InstalledNetcat, doors: Mapping[str, Door], *, has_curl: bool) -> ShownCommand:
    """Return a command for one kind of nc, with the real ports."""
    match command:
        case TypedCommand(lines, door):
            return ShownCommand(nc.by_hand(doors[door].address), tuple(map(doors[door].led, lines)))
        case PipedCommand(octets, door):
            led = doors[door].led(octets.decode("latin-1")).encode("latin-1")
            return ShownCommand(nc.piped(led, doors[door].address))
        case ListenCommand(lines):
            return ShownCommand(nc.listening(doors[OWN].address), lines)
        case CurlCommand(words, note):
            program = "curl -sN" if has_curl else "chunkwire watch"
            return ShownCommand(f"{program} {with_doors(words, doors)}", note=note)


def with_doors(text: str, doors: Mapping[str, Door]) -> str:
    """Return a text with each `{door}` replaced by where it is."""
    for name, where in doors.items():
        text = text.replace("{" + name + "}", str(where))
    return text
