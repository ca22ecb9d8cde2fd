"""Lesson 8: you are the server."""

from __future__ import annotations

from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, wrong
from chunkwire.lab.lessons.lesson import CurlCommand, Lesson, LessonStep, ListenCommand
from chunkwire.lab.lessons.reading import ReadMessage, read_response
from chunkwire.lab.lessons.watched import WatchedConnection

NOBODY_LISTENS: Final = "Nobody listens there yet: start the first command, then curl."


def _response(connection: WatchedConnection) -> ReadMessage | Judgement | None:
    """Return the learner's response while there is no mistake in it; None while it has none."""
    if connection.is_refused:
        return wrong(NOBODY_LISTENS)
    octets = connection.response_octets
    if not octets:
        return wrong("The server ended without an octet of a response.") if connection.is_over else None
    message = read_response(octets)
    if message.mistake is not None:
        return message.mistake
    if message.body_at is None:
        if connection.is_over:
            return wrong(f"Your response is not finished: {message.missing} is missing.", octets, len(octets))
        return None
    if message.get(b"transfer-encoding") is None:
        return wrong(
            "Say before the empty line that chunks follow: Transfer-Encoding: chunked", octets, message.body_at - 1
        )
    return message


def _served(connection: WatchedConnection) -> Judgement | None:
    message = _response(connection)
    if not isinstance(message, ReadMessage):
        return message
    if not message.is_complete:
        over = connection.is_over or connection.client_end
        sentence = "The client has gone, and your body was not finished: 0 and an empty line end it."
        return wrong(sentence, message.octets, len(message.octets)) if over else None
    if not message.chunks:
        return wrong("Your body ended without a chunk; send one before the 0.", message.octets, message.body_at)
    return right(
        f"curl took your {len(message.octets)} octets for those of a web server, and ended when you wrote the end."
    )


def _cut(connection: WatchedConnection) -> Judgement | None:
    message = _response(connection)
    if not isinstance(message, ReadMessage):
        return message
    if message.is_complete:
        last = message.ends_at - len(message.frames[-1].raw)
        return wrong("You wrote the end here. This time leave before the 0 line.", message.octets, last)
    if not connection.is_over:
        return None
    if not message.chunks:
        return wrong("The connection ended before your first chunk was whole.", message.octets, len(message.octets))
    return right("curl printed what had come, and took it for cut: exit 18.")


_HEAD: Final = ("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "")

YOU_ARE_THE_SERVER: Final = Lesson(
    number=8,
    title="You are the server",
    intro=(
        "A web server is whoever answers. Today it is you: nc listens, curl asks, and you type the answer.",
        "curl asks {learner}, which passes each octet on to your nc and shows it here.",
    ),
    steps=(
        LessonStep(
            task=(
                "Start the first command. In another terminal start the second; its request appears in your nc.",
                "Then type the answer into nc, and watch curl as you press Enter.",
            ),
            commands=(
                ListenCommand((*_HEAD, "5", "hello", "0", "")),
                CurlCommand('http://{learner}/; echo "exit $?"', "and in a third terminal"),
            ),
            judge=_served,
            lesson_learned=(
                "curl printed hello as soon as the chunk was whole: streaming is no more than this.",
                "And it ended at the 0 line and the empty line, while the connection was still open.",
            ),
        ),
        LessonStep(
            task=("Once more, and now your server dies: after hello end nc with {leave}.",),
            commands=(ListenCommand((*_HEAD, "5", "hello")), CurlCommand('http://{learner}/; echo "exit $?"')),
            judge=_cut,
            lesson_learned=("No last-chunk, no success: that is how a client knows that its server crashed.",),
        ),
    ),
    is_served_by_learner=True,
)
