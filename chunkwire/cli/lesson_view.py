"""Show a lesson in a terminal: its text, its commands, the octets of attempts, and their judgement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, shown_octets
from chunkwire.lab.lessons.lesson import Lesson, ShownCommand
from chunkwire.lab.lessons.session import LessonSession
from chunkwire.lab.lessons.watched import WatchedConnection, WatchedRead
from chunkwire.tools.paint import Paint, fitted, wrapped

_ANSWER: Final = b"GET /answer/"
_ENDS: Final = {"fin": "(FIN: your side sends no more)", "reset": "(RST: your side wants no more)"}

MAX_SHOWN_LINES: Final = 24
"""Lines of octets shown of one connection; no step asks for more than ten."""


class LessonView:
    """Prints a lesson, in lines of at most `width` columns."""

    def __init__(self, paint: Paint, width: int) -> None:
        self._paint = paint
        self._width = width
        self._seen: dict[WatchedConnection, tuple[int, str]] = {}
        self._lines: dict[WatchedConnection, int] = {}

    def title(self, session: LessonSession) -> None:
        """Print the introduction."""
        lesson = session.lesson
        self._print(self._paint("strong", f"Lesson {lesson.number}: {lesson.title}"))
        self._paragraphs("  ", map(session.with_addresses, lesson.intro))

    def step(self, session: LessonSession, nc_title: str) -> None:
        """Print the current step."""
        lead = self._paint("mark", f"Step {session.step} of {len(session.lesson.steps)}")
        self._print(f"\n{lead}")
        self._paragraphs("  ", map(session.with_addresses, session.current.task))
        self._print("")
        for command in session.shown_commands():
            self._command(command)
        if session.step == 1:
            where = f"Do it in a second terminal ({nc_title}). This one watches; Ctrl-C ends the lesson."
            self._print("")
            self._paragraphs("  ", (where,))

    def _command(self, command: ShownCommand) -> None:
        if command.note:
            self._print(f"    {command.note}:")
        # Not wrapped, so that commands can be copied.
        self._print(f"    {self._paint('quiet', '$')} {self._paint('sent', command.run)}")
        for line in command.lines:
            self._print(f"    {line}" if line else "    " + self._paint("quiet", "(an empty line: Enter alone)"))

    def watched(self, connection: WatchedConnection, reads: Sequence[WatchedRead], ended: str) -> None:
        """Print what the learner's program has sent since the last call, and how it ended."""
        if connection.request_octets.startswith(_ANSWER):
            return  # the judgement shows the answer
        count, shown_end = self._seen.get(connection, (0, ""))
        for read in reads[count:]:
            for line in read.octets.splitlines(keepends=True):
                self._octets(connection, read.t, line)
        if ended != shown_end:
            self._octets(connection, None, b"", self._paint("quiet", _ENDS[ended]))
        self._seen[connection] = (len(reads), ended)

    def _octets(self, connection: WatchedConnection, t: float | None, line: bytes, note: str = "") -> None:
        self._lines[connection] = count = self._lines.get(connection, 0) + 1
        if count > MAX_SHOWN_LINES:
            return
        stamp = "" if t is None else f"{t:.3f} s"
        text = note or fitted(shown_octets(line), self._width - 16)
        self._print(
            f"  {self._paint('quiet', f'{stamp:>10}')}  > {text}" if count < MAX_SHOWN_LINES else "              > …"
        )

    def judged(self, judgement: Judgement, learned: Iterable[str]) -> None:
        """Print the judgement of an attempt; after a right one also what the step teaches."""
        if judgement.is_right:
            self._sentence(self._paint("good", "✓"), judgement)
            self._paragraphs("    ", learned)
            return
        self._sentence(self._paint("bad", "✗"), judgement)
        self._print("    Try again.")

    def hint(self, judgement: Judgement) -> None:
        """Print what an unfinished attempt waits for."""
        self._sentence(self._paint("mark", "?"), judgement)

    def _sentence(self, mark: str, judgement: Judgement) -> None:
        first, *rest = wrapped("    ", judgement.sentence, self._width)
        self._print(f"  {mark} {first[4:]}")
        for line in rest:
            self._print(line)
        caret = judgement.caret_lines()
        if caret:
            self._print(f"        {caret[0]}")
            self._print(f"        {self._paint('bad', caret[1])}")
        for line in judgement.evidence:
            self._print("\n".join(wrapped(" " * 8, self._paint.text(line), self._width)))

    def done(self, lesson: Lesson, next_title: str | None) -> None:
        """Print the end of the lesson."""
        self._print(f"\nLesson {lesson.number} is done.")
        if next_title is not None:
            self._print(f"next: chunkwire lesson {lesson.number + 1}    {next_title}")
        else:
            self._print("next: chunkwire puzzle    three hops, one of them is broken")

    def _paragraphs(self, lead: str, paragraphs: Iterable[str]) -> None:
        for paragraph in paragraphs:
            for line in wrapped(lead, paragraph, self._width):
                self._print(line)

    def _print(self, line: str) -> None:
        print(line, flush=True)
