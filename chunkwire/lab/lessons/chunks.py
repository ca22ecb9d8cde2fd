"""Lessons 2 and 3: what the numbers are, and who writes the 0."""

from __future__ import annotations

from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, wrong
from chunkwire.lab.lessons.lesson import Lesson, LessonStep, PipedCommand
from chunkwire.lab.lessons.reading import ReadMessage, octets_of
from chunkwire.lab.lessons.typed import fetched, post, posting, request, whole_post
from chunkwire.lab.lessons.watched import WatchedConnection

_TEXT: Final = b"hello, chunked world"
_ACCENT: Final = "café".encode()


def _chunk_of(text: bytes, message: ReadMessage) -> Judgement | None:
    """Judge a complete body that should be one chunk with this text."""
    if message.content == text and len(message.chunks) == 1:
        return None
    at = message.body_at or 0
    sentence = f'This step asks for one chunk with the data "{text.decode()}", and then the 0 line and an empty line.'
    return wrong(sentence, message.octets, at)


def _sized(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    return _chunk_of(_TEXT, message) or right('14 is hex for 20, and "hello, chunked world" has 20 octets.')


def _accented(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    return _chunk_of(_ACCENT, message) or right("Five: c, a, f, and two octets for é (c3 a9 in UTF-8).")


_WRONG_CHUNK: Final = (
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nhello\r\n0\r\n\r\n"
)


def _broken(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = message.mistake
    if mistake is not None:
        return Judgement(True, f"There it is. {mistake.sentence}", mistake.octets, mistake.at)
    sentence = "This request has no wrong chunk: run the command as it stands."
    return wrong(sentence) if message.is_complete or connection.has_said_all else None


WHAT_THE_NUMBERS_ARE: Final = Lesson(
    number=2,
    title="What the numbers are",
    intro=(
        (
            "A server that does not know the length of its answer sends it in chunks, each with its size in front: "
            "size, line end, so many octets of data, line end; and again."
        ),
    ),
    steps=(
        LessonStep(
            task=("Fetch a chunked stream, and look at the numbers between the lines.",),
            commands=(PipedCommand(b"GET /numbers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),),
            judge=fetched(b"/numbers", "You saw the sizes 5, a and 1a, each in front of its data."),
            lesson_learned=(
                "The alphabet has 26 letters, and its size line says 1a: sizes are written in hex. 1 × 16 + 10 = 26.",
                "The line end after the data is not counted.",
            ),
        ),
        LessonStep(
            task=("Now a wrong chunk, ready made: run it, and read the last lines of the answer.",),
            commands=(PipedCommand(_WRONG_CHUNK),),
            judge=request(_broken),
            lesson_learned=(
                "The size line said 6, so that the CR after hello counted as data. The answer is 400, and says why.",
            ),
        ),
        LessonStep(
            task=(
                'Be the sender: requests have bodies, too. Send the text "hello, chunked world" as one chunk.',
                "Find the size line that stands for the … here. Then 0 and an empty line end the body.",
            ),
            commands=(posting("…", _TEXT.decode(), "0", ""),),
            judge=whole_post(_sized, _TEXT),
            lesson_learned=("The server needs the size to find the next size line: in the data it looks for nothing.",),
        ),
        LessonStep(
            task=('Once more, with the text "café".',),
            commands=(posting("…", _ACCENT.decode(), "0", ""),),
            judge=whole_post(_accented, _ACCENT),
            lesson_learned=("A size counts octets, never characters: 4 characters, 5 octets.",),
        ),
    ),
)


def _left_open(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    if message.is_complete:
        last = message.ends_at - len(message.frames[-1].raw)
        return wrong("You ended the body here. This time leave before the 0 line.", message.octets, last)
    if not connection.has_said_all:
        return None
    if not message.chunks:
        return wrong("You left before the first chunk was whole.", message.octets, len(message.octets))
    sentence = f"The server has {octets_of(len(message.content))}, and no end: it counts this body as cut."
    return right(sentence)


def _ended(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    if not message.chunks:
        return wrong("The body has ended without a chunk; send hello first.", message.octets, message.body_at)
    return right("The last-chunk and the empty line came: the server knows that this is all.")


WHO_WRITES_ZERO: Final = Lesson(
    number=3,
    title="Who writes 0",
    intro=(
        "A chunked body ends with a chunk of size 0, the last-chunk. Who writes it? The sender: nobody else can.",
        "First leave it out, and see what the other side can know.",
    ),
    steps=(
        LessonStep(
            task=("Send one chunk, see it come back, and leave without a 0 line. To leave: {leave}.",),
            commands=(posting("5", "hello"),),
            judge=post(_left_open),
            lesson_learned=(
                "The end of the connection is not the end of the body: was there more to come? Nobody knows.",
                "Neither TCP nor a library nor a proxy may write the 0 for you: it means that the sender has said all.",
            ),
        ),
        LessonStep(
            task=("The same, with the end: 0, and an empty line.",),
            commands=(posting("5", "hello", "0", ""),),
            judge=whole_post(_ended),
            lesson_learned=(
                "Between the 0 line and the empty line trailer fields may stand (RFC 9112 §7.1.2).",
                "Look at what came back: the server wrote a 0 of its own, for its own body.",
            ),
        ),
    ),
)
