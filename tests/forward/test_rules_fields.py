"""Rules about single fields: what a gateway adds, drops and leaves alone (RFC 9110 §7.6, §15.2)."""

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from chunkwire.forward.rewrite import HeadAdditions, upstream_request
from chunkwire.net.dial import parse_url
from chunkwire.net.framing import BodyKind, Framing
from chunkwire.net.heads import Request
from tests.forward.wire import (
    CHUNKED,
    END,
    TEXT,
    GatewaySettings,
    answer,
    body_of,
    chunked,
    fields_of,
    forwarding,
    get,
    refuse_request,
    refuse_response,
    relay_heads,
    status_of,
    values_of,
)

if TYPE_CHECKING:
    from chunkwire.net.ends import ServerConnection

NOTHING = b"Content-Length: 0"


@pytest.mark.parametrize("te", [b"trailers", b"trailers, gzip;q=0.5", b"gzip, trailers"])
async def test_te_goes_up_as_the_gateways_own_and_for_trailers_only(te: bytes) -> None:
    """Row 48. Fails where TE is sent on as it came: gzip would be ours to decode."""
    head, _ = await relay_heads(get(b"TE: " + te, b"Connection: TE"), answer(NOTHING))
    assert values_of(head, b"te") == [b"trailers"]
    assert values_of(head, b"connection") == [b"TE"]


@pytest.mark.parametrize("lines", [(), (b"TE: gzip", b"Connection: TE"), (b"TE:",)])
async def test_te_is_not_asked_for_where_the_client_did_not(lines: tuple[bytes, ...]) -> None:
    """Row 48, the twin. Fails where a gateway that can relay trailers always asks for them."""
    head, _ = await relay_heads(get(*lines), answer(NOTHING))
    assert values_of(head, b"te") == values_of(head, b"connection") == []


async def test_same_name_fields_keep_their_order() -> None:
    """Row 63. Fails where fields go through a dictionary, or h11's list is joined."""
    lines = [b"Set-Cookie: a=1", b"X-A: 1", b"set-cookie: b=2", b"X-A: 2", b"Set-Cookie: c=3, d"]
    head, got = await relay_heads(get(*lines), answer(*lines, NOTHING))
    for each in (head, got):
        assert values_of(each, b"set-cookie") == [b"a=1", b"b=2", b"c=3, d"]
        assert values_of(each, b"x-a") == [b"1", b"2"]
    assert got.partition(b"\r\n")[2].startswith(b"\r\n".join(lines))


@pytest.mark.parametrize(
    "status", [b"200 OK", b"301 Moved Permanently", b"404 Not Found", b"500 Internal Server Error"]
)
async def test_a_missing_date_is_added_and_one_that_is_there_stays(status: bytes) -> None:
    """Row 64. Fails where Date is only passed on, or always written anew."""
    _, got = await relay_heads(get(), answer(NOTHING, status=status))
    dates = values_of(got, b"date")
    assert len(dates) == 1
    assert re.fullmatch(rb"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", dates[0])
    ours = b"Thu, 01 Jan 1970 00:00:00 GMT"
    _, got = await relay_heads(get(), answer(NOTHING, b"Date: " + ours, status=status))
    assert values_of(got, b"date") == [ours]


@pytest.mark.parametrize("request_octets", [b"GET / HTTP/1.1\r\n\r\n", get(method=b"CONNECT", target=b"x:1"), b"\x00"])
async def test_a_refusal_has_a_date(request_octets: bytes) -> None:
    """Row 64, our own answers. Fails where only relayed heads get one."""
    async with forwarding() as gateway:
        assert len(values_of(await gateway.ask(request_octets), b"date")) == 1


HOP_BY_HOP = [
    b"Connection: x-hop, close, X-TWO",
    b"X-Hop: 1",
    b"x-two: 2",
    b"Keep-Alive: timeout=5",
    b"Proxy-Connection: keep-alive",
    b"Upgrade: other",
]


async def test_connection_and_the_fields_it_names_are_dropped() -> None:
    """Row 65. Fails where the list is compared with its case, or only the well-known names are dropped."""
    head, got = await relay_heads(get(*HOP_BY_HOP, b"X-End: 3"), answer(*HOP_BY_HOP, b"X-End: 3", NOTHING))
    for each in (head, got):
        assert values_of(each, b"x-end") == [b"3"]
        names = {name for name, _ in fields_of(each)}
        assert names.isdisjoint({b"x-hop", b"x-two", b"keep-alive", b"proxy-connection", b"upgrade", b"te"})
    assert values_of(head, b"connection") == []
    assert values_of(got, b"connection") == [b"close"]  # the gateway's own: the client asked for it


@pytest.mark.parametrize("name", [b"Host", b"Content-Length", b"Date"])
async def test_connection_cannot_take_a_message_apart(name: bytes) -> None:
    """Row 65, framing and routing. Fails where whatever Connection names is dropped."""
    lines = (b"Connection: " + name, b"Date: Thu, 01 Jan 1970 00:00:00 GMT", b"Content-Length: 0")
    head, got = await relay_heads(get(*lines, method=b"POST"), answer(*lines))
    assert values_of(head, name.lower()) != []
    assert values_of(got, name.lower()) != [] or name == b"Host"
    assert values_of(got, b"date") == [b"Thu, 01 Jan 1970 00:00:00 GMT"]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_via_names_the_received_version_after_those_before(version: bytes) -> None:
    """Row 66. Fails where Via is replaced, left out, or says our own version."""
    head, got = await relay_heads(get(b"Via: 1.1 a", version=version), answer(b"Via: 1.1 b", NOTHING, version=version))
    assert values_of(head, b"via") == [b"1.1 a", version + b" chunkwire"]
    assert values_of(got, b"via") == [b"1.1 b", version + b" chunkwire"]


@pytest.mark.parametrize("passes, status", [(15, 200), (16, 508)])
async def test_a_request_that_came_round_so_many_times_is_refused(passes: int, status: int) -> None:
    """RFC 9110 §7.6.3. Fails where a gateway that is its own upstream goes on until some head is too large."""
    via = [b"Via: 1.1 chunkwire", b"Via: 1.1 other"] * passes
    if status == 508:
        assert await refuse_request(get(*via)) == status
    else:
        head, _ = await relay_heads(get(*via), answer(b"Content-Length: 0"))
        assert len(values_of(head, b"via")) == 2 * passes + 1


async def test_forwarded_and_its_older_forms_are_added_where_they_are_asked_for() -> None:
    """RFC 7239 §4. Fails where a parameter is missing, or what hops before this one wrote is replaced."""
    before = (b"Forwarded: for=a", b"X-Forwarded-For: a")
    async with forwarding(settings=GatewaySettings(forwarded=True)) as gateway:
        head, _ = await gateway.relay(get(*before), answer(NOTHING))
        hostless, _ = await gateway.relay(b"GET / HTTP/1.0\r\n\r\n", answer(NOTHING))
    assert values_of(head, b"forwarded") == [b"for=a", b'for=127.0.0.1;proto=http;host="x"']
    assert values_of(head, b"x-forwarded-for") == [b"a", b"127.0.0.1"]
    assert (values_of(head, b"x-forwarded-proto"), values_of(head, b"x-forwarded-host")) == ([b"http"], [b"x"])
    assert values_of(hostless, b"forwarded") == [b"for=127.0.0.1;proto=http"]
    assert (values_of(hostless, b"x-forwarded-proto"), values_of(hostless, b"x-forwarded-host")) == ([b"http"], [])
    head, _ = await relay_heads(get(*before), answer(NOTHING))
    assert values_of(head, b"forwarded") == [b"for=a"]
    assert not {name for name, _ in fields_of(head)} & {b"x-forwarded-proto", b"x-forwarded-host"}


@pytest.mark.parametrize(
    "peer, node, plain",
    [("[::1]:5", b'"[::1]"', b"::1"), ("192.0.2.1:5", b"192.0.2.1", b"192.0.2.1"), ("unix",) + (b"unknown",) * 2],
)
def test_forwarded_names_the_client_in_brackets_where_it_has_colons(peer: str, node: bytes, plain: bytes) -> None:
    """RFC 7239 §6. Fails where an IPv6 address is not quoted, or where a Unix socket has one."""
    client = cast("ServerConnection", SimpleNamespace(peer=peer, scheme=b"https"))
    url, framing = parse_url("http://upstream"), Framing(BodyKind.NONE)
    additions = HeadAdditions("gateway", False, (), ())
    sent = upstream_request(Request(b"GET", b"/"), framing, url, additions, forwarded_for=client)
    assert sent.lines(b"forwarded") == [b"for=%b;proto=https" % node]
    assert sent.lines(b"x-forwarded-for") == [plain]


@pytest.mark.parametrize(
    "method, value, sent", [(b"OPTIONS", b"7", b"6"), (b"TRACE", b"1", b"0"), (b"GET", b"0", b"0")]
)
async def test_max_forwards_counts_the_hops_of_trace_and_options(method: bytes, value: bytes, sent: bytes) -> None:
    """RFC 9110 §7.6.2. Fails where the field is sent on as it came, or counts for other methods."""
    head, _ = await relay_heads(get(b"Max-Forwards: " + value, method=method), answer(NOTHING))
    assert values_of(head, b"max-forwards") == [sent]


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
async def test_a_request_that_may_go_no_further_is_answered_here(method: bytes) -> None:
    """RFC 9110 §7.6.2, zero. Fails where the upstream is asked all the same."""
    assert await refuse_request(get(b"Max-Forwards: 0", method=method)) == 501


SWITCH = answer(b"Upgrade: other", b"Connection: Upgrade", status=b"101 Switching Protocols")
ASKS = (b"Upgrade: other", b"Connection: Upgrade")


@pytest.mark.parametrize(
    "request_octets",
    [get(), get(b"Upgrade: other"), get(*ASKS, version=b"1.0"), get(b"Upgrade: h2c", b"Connection: Upgrade")],
)
async def test_a_101_that_was_not_asked_for_is_refused(request_octets: bytes) -> None:
    """Row 67, fault 18. Fails where any 101 makes a tunnel, as in nginx 1.22, or where 1.0 may upgrade."""
    assert await refuse_response(SWITCH + b"raw", request_octets) == 502


OTHER_SWITCHES = {
    "another protocol": (b"Upgrade: another", b"Connection: Upgrade"),
    "another beside it": (b"Upgrade: other, another", b"Connection: Upgrade"),
    "none": (b"Connection: Upgrade",),
    "an empty one": (b"Upgrade: ,", b"Connection: Upgrade"),
    "one that Connection does not name": (b"Upgrade: other",),
    "another version of it": (b"Upgrade: other/2", b"Connection: Upgrade"),
}


@pytest.mark.parametrize("switch", OTHER_SWITCHES)
async def test_a_101_to_what_was_not_asked_for_is_refused(switch: str) -> None:
    """Row 67, suites: a 101 that was not asked for. Fails where any 101 answers any Upgrade (RFC 9110 §7.8)."""
    response = answer(*OTHER_SWITCHES[switch], status=b"101 Switching Protocols")
    assert await refuse_response(response + b"raw", get(*ASKS)) == 502


@pytest.mark.parametrize("named", [b"Other", b"third/1, other", b"third/1"])
async def test_a_101_to_one_of_those_asked_for_goes_down(named: bytes) -> None:
    """Row 67, its twin. Fails where the field is compared as a whole, or with its case."""
    switch = answer(
        b"Upgrade: " + named, b"Connection: upgrade", b"Content-Length: 3", status=b"101 Switching Protocols"
    )
    asks = get(b"Upgrade: other, Third/1", b"Connection: Upgrade")
    async with forwarding() as gateway, gateway.exchange(asks) as (client, upstream):
        await upstream.send(switch + b"raw")
        head = await client.read_head()
        assert (status_of(head), values_of(head, b"upgrade")) == (101, [named])
        assert values_of(head, b"connection") == [b"Upgrade"]
        assert values_of(head, b"content-length") == []
        await client.expect(b"raw")


async def test_an_upgrade_with_a_body_is_refused() -> None:
    """Row 67, requests. Fails where a body hides what follows it."""
    assert await refuse_request(get(*ASKS, CHUNKED, method=b"POST") + END) == 400


HINTS = answer(b"Link: </a>", b"X-A: 1", status=b"103 Early Hints")


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_1xx_goes_down_but_not_to_http_1_0(version: bytes) -> None:
    """Row 69, attack 1xx as a response. Fails where it is dropped, taken for the answer, or sent to HTTP/1.0."""
    _, got = await relay_heads(get(version=version), HINTS + HINTS + chunked(TEXT + END))
    count = 2 if version == b"1.1" else 0
    assert got.count(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-A: 1\r\n\r\n") == count
    assert got.count(b"HTTP/1.1 103 ") == count
    assert body_of(got[got.index(b"HTTP/1.1 200 OK") :]) == (TEXT + END if count else b"hello")


async def test_a_1xx_has_no_framing_field() -> None:
    """Row 69, no body. Fails where Content-Length of a 103 is sent on (RFC 9110 §8.6): octets would be its body."""
    early = answer(b"Content-Length: 5", b"Link: </a>", status=b"103 Early Hints")
    _, got = await relay_heads(get(), early + answer(NOTHING))
    assert got.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert await refuse_response(answer(CHUNKED, status=b"103 Early Hints") + answer(NOTHING)) == 502
