"""The body of a response: `BodySender` sends its octets, `ChunkedBody` is what a responder function writes it with.

The rule here: a stream can be complete only if each of its writes was awaited. Without `await` an async function does
nothing, so each method of `ChunkedBody` that writes is a plain function: it counts the call, and the coroutine that it
returns counts it back when it runs. Of `wait_until`, which is called for each chunk, only the latest call is checked.
What this module must not know: requests and heads.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Coroutine, Iterable, Sequence

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ServerConnection
from chunkwire.net.heads import Field
from chunkwire.net.movers import SendTimeout
from chunkwire.net.sleeper import Pacer
from chunkwire.server.journal import JournalEntry
from chunkwire.server.tap import SentTap
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import LocalError


class BodyState(enum.Enum):
    """The state of a response body; the values appear in error messages."""

    UNSENT = "not begun"
    OPEN = "open"
    COMPLETE = "complete"
    CUT = "cut"  # ended early, by a FIN that the client cannot take for the end of the body
    RESET = "reset"  # ended early, by a reset
    HANDED_OVER = "handed over"


class BodySender:
    """Sends the octets of one response's body.

    Attributes:
        state: of the body; UNSENT until a response begins.
        is_chunked: a stream is chunked on the wire; False for HTTP/1.0.
        exchange: what the journal keeps of this exchange.
        pacer: the clock of moments.
        connection: the client's, for what no method here does.

    Args:
        is_head: the request is HEAD, whose response has no body: nothing is sent.
        send_timeout: seconds in which the client must take some octets.
    """

    def __init__(
        self,
        connection: ServerConnection,
        exchange: JournalEntry,
        *,
        pacer: Pacer,
        tap: SentTap | None,
        is_chunked: bool,
        is_head: bool,
        send_timeout: float,
    ) -> None:
        self.state = BodyState.UNSENT
        self.is_chunked = is_chunked
        self.exchange = exchange
        self.pacer = pacer
        self.connection = connection
        self._now = pacer.now
        self._send_nowait = connection.send_nowait
        self._tap = tap
        self._is_head = is_head
        self._send_timeout = send_timeout
        self._is_writing = False

    async def write(self, raw: bytes, *, chunks: int, octets: int) -> None:
        """Send octets of the body unchanged, in one send if the kernel takes all; count so many chunks and octets."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if (taken := self.write_nowait(raw, chunks, octets)) < len(raw):
            await self.send_rest(memoryview(raw)[taken:])
        self._is_writing = True  # so that a second writer raises even if the kernel took all octets
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._is_writing = False

    def write_nowait(self, raw: bytes, chunks: int, octets: int) -> int:
        """As `write`, without a checkpoint; return how many octets the kernel took. `send_rest` must send the rest."""
        if self._is_writing:
            raise LocalError("expected one task to write a response, got a write while another one waits")
        if self._is_head:
            return len(raw)  # `chunked` cancels the block, but not a write that is shielded
        now = self._now()
        taken = self._send_nowait(raw)
        self.exchange.note_frame(now, chunks, octets, len(raw))
        if self._tap is not None:
            self._tap.sent(now, raw)
        return taken

    async def send_rest(self, rest: memoryview) -> None:
        """Send octets as the kernel takes them; the deadline starts again each time it takes some.

        An exception cuts the response, as the next write would not begin at a frame boundary.
        """
        self._is_writing = True
        try:
            while rest:
                with trio.fail_after(self._send_timeout):
                    taken = await self.connection.send_some(rest)
                rest = rest[taken:]
        except trio.TooSlowError as error:
            raise SendTimeout(f"{self.connection.peer} took nothing for {self._send_timeout:g} s") from error
        finally:
            self._is_writing = False
            if rest:
                self.cut()

    def send_nowait(self, pieces: Sequence[bytes], *, is_last: bool = False) -> memoryview:
        """Send pieces of content, a chunk each, in one send without a checkpoint; return what the kernel did not take.

        Pass a rest to `send_rest` next: if the client has left, that raises `PeerGone`, not this. With `is_last` the
        last-chunk is sent too, without trailers, and `ChunkedBody.mark_complete` must follow.

        Raises:
            LocalError: a piece is empty, no body is open, or another write waits; no octet has left.
        """
        self.check_open()
        frames = [*map(encode_chunk, pieces)] + ([encode_last_chunk()] if is_last else [])
        raw, chunks = (b"".join(frames), len(pieces)) if self.is_chunked else (b"".join(pieces), 0)
        try:
            return memoryview(raw)[self.write_nowait(raw, chunks, sum(map(len, pieces))) :]
        except PeerGone:
            return memoryview(raw)

    def check_open(self) -> None:
        """Raise LocalError unless a body is open."""
        if self.state is not BodyState.OPEN:
            raise LocalError(f"expected a body that is open, got one that is {self.state.value}")

    def cut(self) -> None:
        """End the response early: by a FIN when the responder returns, or a reset now if a FIN would end the body."""
        if self.is_chunked:
            self.state = BodyState.CUT
        else:
            self.reset()

    def reset(self) -> None:
        """Reset the connection, so that the client cannot take what it has received for the whole body."""
        self.state = BodyState.RESET
        self.connection.reset()


class ChunkedBody:
    """The body of a stream, written frame by frame; errors and cancellation as in `Responder`.

    A write that is not awaited sends nothing, and the stream is cut at its end, with a LocalError; so is one whose last
    `wait_until` was not awaited.

    Times are seconds since the head was sent (`start`).
    """

    def __init__(self, sender: BodySender, trailers: tuple[Field, ...]) -> None:
        self._sender = sender
        self._trailers = trailers
        self._pacer = sender.pacer
        self._has_yielded = False
        self._unawaited = 0
        self._wait: Coroutine[object, object, None] | None = None  # of the latest `wait_until`
        self.start = self._pacer.now()

    def wait_until(self, seconds: float) -> Coroutine[object, object, None]:
        """Wait until `seconds` after the start; only a checkpoint if that time has passed.

        The next `send_chunk` executes no checkpoint, even if a scope inside the resource cancelled this wait.
        """
        self._has_yielded = True
        wait = self._wait = self._pacer.wait_until(self.start + seconds)
        return wait

    def send_chunk(self, data: bytes, ext: bytes = b"") -> Coroutine[object, object, None]:
        """Send one chunk in one send; `ext` begins with its `;`.

        Raises:
            LocalError: the data is empty (a last-chunk), the ext is malformed, or the body has ended; no octet has
                left.
        """
        self._unawaited += 1
        return self._send_chunk(data, ext)

    async def _send_chunk(self, data: bytes, ext: bytes) -> None:
        self._unawaited -= 1
        sender = self._sender
        if sender.state is not BodyState.OPEN:
            sender.check_open()
        raw, chunks = encode_chunk(data, ext), 1
        if not sender.is_chunked:
            raw, chunks = data, 0
        if not self._has_yielded:
            await sender.write(raw, chunks=chunks, octets=len(data))
            return
        self._has_yielded = False
        if (taken := sender.write_nowait(raw, chunks, len(data))) < len(raw):
            await sender.send_rest(memoryview(raw)[taken:])

    def send_octets(self, raw: bytes, *, chunks: int = 0, octets: int = 0) -> Coroutine[object, object, None]:
        """Send octets of a chunked body unchanged, legal or not: for faults and for recorded frames.

        Raises:
            LocalError: the body is not chunked on the wire, or has ended.
        """
        self._unawaited += 1
        return self._send_octets(raw, chunks, octets)

    async def _send_octets(self, raw: bytes, chunks: int, octets: int) -> None:
        self._unawaited -= 1
        self._sender.check_open()
        if not self._sender.is_chunked:
            raise LocalError("expected a chunked body: to HTTP/1.0 no framing is sent")
        await self._sender.write(raw, chunks=chunks, octets=octets)

    def finish(self, trailers: Iterable[Field] | None = None, ext: bytes = b"") -> Coroutine[object, object, None]:
        """Send the last-chunk, and end the body; HTTP/1.0 gets none, and no trailers.

        Args:
            trailers: in place of those given to `chunked`; None for those.

        Raises:
            LocalError: a trailer or the ext is not legal, an earlier write was not awaited, or the body has ended; no
                octet has left.
        """
        self._unawaited += 1
        return self._finish(trailers, ext)

    async def _finish(self, trailers: Iterable[Field] | None, ext: bytes) -> None:
        self._unawaited -= 1
        self._sender.check_open()
        self._check_awaited()
        raw = encode_last_chunk(self._trailers if trailers is None else trailers, ext)
        if self._sender.is_chunked:
            await self._sender.write(raw, chunks=0, octets=0)
        self._sender.state = BodyState.COMPLETE

    def _check_awaited(self) -> None:
        if missing := self._unawaited:
            got = f"{missing} write{'s' * (missing > 1)} without it, of which nothing was sent"
            raise LocalError(
                f"expected `await` before each write of a body, as in `await body.send_chunk(…)`, got {got}"
            )

        if self._wait is not None and inspect.getcoroutinestate(self._wait) == inspect.CORO_CREATED:
            raise LocalError("expected `await` before `body.wait_until(…)`, got a call without it, which did not wait")

    def cut(self) -> None:
        """End the body without a last-chunk: by a FIN, or by a reset if the body is delimited by close."""
        self._sender.check_open()
        self._sender.cut()

    def reset(self) -> None:
        """End the body by a reset of the connection."""
        self._sender.check_open()
        self._sender.reset()

    def mark_complete(self) -> None:
        """State that the octets sent by `send_octets` ended the body.

        Raises:
            LocalError: a write before was not awaited.
        """
        self._check_awaited()
        self._sender.state = BodyState.COMPLETE
