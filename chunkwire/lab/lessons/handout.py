"""The lessons to print: one HTML page, an A4 sheet a lesson, with a table of the commands for each kind of nc.

The rule here: the texts are those of the lessons. `lesson_learned` is left out, because the learner is to find it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from chunkwire.lab.assets import assets
from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.lesson import (
    CURL,
    ORIGIN,
    OWN_SERVER,
    RELAY,
    CommandKind,
    Lesson,
    LessonAddress,
    LessonCommand,
    with_addresses,
)
from chunkwire.lab.lessons.netcats import NETCATS, Netcat, NetcatProgram, printing
from chunkwire.net.listen import Address

ADDRESSES: Final = {
    name: LessonAddress(Address("127.0.0.1", port))
    for name, port in ((ORIGIN, 8081), ("hop-a", 8082), ("hop-b", 8083), (RELAY, 8081), (OWN_SERVER, 9000))
}
"""The addresses on paper; `chunkwire lesson` prints the real ones. No lesson has both an origin and a relay."""
_COLUMNS: Final = (
    ("connect and type", CommandKind.TYPE),
    ("send what printf prints", CommandKind.PIPE),
    ("be the server", CommandKind.LISTEN),
)


def handout_page() -> str:
    """Return the page."""
    sheets = "\n".join(_sheet(lesson) for lesson in all_lessons())
    style = assets()["handout.css"].octets.decode()
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>chunkwire: ten lessons</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n{sheets}\n</body>\n</html>\n"
    )


def _sheet(lesson: Lesson) -> str:
    parts = [
        f"<section><header><h1>{lesson.number}. {escape(lesson.title)}</h1><span>name {'_' * 24}</span></header>",
        *_paragraphs(lesson.intro),
        (
            f"<p>In one terminal: <code>chunkwire lesson {lesson.number}</code>; in a class, your page. It prints the "
            "real ports and paths, and says what is wrong. In a terminal, with the program that you have:</p>"
        ),
        _command_table(lesson),
    ]
    for number, step in enumerate(lesson.steps, 1):
        parts += [f"<h2>Step {number}</h2>", *_paragraphs(step.task), *map(_shown, step.commands)]
    parts.append('<div class="notes">What did you see? What does it mean?</div>')
    parts.append(
        "<footer>CR and LF (\\r\\n) end each line that is typed; … is what you have to find.</footer></section>"
    )
    return "\n".join(parts)


def _paragraphs(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        text = with_addresses(text, ADDRESSES).replace("{leave}", "Ctrl-C (telnet: Ctrl-], then quit)")
        yield f"<p>{escape(text)}</p>"


def _command_table(lesson: Lesson) -> str:
    """Return the table of the commands that this lesson needs, a row for each kind of nc."""
    kinds = [command.kind for step in lesson.steps for command in step.commands]
    columns = [(title, kind) for title, kind in _COLUMNS if kind in kinds]
    if not columns:
        return "<p><code>curl</code> will do for this lesson.</p>"
    head = "".join(f"<th>{title}</th>" for title, _ in columns)
    rows = "".join(
        f"<tr><td>{escape(nc.title)}</td>"
        + "".join(f"<td><code>{escape(_command_of(nc, kind))}</code></td>" for _, kind in columns)
        + "</tr>"
        for nc in NETCATS
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _command_of(nc: Netcat, kind: CommandKind) -> str:
    """Return how a kind of nc is started for a kind of command."""
    program, origin = NetcatProgram(nc, nc.program), ADDRESSES[ORIGIN].address
    if kind is CommandKind.TYPE:
        return program.by_hand(origin)
    if kind is CommandKind.LISTEN:
        return program.listening(ADDRESSES[OWN_SERVER].address)
    return f"| {program.sending(origin)}"


def _shown(command: LessonCommand) -> str:
    """Return a command of a step, without the part that is in the table: how nc is started."""
    match command.kind:
        case CommandKind.PIPE:
            text = f"{escape(printing(command.lines[0].encode()))} |"
        case CommandKind.CURL:
            note = f"<b>{escape(command.note)}:</b>\n" if command.note else ""
            text = f"{note}{CURL} {escape(with_addresses(command.lines[0], ADDRESSES))}"
        case _:
            text = "\n".join(escape(line) or "<b>(an empty line)</b>" for line in command.lines)
    return f"<pre>{text}</pre>"
