"""Rules for origin servers that no other file of this folder is about."""

import re

import pytest

from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.limits import Limits
from tests.server.peer import body_of, get, post, resource, serving, status_of, two_chunks


async def test_a_blank_line_after_the_request_line_is_refused() -> None:
    """Row 6. Fails where the line is skipped: ` Host: x` would be a field to some and none to others."""
    async with serving(resource(two_chunks)) as running:
        assert status_of(await running.ask(b"GET /x HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n")) == 400
        assert status_of(await running.ask(b"GET /x HTTP/1.1\r\n \r\nHost: x\r\n\r\n")) == 400


async def test_a_status_without_a_reason_keeps_its_space() -> None:
    """Row 15. Fails where an empty reason takes its SP with it."""

    async def no_reason(_: IncomingRequest, response: Responder) -> None:
        await response.text(299, "ok")

    async with serving(resource(no_reason)) as running:
        assert (await running.get("/x")).startswith(b"HTTP/1.1 299 \r\n")


async def test_a_chunked_body_is_not_chunked_again() -> None:
    """Row 19. Fails where raw frames go through the encoder: the client would see size lines as content."""
    async with serving() as running:
        answer = await running.ask(post("/echo", b"00A\r\n0123456789\r\n0\r\n\r\n"))
    assert body_of(answer) == b"00A\r\n0123456789\r\n0\r\n\r\n"


async def test_the_name_of_the_coding_has_no_case() -> None:
    """Row 34. Fails where the value is compared as it stands."""
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ChunKed\r\n\r\n1\r\nx\r\n0\r\n\r\n"
    async with serving() as running:
        assert body_of(await running.ask(request)) == b"1\r\nx\r\n0\r\n\r\n"


async def test_a_parameter_of_the_coding_is_refused() -> None:
    """Row 37. Fails where what follows `;` is dropped."""
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n"
    async with serving() as running:
        assert status_of(await running.ask(request)) == 400


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
    async with serving(resource(two_chunks)) as running:
        answer = await running.get(target)
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

    async with serving(resource(shout)) as running:
        assert status_of(await running.ask(request_octets)) == 500
    assert "expected a request to upgrade to shout" in caplog.text
