"""A class on one machine: each learner has a seat, and what is done in it reaches no other."""

import json
from functools import partial

import pytest
import trio
import trio.lowlevel

from chunkwire.lab.guard import Guard
from chunkwire.lab.laboratory import Lab
from chunkwire.lab.lessons.tee import Tee
from chunkwire.lab.seat import MAX_SEATS, Seat, Seats
from chunkwire.net.connection import Connection
from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from tests.lab.serving import answer, get, lab_running, take_seat
from tests.patience import PATIENCE
from tests.server.peer import body_of, status_of

HOST = "lab.uni.example:8000"


def class_lab() -> Lab:
    return Lab(origin_resources(), seats=Seats(is_class=True), guard=Guard(frozenset({"lab.uni.example"})))


async def typed(where: Address, seat: Seat, octets: bytes, *, token: str = "") -> bytes:
    head = get(f"{seat.path}/lab/type", f"Chunkwire-Token: {token or seat.token}", host=HOST, method="POST")
    return await answer(where, head, octets)


async def test_a_learner_takes_a_seat_and_streams_through_any_mode() -> None:
    async with lab_running(class_lab()) as (lab, where):
        seat = await take_seat(lab, where, HOST)
        path = seat.path
        assert json.loads(body_of(await answer(where, get(f"{path}/lab/config", host=HOST))))["token"] == seat.token
        assert b"Take a seat" in await answer(where, get("/", host=HOST))
        assert b"The ladder" in await answer(where, get(f"{path}/", host=HOST))
        relayed = await answer(where, get(f"{path}/via/buffer/frames?plan=2@0,1@1,0@2&text=abc", host=HOST))
        assert body_of(relayed) == b"3\r\nabc\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "target", ["/generate", "/direct/generate", "/lab/config", "/lab/feed", "/metrics", "/journal"]
)
async def test_nothing_but_the_lab_is_open(target: str) -> None:
    async with lab_running(class_lab()) as (_, where):
        assert status_of(await answer(where, get(target, host=HOST))) == 404


@pytest.mark.parametrize(
    "host, status", [(HOST, 200), ("127.0.0.1", 200), ("10.0.0.7:8000", 421), ("evil.example", 421)]
)
async def test_a_class_is_reached_by_its_name(host: str, status: int) -> None:
    async with lab_running(class_lab()) as (_, where):
        assert status_of(await answer(where, get("/", host=host))) == status


@pytest.mark.parametrize("path", ["/c/guess", "/c/", "/c/AAAAAAAAAAAAAAAAAAAAAA"])
async def test_an_unknown_seat_is_404(path: str) -> None:
    async with lab_running(class_lab()) as (_, where):
        for target in ("/", "/lab/config", "/direct/generate?n=1"):
            assert status_of(await answer(where, get(path + target, host=HOST))) == 404


async def test_a_foreign_page_takes_no_seat() -> None:
    async with lab_running(class_lab()) as (_, where):
        request = get("/seat", "Origin: http://evil.example", host=HOST, method="POST")
        assert status_of(await answer(where, request)) == 403


async def test_of_60_learners_each_has_what_that_one_typed() -> None:
    async with lab_running(class_lab()) as (lab, where):
        seats = [await take_seat(lab, where, HOST) for _ in range(60)]
        assert len({seat.token for seat in seats}) == 60
        had: dict[str, bytes] = {}

        async def learn(path: str) -> None:
            had[path] = body_of(await answer(where, get(f"{path}/via/exact/hand", host=HOST)))

        async with trio.open_nursery() as nursery:
            for seat in seats:
                nursery.start_soon(learn, seat.path, name=seat.path)
            for number, seat in enumerate(seats):
                while not seat.hands.reached():
                    await trio.lowlevel.checkpoint()
                assert status_of(await typed(where, seat, b"0\r\n\r\n", token=seats[number - 1].token)) == 403
                said = json.loads(body_of(await typed(where, seat, b"4\r\n%04d\r\n0\r\n\r\n" % number)))
                assert (said["streams"], said["verdict"]["state"]) == (1, "complete")
        assert had == {seat.path: b"4\r\n%04d\r\n0\r\n\r\n" % number for number, seat in enumerate(seats)}


async def test_a_class_has_no_journal() -> None:
    async with lab_running(class_lab()) as (lab, where):
        path = (await take_seat(lab, where, HOST)).path
        for target in ("/direct/journal", "/via/exact/journal"):
            assert status_of(await answer(where, get(path + target, host=HOST))) == 404


async def test_a_learners_feed_has_no_exchange_of_another_learner() -> None:
    async with lab_running(class_lab()) as (lab, where), await trio.open_tcp_stream(where.host, where.port) as feed:
        mine, other = [(await take_seat(lab, where, HOST)).path for _ in range(2)]
        await feed.send_all(get(f"{mine}/lab/feed", host=HOST) + b"\r\n")
        seen = b""
        while b"hello" not in seen:
            seen += await feed.receive_some()
        for path in (other, mine):
            await answer(where, get(f"{path}/via/exact/generate?n=1", host=HOST))
        while seen.count(b'"kind":"end"') < 2:
            seen += await feed.receive_some()
    assert mine.encode() in seen
    assert other.encode() not in seen


def test_the_seat_that_was_used_longest_ago_is_given_up() -> None:
    seats = Seats(is_class=True)
    first, second = seats.take(), seats.take()
    for _ in range(MAX_SEATS - 2):
        seats.take()
    assert seats.find(first.path.encode() + b"/")[0] is first
    seats.take()
    assert seats.find(second.path.encode() + b"/")[0] is None
    assert seats.find(first.path.encode() + b"/")[0] is first


async def test_an_answer_to_a_client_that_still_sends_reaches_it_through_the_front() -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"too large")
        await Connection(stream).close()

    async with trio.open_nursery() as nursery:
        (behind,) = await nursery.start(partial(trio.serve_tcp, refuse, 0, host="127.0.0.1"), name="server")
        tee = Tee("lab", Address("127.0.0.1", behind.socket.getsockname()[1]), None)
        (front,) = await nursery.start(partial(trio.serve_tcp, tee.handle, 0, host="127.0.0.1"), name="front")
        with trio.fail_after(PATIENCE):
            client = await trio.open_tcp_stream("127.0.0.1", front.socket.getsockname()[1])
            async with client:
                await client.send_all(bytes(40_000_000))
                await client.send_eof()
                assert await client.receive_some() == b"too large"
        nursery.cancel_scope.cancel()
