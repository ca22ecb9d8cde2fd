"""The judges that several lessons share: of a correct request, and of a correct chunked body.

The rule here: checks of one lesson alone are in `bodies` and `ends`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from chunkwire.lab.lessons.judgement import Judgement, shown_octets, wrong
from chunkwire.lab.lessons.lesson import Judge
from chunkwire.lab.lessons.reading import ReadMessage, read_request, read_response
from chunkwire.lab.lessons.watched import WatchedConnection
from chunkwire.tools.paint import number

MessageJudge: TypeAlias = Callable[[ReadMessage, WatchedConnection], Judgement | None]

NOTHING_SENT: Final = "You connected and left without sending an octet."
LEAVE: Final = "Your chunk is whole. Leave now, without a 0 line."

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;.*)?")
_MISSING: Final = {
    "a size line": "the next size line, or the 0 line that ends the body, did not come",
    "the trailer section": "the empty line after the 0 line did not come",
}


def request(judge: MessageJudge, *, needs_host: bool = True) -> Judge:
    """Return the judge of the first request of a connection; `judge` is called once its head is complete and right.

    Args:
        needs_host: a head without Host is wrong; False for a step that asks for one, which the server then refuses.
    """

    def judge_request(connection: WatchedConnection) -> Judgement | None:
        octets = connection.request_octets
        if not octets:
            return wrong(NOTHING_SENT) if connection.has_said_all else None
        message = read_request(octets, path=connection.path, needs_host=needs_host)
        if message.body_at is None:
            return message.mistake or (unfinished_head(message) if connection.has_said_all else None)
        if message.mistake is not None and (message.mistake.at or 0) < message.body_at:
            return message.mistake
        judgement = judge(message, connection)
        if needs_host and not _names_an_octet(judgement):
            judgement = _refusal(message, connection) or judgement
        # An attempt is reported as right only once its response has come, so that the learner can look at it.
        return judgement if judgement is None or not judgement.is_right or _is_answered(connection) else None

    return judge_request


HEAD_ALONE: Final = request(lambda message, connection: None)
"""Judges no more than the head: a mistake in it, that it has not ended, or that the server refused it."""


def unfinished_head(message: ReadMessage) -> Judgement:
    """Return what is wrong in the last line of a head, else what is missing, once nothing more will come."""
    octets = message.octets
    read = read_response if message.is_response else partial(read_request, path=message.path.decode(), needs_host=False)
    line = octets.removesuffix(b"\r")
    mistake = read(line + b"\r\n").mistake
    if mistake is not None and mistake.at is not None and mistake.at < len(line):
        return replace(mistake, octets=octets)
    what = "response" if message.is_response else "request"
    return message.wrong(f"Your {what} is not finished: {message.missing} is missing.", len(octets), hint=message.hint)


def _names_an_octet(judgement: Judgement | None) -> bool:
    return judgement is not None and judgement.at is not None and judgement.at < len(judgement.octets)


def _refusal(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    """Return why the server refused a request in which no mistake was found; None if it did not.

    The reason is the first line of its body; until that is whole, there is no refusal yet. A refusal because something
    is missing (`IncompleteBody`) is left to the judges.
    """
    answer = read_response(connection.response_octets)
    status, reason = _status(answer), _reason(answer)
    if message.mistake is not None or status < b"4":
        return None
    if b"got the end of input" in reason or not (reason.endswith(b"\n") or connection.is_over):
        return None
    why = shown_octets(reason.removesuffix(b"\n"))
    return wrong(f"The server refused this request: {shown_octets(status)}.", evidence=(why,))


def _status(answer: ReadMessage) -> bytes:
    return answer.start_line.partition(b" ")[2]


def _reason(answer: ReadMessage) -> bytes:
    """Return the first line of a refusal's body, as far as it has come."""
    line, end, _ = answer.octets[answer.body_at or len(answer.octets) :].partition(b"\n")
    return line + end


def _is_answered(connection: WatchedConnection) -> bool:
    answer = read_response(connection.response_octets)
    if _status(answer) >= b"4" and not _reason(answer).endswith(b"\n"):
        return connection.is_over  # a refusal whose reason has not come
    return connection.is_over or answer.is_complete or answer.mistake is not None


def target_of(connection: WatchedConnection) -> bytes:
    """Return the target of a connection's first request, without `connection.path`; b"" while there is none."""
    return read_request(connection.request_octets, path=connection.path).target


def wrong_target(message: ReadMessage, path: bytes, method: bytes = b"GET") -> Judgement | None:
    """Return what is wrong with method and path; a query does not matter."""
    if message.method != method:
        return message.wrong(f"This step asks for {method.decode()} {(message.path + path).decode()}", 0)
    if message.target.partition(b"?")[0] != path:
        return message.wrong(f"This step asks for {(message.path + path).decode()}", len(message.method) + 1)
    return None


def post(judge: MessageJudge, size_of: bytes = b"") -> Judge:
    """Return the judge of a chunked body sent to /echo; `judge` is called as long as there is no mistake.

    Args:
        size_of: the text whose size the learner has to find, to explain a wrong one; b"" for none.
    """

    def judge_body(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
        mistake = wrong_target(message, b"/echo", b"POST")
        if mistake is None and message.get(b"transfer-encoding") is None:
            at = (message.body_at or 0) - 1
            length = message.get(b"content-length")
            sentence = "Without the line Transfer-Encoding: chunked this request has no body at all."
            if length is not None:
                sentence = "A body with Content-Length has no chunks: write Transfer-Encoding: chunked in its place."
            mistake = message.wrong(sentence, at if length is None else length[1])
        if mistake is None and size_of:
            mistake = size_mistake(message, size_of)
        return mistake or message.mistake or judge(message, connection)

    return request(judge_body)


def whole_post(judge: MessageJudge, size_of: bytes = b"") -> Judge:
    """As `post`; `judge` is called once the body is complete. A body that is never completed is wrong."""

    def judge_complete(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
        return judge(message, connection) if message.is_complete else unfinished(message, connection)

    return post(judge_complete, size_of)


def unfinished(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    """Return what is missing in a body, once nothing more will come."""
    if not connection.has_said_all:
        return None
    what = None if message.took_the_end else _MISSING.get(message.missing)
    sentence = f"The body is not finished: {what}." if what else message.hint  # of a chunk: how much came, or its size
    return message.wrong(sentence, len(message.octets), hint=message.hint)


def ended_too_far(message: ReadMessage, connection: WatchedConnection) -> Judgement | None:
    """Judge a body that must have no 0 line, once it is complete or nothing more will come; None if it has none."""
    at = message.last_chunk_at
    if at is None or not (message.is_complete or connection.has_said_all):
        return None
    missing = "empty line after it" if message.missing == "the trailer section" else "end of that line"
    came = "You ended the body here." if message.is_complete else f"Here is a 0 line; only the {missing} is missing."
    return message.wrong(f"{came} This time leave before the 0 line.", at)


def size_mistake(message: ReadMessage, text: bytes) -> Judgement | None:
    """Return what is wrong with the size line before a known text, once the text has come."""
    start = message.body_at or 0
    line, end, rest = message.octets[start:].partition(b"\r\n")
    if not end or not rest.startswith(text):
        return None
    found = _SIZE.fullmatch(line)
    size = int(found[1], 16) if found else -1
    if size == len(text):
        return None
    return message.wrong(_size_sentence(line, size, text), start)


def _size_sentence(line: bytes, size: int, text: bytes) -> str:
    name, count, digits = text.decode("utf-8"), len(text), f"{len(text):x}"
    written = shown_octets(line.partition(b";")[0][:16])
    if line.partition(b";")[0] == b"%d" % count:
        means = number(size, "octet")
        return f'Sizes are hex: {written} means {means}. "{name}" has {count}, and that is {digits} in hex.'
    if size == len(name) < count:
        return f'"{name}" has {size} characters, but {count} octets: the size counts octets.'
    if size == count + 2:
        return f"{written} counts the line end too. The size is that of the data alone: {digits}."
    if size < 0:
        return f"A size line begins with the size, 1 to 16 hex digits: {digits} for these {count} octets."
    return f'{written} says {number(size, "octet")}, and "{name}" has {count}: {digits} in hex.'
