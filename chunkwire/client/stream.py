"""A response as it arrives: its head, its body in one of several views, and how it ended."""

from __future__ import annotations

import codecs
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar, cast

from chunkwire.client.body import BodyReader, Read
from chunkwire.client.errors import Deadline, MalformedBody, StatusError, TooLong
from chunkwire.client.exchange import ClientExchange
from chunkwire.client.views import Events, Frames, Lines, Reads, content
from chunkwire.net.heads import Request, Response
from chunkwire.wire.errors import ChunkwireError, IncompleteBody, LocalError
from chunkwire.wire.frames import Trailers
from chunkwire.wire.jsontext import load_json
from chunkwire.wire.scanner import ChunkedScanner

T = TypeVar("T")

MAX_LINE_CHARACTERS: Final = 16 * 1024 * 1024  # as one event may have octets (Python's StreamReader: 64 KiB)
MAX_CONTENT_OCTETS: Final = 256 * 1024 * 1024
"""Gathered by one call, or of an answer that `tokens` keeps; views read more (Tornado's client: 100 MiB)."""

Reopen = Callable[[str, float | None, ChunkwireError], Awaitable[ClientExchange | None]]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much has come; chunks, reads and events differ.

    `events` is None for a body that is no event stream, or whose events are not read: `judges_content` is False, the
    status is not 2xx, or the content coding is unknown.
    """

    chunks: int
    events: int | None
    reads: int
    octets: int
    wire_octets: int


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """How a body ended: its framing, and its content.

    Attributes:
        framing: "complete", "cut", "reset", "malformed", "timeout", "client-gone" (we left) or "stopped" (by `stop`);
            None while it runs.
        application: "complete" once the stream's own terminal event was seen ([DONE], message_stop,
            response.completed, `event: done`), or at the end of a whole answer that needs none; "incomplete" if the
            terminal event did not come although it must, or an error came; "empty" if it came and the answer of the
            language model is empty; else "unknown".
    """

    framing: str | None
    application: str


class Stream:
    """A response; see `chunkwire.client.open`.

    Its body is read once, by one of the views: if the same view is asked for again, it continues, and another one is
    refused with a LocalError. A content coding, such as gzip, is not removed.

    Not guaranteed: that frame boundaries mean anything. RFC 9112 §7.1 lets every hop choose its own.
    """

    def __init__(self, exchange: ClientExchange, reopen: Reopen) -> None:
        self._exchange = exchange
        self._reopen = reopen
        self._kind: str | None = None
        self._view: object | None = None
        self._content = bytearray()  # gathered by `read`

    @property
    def head(self) -> Response:
        """The head of the final response."""
        return self._exchange.head

    @property
    def informational(self) -> tuple[Response, ...]:
        """The 1xx heads that came before it."""
        return self._exchange.informational

    @property
    def request(self) -> Request:
        """The head of the request as it was sent."""
        return self._exchange.plan.request

    @property
    def trailers(self) -> Trailers:
        """The trailer section, once the body is complete; often empty."""
        return self._body.trailers

    @property
    def counts(self) -> Counts:
        """How much has come so far."""
        body = self._body
        scanner = body.scanner
        return Counts(scanner.chunks, body.completion.events, body.reads, scanner.octets, scanner.wire_octets)

    @property
    def verdict(self) -> BodyEnd:
        """How the body ended; `framing` is None while it runs."""
        body = self._body
        if body.framing is None:
            return BodyEnd(None, body.completion.so_far)
        return BodyEnd(body.framing, body.application)

    @property
    def _body(self) -> BodyReader:
        return self._exchange.body

    def reads(self, *, whole_frames: bool = True) -> Reads:
        """Iterate over receives: octets, events, and with `whole_frames` the frames that each completed.

        Every view raises, after the items received before:
            IncompleteBody: the connection ended inside the body (`ResetBody`: by a reset,
                or without TLS's close_notify).
            MalformedBody: a `FramingError`: the framing is malformed.
            Deadline: `idle_timeout` or `total_timeout` passed.
            Exception: in place of these, the error of the stream that gave the request body, if it failed.
        The `received` of the first three is the content that came before, at most 1 MiB of it.
        """
        return self._take(
            "reads", lambda: Reads(self.next_read, is_chunked=self._is_chunked, whole_frames=whole_frames)
        )

    def frames(self) -> Frames:
        """Iterate over whole frames, including the last-chunk; for a body that is not chunked, over `Data`.

        A frame is held until it is whole: lower `limits.max_chunk_size` for a server that you do not trust.
        """
        return self._take("frames", lambda: Frames(self.next_read, is_chunked=self._is_chunked))

    def lines(self, *, max_characters: int = MAX_LINE_CHARACTERS) -> Lines:
        """Iterate over lines as soon as their ends come; the last line may have none.

        Raises:
            TooLong: a line has more than `max_characters`; the lines before it have been given.
        """
        return self._take("lines", lambda: Lines(self.next_read, charset=self.charset, max_characters=max_characters))

    def events(self, *, resume: bool = False) -> Events:
        """Iterate over server-sent events as soon as they are whole.

        Args:
            resume: if the stream breaks, open it again with `Last-Event-ID`, after the time in the server's `retry:`
                (WHATWG HTML §9.2.3), as often as needed. A 204 ends the stream. The error is raised if the request must
                not be repeated (see `Retry`), if events have come and none had an id, if that id cannot be sent in a
                field, or if the response is not a 200 with an event stream. If every attempt fails, the error of the
                last one is raised.

        Raises:
            EventTooLong: an event has more than 16 MiB; the events before it have been given.
        """
        return self._take("events", lambda: Events(self.next_read, resume=self._resume if resume else None))

    async def read(self, *, max_octets: int = MAX_CONTENT_OCTETS) -> bytes:
        """Return the whole content, without framing; a second call returns it again.

        Raises:
            IncompleteBody, MalformedBody, Deadline: their `received` is all content that came before.
            TooLong: the content has more than `max_octets`.

        Cancellation: nothing is lost; it can be called again.
        """
        view = self._take("content", lambda: Reads(self.next_read, is_chunked=self._is_chunked, whole_frames=False))
        try:
            while len(self._content) <= max_octets:
                try:
                    read = await anext(view)
                except StopAsyncIteration:
                    return bytes(self._content)
                self._content += content(read)
        except (IncompleteBody, MalformedBody, Deadline) as error:
            error.received = bytes(self._content)
            raise
        raise TooLong("content", max_octets, "octets")

    async def text(self, *, max_octets: int = MAX_CONTENT_OCTETS) -> str:
        """Return the whole content as text; octets that the charset does not allow are replaced. Raises as `read`."""
        return (await self.read(max_octets=max_octets)).decode(self.charset, "replace")

    async def json(self, *, max_octets: int = MAX_CONTENT_OCTETS) -> Any:
        """Return the content parsed as JSON.

        Raises:
            ValueError: it is no JSON, or nested deeper than `wire.jsontext.MAX_DEPTH`; else as `read`.
        """
        return load_json(await self.read(max_octets=max_octets))

    def raise_for_status(self) -> Self:
        """Return the stream itself if its status is below 400; the body can be read in any case.

        Raises:
            StatusError: the status is 400 or above.
        """
        if self.head.status >= 400:
            raise StatusError(self.request, self.head)
        return self

    async def drain(self) -> None:
        """Read to the end and drop everything; for callers who only use `record_to`. Raises as `reads`."""
        async for _ in self._take("nothing", lambda: Reads(self.next_read, is_chunked=False, whole_frames=False)):
            pass  # the records have been made

    @property
    def charset(self) -> str:
        """The charset in Content-Type if Python knows it; else UTF-8."""
        for parameter in (self.head.get(b"content-type") or b"").split(b";")[1:]:
            name, _, value = parameter.strip().partition(b"=")
            if name.lower() == b"charset":
                try:
                    found = codecs.lookup(value.strip(b'" ').decode("latin-1")).name
                    b"\xff".decode(found, "replace")  # codecs that are no charset, such as hex and punycode, fail here
                except (LookupError, ValueError):
                    break
                return found
        return "utf-8"

    async def next_read(self) -> Read | None:
        """Return the next read; for the views."""
        try:
            return await self._body.next()
        except ChunkwireError as error:
            if self._exchange.upload.error is not None:
                raise self._exchange.upload.error from error
            raise

    def stop(self) -> None:
        """Note that the caller stops reading on purpose; then leave the stream.

        `verdict.framing` is "stopped", unless the body has ended before.
        """
        self._body.leave("stopped")

    async def finish(self) -> None:
        """End the exchange; the connection is reset unless the request body and the response body are complete."""
        await self._exchange.finish()

    @property
    def _is_chunked(self) -> bool:
        return isinstance(self._body.scanner, ChunkedScanner)

    def _take(self, kind: str, make: Callable[[], T]) -> T:
        if self._kind not in (None, kind):
            raise LocalError(f"expected one view of a body, got {kind} of one that is read as {self._kind}")
        if self._view is None:
            self._kind = kind
            self._view = make()
        return cast(T, self._view)

    async def _resume(self, last_id: str, wait: float | None, error: ChunkwireError) -> bool:
        await self._exchange.finish()
        exchange = await self._reopen(last_id, wait, error)
        if exchange is None:
            return False
        self._exchange = exchange
        return True
