"""Bodies we take, read by others: h11 and the standard library must find the same content in them."""

import http.client
import io
from typing import Any, cast

import h11
import pytest
from hypothesis import assume, given

from chunkwire.wire.frames import Data
from tests.conformance.vectors import Vector, load
from tests.wire.bodies import bent_bodies, valid_bodies
from tests.wire.relay import relay

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Tape:
    """A socket that only plays back."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.octets)


def content_by_us(body: bytes) -> bytes | None:
    seen = relay(body)
    if seen.verdict != "accept":
        return None
    return b"".join(event.octets for event in seen.events or () if isinstance(event, Data))


def content_by_stdlib(body: bytes) -> bytes:
    response = http.client.HTTPResponse(cast(Any, Tape(HEAD + body)))
    response.begin()
    return response.read()


def content_by_h11(body: bytes) -> bytes:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(HEAD + body)
    content = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, (h11.Response, h11.Data))
        content += event.data if isinstance(event, h11.Data) else b""
    return content


@pytest.mark.parametrize("vector", [each for each in load() if each.verdict == "accept"], ids=str)
def test_content_of_a_valid_vector_is_the_same_to_all(vector: Vector) -> None:
    body = vector.octets[: vector.consumed]
    assert content_by_us(body) == content_by_stdlib(body) == content_by_h11(body)


@given(valid_bodies())
def test_content_of_a_valid_body_is_the_same_to_all(body: bytes) -> None:
    assert content_by_us(body) == content_by_stdlib(body) == content_by_h11(body)


@given(bent_bodies())
def test_what_we_take_of_bent_bodies_is_the_same_to_all(body: bytes) -> None:
    content = content_by_us(body)
    assume(content is not None)
    assert content == content_by_stdlib(body) == content_by_h11(body)
