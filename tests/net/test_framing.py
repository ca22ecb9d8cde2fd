"""Which framing a body has: each case of RFC 9112 §6.3, for requests and for responses."""

import pytest

from chunkwire.net.framing import BodyKind, Framing, request_framing, response_framing
from chunkwire.net.heads import HeadError, Request, Response
from chunkwire.wire.scanner import ChunkedScanner
from chunkwire.wire.unchunked import CloseScanner, LengthScanner
from tests.net.peer import accept_request, get, ok, receive_response, refuse_request, refuse_response

CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: 5"

REFUSED_CODINGS = [
    (b", chunked", 400),
    (b"chunked,", 400),
    (b"xchunked", 400),
    (b"xchunked, chunked", 501),
    (b"chunkedx", 400),
    (b"chunked, gzip", 400),
    (b"gzip", 400),
    (b"identity", 400),
    (b"gzip, chunked", 501),
    (b"gzip,chunked", 501),
    (b"chunked;x=y", 400),
    (b'"chunked"', 400),
    (b"chunked chunked", 400),
    (b"", 400),
]


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED", b" \tchunked \t"])
async def test_chunked_is_taken_in_any_case(value: bytes) -> None:
    line = b"Transfer-Encoding:" + value
    assert request_framing(await accept_request(get(line))) == Framing(BodyKind.CHUNKED)
    assert response_framing(await receive_response(ok(line)), b"GET") == Framing(BodyKind.CHUNKED)


@pytest.mark.parametrize("value, status", REFUSED_CODINGS)
async def test_any_other_coding_is_refused(value: bytes, status: int) -> None:
    assert await refuse_request(get(b"Transfer-Encoding: " + value)) == (status, "unknown-coding")
    assert await refuse_response(ok(b"Transfer-Encoding: " + value)) == "unknown-coding"


@pytest.mark.parametrize(
    "values, status",
    [
        ((b"gzip", b"chunked"), 501),
        ((b'a;b="c,d" ;e = f', b"gzip, Chunked"), 501),
        ((b"identity", b"chunked"), 501),
        ((b"chunked", b"gzip"), 400),
        ((b"gzip", b"deflate"), 400),
        ((b"gzip, chunked;q=1",), 400),
        ((b"a;b, chunked",), 400),
        ((b"chunked", b""), 400),
        ((b"", b"chunked"), 400),
        ((b"gzip,, chunked",), 400),
    ],
)
async def test_codings_on_several_lines_are_one_list(values: tuple[bytes, ...], status: int) -> None:
    lines = [b"tRANSFER-eNCODING: " + value for value in values]
    assert await refuse_request(get(*lines)) == (status, "unknown-coding")
    assert await refuse_request(get(b"Transfer-Encoding: " + b", ".join(values))) == (status, "unknown-coding")
    assert await refuse_response(ok(*lines)) == "unknown-coding"


@pytest.mark.parametrize("lines", [(CHUNKED, CHUNKED), (b"Transfer-Encoding: chunked, gzip, CHUNKED",)])
async def test_chunked_applied_twice_is_refused(lines: tuple[bytes, ...]) -> None:
    assert await refuse_request(get(*lines)) == (400, "chunked-twice")
    assert await refuse_response(ok(*lines)) == "chunked-twice"


async def test_a_request_without_framing_has_no_body() -> None:
    framing = request_framing(await accept_request(get(start=b"POST / HTTP/1.1")))
    assert framing == Framing(BodyKind.NONE)
    assert framing.is_empty


async def test_a_request_with_a_length_has_that_many_octets() -> None:
    assert request_framing(await accept_request(get(LENGTH))) == Framing(BodyKind.LENGTH, 5)
    none = request_framing(await accept_request(get(b"Content-Length: 0")))
    assert (none, none.is_empty) == (Framing(BodyKind.LENGTH, 0), True)


@pytest.mark.parametrize(
    "status, method", [(100, b"GET"), (103, b"GET"), (199, b"GET"), (204, b"GET"), (304, b"GET"), (200, b"HEAD")]
)
def test_a_response_without_a_body_has_none_whatever_its_fields(status: int, method: bytes) -> None:
    for fields in ((), ((b"Content-Length", b"5"),)):
        assert response_framing(Response(status, fields=fields), method) == Framing(BodyKind.NONE)


CODINGS = [b"chunked", b"identity", b"gzip", b"chunked, gzip", b"", b"?"]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("status, method", [(204, b"GET"), (304, b"GET"), (200, b"HEAD"), (404, b"HEAD")])
async def test_no_coding_makes_a_body_where_there_is_none(coding: bytes, status: int, method: bytes) -> None:
    octets = ok(b"Transfer-Encoding: " + coding, b"Transfer-Encoding: x", start=b"HTTP/1.1 %d X" % status)
    response = await receive_response(octets, Request(method, b"/", fields=((b"Host", b"x"),)))
    assert response_framing(response, method) == Framing(BodyKind.NONE)
    assert len(response.fields) == 2
    if status >= 400:  # the same to a GET has a body, and its end would be a guess
        assert await refuse_response(octets) in ("unknown-coding", "chunked-twice")


def test_the_method_is_compared_as_it_is() -> None:
    assert response_framing(Response(200), b"head") == Framing(BodyKind.CLOSE)


@pytest.mark.parametrize("status", [200, 205, 206, 400, 404, 500, 599])
async def test_a_response_is_framed_by_its_coding_its_length_or_its_close(status: int) -> None:
    start = b"HTTP/1.1 %d X" % status
    assert response_framing(await receive_response(ok(CHUNKED, start=start)), b"GET") == Framing(BodyKind.CHUNKED)
    assert response_framing(await receive_response(ok(LENGTH, start=start)), b"GET") == Framing(BodyKind.LENGTH, 5)
    assert response_framing(await receive_response(ok(start=start)), b"GET") == Framing(BodyKind.CLOSE)


async def test_an_http_1_0_response_has_a_length_or_ends_with_the_connection() -> None:
    start = b"HTTP/1.0 200 OK"
    assert response_framing(await receive_response(ok(LENGTH, start=start)), b"GET") == Framing(BodyKind.LENGTH, 5)
    assert response_framing(await receive_response(ok(start=start)), b"GET") == Framing(BodyKind.CLOSE)


@pytest.mark.parametrize("status", [200, 204, 304, 100])
def test_a_broken_length_is_refused_even_where_no_body_can_be(status: int) -> None:
    for fields in (((b"Content-Length", b"x"),), ((b"Content-Length", b"1"), (b"Content-Length", b"1"))):
        with pytest.raises(HeadError):
            response_framing(Response(status, fields=fields), b"HEAD")


def test_each_kind_has_its_scanner_and_a_fresh_one_each_time() -> None:
    chunked, length = Framing(BodyKind.CHUNKED), Framing(BodyKind.LENGTH, 5)
    assert isinstance(chunked.scanner(), ChunkedScanner)
    assert isinstance(length.scanner(), LengthScanner)
    assert isinstance(Framing(BodyKind.CLOSE).scanner(), CloseScanner)
    assert Framing(BodyKind.NONE).scanner().is_complete
    assert chunked.scanner() is not chunked.scanner()
    assert not length.scanner().is_complete


def test_the_scanner_of_a_chunked_body_refuses_the_trailers_it_was_given() -> None:
    body = b"0\r\nX-Sum: 1\r\n\r\n"
    assert Framing(BodyKind.CHUNKED).scanner().scan(body, len(body)) == len(body)
    with pytest.raises(Exception, match=r"(?i)x-sum"):
        Framing(BodyKind.CHUNKED).scanner(forbidden=frozenset({b"x-sum"})).scan(body, len(body))


def test_a_request_built_by_hand_is_judged_the_same() -> None:
    request = Request(b"POST", b"/", fields=((b"content-length", b"5"), (b"Content-Length", b"5")))
    with pytest.raises(HeadError) as caught:
        request_framing(request)
    assert caught.value.rule == "two-lengths"
