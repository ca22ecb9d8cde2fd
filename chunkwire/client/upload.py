"""Send a request body while the response may already arrive.

The rule here: each item of the caller's stream is written by one send, as one chunk if the body is chunked; an empty
item is skipped. A peer that closes the connection causes no error here: the reader of the response reports what
happened. An error of the caller's stream resets the connection, so that the server cannot take half a body for a whole
one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext

import trio

from chunkwire.client.request import Body
from chunkwire.net.connection import Connection, PeerGone
from chunkwire.record.recorder import Recorder
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import ChunkedScanner


class Upload:
    """Sends the body of one request.

    Attributes:
        is_complete: the whole body has been written to the socket.
        error: the exception of the caller's stream that ended the sending; else None.
        scope: cancel it to stop sending.

    Args:
        recorder: None for a body that is not chunked, which is not recorded.
    """

    def __init__(self, connection: Connection, body: Body, *, chunked: bool, recorder: Recorder | None) -> None:
        self.is_complete = False
        self.error: Exception | None = None
        self.scope = trio.CancelScope()
        self._connection = connection
        self._body = body
        self._is_chunked = chunked
        self._recorder = recorder
        self._began = time.monotonic()
        self._scanner = ChunkedScanner()
        self._sends = 0

    async def run(self) -> None:
        """Send it all, or as much as the peer takes; an exception is kept in `error`, not raised.

        Cancellation: a part of the body may have been sent; the connection stays open.
        """
        with self.scope:
            try:
                await self._send()
                self.is_complete = True
            except PeerGone:
                return  # the reader of the response gets the response, or the error
            except Exception as error:  # noqa: BLE001  the caller's stream may raise anything; the reader raises it again
                self.error = error
                self._connection.reset()

    async def _send(self) -> None:
        body = self._body
        if body is None or isinstance(body, bytes):
            await self._send_piece(body or b"")
        else:
            # The caller's generator is closed here where it is not exhausted, not by the garbage collector.
            async with aclosing(body) if isinstance(body, AsyncGenerator) else nullcontext():
                async for piece in body:
                    await self._send_piece(piece)
        if self._is_chunked:
            await self._send_one(encode_last_chunk())
        if self._recorder is not None:
            self._recorder.end(time.monotonic() - self._began, "complete")

    async def _send_piece(self, piece: bytes) -> None:
        if piece:  # an empty chunk would end the body
            await self._send_one(encode_chunk(piece) if self._is_chunked else piece)

    async def _send_one(self, octets: bytes) -> None:
        await self._connection.send_all(octets)
        self._sends += 1
        if self._recorder is not None:
            events: list[Event] = []
            self._scanner.scan(octets, len(octets), events)
            self._recorder.body(time.monotonic() - self._began, events, self._sends)
