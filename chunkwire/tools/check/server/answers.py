"""Parse the responses that a server wrote on one connection.

The rule here: pure; octets in, answers out. They are parsed as a client must (RFC 9112 §6.3). Octets that are no
response are reported as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chunkwire.net.heads import (
    BodyKind,
    HeadError,
    Response,
    check_head,
    find_head_end,
    read_response,
    response_framing,
)
from chunkwire.wire.errors import quoted
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One final response.

    Attributes:
        interim: the statuses of the 1xx responses before it.
        content: the content received so far, without framing.
        is_whole: the whole response came.
    """

    head: Response
    interim: tuple[int, ...]
    content: bytes
    is_whole: bool

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.status


@dataclass(frozen=True, slots=True)
class AnswersRead:
    """What a server wrote: final responses, perhaps followed by 1xx responses, part of a head, or other octets.

    Attributes:
        interim: the statuses of 1xx responses after the last final response.
        trouble: why the chunked body of the last response is broken, or the octets after it are no response; "" if they
            may become one.
    """

    finals: tuple[ServerAnswer, ...]
    interim: tuple[int, ...] = ()
    trouble: str = ""


def read_answers(received: bytes, methods: Sequence[bytes], *, is_closed: bool) -> AnswersRead:
    """Return the responses in these octets.

    Args:
        methods: of the requests, in order; further responses are parsed as responses to GET.
        is_closed: no octets will follow.
    """
    finals: list[ServerAnswer] = []
    interim: list[int] = []
    at, trouble = 0, ""
    while at < len(received):
        length = find_head_end(bytearray(received[at:]), 0)
        if length is None:
            if not b"HTTP/1.".startswith(received[at : at + 7]):
                trouble = f"expected a status line, got {quoted(received[at : at + 32])}"
            break
        end = at + length
        method = methods[len(finals)] if len(finals) < len(methods) else b"GET"
        try:
            check_head(received[at:end], DEFAULT_HEAD_LIMITS, is_request=False, bare_lf=False)
            head = read_response(received[at:end])
            kind = response_framing(head, method)
            if head.status < 200 and head.status != 101:
                interim.append(head.status)
                at = end
                continue
            feed = Feed(kind.scanner())
            events: list[Event] = []
            rest = received[end:]
            taken = 0 if kind.kind is BodyKind.NONE else len(feed.take(rest, events))
        except HeadError as error:
            trouble = str(error)
            break
        is_whole = kind.is_empty or (is_closed if kind.kind is BodyKind.CLOSE else feed.scanner.is_complete)
        content = b"".join(event.octets for event in events if isinstance(event, Data))
        finals.append(ServerAnswer(head, tuple(interim), content, is_whole))
        interim.clear()
        if feed.error is not None:
            trouble = f"its chunked body is broken: {feed.error}"
        if trouble or not is_whole or head.status == 101:
            break
        at = end + taken
    return AnswersRead(tuple(finals), tuple(interim), trouble)
