"""Read the messages that another program sent or received, from the octets of a pipe or a file, and record them.

The rule here: no octets are dropped in silence: they are in a record, or a note or an error mentions them. A capture
is what nc, curl or people saved of connections: any number of requests and responses, with other octets between them.
These assumptions are made; for all but the first two, a note or the error of a message that was cut mentions them:

- a response whose request is not in the capture answers a GET, unless the caller names another method;
- the content of a response of type message/http may hold heads;
- a response head directly after a response head, where a body should be, means that the body is not in the capture: the
  first one answers a HEAD or CONNECT, or is a redirect that `curl -L` followed;
- a response head in a body that is delimited by close begins the response of the next connection;
- a response head in the data of a response, or any head in the data of a request, is data if the framing ends properly
  with it as data (`inner`); if not, it begins the next message.

What this module must not know: files and pipes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from chunkwire.client.captured import HEAD_IN_DATA, MAX_STRAY_OCTETS, NO_BODY, CapturedMessage, CaptureWatcher, Strays
from chunkwire.client.completion import Completion
from chunkwire.client.inner import MAX_INNER_OCTETS, Inner, InnerHead, describe_cut, judge_rest
from chunkwire.client.mistakes import describe_bad_head, describe_no_message, hint_at
from chunkwire.client.sniff import Beginning, find_head, find_status_line, find_whole_head, sniff
from chunkwire.net.framing import BodyKind, Framing, request_framing, response_framing
from chunkwire.net.heads import HeadError, check_head, check_partial_head, find_head_end, read_request, read_response
from chunkwire.net.protocols import MAX_NAME_OCTETS, name_protocol
from chunkwire.net.targets import normalize_target
from chunkwire.record.recorder import Recorder
from chunkwire.wire.errors import BARE_LF_HINT, FramingError, IncompleteBody, Rule
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, DEFAULT_LIMITS, Limits
from chunkwire.wire.scanner import BodyScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner

RESPONSES_AT: Final = "client.received"
REQUESTS_AT: Final = "origin.received"
MAX_ASKED: Final = 1000  # requests without a response, of which the methods are kept; clients pipeline a few
_HEADLESS: Final = Framing(BodyKind.CHUNKED)
_HTTP: Final = b"HTTP/1"


class CaptureReader:
    """Reads a capture incrementally.

    Args:
        watcher: is given the records and notes.
        method: of requests that are not in the capture.
        limits: of bodies; heads have the default ones.

    Attributes:
        asked: methods of the requests that have no response yet; a reader of the other direction may add some.
    """

    def __init__(self, watcher: CaptureWatcher, *, method: bytes = b"GET", limits: Limits = DEFAULT_LIMITS) -> None:
        self._watcher = watcher
        self._method = method
        self._limits = limits
        self._held = b""
        self._message: CapturedMessage | None = None
        self._step: Callable[[], bool] = self._between
        self.asked: deque[bytes] = deque(maxlen=MAX_ASKED)
        self._seen = {"request": 0, "response": 0}
        self._is_headless = True  # a chunked body without a head may begin, until a head has come
        self._strays = Strays()
        self._t, self._read, self._is_over = 0.0, 1, False
        self._body: list[bytes] = []

    def feed(self, octets: bytes, *, t: float, read: int) -> bytes:
        """Process the octets of one receive; return those that belong to bodies, as on the wire.

        Args:
            t: s since the capture began.
            read: number of the receive, from 1; 0 for octets that were there before reading began.
        """
        self._t, self._read = t, read
        self._held += octets
        self._body.clear()
        while self._held and self._step():
            pass  # a step returns False if it needs more octets
        return b"".join(self._body)

    def end(self, t: float, framing: str = "cut", error: str | None = None) -> None:
        """End the capture: no more octets will follow.

        Args:
            framing: the verdict of a message that is not complete, such as "cut" or "stopped"; "malformed" instead of
                "cut" if its head is not complete.
            error: the reason of this verdict; None for the end of the input.
        """
        self._t, self._is_over = t, True
        while self._held and self._step == self._between and self._between(is_last=True):  # decides without more octets
            while self._held and self._step != self._between and self._step():  # the rest of the message, or of strays
                pass
        message = self._message
        if message is None:
            self._end_strays()
        elif message.scanner is None:
            got = f"{len(self._held)} octets of a head and the end of the input"
            got += ": the empty line that ends it is missing" if self._held.endswith(b"\n") else ""
            verdict = "malformed" if framing == "cut" else framing
            self._end_message(verdict, error or f"expected a {message.way} head, got {got}", self._held)
        else:
            message.may_miss_body = False
            if self._held and self._scan():
                self.end(t, framing, error)  # continue after a chunk or message that ended
            else:
                self._end_body(message, message.scanner, framing, error)

    def _between(self, *, is_last: bool = False) -> bool:
        """Decide what begins with the held octets, between two messages; False if more octets are needed."""
        known = name_protocol(self._held) if self._has_no_message else None
        may_be_named = self._has_no_message and not is_last and len(self._held) < MAX_NAME_OCTETS
        is_lenient = self._limits.allow_padding
        found = sniff(self._held, may_be_chunked=self._is_headless, is_lenient=is_lenient, is_last=is_last)
        is_http_1 = found is Beginning.RESPONSE and self._held[5:6] == b"1"  # `known` may be another version of HTTP
        if known is not None and not is_http_1:
            self._refuse(f"expected an HTTP/1.1 message, got {known}", self._held)
        elif found is Beginning.UNDECIDED or (found is Beginning.OTHER and may_be_named):
            return False
        elif found is Beginning.OTHER:
            self._step = self._skip
            return self._skip()
        elif found is Beginning.CHUNKED:
            self._begin_body(self._begin("response"), _HEADLESS)
        else:
            self._end_strays()
            self._is_headless, self._step = False, self._head
            self._begin(found.value)
        return True

    @property
    def _has_no_message(self) -> bool:
        return sum(self._seen.values()) == 0

    def _begin(self, way: str) -> CapturedMessage:
        if not self._has_no_message:
            self._watcher.begin(f"{way} {self._seen[way] + 1}")
        self._seen[way] += 1
        point = RESPONSES_AT if way == "response" else REQUESTS_AT
        stream = self._seen[way]
        self._message = CapturedMessage(Recorder(self._watcher.record, stream=stream, point=point, way=way), way)
        return self._message

    def _refuse(self, error: str, octets: bytes) -> None:
        """Record octets that are no message as a malformed message."""
        self._begin("request" if octets.startswith(b"PRI ") else "response")  # a client's preface of HTTP/2
        self._end_message("malformed", error, octets)

    def _skip(self) -> bool:
        """Search for a head in octets that belong to no message."""
        place = find_head(self._held)
        if place is None:
            line = self._held.rfind(b"\n") + 1
            self._leave_out(max(line, len(self._held) - MAX_STRAY_OCTETS))
            return False
        self._leave_out(place)
        self._step = self._between
        return True

    def _leave_out(self, count: int) -> None:
        self._strays.take(self._held[:count])
        self._held = self._held[count:]
        if self._has_no_message and self._strays.count > MAX_STRAY_OCTETS:
            self._refuse_strays()

    def _end_strays(self) -> None:
        """Note the octets that belong to no message, at the next head or at the end."""
        if self._step == self._skip and self._message is None:
            self._leave_out(len(self._held))
        if self._strays.count and self._has_no_message and not self._held:
            self._refuse_strays()
        elif (text := self._strays.describe()) is not None:
            self._watcher.note(text)
        self._strays = Strays()

    def _refuse_strays(self) -> None:
        """Record why a capture that has no message is not a chunked body either."""
        if (error := describe_no_message(self._strays.first, _HEADLESS.scanner(self._limits))) is not None:
            self._refuse(error, self._strays.first)
            self._strays = Strays()  # those octets are not held any more

    def _head(self) -> bool:
        message = self._message
        assert message is not None
        is_request = message.way == "request"
        most = DEFAULT_HEAD_LIMITS.max_start_line_octets + 1
        line = self._held.find(b"\n", 0, most) + 1 or most  # octets of the first line, or as many as are too many
        end = None
        if line > len(self._held):
            return False  # wait for the whole line, so that the verdict does not depend on how it was split into reads
        try:
            check_partial_head(bytearray(self._held[:line]), DEFAULT_HEAD_LIMITS, is_request=is_request)
            end = find_head_end(bytearray(self._held), 0)
            if end is None:
                check_partial_head(bytearray(self._held), DEFAULT_HEAD_LIMITS, is_request=is_request)
                return False
            head, rest = self._held[:end], self._held[end:]
            check_head(head, DEFAULT_HEAD_LIMITS, is_request=is_request, bare_lf=is_request)
            framing = self._take_request(message, head) if is_request else self._take_response(message, head)
        except HeadError as error:
            self._end_message("malformed", describe_bad_head(error, self._held), self._held[: end or line])
            self._leave_out(find_head(self._held[:line], 1) or line)
            return True
        self._held = rest
        return framing is None or self._begin_body(message, framing)

    def _take_request(self, message: CapturedMessage, head: bytes) -> Framing:
        request = read_request(head)
        message.recorder.request(self._t, request.method, request.target, request.fields, time.time(), octets=head)
        if b"\r" not in head:
            self._watcher.note(f"the lines of this head end in LF alone, which only some servers take. {BARE_LF_HINT}")
        self.asked.append(request.method)  # before its errors: a refused request has a response, too
        message.head = request
        normalize_target(request)
        return request_framing(request)

    def _take_response(self, message: CapturedMessage, head: bytes) -> Framing | None:
        """Record a response head and return its framing; None if another head follows: after a 1xx other than 101."""
        response = read_response(head)
        message.recorder.head(self._t, response.start_line, response.fields, octets=head)
        if response.status == 101:
            self._watcher.note("after a 101 the octets are of the protocol that was switched to")
        elif response.status < 200:
            response_framing(response, b"GET")  # raises if the framing is not legal
            return None
        message.head = response
        method = self.asked.popleft() if self.asked else self._method
        if response.status == 101:
            return Framing(BodyKind.CLOSE)
        framing = response_framing(response, method)
        if method == b"CONNECT" and response.status < 300:
            framing = Framing(BodyKind.NONE)  # a tunnel: what follows belongs to no message
        message.completion = Completion.of(response)
        media_type, _, _ = (response.get(b"content-type") or b"").partition(b";")
        message.may_miss_body = media_type.strip().lower() != b"message/http"
        return framing

    def _begin_body(self, message: CapturedMessage, framing: Framing) -> bool:
        message.framing, message.scanner = framing, framing.scanner(self._limits)
        self._step = self._scan
        if message.scanner.is_complete:
            self._end_message("complete")
        return True

    def _scan(self) -> bool:
        message = self._message
        assert message is not None
        scanner = message.scanner
        assert scanner is not None
        is_open = isinstance(scanner, CloseScanner)
        limit, is_whole = len(self._held), False
        if message.may_miss_body and (is_open or not scanner.wire_octets):  # else, `_scan_framed` looks for heads
            limit, is_whole = find_status_line(self._held)
        if limit == 0 and not scanner.wire_octets:
            if is_whole:
                self._watcher.note(NO_BODY)
                self._end_message("complete")
            return is_whole
        if is_open:
            return self._scan_up_to(limit, message, scanner, is_whole=is_whole)
        return self._scan_framed(message, scanner)

    def _scan_framed(self, message: CapturedMessage, scanner: BodyScanner) -> bool:
        """Scan a body that is not delimited by close; a head in its data may show that it was cut."""
        if message.is_doubted:
            return self._scan_up_to(len(self._held), message, scanner)
        start, is_whole = message.shown, False
        while True:
            place, is_whole = find_whole_head(self._held, start, message.way)
            if place == 0:
                break
            held = len(self._held)
            if self._scan_up_to(place, message, scanner):
                return True
            taken = held - len(self._held)
            if taken == place:
                break
            if place == held:
                return False
            start = place - taken + 1  # this head is in a size line or a trailer section, not in data
        if not self._held or not (is_whole or self._is_over or len(self._held) > MAX_INNER_OCTETS):
            return False
        inner = message.inner = message.inner or InnerHead(scanner)
        found = inner.judge(self._held, is_whole=is_whole, is_last=self._is_over)
        if found is Inner.UNDECIDED:
            return False
        if found is Inner.NEXT:
            self._end_message("cut", describe_cut(scanner))
            return True
        if is_whole and found is not Inner.BROKEN and not message.is_noted:
            message.is_noted = True
            self._watcher.note(HEAD_IN_DATA)
        message.inner, message.is_doubted = None, found is Inner.TOO_MANY
        is_more = found is Inner.IN_CHUNK
        # In a chunk that ends properly other heads may follow: approve one octet, and search again from the next.
        return self._scan_up_to(1 if is_more else len(self._held), message, scanner) or is_more

    def _scan_up_to(
        self, limit: int, message: CapturedMessage, scanner: BodyScanner, *, is_whole: bool = False
    ) -> bool:
        """Scan the first `limit` held octets; `is_whole`: a whole head follows. Say whether the message has ended."""
        events: list[Event] = []
        feed = Feed(scanner)  # the octets it holds also stay in `_held`, as a head may begin in them
        taken = len(feed.take(self._held[:limit], events))
        self._take(message, self._held[:taken], events)
        self._held = self._held[taken:]
        message.shown = limit - taken
        if feed.error is not None:
            return self._break(message, scanner, feed.error)
        if scanner.is_complete:
            return self._end_whole(message, scanner)
        if is_whole:
            scanner.end_of_input()
            self._watcher.note("a response head follows: taken for the next connection's")
            self._end_message("complete")
        return is_whole

    def _end_whole(self, message: CapturedMessage, scanner: BodyScanner) -> bool:
        """End a message whose framing is complete; False if more octets are needed to confirm that."""
        is_cut = False
        if message.is_doubted and isinstance(scanner, LengthScanner):
            found = judge_rest(self._held, is_last=self._is_over)
            if found is Inner.UNDECIDED:
                return False
            is_cut = found is Inner.NEXT
        self._end_message("cut" if is_cut else "complete", describe_cut(scanner) if is_cut else None)
        return True

    def _take(self, message: CapturedMessage, octets: bytes, events: list[Event]) -> None:
        """Record octets of a body that its scanner has approved."""
        self._body.append(octets)
        if self._read and events and message.last_read != self._read:
            message.last_read = self._read
            message.reads += 1
        message.chunk.take(events)
        for event in events:
            if isinstance(event, Data):
                message.completion.feed(event.octets)
        message.recorder.body(self._t, events, message.reads if self._read else 0)

    def _break(self, message: CapturedMessage, scanner: BodyScanner, error: FramingError) -> bool:
        """End a malformed body: with "cut" if another head begins there; False if more octets are needed to decide."""
        rest = self._held[error.offset - scanner.wire_octets :]
        if error.rule is Rule.CHUNK_SIZE and len(rest) < len(_HTTP) and _HTTP.startswith(rest) and not self._is_over:
            return False
        if error.rule is Rule.CHUNK_SIZE and rest.startswith(_HTTP):
            half, self._held = self._held.removesuffix(rest), rest  # `half`: digits of a size line that was cut
            expected = f"expected a size line at {error.offset}, got the head of another message"
            self._end_message("cut", expected + message.chunk.doubt(), half)
            return True
        octets = self._held[: find_head(self._held)]
        self._body.append(octets)
        is_typed = message.way == "request" or self._is_headless
        is_first = not scanner.wire_octets and message.way == "response"
        hint = message.chunk.hint_at(error) or hint_at(
            error, is_first=is_first, is_typed=is_typed, is_lenient=self._limits.allow_padding
        )
        self._end_message("malformed", f"{error}{hint}", octets)
        return True

    def _end_body(self, message: CapturedMessage, scanner: BodyScanner, framing: str, error: str | None) -> None:
        """End the message that the end of the capture ends; a body that is delimited by close is complete then."""
        if framing == "cut":
            try:
                scanner.end_of_input()
                framing = "complete"
            except IncompleteBody as cut:
                is_without_body = not scanner.wire_octets and not self._held and message.way == "response"
                may_answer_head = is_without_body and self._seen["request"] == 0
                hint = "; an answer to HEAD has no body (-X HEAD)" if may_answer_head else message.chunk.hint_at(cut)
                error = error or f"{cut}{hint}"
        self._end_message(framing, error, self._held)

    def _end_message(self, framing: str, error: str | None = None, held: bytes = b"") -> None:
        message = self._message
        assert message is not None
        completion = message.completion
        message.recorder.end(
            self._t,
            framing,
            completion.verdict(is_complete=framing == "complete"),
            events=completion.events,
            error=error,
            held=held,
        )
        self._message = None
        self._step = self._between if framing in ("complete", "cut") else self._skip
        if framing == "malformed":
            self._strays = Strays(recorded=len(held))
        elif framing == "complete":
            self._strays = Strays(after=message)
