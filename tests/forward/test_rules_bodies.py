"""Rules about chunked bodies on their way through the gateway, over each mover (RFC 9112 §7)."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from chunkwire.forward.shape import Mode, ModeName
from tests.conformance.vectors import Vector, load
from tests.forward.wire import (
    CHUNKED,
    END,
    TEXT,
    GatewaySettings,
    Running,
    answer,
    body_of,
    chunked,
    count_answers,
    forwarding,
    get,
    post,
    status_of,
    values_of,
)
from tests.net.carry import MakeMover
from tests.patience import PATIENCE

ALL_OCTETS = bytes(range(256))


async def carry_down(gateway: Running, body: bytes, *lines: bytes) -> tuple[bytes, str]:
    """Return what a client got of a chunked body that ended in a FIN, and the verdict."""
    _, got = await gateway.relay(get(), chunked(body, *lines))
    assert status_of(got) == 200
    return body_of(got), str((await gateway.wait_ended()).verdict)


async def carry_up(gateway: Running, body: bytes) -> tuple[bytes, bytes]:
    """Return what the upstream got of a chunked request body before its end, and what the client was answered."""
    async with gateway.connect(post(body)) as client, gateway.accept() as upstream:
        await client.send_eof()
        await upstream.read_head()
        return await upstream.read_end(), await client.read_end()


async def take(gateway: Running, vector: Vector) -> None:
    """Hold the gateway to passing a body on both ways, and to a next request on the same connections."""
    body = vector.octets[: vector.consumed]
    assert await carry_down(gateway, vector.octets) == (body, "complete"), vector
    async with gateway.connect(post(body) + get(target=b"/next")) as client, gateway.accept() as upstream:
        for start, sent in ((b"POST / ", body), (b"GET /next ", b"")):
            assert (await upstream.read_head()).startswith(start)
            await upstream.expect(sent)
            await upstream.send(answer(b"Content-Length: 0"))
            assert status_of(await client.read_head()) == 200
            assert (await gateway.wait_ended()).verdict == "complete"


async def refuse(gateway: Running, vector: Vector) -> None:
    """Hold the gateway to passing on what is valid of a body, and nothing behind it; no FIN comes here to help."""
    sent = vector.octets[: vector.forward_max]
    async with gateway.exchange(get()) as (client, upstream):
        await upstream.send(chunked(vector.octets))
        assert body_of(await client.read_all()) == sent, vector
        assert (await gateway.wait_ended()).verdict == "malformed"
    async with gateway.exchange(post(vector.octets) + get(target=b"/smuggled")) as (client, upstream):
        got = await client.read_all()
        assert (status_of(got), values_of(got, b"connection"), count_answers(got)) == (400, [b"close"], 1), vector
        assert sent.startswith(await upstream.read_reset())  # which may overtake what was sent
    assert not gateway.is_asked()


async def cut(gateway: Running, vector: Vector) -> None:
    """Hold the gateway to making up no end: a request that a half-close cut would be run as if it were whole."""
    sent = vector.octets[: vector.forward_max]
    assert await carry_down(gateway, vector.octets) == (sent, "cut"), vector
    went, got = await carry_up(gateway, vector.octets)
    assert sent.startswith(went), vector
    assert status_of(got) == 400
    assert (await gateway.wait_ended()).verdict == "cut"


@pytest.mark.parametrize("hold, verdict", [(take, "accept"), (refuse, "reject"), (cut, "incomplete")])
async def test_every_vector_goes_as_far_as_it_may_both_ways(
    make_mover: MakeMover, hold: Callable[[Running, Vector], Awaitable[None]], verdict: str
) -> None:
    """Rows 2, 35, 36, 40, 42, 43 and 49, fault 3; erratum 7633.

    Fails where a legal form is refused or any octet of it is written anew; where any line end but CRLF is one; where a
    size wraps, or memory is set aside by it; where an ext is skipped unparsed; where BWS is parsed and sent on (RFC
    9110 §5.6.3 lets no sender make it); where quotes hide what stands in them; where `0` is sent before all of the end
    is there (http.client takes it for the end), or an end is made up.
    """
    async with forwarding(make_mover) as gateway:
        for vector in load():
            if vector.verdict == verdict:
                with trio.fail_after(PATIENCE):
                    await hold(gateway, vector)


async def test_octets_beyond_ascii_survive_in_data_and_ext(make_mover: MakeMover) -> None:
    """Row 1, bodies. Fails where a body is decoded, or an ext looked at as text."""
    body = b'100;a="\x80\xe9\xff"\r\n' + ALL_OCTETS + b"\r\n0\r\nX-A: \xe9\xff\r\n\r\n"
    async with forwarding(make_mover) as gateway:
        assert await carry_down(gateway, body) == (body, "complete")
        _, got = await gateway.relay(get(version=b"1.0"), chunked(body))
        assert body_of(got) == ALL_OCTETS


@pytest.mark.parametrize("octets", [4096, 4097])
async def test_an_ext_in_a_request_is_limited(make_mover: MakeMover, octets: int) -> None:
    """Row 41. Fails where an ext may be endless: CVE-2024-22019 of node. One octet less is served."""
    body = b"fff;" + (octets - 1) * b"a" + b"\r\n" + 4095 * b"x" + b"\r\n" + END
    async with forwarding(make_mover) as gateway, gateway.exchange(post(body)) as (client, upstream):
        if octets == 4096:
            await upstream.expect(body)
            await upstream.send(answer(b"Content-Length: 0"))
        assert status_of(await client.read_head()) == (200 if octets == 4096 else 400)


MODES = [Mode(), Mode(ModeName.REFRAME), Mode(ModeName.BUFFER), Mode(ModeName.SLICE, octets=2)]


@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_trailers_are_never_merged_into_the_head(make_mover: MakeMover, mode: Mode) -> None:
    """Row 44. Fails where a mode that holds the body to its end reads trailers as fields, or loses them."""
    async with forwarding(make_mover, GatewaySettings(mode=mode)) as gateway:
        for version in (b"1.1", b"1.0"):
            _, got = await gateway.relay(get(version=version), chunked(TEXT + b"0\r\nX-A: 1\r\n\r\n"))
            assert values_of(got, b"x-a") == []
            assert body_of(got).endswith(b"0\r\nX-A: 1\r\n\r\n") == (version == b"1.1")


@pytest.mark.parametrize("name", [b"X-Sum", b"x-sum"])
async def test_a_trailer_that_connection_names_is_refused(make_mover: MakeMover, name: bytes) -> None:
    """Row 65, trailers. Fails where only the head is looked at: a relay of octets cannot drop one line."""
    async with forwarding(make_mover) as gateway:
        got = await carry_down(gateway, TEXT + b"0\r\n" + name + b": 1\r\n\r\n", b"Connection: x-sum")
        assert got == (TEXT, "malformed")
        legal = TEXT + b"0\r\n" + name + b": 1\r\n\r\n"
        assert await carry_down(gateway, legal, b"Connection: x-other") == (legal, "complete")


async def test_a_request_trailer_that_connection_names_is_refused(make_mover: MakeMover) -> None:
    """Row 65, request trailers. Fails where the request's Connection is forgotten once its head has gone."""
    request = get(CHUNKED, b"Connection: x-sum", method=b"POST") + TEXT + b"0\r\nX-Sum: 1\r\n\r\n"
    async with forwarding(make_mover) as gateway, gateway.exchange(request) as (client, upstream):
        assert TEXT.startswith(await upstream.read_end())
        assert status_of(await client.read_all()) == 400
