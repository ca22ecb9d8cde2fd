"""Whatever octets arrive, in whatever reads, the origin answers in whole responses or closes, and raises nothing."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

import chunkwire
from chunkwire.net.framing import BodyKind, response_framing
from chunkwire.net.heads import Response, read_response
from chunkwire.origin.resources import RESOURCES
from chunkwire.server.engine import Server
from tests.origin.test_conformance import converse
from tests.server.peer import TrioPacer

# Octets that parsers stumble over, whole lines that are right, and anything at all.
PIECES = st.one_of(
    st.sampled_from(
        [
            b"GET /stream-bytes/3 HTTP/1.1\r\n",
            b"POST /echo HTTP/1.1\r\n",
            b"HEAD / HTTP/1.1\r\n",
            b"GET /trailers?X=1 HTTP/1.0\n",
            b"GET /fault/bad-size?n=0 HTTP/1.1\r\n",
            b"OPTIONS * HTTP/1.1\r\n",
            b"Host: x\r\n",
            b"Connection: close\r\n",
            b"Expect: 100-continue\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: 5\r\n",
            b"\r\n",
            b"\n",
            b"5\r\nhello\r\n",
            b"3;a=1\r\nabc\r\n",
            b"0\r\n\r\n",
            b"0\r\nX: y\r\n\r\n",
            b"zz",
            b"\x00",
            b"\x16\x03\x01",
        ]
    ),
    st.binary(max_size=20),
)


@contextmanager
def no_error_logged() -> Iterator[None]:
    """Turn what the origin would log as its own error into a failure."""
    handler = _Kept()
    logging.getLogger("chunkwire").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("chunkwire").removeHandler(handler)
    assert handler.messages == []


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


def heads_of(answer: bytes) -> list[Response]:
    """Return the response heads of an answer, whose every body but the last must be complete."""
    heads = []
    while answer:
        head, blank, answer = answer.partition(b"\r\n\r\n")
        assert blank, f"half a head: {head!r}"
        response = read_response(head + blank)
        heads.append(response)
        framing = response_framing(response, b"GET")
        if framing.kind is BodyKind.CLOSE:
            return heads
        if response.status >= 200:
            scanner = framing.scanner()
            try:
                answer = answer[scanner.scan(answer, len(answer)) :]
            except chunkwire.FramingError:
                return heads  # a fault that was asked for: the last response of its connection
            if not scanner.is_complete:
                return heads
    return heads


@given(reads=st.lists(PIECES, max_size=12))
def test_any_octets_get_whole_responses_or_a_close_and_leave_a_journal_that_ended(reads: Sequence[bytes]) -> None:
    """Fails where an error escapes the engine, or a response or an exchange is left half-way at the end."""
    origin = Server(RESOURCES, pacer=TrioPacer())

    async def main() -> bytes:
        return await converse(origin, *[piece for piece in reads if piece])

    with no_error_logged():
        answer = trio.run(main)
    if not any(b"HEAD" in piece for piece in reads):  # how long the answer to one is depends on the request
        heads_of(answer)
    assert all(exchange.ended_by is not None for exchange in origin.journal)
    assert origin.metrics.streams_open == 0
