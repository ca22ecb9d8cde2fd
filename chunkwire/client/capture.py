"""A response that somebody else received: octets out of a pipe or a file, read as our own would be.

The rule here: `HTTP/` begins a response with its head, as nc shows it; anything else is a bare chunked body, as
`curl --raw` prints it. Time begins with the first octet.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio

from chunkwire.client.body import BodyReader, ReadDeadlines
from chunkwire.client.completion import Completion, is_event_stream
from chunkwire.client.exchange import POINT
from chunkwire.net.ends import ClientConnection
from chunkwire.net.heads import BodyKind, Framing, Request, Response, response_framing
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits

Receive = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured response; `head` is None for a bare body."""

    head: Response | None
    body: BodyReader


class _Captured(trio.abc.Stream):
    """The receiving half of a connection whose other half has been there and gone."""

    def __init__(self, first: bytes, receive: Receive) -> None:
        self._first = first
        self._receive = receive

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        octets, self._first = self._first, b""
        return octets or await self._receive()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def open_capture(
    first: bytes,
    receive: Receive,
    *,
    record_to: Callable[[Record], None],
    idle_timeout: float = float("inf"),
    total_timeout: float = float("inf"),
    limits: Limits = DEFAULT_LIMITS,
) -> Capture:
    """Return a captured response, once its head is in if it has one.

    Args:
        first: the first octets, at least one.
        receive: gives the octets after them, `b""` at the end.

    Raises:
        HeadError: what begins with `HTTP/` is no head.
        IncompleteHead: the input ended inside it.
    """
    began = time.monotonic()
    recorder = Recorder(record_to, stream=1, point=POINT)
    connection = ClientConnection(_Captured(first, receive))
    head, framing = None, Framing(BodyKind.CHUNKED)
    if first.startswith(b"H"):
        # The request is not there to be seen; a GET is what people capture.
        await connection.send_request(Request(b"GET", b"/", b"1.1", ((b"Host", b"captured"),)))
        while head is None or head.status < 200:
            head = await connection.receive_response()
            recorder.head(time.monotonic() - began, head.start_line, head.fields)
        framing = response_framing(head, b"GET")
    body = BodyReader(
        connection.receive_some,
        framing.scanner(limits),
        began=began,
        completion=Completion(is_event_stream=head is not None and is_event_stream(head)),
        deadlines=ReadDeadlines(idle_timeout, trio.current_time() + total_timeout, total_timeout),
        recorder=recorder,
        waiting_since=time.monotonic() if connection.leftover else None,
    )
    return Capture(head, body)
