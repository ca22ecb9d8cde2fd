"""What a probe may ask of the origin: moments in bursts, a delay after the head, hints, marks, a POST."""

import json
import zlib

import pytest

from tests.origin.test_resources import chunks_of
from tests.server.peer import connect, fetch, get, serving


async def test_bursts_share_their_planned_moment() -> None:
    answer = await fetch("/probe?n=4&interval=20ms&burst=2")
    planned = [json.loads(data[6:])["planned_ns"] for data in chunks_of(answer)]
    assert planned[1] == planned[0]
    assert planned[2] == planned[3] == pytest.approx(planned[0] + 20_000_000, abs=1000)


async def test_the_head_does_not_wait_for_a_delayed_first_event() -> None:
    async with serving() as running, connect(running.port, get("/probe?n=1&delay=1h&interval=0")) as client:
        assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "hints, expected",
    [
        ("accel", b"X-Accel-Buffering: no\r\n"),
        ("no-transform", b"Cache-Control: no-cache, no-transform\r\n"),
        ("incremental", b"Incremental: ?1\r\n"),
    ],
)
async def test_each_hint_is_a_field_that_is_sent_only_when_asked_for(hints: str, expected: bytes) -> None:
    async with serving() as running:
        hinted = await running.get(f"/probe?n=1&hints={hints}")
        plain = await running.get("/probe?n=1")
    assert expected in hinted
    assert expected not in plain


async def test_marked_chunks_have_an_extension_and_the_body_a_trailer() -> None:
    answer = await fetch("/probe?n=2&interval=0&mark=1")
    assert b";n=1\r\ndata: " in answer
    assert b";n=2\r\ndata: " in answer
    assert answer.endswith(b"0\r\nChunkwire-Events: 2\r\n\r\n")


async def test_padding_does_not_compress_away() -> None:
    (event,) = chunks_of(await fetch("/probe?n=1&size=8192"))
    assert (len(event), len(zlib.compress(event)) > 5000) == (8192, True)
    assert json.loads(event.removeprefix(b"data: "))["pad"]


async def test_an_event_is_as_long_as_its_size_or_a_few_octets_longer() -> None:
    async with serving() as running:
        (bare,) = chunks_of(await running.get("/probe?n=1&nonce=a"))
        for size in range(len(bare) - 1, len(bare) + 12):
            (event,) = chunks_of(await running.get(f"/probe?n=1&nonce=a&size={size}"))
            assert max(size, len(bare)) <= len(event) <= max(size + 8, len(bare))


async def test_the_type_is_one_of_a_few() -> None:
    async with serving() as running:
        assert b"Content-Type: application/x-ndjson\r\n" in await running.get("/probe?n=1&type=ndjson")
        assert b"type: expected one of event-stream, " in await running.get("/probe?n=1&type=html")


async def test_a_post_streams_as_a_get_does() -> None:
    request = b"POST /probe?n=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    async with serving() as running, connect(running.port, request) as client:
        await client.read_until(b"\r\n0\r\n\r\n")
