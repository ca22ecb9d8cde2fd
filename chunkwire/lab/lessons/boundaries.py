"""Lessons 5, 6 and 9: frames are not messages, not reads, and not characters."""

from __future__ import annotations

import json
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, shown_octets, wrong
from chunkwire.lab.lessons.lesson import Lesson, LessonStep, PipedCommand
from chunkwire.lab.lessons.reading import ReadMessage
from chunkwire.lab.lessons.typed import POST_OCTETS, posting, whole_post
from chunkwire.lab.lessons.watched import WatchedConnection

_MESSAGE: Final = b'{"n":1}'
_EVENT: Final = "data: café\n\n".encode()


def _sizes(message: ReadMessage) -> str:
    return ", ".join(shown_octets(chunk.line) for chunk in message.chunks)


def _split_message(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    at = message.body_at or 0
    if message.content != _MESSAGE:
        got = f"The data of your chunks, joined, is {shown_octets(message.content[:40])} and not {_MESSAGE.decode()}"
        return wrong(got, message.octets, at)
    if len(message.chunks) < 2:
        return wrong("That is one chunk. Cut the message: two sizes, two pieces.", message.octets, at)
    pieces = (f"chunk of {len(chunk.data)}: {shown_octets(chunk.data)}" for chunk in message.chunks)
    return right(f"One message in {len(message.chunks)} frames. None of the pieces is JSON.", *pieces)


def _documents(content: bytes) -> list[object] | None:
    """Return the JSON documents of lines; None where a line is none."""
    try:
        return [json.loads(line) for line in content.decode("utf-8").splitlines() if line.strip()]
    except ValueError:
        return None


def _joined_messages(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    at = message.body_at or 0
    if len(message.chunks) != 1:
        return wrong(
            f"You sent {len(message.chunks)} chunks ({_sizes(message)}). This step asks for one.", message.octets, at
        )
    documents = _documents(message.content)
    if documents is None or len(documents) != 2:
        content = shown_octets(message.content[:40])
        return wrong(f"The one chunk should hold two lines of JSON; it holds {content}", message.octets, at)
    return right(f"Two messages in one frame of {len(message.content)} octets: the line end between them is data, too.")


FRAMES_ARE_NOT_MESSAGES: Final = Lesson(
    number=5,
    title="Frames are not messages",
    intro=(
        (
            "Here a message is a line of JSON. Often a sender writes one message a chunk, but nothing makes it so: "
            "any hop may cut and join chunks, and a receiver must not care (RFC 9112 §7.1)."
        ),
    ),
    steps=(
        LessonStep(
            task=(
                'This sends the message {"n":1} in one chunk. Send it in two: cut where you like, write both sizes.',
            ),
            commands=(posting("7", _MESSAGE.decode(), "0", ""),),
            judge=whole_post(_split_message),
            lesson_learned=(
                "Code that parses each chunk as JSON fails here. Gather data, and cut it at the line ends.",
            ),
        ),
        LessonStep(
            task=(
                (
                    "Now two messages in one chunk. The line end between them is data and counts as two octets; "
                    "the one after the second line is the chunk's own."
                ),
            ),
            commands=(posting("…", '{"n":1}', '{"n":2}', "0", ""),),
            judge=whole_post(_joined_messages),
            lesson_learned=("Code that takes a chunk for a message loses the second one.",),
        ),
    ),
)


def _reads_of_frames(message: ReadMessage, connection: WatchedConnection) -> list[set[int]]:
    """Return, for each chunk, the numbers of the reads that its octets came in."""
    ends: list[int] = []
    for read in connection.received:
        ends.append((ends[-1] if ends else 0) + len(read.octets))
    at, spans = message.body_at or 0, []
    for chunk in message.chunks:
        end = at + len(chunk.raw)
        first = next(n for n, stop in enumerate(ends) if at < stop)
        last = next(n for n, stop in enumerate(ends) if end <= stop)
        spans.append(set(range(first, last + 1)))
        at = end
    return spans


def _read_lines(connection: WatchedConnection) -> tuple[str, ...]:
    some = connection.received[:10]
    return tuple(f"read {n} at {read.t:6.3f} s: {shown_octets(read.octets)[:52]}" for n, read in enumerate(some, 1))


def _one_in_two_reads(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    spans = _reads_of_frames(message, connection)
    count = max((len(span) for span in spans), default=0)
    if count < 2:
        sentence = "Each frame came in one read. Type its lines one by one, with Enter after each."
        return wrong(sentence, b"", None, *_read_lines(connection))
    return right(f"One frame, {count} reads:", *_read_lines(connection))


def _two_in_one_read(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    spans = _reads_of_frames(message, connection)
    shared = sum(span == {min(span)} and span <= set().union(*spans[:n]) for n, span in enumerate(spans) if n)
    if not shared:
        sentence = "No two frames came in one read. Send all of it at once: the command does so."
        return wrong(sentence, b"", None, *_read_lines(connection))
    return right(f"{len(spans)} frames came in {len(set().union(*spans))} read:", *_read_lines(connection))


FRAMES_ARE_NOT_READS: Final = Lesson(
    number=6,
    title="Frames are not reads",
    intro=("A program reads from a socket what is there: half a frame, or five. Here you see what the server read.",),
    steps=(
        LessonStep(
            task=("Type one frame, line by line. Each Enter sends a line on its way.",),
            commands=(posting("5", "hello", "0", ""),),
            judge=whole_post(_one_in_two_reads),
            lesson_learned=(
                "The size line came alone: a reader that expects a whole frame from one read breaks here.",
            ),
        ),
        LessonStep(
            task=("Now two frames in one go:",),
            commands=(PipedCommand(POST_OCTETS + b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"),),
            judge=whole_post(_two_in_one_read),
            lesson_learned=(
                "The same frames, other reads. Time and buffers cut reads; only size lines say where frames end.",
            ),
        ),
    ),
)


def _decoders(message: ReadMessage) -> tuple[str, ...]:
    """Return what two decoders make of the chunks: one that forgets between them, and one that does not."""
    forgetful = "".join(chunk.data.decode("utf-8", "replace") for chunk in message.chunks)
    whole = message.content.decode("utf-8", "replace")
    return (
        f"decoder.decode(chunk)                  {json.dumps(forgetful, ensure_ascii=False)}",
        f"decoder.decode(chunk, {{stream: true}})  {json.dumps(whole, ensure_ascii=False)}",
    )


def _event(message: ReadMessage) -> Judgement | None:
    if message.content == _EVENT:
        return None
    got = shown_octets(message.content[:40])
    sentence = f"The data of your chunks, joined, should be {shown_octets(_EVENT)}; it is {got}"
    return wrong(sentence, message.octets, message.body_at)


def _uncut(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    return _event(message) or right("The event came in one chunk. What two decoders make of it:", *_decoders(message))


def _cut_inside(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    ends = [sum(len(chunk.data) for chunk in message.chunks[:n]) for n in range(1, len(message.chunks))]
    if (mistake := _event(message)) is not None:
        return mistake
    if _EVENT.index(b"\xc3") + 1 in ends:
        return right("You cut inside the é. The same two decoders:", *_decoders(message))
    what = f"after {', '.join(map(str, ends))}" if ends else "nowhere"
    sentence = f"You cut the data {what}. The octets of é are number 10 and 11: cut after 10."
    return wrong(sentence, message.octets, message.body_at)


_WHOLE_EVENT: Final = POST_OCTETS + b"d\r\n" + _EVENT + b"\r\n0\r\n\r\n"

CUT_INSIDE_UTF8: Final = Lesson(
    number=9,
    title="An event cut inside UTF-8",
    intro=("An event of a stream: data: café. In UTF-8 the é is two octets, c3 a9 (in octal for printf: 303 251).",),
    steps=(
        LessonStep(
            task=("Send it in one chunk of d (13) octets:",),
            commands=(PipedCommand(_WHOLE_EVENT),),
            judge=whole_post(_uncut),
            lesson_learned=("Here both are right: no character lies across an edge.",),
        ),
        LessonStep(
            task=(
                "Change the command: end the first chunk after \\303, inside the é, and send the rest as a second.",
                "Both need their own size line, in hex.",
            ),
            commands=(PipedCommand(_WHOLE_EVENT),),
            judge=whole_post(_cut_inside),
            lesson_learned=(
                "The octets were the same. A decoder that is new for each chunk forgets the half character: \ufffd.",
                "In JavaScript: one TextDecoder, and {stream: true}. In Python: codecs.getincrementaldecoder.",
            ),
        ),
    ),
)
