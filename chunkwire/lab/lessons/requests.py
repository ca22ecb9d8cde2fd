"""Lesson 1: a request by hand."""

from __future__ import annotations

from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, wrong
from chunkwire.lab.lessons.lesson import Lesson, LessonStep, TypedCommand
from chunkwire.lab.lessons.reading import ReadMessage, octets_of, read_request
from chunkwire.lab.lessons.typed import request, wrong_target
from chunkwire.lab.lessons.watched import WatchedConnection


def _asked(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = wrong_target(message, b"/hello")
    if mistake is not None:
        return mistake
    bare = b"\r\n" not in message.octets[: message.body_at]
    ends = "LF alone; this server forgives that in a head" if bare else "CRLF, as RFC 9112 asks"
    return right(f"That is a whole request: {octets_of(message.body_at or 0)} of text, each line ended by {ends}.")


def _without_host(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    host = message.get(b"host")
    if host is not None:
        return wrong(
            "There is a Host line. Leave it out this time, and see what the server says.", message.octets, host[1]
        )
    return right("No Host line, and the server answered 400: it says in words what is missing.")


def _twice(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    if not message.is_complete:
        return None
    second = message.octets[message.ends_at :]
    if not second:
        sentence = "One request came on this connection. Type the second one where the first answer ended."
        return wrong(sentence) if connection.has_said_all else None
    again = read_request(second)
    if again.mistake is not None:
        return again.mistake
    if again.body_at is None:
        sentence = f"The second request is not finished: {again.missing} is missing."
        return wrong(sentence, second, len(second)) if connection.has_said_all else None
    if connection.response_octets.count(b"HTTP/1.1 200 ") < 2 and not connection.is_over:
        return None
    return right("Two requests and two answers, on one connection.")


REQUEST_BY_HAND: Final = Lesson(
    number=1,
    title="A request by hand",
    intro=(
        "HTTP/1.1 is text. What a browser sends, you can type.",
        "A request is a request line, some field lines, and an empty line that ends the head.",
        "Lengths are counted in octets: an octet is eight bits, a byte.",
    ),
    steps=(
        LessonStep(
            task=("Connect, and type these lines. End each with Enter; the last one is empty.",),
            commands=(TypedCommand(("GET /hello HTTP/1.1", "Host: x", "")),),
            judge=request(_asked),
            lesson_learned=(
                "The answer has the same form: a status line, field lines, an empty line. Then comes the content.",
                "No answer came before your empty line: the server knows only by it that the head has ended.",
            ),
        ),
        LessonStep(
            task=("Connect again and ask without the Host line.",),
            commands=(TypedCommand(("GET /hello HTTP/1.1", "")),),
            judge=request(_without_host, needs_host=False),
            lesson_learned=("Host is the one field that every HTTP/1.1 request must have (RFC 9112 §3.2).",),
        ),
        LessonStep(
            task=("Connect once more and ask twice on one connection: after the first answer type the request again.",),
            commands=(TypedCommand(("GET /hello HTTP/1.1", "Host: x", "", "GET /hello HTTP/1.1", "Host: x", "")),),
            judge=request(_twice),
            lesson_learned=(
                "The connection stayed open, so its end cannot have marked the end of the first answer.",
                "Content-Length: 6 did. But what if a server does not know the length beforehand? That is lesson 2.",
            ),
        ),
    ),
)
