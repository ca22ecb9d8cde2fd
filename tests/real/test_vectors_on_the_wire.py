"""The vectors through a running gateway, over real sockets: it passes on all that it may, and not an octet more."""

from collections.abc import Generator, Iterator

import pytest

from tests.conformance.vectors import Vector, load
from tests.peers.command import Served, serving
from tests.peers.plain import CHUNKED_HEAD, Upstream, dialled, upstream

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
MORE = b"\r\n0\r\n\r\n" * 146  # 1 KiB that would look like an end, if anything were passed on after an error
MAX_OCTETWISE = 300  # octets; a longer vector is sent whole only
SHORT = [vector for vector in load() if len(vector.octets) <= MAX_OCTETWISE]


@pytest.fixture(scope="module")
def ends() -> Generator[tuple[Upstream, Served], None, None]:
    """Run one gateway before one scripted upstream for all vectors."""
    with upstream() as server, serving("forward", server.url()) as gateway:
        yield server, gateway


def passed_on(ends: tuple[Upstream, Served], pieces: Iterator[bytes]) -> bytes:
    """Return the body octets that a client got of what the upstream sent, a write a piece, before it closed."""
    server, gateway = ends
    with dialled(gateway.port, GET) as client:
        connection = server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD)
        client.read_head()
        try:
            for piece in pieces:
                connection.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the gateway has refused it already
        connection.close()
        body, _ = client.read_rest()
    return body


def judge(ends: tuple[Upstream, Served], vector: Vector, *, step: int) -> None:
    """Send a vector in pieces of `step` octets; forward_max counts from what is held until it is whole and valid."""
    sent = vector.octets + MORE if vector.verdict == "reject" else vector.octets
    body = passed_on(ends, (sent[n : n + step] for n in range(0, len(sent), step)))
    assert body == vector.octets[: vector.forward_max]
    if vector.verdict == "accept":
        assert len(body) == vector.consumed


@pytest.mark.parametrize("vector", load(), ids=str)
def test_a_vector_in_one_write(ends: tuple[Upstream, Served], vector: Vector) -> None:
    judge(ends, vector, step=1 << 20)


@pytest.mark.parametrize("vector", SHORT, ids=str)
def test_a_vector_octet_by_octet(ends: tuple[Upstream, Served], vector: Vector) -> None:
    judge(ends, vector, step=1)
