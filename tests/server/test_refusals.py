"""What the origin answers to what it cannot serve: status, a line that teaches, and nothing run after it."""

import pytest

from chunkwire.lab.listing import Listing
from chunkwire.origin.resources import origin_resources
from chunkwire.server.routes import Resource
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.limits import HeadLimits
from tests.server.peer import ask, body_of, connect, fetch, get, post, resource, serving, status_of, two_chunks

UNREADABLE_HEADS = {
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400, b"HTTP/1.1 needs a Host line"),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"one Host line"),
    "bad Host": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, b"in Host"),
    "no version": (b"GET /\r\n\r\n", 400, b"the version is missing"),
    "a chunk without a head": (
        b"5\r\nhello\r\n0\r\n\r\n",
        400,
        b'got "5" (a size line? The body before it has ended, or',
    ),
    "the same in hex": (b"1a;x=y\nhello\n", 400, b'got "1a;x=y" (a size line? The body before it has ended, or'),
    "a chunk in a head": (
        b"POST / HTTP/1.1\r\nHost: x\r\n5\r\nhello\r\n",
        400,
        b"(a size line? An empty line ends the",
    ),
    "no colon": (b"POST / HTTP/1.1\r\nHost x\r\n\r\n", 400, b'got "Host x" at 17\n'),
    "line ends as text": (b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\n", 400, b"came as text: send it with printf"),
    "a chunk's data": (b"hello\r\n", 400, b'got "hello"\n'),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, b"HTTP/1.1"),
    "an SSH banner": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", 400, b"A request begins like this"),
    "garbage": (b"\x00\x01\x02\x03\xff\r\n\r\n", 400, b"expected"),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, b"http://, not https://"),
    "blank before colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, b"colon"),
    "folded line": (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400, b"folded"),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400, b"CR"),
    "NUL in a value": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400, b"control"),
    "length and coding": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        b"got both",
    ),
    "unknown coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, b"chunked"),
    "not chunked last": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400, b"chunked"),
    "coding in 1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, b"HTTP/1.0"),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, b"two"),
    "bad length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", 400, b"Content-Length"),
    "a head that is cut": (b"GET / HTTP/1.1\r\nHost: x\r\n", 400, b"empty line"),
}

ALONE = ("a head that is cut", "a TLS hello")


@pytest.mark.parametrize("name", UNREADABLE_HEADS)
async def test_a_head_that_cannot_be_trusted_is_refused_and_ends_the_connection(name: str) -> None:
    """Rows 7, 9, 12, 13, 16, 22, 24, 25, 29, 31, fault 22, attack CL.TE. Fails where the GET behind it is run."""
    head, status, taught = UNREADABLE_HEADS[name]
    async with serving(resource(two_chunks)) as running:
        answer = await running.ask(head + (b"" if name in ALONE else get("/x")))
    assert status_of(answer) == status
    assert taught in body_of(answer)
    assert len(running.ended) == 1
    assert b"Connection: close\r\n" in answer
    assert b"Date: " in answer


NO_BODY = b"a request has a body only if its head says Transfer-Encoding: chunked or Content-Length\n"


@pytest.mark.parametrize(
    "request_before, stray, why",
    [
        (b"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", b"hello", NO_BODY),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", b'{"q": 1}', NO_BODY),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", b"5\r\nhello\r\n", NO_BODY),
        (get("/x"), b"data: 1\n\n", NO_BODY),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nhel", b"lo\r\n", b"its Content-Length: 3\n"),
        (post("/echo", b"5\r\nhello\r\n0\r\n\r\n"), b"more\r\n", b"its last-chunk\n"),
    ],
)
async def test_octets_after_a_body_that_are_no_request_get_a_400_that_says_why_the_body_ended(
    request_before: bytes, stray: bytes, why: bytes
) -> None:
    """Fails where they are called a malformed request, or TLS."""
    answer = await ask(request_before + stray, *origin_resources(), resource(two_chunks))
    last = answer.rpartition(b"HTTP/1.1 400 ")[2]
    got = stray.partition(b"\r")[0].rstrip(b"\n").replace(b'"', b'\\"')
    assert body_of(last).startswith(b'expected a request, got "%b"; ' % got)
    assert body_of(last).endswith(why)


@pytest.mark.parametrize(
    "second, taught",
    [
        (b"GET /\r\n", b"(the version is missing)"),
        (b"get  /x HTTP/1.1\r\n", b"expected `METHOD"),
        (b" GET / HTTP/1.1\r\n", b"expected"),
        (b"GET /x HTTP/1.1\r\n", b"expected an empty line after the head"),
        (b"\r", b"expected an empty line after the head"),
    ],
)
async def test_a_malformed_second_request_is_called_one(second: bytes, taught: bytes) -> None:
    body = body_of((await ask(get("/x") + second, resource(two_chunks))).rpartition(b"HTTP/1.1 400 ")[2])
    assert taught in body
    assert b"a body only if" not in body


async def test_the_server_goes_on_after_garbage() -> None:
    async with serving(resource(two_chunks)) as running:
        await running.ask(b"\x00" * 100)
        assert status_of(await running.get("/x")) == 200


async def test_bare_lf_in_a_chunked_body_gets_a_400_that_names_the_flag() -> None:
    """Row 2, erratum 7633. Fails where LF is waited on for its CR."""
    async with serving() as running, connect(running.port) as client:
        await client.send(b"POST /echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n5\n")
        answer = await client.read_all()
    assert status_of(answer) == 400
    assert b"nc -C" in body_of(answer)
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize("body", [b"6\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n"])
async def test_a_wrong_size_between_lines_in_crlf_gets_a_400_that_names_no_flag(body: bytes) -> None:
    """Fails where each LF after chunk-data is taken for one of nc without -C."""
    async with serving() as running, connect(running.port) as client:
        await client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        answer = await client.read_all()
    assert status_of(answer) == 400
    assert b"which is wrong, or the CR is missing; a size counts the octets" in body_of(answer)
    assert b"nc" not in body_of(answer)


async def test_a_head_at_the_limit_is_served_and_one_octet_more_gets_431() -> None:
    """Row 62, fault 13. Fails where only a head that is still incomplete is measured."""
    room = len(get("/x", b"A: "))
    settings = ServerSettings(head_limits=HeadLimits(max_head_octets=room + 50))
    async with serving(resource(two_chunks), settings=settings) as running:
        assert status_of(await running.ask(get("/x", b"A: " + 50 * b"a"))) == 200
        assert status_of(await running.ask(get("/x", b"A: " + 51 * b"a"))) == 431


async def test_a_target_over_the_limit_gets_414() -> None:
    """Row 10. Fails where the limit is under 8000 octets, or where none ends an endless target with 414."""
    async with serving(resource(two_chunks)) as running:
        assert status_of(await running.ask(get("/x?" + 8000 * "a"))) == 200
        assert status_of(await running.ask(get("/x?" + 17000 * "a"))) == 414


async def test_an_unknown_path_gets_a_404_that_points_to_the_list() -> None:
    answer = await fetch("/no%0Awhere")
    assert status_of(answer) == 404
    assert body_of(answer) == b"no resource at /no\\nwhere; GET / lists them\n"


@pytest.mark.parametrize("method, said", [("get", "write GET in capitals\n"), ("hello", "got 'hello'\n")])
async def test_an_unknown_method_is_named_with_its_likely_mistake(method: str, said: str) -> None:
    answer = await ask(f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (status_of(answer), body_of(answer).decode().endswith(said)) == (501, True)


async def test_a_404_points_to_no_list_where_another_resource_is_at_the_root() -> None:
    root = Resource("/", two_chunks, "a page")
    assert body_of(await fetch("/nowhere", root)) == b"no resource at /nowhere\n"
    listed = Listing([resource(two_chunks)]).served
    assert body_of(await fetch("/nowhere", *listed)) == b"no resource at /nowhere; GET / lists them\n"


async def test_a_path_that_is_nearly_one_gets_a_404_that_names_it() -> None:
    assert body_of(await fetch("/generat")).endswith(b"; did you mean /generate?\n")


async def test_a_wrong_method_gets_405_with_allow() -> None:
    answer = await ask(b"DELETE /generate HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status_of(answer) == 405
    assert b"Allow: GET, HEAD, OPTIONS\r\n" in answer


async def test_an_unknown_method_gets_501() -> None:
    """Row 11. Fails where an unknown method is a 405, or an endless one a bad request-line."""
    async with serving() as running:
        assert status_of(await running.ask(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n")) == 501
        assert status_of(await running.ask(40 * b"X" + b" / HTTP/1.1\r\nHost: x\r\n\r\n")) == 501


async def test_connect_is_refused() -> None:
    """Rows 21 and 67. Fails where CONNECT is looked up as a path: a 404 would have a body that 2xx cannot."""
    answer = await ask(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
    assert status_of(answer) == 501


async def test_options_says_what_is_allowed() -> None:
    async with serving() as running:
        answer = await running.ask(b"OPTIONS /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        everything = await running.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status_of(answer) == 204
    assert b"Allow: POST, PUT, PATCH, OPTIONS\r\n" in answer
    assert b"transfer-encoding" not in answer.lower()
    assert b"content-length" not in answer.lower()
    assert b"Allow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n" in everything


async def test_http_1_9_is_served_as_1_1() -> None:
    """Row 9. Fails where the version is compared with 1.1: the answer would be delimited by close, or a 505."""
    answer = await ask(b"GET /x HTTP/1.9\r\nHost: x\r\n\r\n", resource(two_chunks))
    assert body_of(answer).endswith(b"0\r\n\r\n")


async def test_a_request_body_that_ends_early_gets_400() -> None:
    answer = await ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
    assert status_of(answer) == 400
    assert b"request body: expected content of 5 octets" in body_of(answer)


async def test_a_broken_body_after_the_head_went_is_cut() -> None:
    """Row 39: an abnormal end has no last-chunk. Fails where the responder's exit always writes one."""
    answer = await ask(post("/echo", b"5\r\nhello\r\nzz\r\n"))
    assert status_of(answer) == 200
    assert body_of(answer).startswith(b"5\r\nhello\r\n")
    assert not body_of(answer).endswith(b"0\r\n\r\n")
