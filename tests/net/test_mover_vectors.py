"""The conformance vectors through each mover, over real sockets: all that may be sent on, and not an octet more."""

from contextlib import suppress

import pytest
import trio
import trio.testing

from chunkwire.wire.errors import FramingError, IncompleteBody
from chunkwire.wire.scanner import ChunkedScanner
from tests.conformance.vectors import Vector, load
from tests.net.carry import MakeMover, carry_pieces, each_mover, open_carried, running

MORE = b"\r\n0\r\n\r\n" * 146  # 1 KiB that would look like an end, if anything were passed on after an error
OCTETWISE = [vector for vector in load() if len(vector.octets) <= 300]
SPLIT = [vector for vector in load() if len(vector.octets) <= 20]  # at every point; `tests/wire` splits the longer ones

pytestmark = each_mover
ENDS = {"accept": type(None), "reject": FramingError, "incomplete": IncompleteBody}


async def judge(make_mover: MakeMover, vector: Vector, pieces: list[bytes]) -> None:
    received, error = await carry_pieces(make_mover, pieces)
    assert received == vector.octets[: vector.forward_max]
    assert type(error) is ENDS[vector.verdict]


@pytest.mark.parametrize("vector", [vector for vector in load() if vector.verdict == "reject"], ids=str)
async def test_a_refused_vector_stays_refused_with_more_after_it(make_mover: MakeMover, vector: Vector) -> None:
    await judge(make_mover, vector, [vector.octets + MORE])
    await judge(make_mover, vector, [vector.octets, MORE])


@pytest.mark.parametrize("vector", OCTETWISE, ids=str)
async def test_a_vector_is_judged_the_same_octet_by_octet(make_mover: MakeMover, vector: Vector) -> None:
    await judge(make_mover, vector, [vector.octets[n : n + 1] for n in range(len(vector.octets))])


@pytest.mark.parametrize("vector", SPLIT, ids=str)
async def test_a_vector_is_judged_the_same_at_every_split(make_mover: MakeMover, vector: Vector) -> None:
    """All splits at once, each a body of its own, so that the mover has many on the way."""
    bodies = [await open_carried() for _ in vector.octets]
    async with running(make_mover) as (mover, nursery):
        for n, carried in enumerate(bodies):
            nursery.start_soon(carried.carry, mover, ChunkedScanner(), name="carry")
            await carried.send(vector.octets[:n])
        await trio.testing.wait_all_tasks_blocked()
        for n, carried in enumerate(bodies):
            with suppress(trio.BrokenResourceError):  # refused already
                await carried.send(vector.octets[n:])
                await carried.upstream.send_eof()
        for carried in bodies:
            assert await carried.read_rest() == vector.octets[: vector.forward_max]
            assert type(await carried.wait_error()) is ENDS[vector.verdict]
            await carried.aclose()
