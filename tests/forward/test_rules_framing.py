"""Rules about which framing a body has, and about what of it may be sent on (RFC 9112 §6)."""

import pytest

from tests.forward.wire import (
    CHUNKED,
    END,
    TEXT,
    answer,
    chunked,
    fields_of,
    forwarding,
    get,
    post,
    refuse_request,
    refuse_response,
    relay_heads,
    status_of,
    values_of,
)
from tests.net.carry import MakeMover

FRAMING = (b"transfer-encoding", b"content-length")
LENGTH = b"Content-Length: 5"
GZIP = b"Transfer-Encoding: gzip"


def framing_fields(head: bytes) -> list[bytes]:
    """Return the names of the framing fields of a head, in order."""
    return [name for name, _ in fields_of(head) if name in FRAMING]


async def test_a_chunked_body_is_not_chunked_again(make_mover: MakeMover) -> None:
    """Row 19. Fails where raw frames go through an encoder: size lines would become content."""
    body = b"00A\r\n0123456789\r\n" + END
    async with forwarding(make_mover) as gateway, gateway.connect(post(body)) as client:
        async with gateway.accept() as upstream:
            assert values_of(await upstream.read_head(), b"transfer-encoding") == [b"chunked"]
            await upstream.expect(body)
            await upstream.send(chunked(body))
            assert values_of(await client.read_head(), b"transfer-encoding") == [b"chunked"]
            await client.expect(body)


@pytest.mark.parametrize("line", [CHUNKED, b"Content-Length: 0", b"Content-Length: 5"])
async def test_a_204_goes_down_without_framing_and_a_1xx_with_it_is_refused(line: bytes) -> None:
    """Row 20. Fails where the fields of a 204 are sent on as they came: h11 does not remove them."""
    _, got = await relay_heads(get(), answer(line, status=b"204 No Content"))
    assert status_of(got) == 204
    assert framing_fields(got) == []
    assert await refuse_response(answer(CHUNKED, status=b"103 Early Hints") + chunked(END)) == 502


@pytest.mark.parametrize("lines", [(), (CHUNKED,), (b"Content-Length: 0",)])
async def test_connect_is_refused_before_any_upstream_is_asked(lines: tuple[bytes, ...]) -> None:
    """Rows 21 and 67. Fails where CONNECT is relayed as any method: its 2xx has no body, whatever its fields say."""
    assert await refuse_request(get(*lines, target=b"x:80", method=b"CONNECT")) == 501


@pytest.mark.parametrize(
    "lines", [(LENGTH, CHUNKED), (CHUNKED, LENGTH), (b"content-length: 0", CHUNKED), (GZIP, LENGTH)]
)
async def test_a_length_beside_a_coding_is_refused(lines: tuple[bytes, ...]) -> None:
    """Row 24, fault 17, attacks CL.TE, TE.CL and gunicorn CVE-2024-1135. Fails where h11 judges: it keeps both."""
    assert await refuse_request(get(*lines, method=b"POST") + END) == 400
    assert await refuse_response(answer(*lines) + END) == 502
    head, _ = await relay_heads(post(END), answer(LENGTH) + b"hello")
    assert framing_fields(head) == [b"transfer-encoding"]


async def test_a_coding_in_an_http_1_0_message_is_refused() -> None:
    """Row 25, attack HTTP/1.0 with Transfer-Encoding. Fails where h11 judges: it keeps the connection."""
    assert await refuse_request(get(CHUNKED, method=b"POST", version=b"1.0") + END) == 400
    assert await refuse_response(answer(CHUNKED, version=b"1.0") + END) == 502


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
@pytest.mark.parametrize(
    "response",
    [
        chunked(END),
        answer(LENGTH) + b"hello",
        answer(),
        answer(b"Connection: content-length, transfer-encoding", LENGTH) + b"hello",
        answer(b"Connection: transfer-encoding", CHUNKED) + END,
    ],
)
async def test_no_head_is_sent_with_both_framings(method: bytes, response: bytes) -> None:
    """Row 26. Fails where Connection may name a framing field away, or where one is added to the other."""
    body = (CHUNKED, b"Connection: content-length") if method == b"POST" else ()
    head, got = await relay_heads(get(*body, method=method) + (END if body else b""), response)
    assert len(framing_fields(head)) == (1 if body else 0)
    assert framing_fields(got) in (framing_fields(response), [])
    assert bool(framing_fields(got)) == bool(framing_fields(response)) or method == b"HEAD"


@pytest.mark.parametrize(
    "method, response",
    [
        (b"HEAD", answer(CHUNKED)),
        (b"HEAD", answer(LENGTH)),
        (b"HEAD", answer()),
        (b"GET", answer(CHUNKED, status=b"204 No Content")),
        (b"GET", answer(LENGTH, status=b"204 No Content")),
        (b"GET", answer(CHUNKED, status=b"304 Not Modified")),
        (b"GET", answer(LENGTH, status=b"304 Not Modified")),
    ],
)
async def test_a_response_without_a_body_ends_at_its_empty_line(method: bytes, response: bytes) -> None:
    """Row 27, fault 19. Fails where the framing fields are believed: TEXT would be waited for, or answer the next."""
    async with forwarding() as gateway, gateway.connect(get(method=method)) as client:
        async with gateway.asked() as upstream:
            await upstream.send(response + TEXT + END)
            assert status_of(await client.read_head()) == int(response[9:12])
            assert await upstream.read_end() == b""
        await client.send(get(b"Connection: close"))
        async with gateway.asked() as upstream:
            await upstream.send(answer(b"Content-Length: 2") + b"ok")
            assert (await client.read_all()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("coding", [b"identity", b"chunked\r\nTransfer-Encoding: x"])
@pytest.mark.parametrize("method, status", [(b"HEAD", b"200 OK"), (b"GET", b"204 No"), (b"GET", b"304 Not Modified")])
async def test_no_coding_refuses_a_response_without_a_body(method: bytes, status: bytes, coding: bytes) -> None:
    """Row 27, suites: no body by rule 1. Fails where codings are judged first: a response in order gets 502."""
    response = answer(b"Transfer-Encoding: " + coding, b"X-A: 1", LENGTH, status=status)
    async with forwarding() as gateway, gateway.exchange(get(method=method)) as (client, upstream):
        await upstream.send(response)
        head = await client.read_head()
        assert status_of(head) == int(status[:3])
        assert (framing_fields(head), values_of(head, b"x-a")) == ([], [b"1"])
        assert await upstream.read_end() == b""  # such a server is not asked again on this connection
    assert await refuse_response(answer(b"Transfer-Encoding: " + coding)) == 502


async def test_octets_after_a_1xx_are_its_successor_and_no_body() -> None:
    """Row 27, 1xx. Fails where an early 103 is taken for final, as nginx 1.22 does: it passes the rest raw."""
    assert await refuse_response(answer(LENGTH, status=b"103 Early Hints") + b"hello" + chunked(END)) == 502


@pytest.mark.parametrize("coding", [b"gzip", b"xchunked", b",chunked", b"chunked;x=y"])
async def test_a_coding_that_does_not_end_in_chunked_is_refused(coding: bytes) -> None:
    """Rows 28, 29 and 37, attack TE.TE. Fails where it is taken for chunked, for none, or for a body to the close."""
    line = b"Transfer-Encoding: " + coding
    assert await refuse_response(answer(line) + END) == 502
    assert await refuse_request(get(line, method=b"POST") + END) == 400


@pytest.mark.parametrize("length", [b"+5", b"", b"05", 30 * b"9"])
async def test_a_bad_length_in_a_response_gets_502(length: bytes) -> None:
    """Row 30. Fails where int() reads the value, or where the response is taken as delimited by close."""
    assert await refuse_response(answer(b"Content-Length: " + length) + b"hello") == 502


@pytest.mark.parametrize("lines", [(b"Content-Length: 5, 5",), (LENGTH, LENGTH)])
async def test_two_lengths_are_refused_and_one_is_relayed(lines: tuple[bytes, ...]) -> None:
    """Row 31. Fails where h11 collapses the two."""
    assert await refuse_request(get(*lines, method=b"POST") + b"hello") == 400
    assert await refuse_response(answer(*lines) + b"hello") == 502
    _, got = await relay_heads(get(), answer(LENGTH) + b"hello")
    assert values_of(got, b"content-length") == [b"5"]
    assert got.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("sent", [b"", b"hell"])
async def test_fewer_octets_than_the_length_are_an_incomplete_response(make_mover: MakeMover, sent: bytes) -> None:
    """Row 32. Fails where the body is made whole, or the connection kept: the next response would fill it."""
    async with forwarding(make_mover) as gateway:
        _, got = await gateway.relay(get(), answer(LENGTH) + sent)
        assert got.endswith(b"\r\n\r\n" + sent)
        assert (await gateway.wait_ended()).verdict == "cut"


async def test_the_name_of_the_coding_has_no_case() -> None:
    """Row 34, the legal twin of attack TE.TE. Fails where the value is compared as it stands."""
    line = b"Transfer-Encoding:  \tchunKed \t"
    async with forwarding() as gateway, gateway.connect(get(line, method=b"POST") + TEXT + END) as client:
        async with gateway.accept() as upstream:
            assert values_of(await upstream.read_head(), b"transfer-encoding") == [b"chunked"]
            await upstream.expect(TEXT + END)
            await upstream.send(answer(line) + TEXT + END)
            await client.read_head()
            await client.expect(TEXT + END)
