"""Lessons 4 and 10: a stream that is cut or ends early, and a client that leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, wrong
from chunkwire.lab.lessons.lesson import CurlCommand, Lesson, LessonStep, PipedCommand, TypedCommand
from chunkwire.lab.lessons.reading import ReadMessage, read_response
from chunkwire.lab.lessons.typed import answer_of, request, target_of, wrong_target
from chunkwire.lab.lessons.watched import WatchedConnection

_STREAMS: Final = ("first", "second", "third")


def _unseen(connections: Sequence[WatchedConnection]) -> str | None:
    """Return the first stream that was not read to its end yet."""
    seen = {target_of(connection) for connection in connections if connection.answered}
    return next((name for name in _STREAMS if f"/{name}".encode() not in seen), None)


def _evidence(name: str) -> tuple[str, ...]:
    return {
        "first": ('first:  "line 4 of 6", then the last-chunk: 0 and an empty line',),
        "second": ('second: "line 6 of 6", then the last-chunk: 0 and an empty line',),
        "third": ('third:  "line 4 of 6", then the end of the connection; no last-chunk came',),
    }[name]


def _judge_answer(given: str, connections: Sequence[WatchedConnection], wanted: str, why: dict[str, str]) -> Judgement:
    answer = answer_of(_STREAMS, given)
    if answer is None:
        return wrong("Answer with first, second or third.")
    unseen = _unseen(connections)
    if unseen is not None:
        return wrong(f"Look first: you have not fetched /{unseen} yet.")
    if answer != wanted:
        return wrong(why[answer], b"", None, *_evidence(answer))
    return right(why[wanted], *_evidence(wanted))


def _which_is_cut(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
    why = {
        "first": "The first one has a last-chunk: whoever sent it wrote an end.",
        "second": "The second one is all there.",
        "third": "Yes: the third has no last-chunk, so every client must report an error (curl: exit 18).",
    }
    return _judge_answer(given, connections, "third", why)


def _which_is_short(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
    why = {
        "first": "Yes: the framing of the first is whole, and two lines are missing.",
        "second": "The second one has all six lines.",
        "third": "The third is cut: its framing is not whole, so curl did complain.",
    }
    return _judge_answer(given, connections, "first", why)


_FETCHES: Final = tuple(CurlCommand(f'--raw http://{{origin}}/{name}; echo "exit $?"') for name in _STREAMS)

CUT_OR_EARLY_END: Final = Lesson(
    number=4,
    title="Cut, or an early end",
    intro=("Three streams, each meant to have six lines. Two of them fall short, in different ways.",),
    steps=(
        LessonStep(
            task=(
                "Fetch all three and look at the end of each.",
                "Which one was cut: its sender never wrote an end? Answer with a request: first, second or third.",
            ),
            commands=(*_FETCHES, CurlCommand("http://{origin}/answer/first", "to answer first")),
            answer=_which_is_cut,
            lesson_learned=(
                "A cut can be seen: the last-chunk is missing. Every client must report it (RFC 9112 §8).",
            ),
        ),
        LessonStep(
            task=("And which one is too short, though no client can tell it by the framing?",),
            commands=(CurlCommand("http://{origin}/answer/second", "to answer second"),),
            answer=_which_is_short,
            lesson_learned=(
                "curl said exit 0 for it. The 0 says that the sender stopped, not that the content is whole.",
                "So streams carry an end mark of their own: [DONE], event: done, a count. Look for it in your code.",
            ),
        ),
    ),
)


def _left(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = wrong_target(message, b"/endless")
    if mistake is not None or not connection.is_over:
        return mistake
    if connection.client_ended_at is None or not connection.client_end:
        return wrong("The server ended first. Leave while lines still come.")
    return right("You left in the middle of the stream.", *_departure(connection))


def _departure(connection: WatchedConnection) -> tuple[str, ...]:
    left = f"{connection.client_ended_at or 0:7.3f} s  "
    if connection.client_end == "reset" and not connection.writes_after_fin:
        return (f"{left}your side sent RST: the server's next write failed",)
    lines = [f"{left}your side sent FIN; the server saw it, and went on"]
    late = [read.t for read in connection.answered if read.t > (connection.client_ended_at or 0)]
    lines += [f"{t:7.3f} s  the server wrote another chunk, without an error" for t in late[:1]]
    return (*lines, "           RST came back: only then it knew that nobody reads")


def _half_closed(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = wrong_target(message, b"/short")
    if mistake is not None or not connection.is_over:
        return mistake
    if not read_response(connection.response_octets).is_complete:
        return wrong("Your side was gone before the end: not all of the stream could be sent.")
    if connection.client_ended_at is None or not connection.writes_after_fin:
        return wrong("Your FIN came after the stream. Half-close first: the command does so, once its input has ended.")
    count = connection.writes_after_fin
    when = f"{connection.client_ended_at:.3f} s"
    return right(f"Your FIN came at {when}; {count} more writes followed, and you read them all.")


CLIENT_THAT_LEAVES: Final = Lesson(
    number=10,
    title="A client that leaves",
    intro=(
        "Somebody closes the browser while a language model still writes. When does the server know?",
        "TCP has two signals: FIN says I send no more, RST says I want no more.",
    ),
    steps=(
        LessonStep(
            task=("Start an endless stream. After some lines leave: {leave}.",),
            commands=(TypedCommand(("GET /endless HTTP/1.1", "Host: x", "")),),
            judge=request(_left),
            lesson_learned=(
                "FIN alone did not stop the server. The reset that answered its next write did.",
                "A server that is silent between two events finds out late, and pays for a reader that is not there.",
            ),
        ),
        LessonStep(
            task=("Now send FIN and stay: this command closes its own side at once, and reads on (a half-close).",),
            commands=(PipedCommand(b"GET /short HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),),
            judge=request(_half_closed),
            lesson_learned=(
                "The same FIN, and a reader was there: FIN alone does not mean that a client left (RFC 9112 §9.6).",
                "That is why chunkwire forward has a flag for it: --on-client-fin keep or cancel.",
            ),
        ),
    ),
)
