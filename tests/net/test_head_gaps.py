"""The fifteen things that h11 0.16 lets through in a head, each closed here, each beside its nearest legal twin."""

import pytest

from chunkwire.net.ends import ClientConnection
from chunkwire.net.framing import BodyKind, request_framing, response_framing
from chunkwire.net.heads import HeadError, Request, check_head
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS
from tests.net.peer import (
    GET,
    accept_request,
    feeding,
    get,
    ok,
    receive_response,
    refuse_request,
    refuse_response,
)

LF_HEAD = b"GET / HTTP/1.1\nHost: x\n\n"


async def test_gap_1_bare_lf_in_a_head_is_refused_where_it_is_not_allowed() -> None:
    assert await refuse_request(LF_HEAD) == (400, "bare-lf-in-head")
    assert await refuse_request(b"GET / HTTP/1.1\r\nHost: x\n\r\n") == (400, "bare-lf-in-head")
    assert await refuse_response(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n") == "bare-lf-in-head"
    assert await accept_request(LF_HEAD.replace(b"\n", b"\r\n")) == await accept_request(LF_HEAD, bare_lf=True)


async def test_gap_1_line_ends_of_two_kinds_are_refused_where_bare_lf_is_allowed() -> None:
    crlf, lf = b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n", b"GET / HTTP/1.1\nHost: x\n%b\n"
    assert await refuse_request(crlf % b"X: X\n", bare_lf=True) == (400, "bare-lf-in-head")
    assert await refuse_request(crlf % b"X: X\nA: B\r\n", bare_lf=True) == (400, "bare-lf-in-head")
    assert await refuse_request(crlf % b"\n", bare_lf=True) == (400, "bare-lf-in-head")
    assert await refuse_request(lf % b"X: X\r\n", bare_lf=True) == (400, "mixed-line-ends")
    assert await refuse_request(lf % b"\r", bare_lf=True) == (400, "mixed-line-ends")
    assert await accept_request(crlf % b"X: X\r\n", bare_lf=True) == await accept_request(lf % b"X: X\n", bare_lf=True)


async def test_gap_2_a_folded_line_is_refused_not_joined() -> None:
    assert await refuse_request(get(b"A: 1", b" 2")) == (400, "folded-line")
    assert await refuse_request(get(b"A: 1", b"\t2")) == (400, "folded-line")
    assert await refuse_response(ok(b"A: 1", b" 2")) == "folded-line"
    assert (await accept_request(get(b"A: 1 2"))).get(b"a") == b"1 2"


@pytest.mark.parametrize("octet", [*range(9), *range(11, 32), 0x7F])
async def test_gap_3_a_control_octet_in_a_value_is_refused(octet: int) -> None:
    rule = "bare-cr" if octet == 13 else "control-in-value"
    assert await refuse_request(get(b"A: x%cy" % octet)) == (400, rule)
    assert await refuse_response(ok(b"A: x%cy" % octet)) == rule


@pytest.mark.parametrize("octet", [0x09, 0x20, 0x21, 0x7E, 0x80, 0xFF])
async def test_gap_3_blanks_visible_octets_and_those_beyond_ascii_are_kept(octet: int) -> None:
    assert (await accept_request(get(b"A: x%cy" % octet))).get(b"a") == b"x%cy" % octet
    assert (await receive_response(ok(b"A: x%cy" % octet))).get(b"a") == b"x%cy" % octet


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"3.0", b"9.9"])
async def test_gap_4_another_major_version_is_answered_505(version: bytes) -> None:
    assert await refuse_request(get(start=b"GET / HTTP/" + version)) == (505, "http-version")
    assert await refuse_response(ok(start=b"HTTP/%b 200 OK" % version)) == "http-version"


@pytest.mark.parametrize(
    "version, handled_as", [(b"1.0", b"1.0"), (b"1.1", b"1.1"), (b"1.2", b"1.1"), (b"1.9", b"1.1")]
)
async def test_gap_4_another_minor_version_is_handled_as_1_1(version: bytes, handled_as: bytes) -> None:
    assert (await accept_request(get(start=b"GET / HTTP/" + version))).version == handled_as
    assert (await receive_response(ok(start=b"HTTP/%b 200 OK" % version))).version == handled_as


async def test_gap_5_a_length_beside_a_coding_is_refused() -> None:
    both = (b"Content-Length: 5", b"Transfer-Encoding: chunked")
    assert await refuse_request(get(*both)) == (400, "length-and-coding")
    assert await refuse_request(get(*reversed(both))) == (400, "length-and-coding")
    assert await refuse_response(ok(*both)) == "length-and-coding"
    assert request_framing(await accept_request(get(both[0]))).length == 5
    assert request_framing(await accept_request(get(both[1]))).kind is BodyKind.CHUNKED


async def test_gap_6_a_coding_in_http_1_0_is_refused() -> None:
    chunked = b"Transfer-Encoding: chunked"
    assert await refuse_request(get(chunked, start=b"POST / HTTP/1.0")) == (400, "coding-in-http-1.0")
    assert await refuse_response(ok(chunked, start=b"HTTP/1.0 200 OK")) == "coding-in-http-1.0"
    framing = request_framing(await accept_request(get(b"Content-Length: 5", start=b"POST / HTTP/1.0")))
    assert (framing.kind, framing.length) == (BodyKind.LENGTH, 5)


@pytest.mark.parametrize("host", [b"a, b", b"a/b@c", b"a b", b"h?"])
async def test_gap_7_a_host_that_is_no_host_is_refused(host: bytes) -> None:
    """`test_targets` has the rest of the grammar."""
    assert await refuse_request(get(host=b"Host: " + host)) == (400, "bad-host")


async def test_gap_8_an_absolute_form_target_replaces_another_host() -> None:
    request = await accept_request(get(b"A: 1", start=b"GET http://y:81/p?q HTTP/1.1"))
    assert request.target == b"/p?q"
    assert request.fields == ((b"Host", b"y:81"), (b"A", b"1"))
    assert (await accept_request(get(start=b"GET /p?q HTTP/1.1"))).fields == ((b"Host", b"x"),)


@pytest.mark.parametrize("name", [b"Transfer_Encoding", b"transfer_encoding", b"Content_Length", b"CONTENT_LENGTH"])
async def test_gap_9_a_name_that_becomes_a_framing_name_is_refused(name: bytes) -> None:
    assert await refuse_request(get(name + b": 1")) == (400, "framing-look-alike")
    assert await refuse_response(ok(name + b": 1")) == "framing-look-alike"
    assert (await accept_request(get(b"X_" + name + b": 1"))).get(b"x_" + name.lower()) == b"1"


@pytest.mark.parametrize(
    "value", [b"003", b"00", b"3, 3", b"3,3", b"+3", b"-3", b"3 3", b"0x3", b"3.0", b"", b"9" * 19]
)
async def test_gap_10_a_length_in_another_form_is_refused(value: bytes) -> None:
    assert await refuse_request(get(b"Content-Length: " + value)) == (400, "bad-length")
    assert await refuse_response(ok(b"Content-Length: " + value)) == "bad-length"


async def test_gap_10_two_lengths_are_refused_and_one_is_taken() -> None:
    assert await refuse_request(get(b"Content-Length: 3", b"Content-Length: 3")) == (400, "two-lengths")
    assert await refuse_request(get(b"Content-Length: 3", b"content-length: 4")) == (400, "two-lengths")
    assert await refuse_response(ok(b"Content-Length: 3", b"Content-Length: 3")) == "two-lengths"
    assert request_framing(await accept_request(get(b"Content-Length: \t3 "))).length == 3
    assert request_framing(await accept_request(get(b"Content-Length: " + b"9" * 18))).length == 10**18 - 1


@pytest.mark.parametrize("status, method", [(204, b"GET"), (304, b"GET"), (200, b"HEAD")])
async def test_gap_12_octets_after_a_response_without_a_body_are_no_body(status: int, method: bytes) -> None:
    head = ok(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 %d X" % status)
    async with feeding(head + b"5\r\nhello\r\n") as stream:
        client = ClientConnection(stream)
        await client.send_request(Request(method, b"/", fields=((b"Host", b"x"),)))
        framing = response_framing(await client.receive_response(), method)
    assert framing.kind is BodyKind.NONE
    assert bytes(client.leftover) == b"5\r\nhello\r\n"


async def test_gap_13_each_1xx_is_handed_out_alone_so_that_it_can_be_counted() -> None:
    async with feeding(ok(start=b"HTTP/1.1 103 Early Hints") * 20 + ok()) as stream:
        client = ClientConnection(stream)
        await client.send_request(GET)
        statuses = [(await client.receive_response()).status for _ in range(21)]
    assert statuses == [103] * 20 + [200]


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
async def test_gap_14_a_1xx_with_a_coding_is_refused(status: bytes) -> None:
    assert await refuse_response(ok(b"Transfer-Encoding: chunked", start=b"HTTP/1.1 " + status)) == "coding-in-1xx"
    assert (await receive_response(ok(b"Link: </x>", start=b"HTTP/1.1 " + status))).get(b"link") == b"</x>"


async def test_gap_15_an_upgrade_does_not_hide_that_there_is_a_body() -> None:
    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket")
    assert request_framing(await accept_request(get(*upgrade))).is_empty
    assert not request_framing(await accept_request(get(*upgrade, b"Content-Length: 3"))).is_empty
    assert not request_framing(await accept_request(get(*upgrade, b"Transfer-Encoding: chunked"))).is_empty


@pytest.mark.parametrize(
    "head, got",
    [
        (b"HTTP/1.1 200 OK\r\r\n\r\n", r'got "HTTP/1.1 200 OK\r"'),
        (b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", r'got "A: b\r" at 17'),
        (b"HTTP/1.1 200 %b\0\r\n\r\n" % (b"o" * 99), 'got …"' + "o" * 40 + r'\x00"'),
        (b"HTTP/1.1  200\r\n\r\n", 'got "HTTP/1.1  200"'),
    ],
)
def test_a_refused_line_is_shown_with_the_octet_that_cannot_be_seen(head: bytes, got: str) -> None:
    with pytest.raises(HeadError) as refused:
        check_head(head, DEFAULT_HEAD_LIMITS, is_request=False, bare_lf=False)
    assert str(refused.value).endswith(got)
