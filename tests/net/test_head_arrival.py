"""How a head arrives: judged as soon as it cannot become valid, and the same whatever the reads are."""

import itertools

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.net.connection import PeerGone
from chunkwire.net.ends import ClientConnection, IncompleteHead, ServerConnection
from chunkwire.net.heads import HeadError, Request, Response
from tests.net.peer import (
    GET,
    Pieces,
    accept_request,
    get,
    ok,
    receive_request,
    refuse_request,
    reset,
    run,
    tcp_pair,
)
from tests.patience import PATIENCE

TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
REQUESTS = [
    get(),
    get(b"A: 1", b"Content-Length: 5") + b"hello",
    get(b"Transfer-Encoding: chunked", start=b"POST /a?b HTTP/1.1") + b"0\r\n\r\n",
    b"\r\n\r\n" + get(start=b"GET / HTTP/1.0", host=None) + get(),
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"\n\r\n\n" + get(b"A: \t1"),
]
RESPONSES = [
    ok(),
    ok(b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ok(b"Content-Length: 2", start=b"HTTP/1.0 404 Not Found") + b"no",
    ok(start=b"HTTP/1.1 204"),
    ok(start=b"HTTP/1.1 100 Continue") + ok(),
]


@pytest.mark.parametrize(
    "octets", [TLS_HELLO, b"\x00", b" GET / HTTP/1.1", b"\x80", b"{", b'"', b"\r\r", b"\rG", b"\t"]
)
async def test_octets_that_are_no_http_are_refused_before_a_line_ends(octets: bytes) -> None:
    """No FIN follows: a server that waited for the end of the line would wait here for ever."""
    ours, theirs = await tcp_pair()
    async with ours, theirs:
        await theirs.send_all(octets)
        with trio.fail_after(PATIENCE), pytest.raises(HeadError) as caught:
            await ServerConnection(ours, bare_lf=True).receive_request()
    assert (caught.value.status, caught.value.rule) == (400, "not-http")


@pytest.mark.parametrize(
    "octets, rule",
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", "bad-start-line"),
        (b"GET /\r\n", "bad-start-line"),
        (b"GET / HTTP/2.0\r\n", "http-version"),
        (b"PRI * HTTP/2.0\r\n", "http-version"),
        (b"EHLO example.org\r\n", "bad-start-line"),
    ],
)
async def test_a_bad_start_line_is_refused_before_the_head_ends(octets: bytes, rule: str) -> None:
    ours, theirs = await tcp_pair()
    async with ours, theirs:
        await theirs.send_all(octets)
        with trio.fail_after(PATIENCE), pytest.raises(HeadError) as caught:
            await ServerConnection(ours, bare_lf=False).receive_request()
    assert caught.value.rule == rule


@pytest.mark.parametrize("octets", [TLS_HELLO, b"SSH-2.0-x\r\n", b"ICY 200 OK\r\n", b"\r\n", b"HTTP/1.1 099 x\r\n"])
async def test_a_response_that_is_none_is_refused_at_once(octets: bytes) -> None:
    ours, theirs = await tcp_pair()
    async with ours, theirs:
        await theirs.send_all(octets)
        client = ClientConnection(ours)
        await client.send_request(GET)
        with trio.fail_after(PATIENCE), pytest.raises(HeadError):
            await client.receive_response()


async def test_empty_lines_before_a_request_are_ignored() -> None:
    assert await accept_request(b"\r\n" + get()) == await accept_request(get())
    assert await accept_request(b"\r\n" * 1000 + get()) == await accept_request(get())


async def test_a_lone_lf_before_a_request_is_ignored_only_where_lf_is_taken() -> None:
    assert await accept_request(b"\n\r\n" + get(), bare_lf=True) == await accept_request(get())
    assert await refuse_request(b"\n" + get()) == (400, "bad-start-line")


async def test_a_connection_that_ends_without_a_request_gives_none() -> None:
    assert await receive_request(b"") is None
    assert await receive_request(b"\r\n") is None


@pytest.mark.parametrize("octets", [b"G", b"GET / HTTP/1.1\r\n", get()[:-1], b"\r"])
async def test_a_connection_that_ends_inside_a_request_head_is_refused(octets: bytes) -> None:
    assert await refuse_request(octets) == (400, "cut-head")


@pytest.mark.parametrize("octets", [b"", b"H", b"HTTP/1.1 200 OK\r\n", ok()[:-1]])
async def test_a_connection_that_ends_inside_a_response_head_says_what_came(octets: bytes) -> None:
    with pytest.raises(IncompleteHead) as caught:
        await take_response([octets] if octets else [])
    assert caught.value.octets == octets


async def test_a_reset_inside_a_head_is_a_peer_that_is_gone() -> None:
    ours, theirs = await tcp_pair()
    async with ours:
        await theirs.send_all(b"GET / HTTP/1.1\r\n")
        reset(theirs)
        with trio.fail_after(PATIENCE), pytest.raises(PeerGone):
            await ServerConnection(ours, bare_lf=False).receive_request()


async def take_request(pieces: list[bytes]) -> tuple[Request | None, bytes] | str:
    """Return the request and what follows it, or that the head was refused."""
    stream = Pieces(pieces)
    server = ServerConnection(stream, bare_lf=True)
    try:
        request = await server.receive_request()
    except HeadError:
        return "refused"
    return request, bytes(server.leftover) + b"".join(stream.pieces)


async def take_response(pieces: list[bytes]) -> tuple[Response, bytes]:
    stream = Pieces(pieces)
    client = ClientConnection(stream)
    await client.send_request(GET)
    response = await client.receive_response()
    return response, bytes(client.leftover) + b"".join(stream.pieces)


def cut(octets: bytes, at: list[int]) -> list[bytes]:
    """Return octets in pieces that begin at these offsets."""
    edges = sorted({0, len(octets), *(n for n in at if n < len(octets))})
    return [octets[a:b] for a, b in itertools.pairwise(edges)]


@given(octets=st.sampled_from(REQUESTS), at=st.lists(st.integers(1, 90)))
def test_a_request_is_the_same_however_it_is_split(octets: bytes, at: list[int]) -> None:
    assert run(lambda: take_request(cut(octets, at))) == run(lambda: take_request([octets]))


@pytest.mark.parametrize("octets", REQUESTS)
async def test_a_request_octet_by_octet_is_the_same_as_in_one_read(octets: bytes) -> None:
    whole = await take_request([octets])
    assert whole != "refused"
    assert await take_request(cut(octets, [*range(len(octets))])) == whole


@given(octets=st.sampled_from(RESPONSES), at=st.lists(st.integers(1, 90)))
def test_a_response_is_the_same_however_it_is_split(octets: bytes, at: list[int]) -> None:
    assert run(lambda: take_response(cut(octets, at))) == run(lambda: take_response([octets]))


@given(octets=st.sampled_from(REQUESTS), at=st.integers(0, 60), new=st.binary(min_size=1, max_size=3))
def test_a_broken_request_is_refused_or_taken_however_it_is_split(octets: bytes, at: int, new: bytes) -> None:
    broken = octets[:at] + new + octets[at + 1 :]
    assert run(lambda: take_request(cut(broken, [*range(len(broken))]))) == run(lambda: take_request([broken]))


@given(
    octets=st.one_of(
        st.binary(max_size=200), st.text(alphabet="GET /HTP1.\r\n:ab \t0\x7f", max_size=60).map(str.encode)
    )
)
def test_no_octets_make_a_server_raise_anything_but_a_head_error(octets: bytes) -> None:
    assert run(lambda: take_request([octets]))


@given(
    prefix=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 x\r\nUpgrade: y\r\n", b"HTTP/1.0 1"]),
    octets=st.binary(max_size=100),
    suffix=st.sampled_from([b"", b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n"]),
)
def test_no_octets_make_a_client_raise_anything_but_what_it_says(prefix: bytes, octets: bytes, suffix: bytes) -> None:
    try:
        response, _ = run(lambda: take_response([prefix + octets + suffix]))
    except (HeadError, IncompleteHead):
        return
    assert 100 <= response.status < 600
