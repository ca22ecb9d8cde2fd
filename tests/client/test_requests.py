"""What is sent: heads, and bodies in both framings, while the response comes back."""

from collections.abc import AsyncIterator

import pytest
import trio

from chunkwire import Chunk, LocalError, client
from chunkwire.client.request import build_request
from chunkwire.net.dial import parse_url
from tests.client.server import CHUNKED, LAST, Peer, Script, notes_ending, scripted

URL = parse_url("http://example.test:8081/a?b=c")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def takes(heads: list[bytes], mark: bytes) -> Script:
    """Return a script: note everything up to a mark, and answer."""

    async def script(peer: Peer) -> None:
        heads.append(await peer.read_until(mark))
        await peer.send(OK)

    return script


async def test_a_request_names_host_and_says_that_it_closes() -> None:
    heads: list[bytes] = []
    async with scripted(takes(heads, b"\r\n\r\n")) as server, client.open("GET", server.url("/a?b=c")) as stream:
        await stream.drain()
    lines = heads[0].split(b"\r\n")
    assert lines[0] == b"GET /a?b=c HTTP/1.1"
    assert b"Host: 127.0.0.1:%d" % server.port in lines
    assert b"Connection: close" in lines


def test_a_field_of_the_caller_replaces_the_default() -> None:
    request = build_request("GET", URL, fields=[("user-agent", "me"), ("HOST", "other")])
    assert [value for name, value in request.fields if name.lower() == b"user-agent"] == [b"me"]
    assert request.get(b"host") == b"other"


@pytest.mark.parametrize(
    "fields, culprit",
    [
        ([("Content-Length", "5")], "Content-Length"),
        ([("Transfer-Encoding", "gzip")], "gzip"),
        ([("Bad Name", "x")], "Bad Name"),
        ([("X", "a\r\nInjected: b")], "Injected"),
        ([("X", "\u20ac")], "Latin-1"),
    ],
)
def test_a_field_that_cannot_be_sent_is_refused_before_anything_is(fields: list[tuple[str, str]], culprit: str) -> None:
    with pytest.raises(LocalError, match=culprit):
        build_request("GET", URL, fields=fields)


async def test_a_request_that_declares_chunks_ends_although_it_has_no_body() -> None:
    requests: list[bytes] = []
    async with scripted(takes(requests, LAST)) as server:
        async with client.open("POST", server.url(), fields={"Transfer-Encoding": "chunked"}) as stream:
            assert stream.head.status == 200
    assert requests[0].endswith(b"\r\n\r\n" + LAST)


def test_a_method_must_be_a_token() -> None:
    with pytest.raises(LocalError, match="method"):
        build_request("GET /", URL)


async def test_octets_go_up_with_their_length() -> None:
    heads: list[bytes] = []
    async with scripted(takes(heads, b"hello")) as server:
        async with client.open("POST", server.url(), body=b"hello") as stream:
            await stream.drain()
    assert b"\r\nContent-Length: 5\r\n" in heads[0]
    assert heads[0].endswith(b"\r\n\r\nhello")


async def test_octets_go_up_as_one_chunk_when_asked_to() -> None:
    heads: list[bytes] = []
    async with scripted(takes(heads, LAST)) as server:
        fields = [("Transfer-Encoding", "chunked")]
        async with client.open("POST", server.url(), fields=fields, body=b"hello") as stream:
            await stream.drain()
    assert heads[0].endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


async def test_a_post_without_a_body_says_that_its_length_is_zero() -> None:
    assert build_request("POST", URL).get(b"content-length") == b"0"
    assert build_request("GET", URL).get(b"content-length") is None


async def test_each_item_of_a_streamed_body_is_one_chunk_both_ways_at_once() -> None:
    """The barrier: item k+1 is made only when frame k has come back."""
    came_back = trio.Semaphore(1)

    async def items() -> AsyncIterator[bytes]:
        for item in (b"one", b"", b"three"):
            await came_back.acquire()
            if not item:
                came_back.release()  # no octets, no chunk: nothing comes back
            yield item

    async def echo(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(CHUNKED)
        for chunk in (b"3\r\none\r\n", b"5\r\nthree\r\n", LAST):
            await peer.send(await peer.read_until(chunk))

    seen = []
    async with scripted(echo) as server, client.open("POST", server.url(), body=items()) as stream:
        async for frame in stream.frames():
            seen.append(frame)
            came_back.release()
    assert [frame.data for frame in seen if isinstance(frame, Chunk)] == [b"one", b"three"]


async def test_an_error_of_the_body_ends_the_exchange_and_is_raised_itself() -> None:
    async def items() -> AsyncIterator[bytes]:
        yield b"some"
        raise ZeroDivisionError

    endings: list[str] = []
    async with scripted(notes_ending(endings, b"")) as server:
        with pytest.raises(ZeroDivisionError):
            async with client.open("POST", server.url(), body=items()):
                pass  # never entered
    assert endings == ["reset"]


async def test_an_answer_before_the_end_of_the_body_ends_the_upload() -> None:
    closed = trio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"more"
        finally:
            closed.set()

    async def refuses(peer: Peer) -> None:
        await peer.read_until(b"more")
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.ending()

    async with scripted(refuses) as server, client.open("POST", server.url(), body=endless()) as stream:
        await stream.drain()
        assert stream.head.status == 413
    assert closed.is_set()
