"""Judges of lessons 1 to 3, 5, 6 and 9: requests and chunked bodies that the learner sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, right, shown_octets, wrong
from chunkwire.lab.lessons.lesson import Judge
from chunkwire.lab.lessons.reading import ReadMessage, read_request
from chunkwire.lab.lessons.typed import LEAVE, ended_too_far, post, request, whole_post, wrong_target
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.tools.paint import number

_TEXT: Final = b"hello, chunked world"
_ACCENT: Final = "café".encode()


def _asked(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = wrong_target(message, b"/hello")
    if mistake is not None:
        return mistake
    bare = b"\r\n" not in message.octets[: message.body_at]
    ends = "LF alone; this server forgives that in a head" if bare else "CRLF, as RFC 9112 asks"
    return right(
        f"That is a whole request: {number(message.body_at or 0, 'octet')} of text, each line ended by {ends}."
    )


def _without_host(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    host = message.get(b"host")
    if host is not None:
        return message.wrong("There is a Host line. Leave it out this time, and see what the server says.", host[1])
    return right("No Host line, and the server answered 400: it says in words what is missing.")


def _twice(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = wrong_target(message, b"/hello")
    if mistake is not None or not message.is_complete:
        return mistake
    second = message.octets[message.ends_at :]
    if not second:
        sentence = "One request came on this connection. Type the second one where the first answer ended."
        return wrong(sentence) if connection.has_said_all else None
    again = read_request(second)
    if again.mistake is not None:
        return again.mistake
    if again.body_at is None:
        sentence = f"The second request is not finished: {again.missing} is missing."
        return again.wrong(sentence, len(second), hint=again.hint) if connection.has_said_all else None
    if connection.response_octets.count(b"HTTP/1.1 200 ") < 2:
        sentence = "The connection has ended without two answers of status 200."
        return wrong(sentence) if connection.is_over else None
    return right("Two requests and two answers, on one connection.")


def _fetched_numbers(message: ReadMessage, connection: WatchedConnection) -> Judgement:
    seen = right("You saw the sizes 5, a and 1a, each in front of its data.")
    return wrong_target(message, b"/numbers") or seen


def _chunk_of(text: bytes, message: ReadMessage) -> Judgement | None:
    """Judge a complete body that should be one chunk with this text; None where it is."""
    if message.content == text and len(message.chunks) == 1:
        return None
    sentence = f'This step asks for one chunk with the data "{text.decode()}", and then the 0 line and an empty line.'
    return message.wrong(sentence, None if message.content == text else message.differs_at(text))


def _sized(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    return _chunk_of(_TEXT, message) or right('14 is hex for 20, and "hello, chunked world" has 20 octets.')


def _accented(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    return _chunk_of(_ACCENT, message) or right("Five: c, a, f, and two octets for é (c3 a9 in UTF-8).")


def _broken(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = message.mistake
    if mistake is not None:
        return Judgement(True, f"There it is. {mistake.sentence}", mistake.octets, mistake.at)
    sentence = "This request has no wrong chunk: run the command as it stands."
    return wrong(sentence) if message.is_complete or connection.has_said_all else None


def _left_open(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    mistake = ended_too_far(message, connection)
    if mistake is not None or not connection.has_said_all:
        return mistake
    if not message.chunks:
        return message.wrong("You left before the first chunk was whole.", len(message.octets), hint=message.hint)
    count = number(len(message.content) + len(message.partial), "octet")
    return right(f"The server has {count}, and no end: it counts this body as cut.", hint=LEAVE)


def _ended(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    if not message.chunks:
        return message.wrong("The body has ended without a chunk; send hello first.")
    return right("The last-chunk and the empty line came: the server knows that this is all.")


_MESSAGE: Final = b'{"n":1}'
_EVENT: Final = "data: café\n\n".encode()


def _split_message(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    if message.content != _MESSAGE:
        got = f"The data of your chunks, joined, is {shown_octets(message.content[:40])} and not {_MESSAGE.decode()}"
        return message.wrong(got, message.differs_at(_MESSAGE))
    if len(message.chunks) < 2:
        return message.wrong("That is one chunk. Cut the message: two sizes, two pieces.")
    pieces = (f"chunk of {len(chunk.data)}: {shown_octets(chunk.data)}" for chunk in message.chunks)
    return right(f"One message in {len(message.chunks)} frames. None of the pieces is JSON.", *pieces)


def _documents(content: bytes) -> list[object] | None:
    """Return the JSON document of each line that is not blank; None if a line is no JSON."""
    try:
        return [json.loads(line) for line in content.decode("utf-8").splitlines() if line.strip()]
    except ValueError:
        return None


def _joined_messages(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    if len(message.chunks) != 1:
        sizes = ", ".join(shown_octets(chunk.line) for chunk in message.chunks)
        return message.wrong(f"You sent {len(message.chunks)} chunks ({sizes}). This step asks for one.")
    documents = _documents(message.content)
    if documents is None or len(documents) != 2:
        content = shown_octets(message.content[:40])
        return message.wrong(f"The one chunk should hold two lines of JSON; it holds {content}")
    return right(f"Two messages in one frame of {len(message.content)} octets: the line end between them is data, too.")


def _reads_of_frames(message: ReadMessage, connection: WatchedConnection) -> list[set[int]]:
    """Return, for each chunk, the numbers (from 0) of the reads that its octets came in."""
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


def _read_lines(message: ReadMessage, connection: WatchedConnection, shown: set[int]) -> tuple[str, ...]:
    """Return a line for each of these reads (from 0), at most ten, with its octets of the body."""
    lines, at = [], 0
    for n, read in enumerate(connection.received):
        cut = max(0, (message.body_at or 0) - at)  # of the head
        at += len(read.octets)
        if n in shown:
            text = ("…" if cut else "") + shown_octets(read.octets[cut:])
            lines.append(f"read {n + 1} at {read.t:6.3f} s: {text[:52]}")
    return tuple(lines[:10])


def _one_in_two_reads(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    spans = _reads_of_frames(message, connection)
    longest = max(spans, key=len, default=set())
    if len(longest) < 2:
        sentence = "Each frame came in one read. Type its lines one by one, with Enter after each."
        return wrong(sentence, evidence=_read_lines(message, connection, set().union(*spans)))
    return right(f"One frame, {len(longest)} reads:", *_read_lines(message, connection, longest))


def _two_in_one_read(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    spans = _reads_of_frames(message, connection)
    used = set().union(*spans)
    shared = sum(span == {min(span)} and span <= set().union(*spans[:n]) for n, span in enumerate(spans) if n)
    if not shared:
        sentence = "No two frames came in one read. Send all of it at once: the command does so."
        return wrong(sentence, evidence=_read_lines(message, connection, used))
    return right(f"{len(spans)} frames came in {number(len(used), 'read')}:", *_read_lines(message, connection, used))


def _decoders(message: ReadMessage) -> tuple[str, ...]:
    """Return the results of two ways to decode the chunks, a line each: a new decoder for each chunk, one for all."""
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
    return message.wrong(sentence, message.differs_at(_EVENT))


def _uncut(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    return _event(message) or right("The event came in one chunk. Two decoders give:", *_decoders(message))


def _cut_inside(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    ends = [sum(len(chunk.data) for chunk in message.chunks[:n]) for n in range(1, len(message.chunks))]
    if (mistake := _event(message)) is not None:
        return mistake
    if _EVENT.index(b"\xc3") + 1 in ends:
        return right("You cut inside the é. The same two decoders:", *_decoders(message))
    cut = f"You cut the data after {', '.join(map(str, ends))}" if ends else "You did not cut the data"
    sentence = f"{cut}. The octets of é are number 10 and 11: cut after 10."
    return message.wrong(sentence)


JUDGES: Final[Mapping[int, Sequence[Judge]]] = {
    1: (request(_asked), request(_without_host, needs_host=False), request(_twice)),
    2: (request(_fetched_numbers), request(_broken), whole_post(_sized, _TEXT), whole_post(_accented, _ACCENT)),
    3: (post(_left_open), whole_post(_ended)),
    5: (whole_post(_split_message), whole_post(_joined_messages)),
    6: (whole_post(_one_in_two_reads), whole_post(_two_in_one_read)),
    9: (whole_post(_uncut), whole_post(_cut_inside)),
}
"""The judges of each step, by the number of the lesson."""
