"""Parse the responses that a server wrote on one connection.

The rule here: pure; octets in, answers out. They are parsed as a client must (RFC 9112 §6.3). Octets that are no
response are reported as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chunkwire.net.framing import response_framing
from chunkwire.net.heads import HeadError, Response, check_head, find_head_end, read_response
from chunkwire.wire.errors import quoted
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS
from chunkwire.wire.unchunked import CloseScanner


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


class AnswersParser:
    """Parses the responses as their octets come; the work is linear in the octets.

    Args:
        methods: of the requests, in order; further responses are parsed as responses to GET.

    Attributes:
        finals, interim: as in `AnswersRead`, but the content of the last response is added by `read`, or at its end.
    """

    def __init__(self, methods: Sequence[bytes]) -> None:
        self.finals: list[ServerAnswer] = []
        self.interim: list[int] = []
        self._methods = methods
        self._held = bytearray()  # of a head
        self._searched = 0  # octets of it, for its end
        self._feed: Feed | None = None  # of the body that is being received
        self._content = bytearray()
        self._trouble = ""
        self._is_over = False  # what follows is not parsed

    def feed(self, octets: bytes) -> None:
        """Parse the next octets that came."""
        self._held += octets
        while self._held and not self._is_over:
            if not (self._take_head() if self._feed is None else self._take_body(self._feed)):
                break

    def end(self) -> None:
        """Note that the server has closed the connection, which ends a body that is delimited by close."""
        if self._feed is not None and isinstance(self._feed.scanner, CloseScanner):
            self._settle(is_whole=True)

    def read(self) -> AnswersRead:
        """Return what has come so far."""
        finals = (*self.finals[:-1], *(self._with_content(answer) for answer in self.finals[-1:]))
        trouble = self._trouble
        if not self._is_over and self._feed is None and not b"HTTP/1.".startswith(self._held[:7]):
            trouble = f"expected a status line, got {quoted(bytes(self._held[:32]))}"
        return AnswersRead(finals, tuple(self.interim), trouble)

    def _take_head(self) -> bool:
        """Parse the next head; False if it is not whole."""
        end = find_head_end(self._held, self._searched)
        if end is None:
            self._searched = len(self._held)
            return False
        octets, self._searched = bytes(self._held[:end]), 0
        del self._held[:end]
        method = self._methods[len(self.finals)] if len(self.finals) < len(self._methods) else b"GET"
        try:
            check_head(octets, DEFAULT_HEAD_LIMITS, is_request=False, bare_lf=False)
            head = read_response(octets)
            framing = response_framing(head, method)
        except HeadError as error:
            self._trouble, self._is_over = str(error), True
            return False
        if head.status < 200 and head.status != 101:
            self.interim.append(head.status)
            return True
        self.finals.append(ServerAnswer(head, tuple(self.interim), b"", framing.is_empty))
        self.interim.clear()
        self._feed = None if framing.is_empty else Feed(framing.scanner())
        self._is_over = head.status == 101
        return True

    def _take_body(self, feed: Feed) -> bool:
        """Parse octets of a body; False if it is not complete."""
        events: list[Event] = []
        feed.take(bytes(self._held), events)
        self._held.clear()
        self._content += b"".join(event.octets for event in events if isinstance(event, Data))
        if feed.error is not None:
            self._trouble, self._is_over = f"its chunked body is broken: {feed.error}", True
        elif not feed.scanner.is_complete:
            return False
        self._held += feed.held
        self._settle(is_whole=feed.error is None)
        return True

    def _settle(self, *, is_whole: bool) -> None:
        """End the body of the last response."""
        self.finals[-1] = replace(self._with_content(self.finals[-1]), is_whole=is_whole)
        self._content.clear()
        self._feed = None

    def _with_content(self, answer: ServerAnswer) -> ServerAnswer:
        return replace(answer, content=bytes(self._content)) if self._content else answer
