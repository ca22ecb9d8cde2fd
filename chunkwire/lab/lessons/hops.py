"""Lesson 7: a hop that holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, wrong
from chunkwire.lab.lessons.lesson import CurlCommand, Lesson, LessonStep
from chunkwire.lab.lessons.reading import read_response
from chunkwire.lab.lessons.typed import answer_of, target_of
from chunkwire.lab.lessons.watched import WatchedConnection

_HOPS: Final = {"hop-a": "exact", "hop-b": "buffer"}
_HELD: Final = "hop-b"


def _streams(connections: Sequence[WatchedConnection]) -> dict[str, WatchedConnection]:
    """Return, for each place, the latest connection that read the stream to its end."""
    return {
        connection.place: connection
        for connection in connections
        if target_of(connection).startswith(b"/slow") and read_response(connection.response_octets).is_complete
    }


def _times(connection: WatchedConnection) -> str:
    moments = [f"{read.t:.1f}" for read in connection.answered if not read.octets.startswith(b"HTTP/")]
    return f"{connection.place}: data at {', '.join(moments) or '0.0'} s"


def _unseen(seen: dict[str, WatchedConnection]) -> Judgement | None:
    missing = next((hop for hop in _HOPS if hop not in seen), None)
    return wrong(f"Look first: you have not read /slow through {missing} to its end yet.") if missing else None


def _which_holds(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
    seen = _streams(connections)
    answer = answer_of(("hop-a", "hop-b", "origin"), given)
    if answer is None:
        return wrong("Answer with hop-a or hop-b.")
    unseen = _unseen(seen)
    if unseen is not None:
        return unseen
    evidence = tuple(_times(seen[hop]) for hop in _HOPS)
    if answer != _HELD:
        return wrong(
            f"What you saw yourself says otherwise: through {answer} the lines came one by one.", b"", None, *evidence
        )
    return right("Yes: hop-b kept everything until the stream had ended, and then sent it at once.", *evidence)


def _how_many(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
    unseen = _unseen(_streams(connections))
    if unseen is not None:
        return unseen
    if given.strip() != "1":
        return wrong("Look at the output of --raw: each size line begins a chunk. How many are there before the 0?")
    return right("One: hop-b joined five chunks to a single one.")


_LOOKS: Final = tuple(CurlCommand(f"http://{{{hop}}}/slow", f"through {hop}") for hop in _HOPS)

HOP_THAT_HOLDS: Final = Lesson(
    number=7,
    title="A hop that holds",
    intro=(
        "Between client and origin stand hops: proxies, gateways. Each may pass data on at once, or gather it.",
        "The same origin is behind two of them. It writes five lines, one each 0.4 s.",
    ),
    steps=(
        LessonStep(
            task=("Read the stream through both, and watch when the lines come. Then say which one holds it.",),
            commands=(*_LOOKS, CurlCommand("http://{origin}/answer/hop-a", "to answer hop-a")),
            answer=_which_holds,
            lesson_learned=(
                "Not an octet is lost, and the stream is useless all the same: its reader waits for the end.",
                "nginx does this by default (proxy_buffering); chunkwire probe finds the hop and names the setting.",
            ),
        ),
        LessonStep(
            task=("The origin wrote five chunks. How many come through hop-b? Look, and answer with the number.",),
            commands=(
                CurlCommand("--raw http://{hop-b}/slow", "through hop-b"),
                CurlCommand("http://{origin}/answer/5", "to answer 5"),
            ),
            answer=_how_many,
            lesson_learned=(
                "A hop may do that (RFC 9112 §7.1): the content is the same. So no code may depend on chunks.",
            ),
        ),
    ),
    hops=_HOPS,
)
