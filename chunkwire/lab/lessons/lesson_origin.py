"""The resources of the lessons' origin.

The rule here: no content depends on the clock. A path that a question refers to does not reveal the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from chunkwire.origin.echo import ECHO
from chunkwire.server.body import ChunkedBody
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder
from chunkwire.server.routes import Resource, ResponderFunction

SLOW_SECONDS: Final = 0.4
"""Between the lines of `/slow`: five lines take 1.6 s, long enough to be seen, short enough to be watched twice."""
DRIP_SECONDS: Final = 0.3
"""Between the lines of `/endless`, which a client leaves, and `/short`, which it reads to the end after its FIN."""
ENDLESS_LINES: Final = 1000
"""Five minutes: longer than a learner watches. A stream that was forgotten then ends."""

NUMBERS: Final = (b"hello", b"0123456789", b"abcdefghijklmnopqrstuvwxyz")


def lesson_resources(answer: Callable[[str], str], paths: Sequence[str] = ("",)) -> tuple[Resource, ...]:
    """Return what is served.

    Args:
        answer: called with the last segment of `/answer/…`; returns the text that is sent back.
        paths: prefixes; all resources are served under each. A class has one for the origin and one for each hop.
    """

    async def answered(request: IncomingRequest, response: Responder) -> None:
        await response.text(200, answer(request.captures["answer"]) + "\n")

    served = (  # path, responder, summary, arguments of an example with curl
        Resource("/hello", _hello, "six octets", "{origin}/hello"),
        Resource("/numbers", _numbers, "three chunks", "--raw {origin}/numbers"),
        Resource("/first", _lines_of(4), "a stream", "--raw {origin}/first"),
        Resource("/second", _lines_of(6), "a stream", "--raw {origin}/second"),
        Resource("/third", _lines_of(4, is_cut=True), "a stream", "--raw {origin}/third"),
        Resource("/slow", _dripping(5, SLOW_SECONDS), "a line each 0.4 s", "{origin}/slow"),
        Resource("/short", _dripping(5, DRIP_SECONDS), "a line each 0.3 s", "{origin}/short"),
        Resource("/endless", _dripping(ENDLESS_LINES, DRIP_SECONDS), "a line each 0.3 s", "{origin}/endless"),
        Resource("/answer/{answer}", answered, "send an answer to a question of the lesson", "{origin}/answer/first"),
        *ECHO,
    )
    return tuple(replace(resource, path=path + resource.path) for path in paths for resource in served)


async def _hello(request: IncomingRequest, response: Responder) -> None:
    await response.text(200, "hello\n")


async def _numbers(request: IncomingRequest, response: Responder) -> None:
    async with response.chunked(fields=(TEXT,)) as body:
        for text in NUMBERS:
            await body.send_chunk(text)


def _lines_of(count: int, *, is_cut: bool = False) -> ResponderFunction:
    """Return a responder that sends `count` lines, each of which says that there are 6."""

    async def lines(request: IncomingRequest, response: Responder) -> None:
        async with response.chunked(fields=(TEXT,)) as body:
            await _send_lines(body, count, of=6)
            if is_cut:
                body.cut()

    return lines


def _dripping(count: int, seconds: float) -> ResponderFunction:
    async def drip(request: IncomingRequest, response: Responder) -> None:
        async with response.chunked(fields=(TEXT,)) as body:
            await _send_lines(body, count, seconds=seconds)

    return drip


async def _send_lines(body: ChunkedBody, count: int, *, of: int = 0, seconds: float = 0.0) -> None:
    for number in range(1, count + 1):
        await body.wait_until((number - 1) * seconds)
        await body.send_chunk(b"line %d%b\n" % (number, b" of %d" % of if of else b""))
