"""Who may ask the lab: DNS rebinding, pages of other sites, and requests without the page's token."""

import json

import pytest

from tests.lab.serving import act, answer, get, lab_running
from tests.server.peer import body_of, status_of


@pytest.mark.parametrize(
    "host, status",
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST:9", 200),
        ("127.0.0.2:8000", 200),
        ("127.0.0.1234", 421),
        ("rebound.example:8000", 421),
        ("127.0.0.1.nip.example", 421),
        ("localhost.evil.example", 421),
        ("10.0.0.7:8000", 421),
    ],
)
@pytest.mark.parametrize("target", ["/", "/lab/config", "/static/lab.js", "/direct/generate?n=1"])
async def test_only_a_name_of_the_lab_is_answered(host: str, status: int, target: str) -> None:
    async with lab_running() as (_, where):
        assert status_of(await answer(where, get(target, host=host))) == status


@pytest.mark.parametrize("target", ["/lab/feed", "/via/exact/generate?n=1", "/lab/clock", "/direct/hand"])
async def test_a_rebound_name_sees_no_stream(target: str) -> None:
    async with lab_running() as (_, where):
        assert status_of(await answer(where, get(target, host="rebound.example"))) == 421


@pytest.mark.parametrize(
    "fields, status",
    [
        ((), 200),
        (("Origin: http://127.0.0.1",), 200),
        (("Origin: http://evil.example",), 403),
        (("Origin: http://127.0.0.1:9999",), 403),
        (("Origin: null",), 403),
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: same-site",), 403),
    ],
)
async def test_what_acts_is_asked_for_by_the_page_itself(fields: tuple[str, ...], status: int) -> None:
    async with lab_running() as (lab, where):
        assert status_of(await answer(where, act(lab, "/lab/type", *fields), b"0\r\n\r\n")) == status


@pytest.mark.parametrize("field", ["X: 1", "Chunkwire-Token: ", "Chunkwire-Token: guess"])
@pytest.mark.parametrize("target", ["/lab/type", "/lab/run/a?paused=1"])
async def test_what_acts_needs_the_token(field: str, target: str) -> None:
    async with lab_running() as (_, where):
        response = await answer(where, get(target, field, method="POST"), b"x")
        assert status_of(response) == 403
        assert b"load it again" in response


async def test_the_token_is_given_to_the_page_and_to_no_other() -> None:
    async with lab_running() as (lab, where):
        own = await answer(where, get("/lab/config", "Sec-Fetch-Site: same-origin"))
        foreign = await answer(where, get("/lab/config", "Origin: http://evil.example"))
        assert json.loads(body_of(own))["token"] == lab.seat.token
        assert lab.seat.token.encode() not in foreign
        assert b"Access-Control" not in own


async def test_the_page_may_run_only_its_own_files_and_a_stream_none() -> None:
    async with lab_running() as (_, where):
        page = await answer(where, get("/"))
        hostile = "/direct/frames?plan=30@0,0@0&text=%3Cscript%3Ealert(1)%3C/script%3E&header=Content-Type:text/html"
        direct = await answer(where, get(hostile))
        relayed = await answer(where, get(hostile.replace("/direct", "/via/exact")))
        assert b"script-src 'self';" in page
        assert b"unsafe" not in page
        for response in (direct, relayed):
            assert b"Content-Security-Policy: sandbox; default-src 'none'" in response


async def test_nothing_else_is_served() -> None:
    async with lab_running() as (_, where):
        for target in ("/static/../laboratory.py", "/static/%2e%2e%2flaboratory.py", "/lab", "/generate"):
            assert status_of(await answer(where, get(target))) == 404, target
