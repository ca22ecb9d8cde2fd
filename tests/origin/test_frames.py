"""`/frames`: the head to order, and any octets after it."""

import pytest

from tests.server.peer import ask, body_of, connect, get, serving, status_of

PLAN = "plan=5@0,0@0&text=hello"


async def test_status_and_fields_are_those_asked_for() -> None:
    async with serving() as running:
        answer = await running.get(
            f"/frames?{PLAN}&status=503&header=Retry-After:+2&header=content-type:text/event-stream"
        )
    assert status_of(answer) == 503
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert {b"Retry-After: 2", b"content-type: text/event-stream"} <= set(head)
    assert sum(line.lower().startswith(b"content-type:") for line in head) == 1


@pytest.mark.parametrize(
    "octets, written",
    [("5%0d%0ahel", b"5\r\nhel"), ("%ff%00+", b"\xff\x00 "), ("0%0d%0a%0d%0a", b"0\r\n\r\n"), ("", b"")],
)
async def test_octets_follow_the_head_as_they_stand_and_then_a_fin(octets: str, written: bytes) -> None:
    async with serving() as running, connect(running.port, get(f"/frames?octets={octets}")) as client:
        answer = await client.read_all()
    assert (status_of(answer), body_of(answer)) == (200, written)
    assert b"Transfer-Encoding: chunked\r\n" in answer


async def test_octets_are_refused_where_there_is_no_framing() -> None:
    answer = await ask(b"GET /frames?octets=a HTTP/1.0\r\n\r\n")
    assert b"400" in answer.partition(b"\r\n")[0]
    assert b"to HTTP/1.0 no framing is sent" in answer
