"""The lessons to print: one HTML page, an A4 sheet a lesson, with the flags of every nc.

The rule here: the texts are those of the lessons; what a step teaches is left out, for learners find it on the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from chunkwire.lab.assets import assets
from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.lesson import CommandKind, Lesson, LessonAddress, shown_command, with_addresses
from chunkwire.lab.lessons.netcats import NETCATS, TALK, InstalledNetcat, Netcat
from chunkwire.net.listen import Address

ADDRESSES: Final = {
    name: LessonAddress(Address("127.0.0.1", port))
    for name, port in (("origin", 8081), ("hop-a", 8082), ("hop-b", 8083), ("learner", 8081), ("own", 9000))
}
"""The ports on paper; `chunkwire lesson` prints the real ones."""
_COLUMNS: Final = (
    ("connect and type", CommandKind.TYPE),
    ("send in one go", CommandKind.PIPE),
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
            f"<p>In one terminal: <code>chunkwire lesson {lesson.number}</code>. It prints the real ports, and says "
            "what is wrong. In a second one, with what you have:</p>"
        ),
        _flags(lesson),
    ]
    for number, step in enumerate(lesson.steps, 1):
        parts += [f"<h2>Step {number}</h2>", *_paragraphs(step.task), *_commands(lesson, number)]
    parts.append('<div class="notes">What did you see? What does it mean?</div>')
    parts.append(
        "<footer>CR and LF (\\r\\n) end each line that is typed; … is what you have to find.</footer></section>"
    )
    return "\n".join(parts)


def _paragraphs(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        text = with_addresses(text, ADDRESSES).replace("{leave}", "Ctrl-C (telnet: Ctrl-], then quit)")
        yield f"<p>{escape(text)}</p>"


def _flags(lesson: Lesson) -> str:
    """Return the table of the commands that this lesson needs, a row for each kind of nc."""
    kinds = [command.kind for step in lesson.steps for command in step.commands]
    columns = [(title, kind) for title, kind in _COLUMNS if kind in kinds]
    if not columns:
        return "<p><code>curl</code> will do for this lesson.</p>"
    head = "".join(f"<th>{title}</th>" for title, _ in columns)
    rows = "".join(
        f"<tr><td>{escape(nc.title)}</td>"
        + "".join(f"<td><code>{escape(_flag(nc, kind))}</code></td>" for _, kind in columns)
        + "</tr>"
        for nc in NETCATS
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _flag(nc: Netcat, kind: CommandKind) -> str:
    installed, where = InstalledNetcat(nc, nc.program), ADDRESSES["origin"].address
    if kind is CommandKind.TYPE:
        return installed.by_hand(where)
    if kind is CommandKind.LISTEN:
        return installed.listening(ADDRESSES["own"].address)
    return "… | " + installed.piped(b"", where).partition(" | ")[2]


def _commands(lesson: Lesson, number: int) -> Iterator[str]:
    """Yield what a step asks to run; of typed lines the lines alone, since the table says how to connect."""
    nc = InstalledNetcat(TALK, TALK.program)
    for command in lesson.steps[number - 1].commands:
        shown = shown_command(command, nc, ADDRESSES, has_curl=True)
        match command.kind:
            case CommandKind.PIPE:
                said = f"{escape(shown.run.partition(' | ')[0])} | …"
            case CommandKind.CURL:
                said = (f"<b>{escape(shown.note)}:</b>\n" if shown.note else "") + escape(shown.run)
            case _:
                said = "\n".join(escape(line) if line else "<b>(an empty line)</b>" for line in shown.lines)
        yield f"<pre>{said}</pre>"
