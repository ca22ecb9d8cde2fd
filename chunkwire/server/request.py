"""A request for a responder: head, parameters, and the body frame by frame.

The rule here: the body is read only when the responder asks for it, and a 100 (Continue) is sent only then. After the
response the engine drains the rest of the body, within limits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from functools import cached_property

import trio

from chunkwire.net.ends import ServerConnection
from chunkwire.net.framing import Framing
from chunkwire.net.heads import Request
from chunkwire.net.movers import SendTimeout
from chunkwire.server.journal import Journal
from chunkwire.server.query import Query
from chunkwire.server.refusal import Refusal, refusal_of
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Data, Event
from chunkwire.wire.mistakes import LatestChunk


class RequestBody:
    """The body of one request, read from its connection on demand.

    Attributes:
        awaits_continue: the client waits for a 100 before it sends its body (RFC 9110 §10.1.1).
        is_complete: the last octet has been read, or there is no body.
        error: the error that each later read raises; None for none.
        unread: a scope for what is done until the last octet has been read, which cancels it.
    """

    def __init__(
        self, connection: ServerConnection, framing: Framing, settings: ServerSettings, *, awaits_continue: bool
    ) -> None:
        self.framing = framing
        self.awaits_continue = awaits_continue and not framing.is_empty
        self._connection = connection
        self._settings = settings
        self._feed = Feed(framing.scanner(settings.limits), takes_turns=True)
        self.unread = trio.CancelScope()
        self.error: FramingError | IncompleteBody | SendTimeout | None = None
        self.is_complete = framing.is_empty
        self._chunk = LatestChunk()

    @property
    def local(self) -> str:
        """The address at which the client reached this server."""
        return self._connection.local

    @property
    def is_drainable(self) -> bool:
        """The head does not rule out a drain: no 100 is awaited, and a Content-Length is at most `unread_octets`."""
        return not self.awaits_continue and (self.framing.length or 0) <= self._settings.unread_octets

    async def send_continue(self) -> None:
        """Send 100 (Continue) if the client waits for it; at most once.

        Raises:
            PeerGone: the client closed the connection.
            SendTimeout: the client took nothing for `send_timeout`. Part of the 100 may have left, so nothing may
                follow: the connection was reset.
        """
        if self.awaits_continue:
            self.awaits_continue = False
            with trio.move_on_after(self._settings.send_timeout) as limit:
                await self._connection.send_informational(100, reason=b"Continue")
            if limit.cancelled_caught:
                self._connection.reset()
                self.error = SendTimeout(f"{self._connection.peer} took no 100 (Continue)")
                raise self.error

    async def receive_events(self) -> list[Event]:
        """Return the events that one receive completed, perhaps none; none at once if the body is complete.

        If scanning takes more than one turn (`wire.feed`), the events come in several calls, between which other tasks
        run. Events before an octet that is not valid are returned before the error is raised.

        Raises:
            FramingError: the body is malformed.
            IncompleteBody: the client ended it early.
            Refusal: 408, nothing came for `body_timeout`.
            PeerGone, SendTimeout: see `send_continue`; PeerGone also if the client reset the connection.
        """
        feed = self._feed
        self._raise_if_broken()
        if self.is_complete:
            return []
        octets = b""
        if feed.is_behind:
            await trio.lowlevel.checkpoint()
        else:
            octets = await self._receive()
        events: list[Event] = []
        feed.take(octets, events)
        self._chunk.take(events)
        if not events:
            self._raise_if_broken()
        if feed.scanner.is_complete:
            self._connection.leftover[:0] = feed.held
            self.is_complete = True
            self.unread.cancel()
        return events

    def refusal_of(self, error: FramingError | IncompleteBody) -> Refusal:
        """Return the refusal of this request for an error of its body; it says so if a size seems to be wrong."""
        return refusal_of(error, self._chunk.hint_at(error))

    def _raise_if_broken(self) -> None:
        self.error = self._feed.error or self.error
        if self.error is not None:
            raise self.error

    async def _receive(self) -> bytes:
        try:
            await self.send_continue()
            with trio.fail_after(self._settings.body_timeout):
                octets = await self._connection.receive_some()
        except trio.TooSlowError as error:
            wait = f"{self._settings.body_timeout:g} s"
            raise Refusal(408, "body-timeout", f"request body: expected more within {wait}, got nothing") from error
        if not octets:
            try:
                self._feed.scanner.end_of_input()
            except IncompleteBody as error:
                self.error = error
                raise
        return octets

    async def drain(self) -> bool:
        """Read and drop the rest; False if it is too long, takes too long, or is malformed."""
        if not self.is_complete and not self.is_drainable:
            return False
        scanner = self._feed.scanner
        most = scanner.wire_octets + self._settings.unread_octets
        try:
            with trio.move_on_after(self._settings.unread_timeout):
                while not self.is_complete and scanner.wire_octets <= most:
                    await self.receive_events()
        except (FramingError, IncompleteBody, Refusal):
            return False
        return self.is_complete


class IncomingRequest:
    """One request.

    Attributes:
        head: method, target, version, field lines.
        path: of the target, percent-encoded as received, without the query.
        captures: the values of the placeholders in the resource's path.
        body: for reading with more control than `body_events` gives.
        peer: the client's address.
        scheme: "http", or "https" over TLS.
        journal: the server's last exchanges, including this one.
    """

    def __init__(
        self,
        head: Request,
        *,
        body: RequestBody,
        connection: ServerConnection,
        settings: ServerSettings,
        journal: Journal,
    ) -> None:
        self.head = head
        self.path = head.target.partition(b"?")[0].decode("latin-1")
        self.captures: Mapping[str, str] = {}
        self.body = body
        self.peer = connection.peer
        self.scheme = connection.scheme.decode("ascii")
        self.settings = settings
        self.journal = journal

    @cached_property
    def query(self) -> Query:
        """The parameters of the target; a Refusal if there are too many."""
        return Query(self.head.target.partition(b"?")[2])

    def body_events(self) -> AsyncIterator[Event]:
        """Iterate over the events of the body as they arrive; first send a 100 if the client waits for it.

        A body that is not chunked has only `Data` events.
        """
        return _BodyEvents(self.body)

    async def read_body(self, max_octets: int) -> bytes:
        """Return the whole content (the chunk-data joined).

        Raises:
            Refusal: 413, the content is longer than `max_octets`; see also `RequestBody.receive_events`.
        """
        if (self.body.framing.length or 0) > max_octets:
            raise _too_long(max_octets)
        content = bytearray()
        async for event in self.body_events():
            if isinstance(event, Data):
                content += event.octets
            if len(content) > max_octets:
                raise _too_long(max_octets)
        return bytes(content)


class _BodyEvents:
    """An iterator, not a generator: it need not be closed if it is not read to its end."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._events: deque[Event] = deque()

    def __aiter__(self) -> _BodyEvents:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._body.is_complete:
                raise StopAsyncIteration
            self._events.extend(await self._body.receive_events())
        return self._events.popleft()


def _too_long(max_octets: int) -> Refusal:
    return Refusal(413, "long-body", f"request body: expected at most {max_octets} octets")
