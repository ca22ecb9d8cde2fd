"""The parts of a lesson: its text, its steps, the commands of a step, and its judges.

The rule here: values, and how they are shown to a learner; no I/O. Texts are paragraphs without markup. In them,
`{origin}` and the names of other places are replaced by the real HOST:PORT, followed by the learner's path if many
learners share one lab (`lab --class`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from chunkwire.lab.lessons.judgement import Judgement
from chunkwire.lab.lessons.netcats import NetcatProgram
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.net.listen import Address

Judge: TypeAlias = Callable[[WatchedConnection], Judgement | None]
"""Judges a connection, after each read and each end on it; None for no judgement yet.

A judge calls an element missing only once the connection `is_over`. To get a hint for an unfinished attempt, a judge is
called with a copy of the connection whose `is_over` is true.
"""

AnswerJudge: TypeAlias = Callable[[str, Sequence[WatchedConnection]], Judgement]
"""Judges an answer, such as the rest of a target after `/answer/`, given the latest connections of this session."""

ORIGIN: Final = "origin"
"""The place of the lesson's origin."""
RELAY: Final = "relay"
"""The place to send requests to if the learner is the server: it relays connections to `OWN_SERVER`, and watches."""
OWN_SERVER: Final = "own-server"
"""The place where the learner's own server must listen."""

CURL: Final = "curl -sN"
_TARGET: Final = re.compile("^([A-Z]+ )/", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LessonAddress:
    """The address of a place."""

    address: Address
    path: str = ""  # prefix of each target there; "" if one learner uses the address

    def __str__(self) -> str:
        return f"{self.address}{self.path}"

    def addressed(self, text: str) -> str:
        """Return the text of a request for this address: with `path` in front of its target."""
        return _TARGET.sub(rf"\g<1>{self.path}/", text) if self.path else text


class CommandKind(enum.StrEnum):
    """What a learner does with a command."""

    TYPE = "type"
    """Connect to the origin and type the lines, each with CRLF; the learner has to replace `…`."""
    PIPE = "pipe"
    """Send the text to the origin at once."""
    CURL = "curl"
    """Run curl, or `chunkwire watch` if curl is not installed, with the text, which may name places (`{origin}`)."""
    LISTEN = "listen"
    """Listen at `OWN_SERVER`, and type the lines once a request has come."""


@dataclass(frozen=True, slots=True)
class LessonCommand:
    """One command of a step."""

    kind: CommandKind
    lines: tuple[str, ...]  # to type; one text for PIPE and CURL
    note: str = ""  # its purpose, where a step has several


@dataclass(frozen=True, slots=True)
class LessonStep:
    """One thing to do."""

    task: tuple[str, ...]  # paragraphs
    commands: tuple[LessonCommand, ...]  # what to run, in this order
    lesson_learned: tuple[str, ...]  # paragraphs that are shown once the step was judged right
    judge: Judge | None = None  # None if only answers are judged
    answer_judge: AnswerJudge | None = None  # None if the step asks no question


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson."""

    number: int
    title: str
    intro: tuple[str, ...]
    steps: tuple[LessonStep, ...]
    # The gateways in front of the origin: the name of the place of each, and its relay mode.
    hops: Mapping[str, str] = field(default_factory=dict)
    is_served_by_learner: bool = False  # requests go to the learner's own server, through `RELAY`, not to an origin


@dataclass(frozen=True, slots=True)
class ShownCommand:
    """A command as a learner sees it: what to run, the lines to type then, and the note."""

    run: str
    lines: tuple[str, ...] = ()
    note: str = ""


def shown_command(
    command: LessonCommand, nc: NetcatProgram, addresses: Mapping[str, LessonAddress], *, has_curl: bool
) -> ShownCommand:
    """Return a command with the flags of one kind of nc and the addresses of the places, by their names."""
    match command.kind:
        case CommandKind.TYPE:
            origin = addresses[ORIGIN]
            return ShownCommand(nc.by_hand(origin.address), tuple(map(origin.addressed, command.lines)))
        case CommandKind.PIPE:
            origin = addresses[ORIGIN]
            return ShownCommand(nc.piped(origin.addressed(command.lines[0]).encode(), origin.address))
        case CommandKind.LISTEN:
            return ShownCommand(nc.listening(addresses[OWN_SERVER].address), command.lines)
        case CommandKind.CURL:
            program = CURL if has_curl else "chunkwire watch"
            return ShownCommand(f"{program} {with_addresses(command.lines[0], addresses)}", note=command.note)


def with_addresses(text: str, addresses: Mapping[str, LessonAddress]) -> str:
    """Return a text with each `{place}` of these replaced by its address."""
    for name, where in addresses.items():
        text = text.replace("{" + name + "}", str(where))
    return text
