"""Every limit of a head at n and at n + 1, in one read and octet by octet: the count does not depend on the reads."""

from collections.abc import Iterator

import pytest

from chunkwire.net.ends import ClientConnection, ServerConnection
from chunkwire.net.heads import HeadError
from chunkwire.wire.limits import HeadLimits
from tests.net.peer import GET, Pieces, accept_request, get, ok, receive_response, refuse_request, refuse_response

SMALL = HeadLimits(max_head_octets=400, max_start_line_octets=60, max_fields=4)


def line_of(octets: int) -> bytes:
    """Return a request-line of this many octets, its CRLF counted."""
    return b"GET /%b HTTP/1.1" % (b"x" * (octets - len(b"GET / HTTP/1.1\r\n")))


def head_of(octets: int) -> bytes:
    """Return a request head of this many octets, its empty line counted."""
    return get(b"A: " + b"x" * (octets - len(get(b"A: "))))


async def refuse_dripped_request(octets: bytes, limits: HeadLimits = SMALL) -> tuple[str, int]:
    """Return the rule, and how many octets had been read by then."""
    read = 0

    def drip() -> Iterator[bytes]:
        nonlocal read
        for n in range(len(octets)):
            read += 1
            yield octets[n : n + 1]

    with pytest.raises(HeadError) as caught:
        await ServerConnection(Pieces(drip()), bare_lf=False, limits=limits).receive_request()
    return caught.value.rule, read


async def test_a_request_line_may_have_as_many_octets_as_the_limit_says() -> None:
    await accept_request(get(start=line_of(60)), limits=SMALL)
    assert await refuse_request(get(start=line_of(61)), limits=SMALL) == (414, "long-target")


async def test_an_endless_target_is_refused_one_octet_past_the_limit() -> None:
    assert await refuse_dripped_request(b"GET /" + b"x" * 1000) == ("long-target", 61)


async def test_a_status_line_has_the_same_limit() -> None:
    reason = b"x" * (60 - len(b"HTTP/1.1 200 \r\n"))
    assert (await receive_response(ok(start=b"HTTP/1.1 200 " + reason), limits=SMALL)).reason == reason
    assert await refuse_response(ok(start=b"HTTP/1.1 200 x" + reason), limits=SMALL) == "long-status-line"


async def test_a_head_may_have_as_many_octets_as_the_limit_says() -> None:
    await accept_request(head_of(400), limits=SMALL)
    assert await refuse_request(head_of(401), limits=SMALL) == (431, "large-head")
    rest = 400 - len(ok(b"A: "))
    await receive_response(ok(b"A: " + b"x" * rest), limits=SMALL)
    assert await refuse_response(ok(b"A: " + b"x" * (rest + 1)), limits=SMALL) == "large-head"


async def test_an_endless_head_is_refused_one_octet_past_the_limit() -> None:
    assert await refuse_dripped_request(get()[:-2] + b"A: " + b"x" * 1000) == ("large-head", 401)


async def test_the_limit_counts_one_head_not_what_follows_it() -> None:
    await accept_request(head_of(400) + b"x" * 1000, limits=SMALL)


async def test_a_head_may_have_as_many_fields_as_the_limit_says() -> None:
    assert len((await accept_request(get(b"A: 1", b"A: 2", b"A: 3"), limits=SMALL)).fields) == 4
    assert await refuse_request(get(b"A: 1", b"A: 2", b"A: 3", b"A: 4"), limits=SMALL) == (431, "too-many-fields")
    assert await refuse_response(ok(*[b"A: 1"] * 5), limits=SMALL) == "too-many-fields"
    assert len((await receive_response(ok(*[b"A: 1"] * 4), limits=SMALL)).fields) == 4


async def test_128_fields_are_the_most_by_default() -> None:
    assert len((await accept_request(get(*[b"A: 1"] * 127))).fields) == 128
    assert await refuse_request(get(*[b"A: 1"] * 128)) == (431, "too-many-fields")


async def test_an_endless_method_is_refused_one_octet_past_the_limit() -> None:
    assert await refuse_dripped_request(b"M" * 1000) == ("unknown-method", 33)


async def test_the_limits_of_a_dripped_head_are_those_of_one_in_one_read() -> None:
    assert await refuse_dripped_request(get(start=line_of(61))) == ("long-target", 61)
    assert (await refuse_dripped_request(head_of(401)))[0] == "large-head"
    assert (await refuse_dripped_request(get(*[b"A: 1"] * 4)))[0] == "too-many-fields"
    for head in (get(start=line_of(60)), head_of(400), get(*[b"A: 1"] * 3)):
        pieces = Pieces(head[n : n + 1] for n in range(len(head)))
        assert await ServerConnection(pieces, bare_lf=False, limits=SMALL).receive_request()


async def test_a_response_head_that_drips_has_the_same_limit() -> None:
    client = ClientConnection(Pieces([b"HTTP/1.1 200 OK\r\nA: ", *[b"x"] * 1000]), limits=SMALL)
    await client.send_request(GET)
    with pytest.raises(HeadError) as caught:
        await client.receive_response()
    assert caught.value.rule == "large-head"
    assert len(client.leftover) == 401
