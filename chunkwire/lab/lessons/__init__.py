"""Ten lessons on the wire of HTTP/1.1, and their judges. Command line, page and handout share one text.

- `lesson` has the values: a lesson, its steps, the commands that a step shows. Their texts are in `lessons.toml`, their
  judges in `bodies` and `ends`, and what judges share is in `typed`.
- `watched` has the octets and ends of one connection of a learner. `judgement` is the result: right, or one sentence
  and the first wrong octet, which `reading` finds. All three are pure.
- `netcats` knows the flags of each nc, and which one is installed.
- `lesson_origin` is what the lessons' origin serves. `tee` watches a real connection on its way to a real server;
  `session` starts the servers of a lesson and has each connection judged.
- `handin` is the file that a learner hands in, `handout` the page to print, `on_page` serves lessons to the lab's page.
- `front` is the one address of a class.

A judge is given only octets, their times and the ends of a connection, so that a learner may use any client.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from itertools import zip_longest
from typing import Any, Final

from chunkwire.lab.lessons import bodies, ends
from chunkwire.lab.lessons.lesson import CommandKind, Lesson, LessonCommand, LessonStep

_POST_HEAD: Final = ("POST /echo HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "")


@cache
def all_lessons() -> tuple[Lesson, ...]:
    """Return the lessons, in their order."""
    table = tomllib.loads(resources.files(__package__).joinpath("lessons.toml").read_text("utf-8"))
    return tuple(_lesson(number, row) for number, row in enumerate(table["lessons"], 1))


def _lesson(number: int, row: dict[str, Any]) -> Lesson:
    judges = {**bodies.JUDGES, **ends.JUDGES}.get(number, ())
    answers = ends.ANSWER_JUDGES.get(number, ())
    steps = tuple(
        LessonStep(tuple(step["task"]), tuple(map(_command, step["commands"])), tuple(step["learned"]), judge, answer)
        for step, judge, answer in zip_longest(row["steps"], judges, answers)
    )
    is_served = row.get("is_served_by_learner", False)
    return Lesson(number, row["title"], tuple(row["intro"]), steps, row.get("hops", {}), is_served)


def _command(row: dict[str, Any]) -> LessonCommand:
    """Return a command; the lines of `post` are a chunked body, typed after its head."""
    if "post" in row:
        return LessonCommand(CommandKind.TYPE, (*_POST_HEAD, *row["post"]))
    kind = next(each for each in CommandKind if each in row)
    return LessonCommand(kind, (row[kind],) if isinstance(row[kind], str) else tuple(row[kind]), row.get("note", ""))
