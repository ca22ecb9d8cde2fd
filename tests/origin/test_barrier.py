"""Barriers of `/probe`: the next event waits for the acknowledgement of the one before, and nothing else is taken."""

import json

import pytest
import trio

from chunkwire.origin.barrier import IDLE_SECONDS, MAX_OPEN, Barriers, is_about_barrier
from chunkwire.server.query import Query
from chunkwire.server.refusal import Refusal
from tests.patience import PATIENCE
from tests.server.peer import Running, body_of, connect, get, serving

ID = "fedcba9876543210"  # not that of the example, whose stream no test opens


async def acknowledge(running: Running, n: int, name: str = ID) -> bytes:
    """Return the status line of an acknowledgement."""
    request = (
        f"POST /probe/ack?barrier={name}&n={n} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    async with connect(running.port, request.encode()) as client:
        return (await client.read_until(b"\r\n\r\n")).partition(b"\r\n")[0]


async def state(running: Running) -> dict[str, object]:
    found: dict[str, object] = json.loads(body_of(await running.get(f"/probe/state?barrier={ID}")))
    return found


async def test_each_event_waits_for_the_acknowledgement_of_the_one_before() -> None:
    async with serving() as running, connect(running.port, get(f"/probe?n=2&barrier={ID}")) as client:
        await client.read_until(b'"n":1,')
        assert (await state(running))["written"] == 1
        assert (await acknowledge(running, 1)).endswith(b"204 No Content")
        await client.read_until(b'"n":2,')
        assert (await state(running))["acked"] == 1
        assert (await acknowledge(running, 2)).endswith(b"204 No Content")
        await client.read_until(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "target, is_marked",
    [
        (f"/probe/state?barrier={ID}", True),
        ("/probe/state?barrier=ffffffffffffffff", True),
        ("/probe/state?barrier=short", False),
        (f"/x/probe/state?barrier={ID}", False),
        ("/probe?n=1", False),
    ],
)
async def test_what_a_probe_asks_about_its_barrier_is_marked_for_logs(target: str, is_marked: bool) -> None:
    async with serving() as running, connect(running.port, get(f"/probe?n=2&barrier={ID}")) as client:
        await client.read_until(b'"n":1,')
        await running.get(target)
        await running.wait_ended()
        assert is_about_barrier(running.ended[-1]) == is_marked


async def test_the_first_event_may_wait_for_the_head_too() -> None:
    async with serving() as running, connect(running.port, get(f"/probe?n=1&barrier={ID}&ack_head=1")) as client:
        await client.read_until(b"\r\n\r\n")
        assert (await state(running))["written"] == 0
        await acknowledge(running, 0)
        await client.read_until(b'"n":1,')


async def test_an_acknowledgement_out_of_order_is_409_and_one_without_a_barrier_404() -> None:
    async with serving() as running, connect(running.port, get(f"/probe?n=3&barrier={ID}")) as client:
        await client.read_until(b'"n":1,')
        assert b" 409 " in await acknowledge(running, 2)
        assert b" 204 " in await acknowledge(running, 1)
        assert b" 409 " in await acknowledge(running, 1)
        assert b" 404 " in await acknowledge(running, 1, "f" * 16)
        assert b" 409 " in (await running.get(f"/probe?n=1&barrier={ID}")).partition(b"\r\n")[0]


async def test_a_burst_waits_for_the_last_of_the_burst_before() -> None:
    async with serving() as running, connect(running.port, get(f"/probe?n=4&burst=2&barrier={ID}")) as client:
        await client.read_until(b'"n":2,')
        await acknowledge(running, 1)
        assert (await state(running))["written"] == 2
        await acknowledge(running, 2)
        await client.read_until(b'"n":4,')


@pytest.mark.parametrize("name, is_taken", [("a" * 15, False), ("a" * 16, True), ("a" * 64, True), ("a" * 65, False)])
async def test_an_id_has_16_to_64_characters(name: str, is_taken: bool) -> None:
    if is_taken:
        with Barriers().opened(name):
            return
    with pytest.raises(Refusal, match="barrier: expected 16 to 64"), Barriers().opened(name):
        raise AssertionError("it was taken")


async def test_barriers_are_open_up_to_their_limit() -> None:
    barriers = Barriers()
    async with trio.open_nursery() as nursery:

        async def hold(number: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            with barriers.opened(f"{number:016}"):
                task_status.started()
                await trio.sleep_forever()

        for number in range(MAX_OPEN):
            await nursery.start(hold, number, name=f"barrier {number}")
        with pytest.raises(Refusal, match="at most 64") as refused, barriers.opened("f" * 16):
            raise AssertionError("it was taken")
        assert refused.value.status == 503
        nursery.cancel_scope.cancel()


async def test_a_barrier_without_an_acknowledgement_is_cut_at_its_idle_timeout(
    autojump_clock: trio.testing.MockClock,
) -> None:
    barriers = Barriers()
    with barriers.opened(ID) as barrier:
        barrier.note_written(10)
        began = trio.current_time()
        with pytest.raises(Exception, match="expected frame 1 to be acknowledged within 60 s"):
            await barrier.wait_acked(1)
        assert trio.current_time() - began == pytest.approx(IDLE_SECONDS)
    for name, status in ((ID, 410), ("f" * 16, 404)):
        with pytest.raises(Refusal) as refused:
            barriers.acknowledge(Query(f"barrier={name}&n=1".encode()))
        assert refused.value.status == status


async def test_the_state_beyond_a_frame_is_answered_when_that_frame_is_written() -> None:
    barriers = Barriers()
    with barriers.opened(ID) as barrier, trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                found = json.loads(await barriers.state(Query(f"barrier={ID}&beyond=0".encode())))
                assert (found["written"], found["octets"]) == (1, 7)

            nursery.start_soon(ask, name="ask")
            await trio.testing.wait_all_tasks_blocked()
            barrier.note_written(7)
