"""Every conformance vector as the body of a request to `/echo`, over a whole connection of the origin.

What comes back is a prefix of the body that may be sent on, and where that is refused, at most one chunk which says
why. It is complete where the vector is accepted and only there, and nothing after a body that was refused is taken for
a request.
"""

import re

import pytest
import trio
import trio.testing

import chunkwire
from chunkwire.origin.resources import RESOURCES
from chunkwire.server.engine import Server
from tests.conformance.vectors import Vector, load
from tests.patience import PATIENCE
from tests.server.peer import TrioPacer, body_of, get, post, status_of

DIAGNOSIS = re.compile(rb"[0-9a-f]+\r\nrequest body: expected [^\n]*\n(?:A line [^\n]*\n)?\r\n\Z")


async def converse(origin: Server, *pieces: bytes) -> bytes:
    """Return all that the origin answers to these reads, the last of them followed by a FIN."""
    ours, theirs = trio.testing.memory_stream_pair()
    answer = bytearray()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(origin.handle, theirs, name="origin")
            try:
                for piece in pieces:
                    await ours.send_all(piece)
                    await trio.testing.wait_all_tasks_blocked()
                await ours.send_eof()
            except trio.BrokenResourceError:
                """It has refused and closed already; its answer can still be read."""
            while octets := await ours.receive_some():
                answer += octets
    return bytes(answer)


def check(vector: Vector, answer: bytes, origin: Server) -> None:
    """Hold an answer against what the vector allows."""
    scanner = chunkwire.ChunkedScanner()
    echoed = DIAGNOSIS.sub(b"", body_of(answer)) if status_of(answer) == 200 else b""
    taken = scanner.scan(echoed, len(echoed))
    assert vector.octets.startswith(echoed[:taken])
    assert taken <= vector.forward_max
    assert scanner.is_complete == (vector.verdict == "accept"), vector.why
    if vector.verdict != "accept":
        assert status_of(answer) in (200, 400)
        assert len(list(origin.journal)) == 1


@pytest.mark.parametrize("vector", load(), ids=str)
async def test_a_body_comes_back_only_as_far_as_it_is_valid_and_no_request_is_smuggled_in_one(vector: Vector) -> None:
    """Attacks §2.1: whatever another parser makes of a body that is refused, here the connection is over."""
    origin = Server(RESOURCES, pacer=TrioPacer())
    smuggled = [get("/generate?n=1&interval=0")] if vector.verdict == "reject" else []
    check(vector, await converse(origin, post("/echo", vector.octets), *smuggled), origin)


@pytest.mark.parametrize("vector", [vector for vector in load() if len(vector.octets) < 60], ids=str)
async def test_a_body_in_two_reads_comes_back_only_as_far_as_it_is_valid(vector: Vector) -> None:
    for cut in range(1, len(vector.octets)):
        origin = Server(RESOURCES, pacer=TrioPacer())
        answer = await converse(origin, post("/echo", vector.octets[:cut]), vector.octets[cut:])
        check(vector, answer, origin)


@pytest.mark.parametrize("vector", [vector for vector in load() if vector.verdict == "reject"], ids=str)
async def test_no_request_is_smuggled_in_a_refused_body_that_is_not_read(vector: Vector) -> None:
    origin = Server(RESOURCES, pacer=TrioPacer())
    answer = await converse(origin, post("/", vector.octets) + get("/generate?n=1&interval=0"))
    assert status_of(answer) == 405
    assert len(list(origin.journal)) == 1
