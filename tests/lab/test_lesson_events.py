"""The lessons on the lab's page: who may begin one, what its stream says, and when its servers end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from chunkwire import client
from chunkwire.lab.laboratory import Lab
from chunkwire.lab.lessons.on_page import PageLessons
from chunkwire.lab.seat import Seat
from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from chunkwire.wire.errors import IncompleteBody
from chunkwire.wire.sse import SseEvent
from tests.lab.serving import act, answer, get, lab_running
from tests.server.peer import body_of, status_of


def lab_with_lessons() -> Lab:
    return Lab(origin_resources(), others=PageLessons().resources)


class Page:
    """A page that reads the events of a lesson."""

    def __init__(self, events: AsyncIterator[SseEvent]) -> None:
        self._events = events
        self.seen: list[dict[str, Any]] = []

    async def event(self, name: str) -> dict[str, Any]:
        """Return the next event of this name."""
        async for event in self._events:
            self.seen.append(json.loads(event.data))
            if event.event == name:
                return self.seen[-1]
        raise AssertionError(f"expected an event {name}")


@asynccontextmanager
async def begun(where: Address, seat: Seat, number: int, step: int = 1) -> AsyncIterator[Page]:
    """Begin a lesson as the page of a seat does."""
    url = f"http://{where}{seat.path}/lab/lesson/{number}?nc=openbsd&step={step}"
    async with client.open("POST", url, fields=[("Chunkwire-Token", seat.token)], body=b"") as stream:
        assert stream.head.status == 200, await stream.text()
        yield Page(stream.events())


async def send(where: str, octets: bytes) -> bytes:
    """Send octets, half-close, and return what comes back."""
    host, _, port = where.rpartition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(octets)
        await stream.send_eof()
        return b"".join([part async for part in stream])


async def test_the_page_gets_every_lesson_and_every_kind_of_nc() -> None:
    async with lab_running(lab_with_lessons()) as (_, where):
        said = json.loads(body_of(await answer(where, get("/lab/lessons"))))
    assert [each["number"] for each in said["lessons"]] == list(range(1, 11))
    assert said["here"] in {each["kind"] for each in said["kinds"]}


async def test_a_lesson_is_begun_with_the_pages_token_alone() -> None:
    async with lab_running(lab_with_lessons()) as (lab, where):
        for target in ("/lab/lesson/1", "/lab/answer?text=x"):
            assert status_of(await answer(where, get(target, method="POST"))) == 403
            foreign = act(lab, target, "Origin: http://evil.example")
            assert status_of(await answer(where, foreign)) == 403
            assert status_of(await answer(where, get(target))) == 405


@pytest.mark.parametrize(
    "target", ["/lab/lesson/0", "/lab/lesson/11", "/lab/lesson/x", "/lab/lesson/1?nc=socat", "/lab/lesson/1?step=4"]
)
async def test_an_unknown_lesson_is_refused(target: str) -> None:
    async with lab_running(lab_with_lessons()) as (lab, where):
        assert status_of(await answer(where, act(lab, target))) == 400
        assert status_of(await answer(where, act(lab, "/lab/answer?text=x"))) == 409


@pytest.mark.parametrize("number, step, shown", [(1, 2, 2), (1, 3, 3), (7, 2, 1)])
async def test_a_lesson_goes_on_at_a_step_and_before_a_question_at_what_must_be_looked_at(
    number: int, step: int, shown: int
) -> None:
    async with lab_running(lab_with_lessons()) as (lab, where), begun(where, lab.seat, number, step) as page:
        assert (await page.event("step"))["step"] == shown


async def test_typed_octets_are_shown_and_judged_and_the_next_step_follows() -> None:
    async with lab_running(lab_with_lessons()) as (lab, where):
        async with begun(where, lab.seat, 1) as page:
            step = await page.event("step")
            [command] = step["commands"]
            assert (step["step"], step["of"], step["asks"]) == (1, 3, False)
            place = command["run"].removeprefix("nc -C ").replace(" ", ":")
            await send(place, b"GET hello HTTP/1.1\r\n")
            [[_, line, note]] = (await page.event("octets"))["lines"]
            assert (line, note) == ("GET hello HTTP/1.1\\r\\n", "")
            judged = await page.event("judged")
            assert (judged["right"], judged["octets"]) == (False, ["GET hello HTTP/1.1\\r\\n", "    ^"])
            await send(place, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await page.event("judged"))["right"] is True
            assert (await page.event("step"))["step"] == 2


async def test_the_page_answers_a_question_and_a_second_lesson_ends_the_first() -> None:
    async with lab_running(lab_with_lessons()) as (lab, where):
        async with begun(where, lab.seat, 4) as first:
            assert (await first.event("step"))["asks"] is True
            said = await answer(where, act(lab, "/lab/answer?text=third"))
            assert "you have not fetched /first" in json.loads(body_of(said))["said"]
            assert (await first.event("judged"))["right"] is False
            async with begun(where, lab.seat, 1) as second:
                await second.event("step")
                with pytest.raises((AssertionError, IncompleteBody)):
                    await first.event("never")


async def test_the_ports_of_a_lesson_close_when_its_page_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async with lab_running(lab_with_lessons()) as (lab, where):
        async with begun(where, lab.seat, 1) as page:
            [command] = (await page.event("step"))["commands"]
        place = command["run"].removeprefix("nc -C ").replace(" ", ":")
        await wait_refused(place)
    assert "error of ours" not in caplog.text


async def test_a_page_that_leaves_with_a_fin_is_noticed_at_the_next_event(caplog: pytest.LogCaptureFixture) -> None:
    async with lab_running(lab_with_lessons()) as (lab, where):
        page = await trio.open_tcp_stream(where.host, where.port)
        head = act(lab, "/lab/lesson/1?nc=openbsd", "Content-Length: 0")
        await page.send_all(head + b"\r\n")
        octets = b""
        while b"nc -C " not in octets:
            octets += await page.receive_some()
        await page.aclose()
        await wait_refused(octets.partition(b"nc -C ")[2].partition(b'"')[0].decode().replace(" ", ":"))
    assert "error of ours" not in caplog.text


async def wait_refused(place: str) -> None:
    """Send to a place until nobody listens there."""
    while True:
        try:
            await send(place, b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        except (OSError, trio.BrokenResourceError):  # refused, or reset as it closed
            return
        await trio.lowlevel.checkpoint()
