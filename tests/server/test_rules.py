"""Rules for origin servers that no other file of this folder is about."""

import re

import pytest

from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.limits import Limits
from tests.server.peer import ask, body_of, fetch, get, post, resource, serving, status_of, two_chunks


async def test_a_status_without_a_reason_keeps_its_space() -> None:
    """Row 15. Fails where an empty reason takes its SP with it."""

    async def no_reason(_: IncomingRequest, response: Responder) -> None:
        await response.text(299, "ok")

    assert (await fetch("/x", resource(no_reason))).startswith(b"HTTP/1.1 299 \r\n")


async def test_a_chunked_body_is_not_chunked_again() -> None:
    """Row 19. Fails where raw frames go through the encoder: the client would see size lines as content."""
    answer = await ask(post("/echo", b"00A\r\n0123456789\r\n0\r\n\r\n"))
    assert body_of(answer) == b"00A\r\n0123456789\r\n0\r\n\r\n"


@pytest.mark.parametrize("length, status", [(20, 200), (21, 400)])
async def test_an_extension_over_the_limit_gets_400(length: int, status: int) -> None:
    """Row 41. Fails where the limits of the settings do not reach the scanner."""
    ext = b";" + (length - 1) * b"a"
    async with serving(settings=ServerSettings(limits=Limits(max_ext_octets=20))) as running:
        assert status_of(await running.ask(post("/echo", b"1" + ext + b"\r\nx\r\n0\r\n\r\n"))) == status


async def test_a_request_is_served_the_same_with_and_without_trailers() -> None:
    """Row 47. Fails where trailers stay unread, or become content."""

    async def reads(request: IncomingRequest, response: Responder) -> None:
        await response.fixed(200, body=await request.read_body(10))

    async with serving(resource(reads)) as running:
        plain = await running.ask(post("/x", b"1\r\nx\r\n0\r\n\r\n"))
        trailed = await running.ask(post("/x", b"1\r\nx\r\n0\r\nX-A: 1\r\n\r\n"))
    assert body_of(plain) == body_of(trailed) == b"x"


@pytest.mark.parametrize("target", ["/x", "/nowhere", "/x?bad"])
async def test_every_final_response_has_a_date(target: str) -> None:
    """Row 64. Fails where a refusal or a responder's own head goes without, or gets two."""
    answer = await fetch(target, resource(two_chunks))
    assert re.search(rb"\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", answer)
    assert answer.count(b"\r\nDate: ") == 1


@pytest.mark.parametrize(
    "request_octets",
    [
        get("/x"),
        get("/x", b"Upgrade: other", b"Connection: Upgrade"),
        get("/x", b"Upgrade: shout"),
        b"GET /x HTTP/1.0\r\nUpgrade: shout\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_an_upgrade_that_was_not_asked_for_is_refused(
    request_octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 67. Fails where a responder may send a 101 to any request."""

    async def shout(_: IncomingRequest, response: Responder) -> None:
        await response.switch_protocols(b"shout")

    assert status_of(await ask(request_octets, resource(shout))) == 500
    assert "expected a request to upgrade to shout" in caplog.text
