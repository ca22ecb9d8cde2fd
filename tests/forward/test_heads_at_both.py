"""What public suites found in heads, each kind at the origin and at the gateway; `tests/net` has each grammar whole."""

import re
from contextlib import suppress

import pytest
import trio

from chunkwire.server.settings import ServerSettings
from chunkwire.wire.limits import HeadLimits
from tests.forward.wire import GatewaySettings, answer, forwarding, get, relay_heads, status_of
from tests.server import peer
from tests.server.peer import connect, resource, serving, two_chunks

SERVERS = ["origin", "gateway"]
SMALL = HeadLimits(max_head_octets=4096, max_start_line_octets=1024, max_fields=8)

each_server = pytest.mark.parametrize("server", SERVERS)


async def ask(server: str, octets: bytes) -> bytes:
    """Return all that a server says to octets and a half-close; the gateway must not ask its upstream."""
    if server == "origin":
        return await peer.ask(octets, resource(two_chunks), settings=ServerSettings(head_limits=SMALL))
    async with forwarding(settings=GatewaySettings(head_limits=SMALL)) as gateway:
        got = await gateway.ask(octets)
        assert not gateway.is_asked()
    return got


async def served(server: str, octets: bytes) -> bytes:
    """Return what a server says to a request for `/x` that it serves."""
    if server == "origin":
        return await peer.ask(octets, resource(two_chunks))
    head, got = await relay_heads(octets, answer(b"Content-Length: 2") + b"ok")
    assert head.partition(b" ")[0] == octets.strip().partition(b" ")[0]
    return got


@pytest.mark.parametrize("empty", [b"\r\n", b"\r\n\r\n"])
@each_server
async def test_an_empty_line_before_a_request_is_ignored(server: str, empty: bytes) -> None:
    """Row 5. Fails where h11 sees the empty line, or where it is sent on."""
    assert status_of(await served(server, empty + get(b"Connection: close", target=b"/x"))) == 200


def content_of(got: bytes) -> bytes:
    """Return what follows the one head of an answer that is refused."""
    head, _, content = got.partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in head
    assert int(re.findall(rb"\r\nContent-Length: (\d+)", head)[0]) > 0  # as long as the answer to a GET
    return content


# What follows the method, and the status that refuses it at both servers.
REFUSED = {
    "no Host": (b" / HTTP/1.1\r\n\r\n", 400),
    "another coding": (b" / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    "an unknown coding": (b" / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "a folded line": (b" / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    "a blank line first": (b" / HTTP/1.1\r\n \r\nHost: x\r\n\r\n", 400),
    "a blank before the first field": (b" / HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n", 400),
    "HTTP/2.0": (b" / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "no version": (b" /\r\n\r\n", 400),
    "nothing but the method": (b"\r\n\r\n", 400),
    "a tab after it": (b"\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a long target": (b" /" + 2000 * b"a" + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    "an endless target": (b" /" + 2000 * b"a", 414),
    "a large head": (b" / HTTP/1.1\r\nHost: x\r\nA: " + 5000 * b"a" + b"\r\n\r\n", 431),
    "an endless head": (b" / HTTP/1.1\r\nHost: x\r\nA: " + 5000 * b"a", 431),
    "many fields": (b" / HTTP/1.1\r\nHost: x\r\n" + 9 * b"A: a\r\n" + b"\r\n", 431),
    "a cut head": (b" / HTTP/1.1\r\nHost: x\r\n", 400),
    "a broken target": (b" /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "another scheme": (b" https://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 421),
    "an expectation": (b" /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: x\r\n\r\n", 417),
}


@pytest.mark.parametrize("case", REFUSED)
@each_server
async def test_a_refused_head_gets_no_content(server: str, case: str) -> None:
    """Row 6, suites: a refused HEAD. Fails where a head that is refused unread is answered as a GET is."""
    rest, status = REFUSED[case]
    for before in (b"", b"\r\n"):
        got = await ask(server, before + b"HEAD" + rest)
        assert (status_of(got), content_of(got)) == (status, b"")
    got = await ask(server, b"GET" + rest)
    assert status_of(got) == status
    assert content_of(got)


@pytest.mark.parametrize("octets", [b"HEAD", b"HEAD /", b"HEAD / HTTP/1.1\r\nHost: x\r\n"])
@each_server
async def test_a_head_that_does_not_end_gets_no_content(
    autojump_clock: trio.abc.Clock, server: str, octets: bytes
) -> None:
    """Suites: a refused HEAD. Fails where a 408 has content whatever has been typed until then."""
    if server == "origin":
        async with serving(settings=ServerSettings(head_timeout=5)) as running, connect(running.port) as origin:
            await origin.send(octets)
            got = await origin.read_all()
    else:
        async with forwarding(settings=GatewaySettings(head_timeout=5)) as gateway, gateway.connect(octets) as client:
            got = await client.read_all()
    assert (status_of(got), content_of(got)) == (408, b"")


@pytest.mark.parametrize("response, status", [(b"", 502), (b"HTTP/2.0 200 OK\r\n\r\n", 502), (None, 504)])
async def test_a_failure_of_the_gateways_own_has_no_content_for_a_head(
    autojump_clock: trio.abc.Clock, response: bytes | None, status: int
) -> None:
    """Suites: a refused HEAD. Fails where the gateway's own answers forget the method."""
    async with forwarding(settings=GatewaySettings(response_timeout=5)) as gateway:
        async with gateway.exchange(get(method=b"HEAD")) as (client, upstream):
            if response is not None:
                await upstream.send(response)
                with suppress(trio.BrokenResourceError):  # refused already, and reset
                    await upstream.send_eof()
            got = await client.read_all()
    assert (status_of(got), content_of(got)) == (status, b"")


async def test_one_stream_too_many_gets_no_content_for_a_head() -> None:
    """Suites: a refused HEAD. Fails where a 429 forgets the method."""
    async with forwarding(settings=GatewaySettings(max_streams_per_client=1)) as gateway:
        async with gateway.connect(get()), gateway.accept(), gateway.connect(get(method=b"HEAD")) as client:
            got = await client.read_all()
    assert (status_of(got), content_of(got)) == (429, b"")


@pytest.mark.parametrize("method", [b"HEADER", b"head", b"AHEAD"])
@each_server
async def test_a_method_that_looks_like_head_gets_content(server: str, method: bytes) -> None:
    """Suites: a refused HEAD, the twin. Fails where a prefix or a case-blind match is taken for HEAD."""
    assert content_of(await ask(server, method + b" / HTTP/1.1\r\n\r\n"))


@pytest.mark.parametrize("host, status", [(b"[::::1]", 400), (b"[::1]", 200)])
@each_server
async def test_a_host_is_judged_by_its_grammar(server: str, host: bytes, status: int) -> None:
    """Suites: host grammar. Fails where a host is any run of the octets that hosts are made of."""
    by_field = b"GET /x HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % host
    by_target = b"GET http://%b/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % host
    for request in (by_field, by_target):
        assert status_of(await (served if status == 200 else ask)(server, request)) == status


@each_server
async def test_a_target_of_another_scheme_gets_421(server: str) -> None:
    """Row 14, suites: misdirected. Fails where the scheme of an absolute target is passed over (RFC 9110 §7.4)."""
    assert status_of(await ask(server, get(target=b"https://x/x"))) == 421
    assert status_of(await served(server, get(b"Connection: close", target=b"http://x/x"))) == 200


@pytest.mark.parametrize("target", [b'/x?"', b"/x?%gg"])
@each_server
async def test_a_target_out_of_the_grammar_gets_400(server: str, target: bytes) -> None:
    """Suites: target octets. Fails where what a browser encodes is taken raw (RFC 9112 §3.2)."""
    got = await ask(server, get(target=target))
    assert status_of(got) == 400
    assert b"in the target, " in got
    assert status_of(await served(server, get(b"Connection: close", target=b"/x?%22%7B"))) == 200


@each_server
async def test_raw_utf_8_in_a_target_gets_a_400_that_says_how_to_write_it(server: str) -> None:
    """Suites: target octets. Fails where the refusal shows the request-line and leaves the reader to guess."""
    got = await ask(server, get(target="/x?é€".encode()))
    assert status_of(got) == 400
    assert b"expected %C3%A9%E2%82%AC in the target" in got


@pytest.mark.parametrize(
    "values, status", [((b"gzip", b"chunked"), 501), ((b"chunked", b"chunked"), 400), ((b"chunked;q=1",), 400)]
)
@each_server
async def test_codings_are_judged_as_one_list(server: str, values: tuple[bytes, ...], status: int) -> None:
    """Rows 22, 34 and 37, suites: codings over lines. Fails where a line is judged by itself, or as it is written."""
    lines = [b"Transfer-Encoding: " + value for value in values]
    assert status_of(await ask(server, get(*lines, method=b"POST", target=b"/x") + b"0\r\n\r\n")) == status
    twin = get(b"Transfer-Encoding: Chunked", b"Connection: close", method=b"POST", target=b"/x") + b"0\r\n\r\n"
    assert status_of(await served(server, twin)) == 200


MIXED = [
    b"GET /x HTTP/1.1\r\nHost: x\r\nX: X\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: x\r\n\n",
    b"GET /x HTTP/1.1\nHost: x\n\r\n",
]


@pytest.mark.parametrize("octets", MIXED)
@each_server
async def test_a_head_with_line_ends_of_two_kinds_gets_400(server: str, octets: bytes) -> None:
    """Suites: mixed line ends. Fails where each line may end as it likes: a value could bring a framing field in."""
    assert status_of(await ask(server, octets)) == 400
    one_kind = octets.replace(b"\r\n", b"\n")
    if server == "origin" and octets.startswith(b"GET /x HTTP/1.1\n"):
        assert status_of(await served(server, one_kind.replace(b"Host", b"Connection: close\nHost"))) == 200
