"""Judges of lessons 4, 7, 8 and 10: a cut or short stream, a hop that holds, a server, a client that leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, wrong
from chunkwire.lab.lessons.lesson import AnswerJudge, Judge
from chunkwire.lab.lessons.reading import ReadMessage, read_response
from chunkwire.lab.lessons.typed import (
    LEAVE,
    ended_too_far,
    request,
    target_of,
    unfinished,
    unfinished_head,
    wrong_target,
)
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.tools.paint import number

_STREAMS: Final = {
    "first": 'first:  "line 4 of 6", then the last-chunk: 0 and an empty line',
    "second": 'second: "line 6 of 6", then the last-chunk: 0 and an empty line',
    "third": 'third:  "line 4 of 6", then the end of the connection; no last-chunk came',
}
"""What each stream of lesson 4 ends with."""


def _which_stream(wanted: str, **said: str) -> AnswerJudge:
    """Return the judge of a question whose answer is a stream; `said` has a sentence for each answer."""

    def judge(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
        answer = given.strip().lower()
        if answer not in _STREAMS:
            return wrong("Answer with first, second or third.")
        seen = {target_of(connection) for connection in connections if connection.answered}
        for name in _STREAMS:
            if f"/{name}".encode() not in seen:
                return wrong(f"Look first: you have not fetched /{name} yet.")
        return Judgement(answer == wanted, said[answer], evidence=(_STREAMS[answer],))

    return judge


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
    return (*lines, "           RST came back: only then the server knew that nobody reads")


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
    return right(f"Your FIN came at {when}; {number(count, 'more write')} followed, and you read them all.")


_HOPS: Final = ("hop-a", "hop-b")
_HELD: Final = "hop-b"


def _whole_streams(connections: Sequence[WatchedConnection]) -> dict[str, WatchedConnection]:
    """Return, for each place, the latest connection that read the stream to its end."""
    return {
        connection.place: connection
        for connection in connections
        if target_of(connection).startswith(b"/slow") and read_response(connection.response_octets).is_complete
    }


def _times(connection: WatchedConnection) -> str:
    moments = [f"{read.t:.1f}" for read in connection.answered if not read.octets.startswith(b"HTTP/")]
    return f"{connection.place}: data at {', '.join(moments) or '0.0'} s"


def _unread(seen: dict[str, WatchedConnection]) -> Judgement | None:
    missing = next((hop for hop in _HOPS if hop not in seen), None)
    return wrong(f"Look first: you have not read /slow through {missing} to its end yet.") if missing else None


def _which_holds(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
    seen = _whole_streams(connections)
    answer = given.strip().lower()
    if answer not in _HOPS:
        return wrong("Answer with hop-a or hop-b.")
    unseen = _unread(seen)
    if unseen is not None:
        return unseen
    evidence = tuple(_times(seen[hop]) for hop in _HOPS)
    if answer != _HELD:
        return wrong(f"No: through {answer} the lines came one by one.", evidence=evidence)
    return right("Yes: hop-b kept everything until the stream had ended, and then sent it at once.", *evidence)


def _how_many(given: str, connections: Sequence[WatchedConnection]) -> Judgement:
    unseen = _unread(_whole_streams(connections))
    if unseen is not None:
        return unseen
    if given.strip() != "1":
        return wrong("Look at the output of --raw: each size line begins a chunk. How many are there before the 0?")
    return right("One: hop-b joined the five chunks.")


NOBODY_LISTENS: Final = "Nobody listens there yet: start the first command, then curl."


def _response(connection: WatchedConnection) -> ReadMessage | Judgement | None:
    """Return the learner's response, or a judgement if its head is wrong; None until the head is whole."""
    if connection.is_refused:
        return wrong(NOBODY_LISTENS)
    octets = connection.response_octets
    if not octets:
        hint = "A request waits for your answer. Type it into nc: its first line is HTTP/1.1 200 OK"
        return wrong("The server ended without an octet of a response.", hint=hint) if connection.is_over else None
    message = read_response(octets)
    if message.mistake is not None:
        return message.mistake
    if message.body_at is None:
        return unfinished_head(message) if connection.is_over else None
    if message.get(b"transfer-encoding") is None:
        return wrong("A line is missing before the empty line: Transfer-Encoding: chunked", octets, message.body_at - 1)
    return message


def _served(connection: WatchedConnection) -> Judgement | None:
    message = _response(connection)
    if not isinstance(message, ReadMessage):
        return message
    if not message.is_complete:
        return unfinished(message, connection)
    if not message.chunks:
        return message.wrong("Your body ended without a chunk; send one before the 0.")
    return right(
        f"curl took your {len(message.octets)} octets as the answer of a web server, and ended at your last empty line."
    )


def _cut_short(connection: WatchedConnection) -> Judgement | None:
    message = _response(connection)
    if not isinstance(message, ReadMessage):
        return message
    mistake = ended_too_far(message, connection)
    if mistake is not None or not connection.is_over:
        return mistake
    if not message.chunks:
        sentence = "The connection ended before your first chunk was whole."
        return message.wrong(sentence, len(message.octets), hint=message.hint)
    return right("curl printed what had come, and reported that the body is cut: exit 18.", hint=LEAVE)


JUDGES: Final[Mapping[int, Sequence[Judge]]] = {8: (_served, _cut_short), 10: (request(_left), request(_half_closed))}
"""The judges of each step, by the number of the lesson."""
ANSWER_JUDGES: Final[Mapping[int, Sequence[AnswerJudge]]] = {
    4: (
        _which_stream(
            "third",
            first="The first one has a last-chunk: whoever sent it wrote an end.",
            second="The second one is all there.",
            third="Yes: the third has no last-chunk, so every client must report an error (curl: exit 18).",
        ),
        _which_stream(
            "first",
            first="Yes: the framing of the first is whole, and two lines are missing.",
            second="The second one has all six lines.",
            third="The third is cut: its framing is not whole, so curl did complain.",
        ),
    ),
    7: (_which_holds, _how_many),
}
"""The judges of answers, likewise."""
