"""Lessons in a class: one address for all, and to each learner only what came on the learner's own path."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from chunkwire.lab.guard import Guard
from chunkwire.lab.laboratory import Lab
from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.front import ClassFront, Front
from chunkwire.lab.lessons.netcats import of_kind
from chunkwire.lab.lessons.on_page import PageLessons
from chunkwire.lab.lessons.session import LessonSession, open_session
from chunkwire.lab.lessons.tee import Tee
from chunkwire.lab.seat import Seat, Seats
from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from chunkwire.server.serving import serve
from tests.lab.serving import answer, get, take_seat
from tests.lab.test_lesson_events import begun, send
from tests.patience import PATIENCE
from tests.server.peer import body_of, status_of

LEARNERS = 60
CHUNKED = "Host: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def class_running() -> AsyncIterator[tuple[Lab, Address]]:
    """Serve a class as `chunkwire lab --class` does, and give its lab and its address."""
    front = ClassFront()
    lab = Lab(origin_resources(), seats=Seats(is_class=True), guard=Guard(), others=PageLessons(front.of).resources)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(lab.relays.run, name="lab")
            page = partial(serve, resources=lab.resources, record_for=lab.record_for)
            [behind] = await nursery.start(page, "127.0.0.1:0", name="page")
            [where] = await nursery.start(front.serve, "127.0.0.1:0", behind, name="class")
            yield lab, where
            nursery.cancel_scope.cancel()


async def nc(where: Address, octets: str) -> None:
    """Send octets with a real nc that half-closes."""
    command = ["nc", "-N", where.host, str(where.port)]
    await trio.run_process(command, stdin=octets.encode(), capture_stdout=True, check=False)


async def learn(lab: Lab, where: Address, number: int) -> list[dict[str, Any]]:
    """Try two steps of lesson 2 with a real nc, the second one marked; return all that the page was sent."""
    seat = await take_seat(lab, where)
    path = f"{seat.path}/lesson"
    async with begun(where, seat, 2) as page:
        step = await page.event("step")
        assert f"GET {path}/numbers HTTP/1.1" in step["commands"][0]["run"]
        await nc(where, f"GET {path}/numbers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await page.event("judged"))["right"]
        await nc(where, f"POST {path}/echo HTTP/1.1\r\n{CHUNKED}{number:x};n={number}\r\nhello, chunked world\r\n")
        await page.event("judged")
        return page.seen


@pytest.mark.needs("nc")
async def test_sixty_learners_at_once_see_only_what_they_did_themselves() -> None:
    seen: dict[int, list[dict[str, Any]]] = {}

    async def one(lab: Lab, where: Address, number: int) -> None:
        seen[number] = await learn(lab, where, number)

    async with class_running() as (lab, where), trio.open_nursery() as nursery:
        for number in range(1, LEARNERS + 1):
            nursery.start_soon(one, lab, where, number, name=f"learner {number}")
    assert len(seen) == LEARNERS
    for number, events in seen.items():
        lines = [line for event in events for _, line, _ in event.get("lines", ())]
        assert {mark for line in lines for mark in re.findall(r";n=(\d+)", line)} == {str(number)}


async def test_a_token_of_one_learner_is_refused_on_the_path_of_another() -> None:
    async with class_running() as (lab, where):
        ada, bob = await take_seat(lab, where), await take_seat(lab, where)
        for target in ("/lab/lesson/1?nc=openbsd", "/lab/answer?text=third"):
            head = get(bob.path + target, f"Chunkwire-Token: {ada.token}", method="POST")
            assert status_of(await answer(where, head)) == 403
        assert status_of(await answer(where, get("/c/guessed/lab/lessons"))) == 404
        async with begun(where, bob, 4) as page:
            await page.event("step")
            # Ada has no lesson: her path is the lab's, which knows none, and nothing of it comes to Bob.
            said = await send(str(where), get(f"{ada.path}/lesson/first") + b"Connection: close\r\n\r\n")
            assert (status_of(said), b"no lesson is running here" in body_of(said)) == (404, True)
            # What begins on Bob's path stays with his servers, which know no path of Ada's.
            both = get(f"{bob.path}/lesson/first") + b"\r\n" + get(f"{ada.path}/lesson/first") + b"\r\n"
            said = await send(str(where), both)
            assert (said.count(b"HTTP/1.1 200 "), said.count(b"HTTP/1.1 404 ")) == (1, 1)


async def test_a_hop_of_a_lesson_is_behind_the_same_address() -> None:
    async with class_running() as (lab, where):
        seat = await take_seat(lab, where)
        async with begun(where, seat, 7) as page:
            step = await page.event("step")
            looks = [command["run"] for command in step["commands"]]
            assert looks[0].endswith(f"http://{where}{seat.path}/lesson/hop-a/slow")
            requests = [get(f"{seat.path}/lesson/{hop}/slow") + b"\r\n" for hop in ("hop-a", "hop-b")]
            async with trio.open_nursery() as nursery:
                for request in requests:
                    nursery.start_soon(send, str(where), request, name="look")
            await send(str(where), get(f"{seat.path}/lesson/answer/hop-b") + b"Connection: close\r\n\r\n")
            assert (await page.event("judged"))["right"]


async def test_the_lesson_with_a_server_of_the_learners_own_is_not_listed_and_says_what_it_needs() -> None:
    async with class_running() as (lab, where):
        seat = await take_seat(lab, where)
        listed = json.loads(body_of(await answer(where, get(f"{seat.path}/lab/lessons"))))["lessons"]
        assert [lesson["number"] for lesson in listed] == [1, 2, 3, 4, 5, 6, 7, 9, 10]
        head = get(f"{seat.path}/lab/lesson/8", f"Chunkwire-Token: {seat.token}", method="POST")
        said = await answer(where, head)
        assert status_of(said) == 400
        assert b"on your own machine" in body_of(said)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_command_names_the_class_as_its_learner_does(name: str) -> None:
    async with class_running() as (lab, where):
        seat = await take_seat(lab, where)
        async with begun(Address(name, where.port), seat, 1) as page:
            [command] = (await page.event("step"))["commands"]
            assert command["run"] == f"nc -C {name} {where.port}"


@pytest.mark.parametrize("name", ["[::1]", "::1"])
def test_an_ipv6_name_of_a_class_has_its_brackets_once(name: str) -> None:
    opened = ClassFront().of(Seat("/c/x"), name).open("origin", Address("127.0.0.1", 1), lambda _: None)
    assert str(opened) == "[::1]:0/c/x/lesson"


def test_a_session_that_closes_late_leaves_the_addresses_of_the_next_one_open() -> None:
    tees: dict[bytes, Tee] = {}
    old, new = (Front(tees, Address("127.0.0.1", 1), "/c/x") for _ in range(2))
    old.open("origin", Address("127.0.0.1", 1), lambda _: None)
    new.open("origin", Address("127.0.0.1", 2), lambda _: None)
    opened = dict(tees)
    old.close()
    assert tees == opened
    new.close()
    assert tees == {}


async def test_a_session_that_is_cancelled_while_it_begins_closes_its_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tees: dict[bytes, Tee] = {}
    front = Front(tees, Address("127.0.0.1", 1), "/c/x")
    session = LessonSession(all_lessons()[6], of_kind("openbsd"), report=lambda number, judgement: None)

    async def hop_cancelled(*args: object) -> None:
        assert tees
        scope.cancel()
        await trio.sleep_forever()

    monkeypatch.setattr("chunkwire.lab.lessons.session.start_hop", hop_cancelled)
    with trio.fail_after(PATIENCE), trio.CancelScope() as scope:
        async with open_session(session, front=front):
            raise AssertionError("expected that the hop does not start")
    assert tees == {}


@pytest.mark.parametrize("first", [b"", b"\r\n", b"x" * 5000, b"\xff\xf4\xff\xfd\x06\n", b"GET / HTTP/1.1"])
async def test_what_is_no_request_ends_its_own_connection_alone(first: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with class_running() as (_, where):
        await send(str(where), first)
        assert status_of(await answer(where, get("/"))) == 200
    assert "error of ours" not in caplog.text
