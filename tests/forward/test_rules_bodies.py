"""Rules about chunked bodies on their way through the gateway, over each mover (RFC 9112 §7)."""

import pytest
import trio

from chunkwire.forward.shape import Mode, ModeName
from tests.conformance.vectors import load
from tests.forward.wire import (
    CHUNKED,
    END,
    TEXT,
    GatewaySettings,
    Running,
    answer,
    body_of,
    chunked,
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


async def refuse_down(gateway: Running, body: bytes, sent: bytes = b"") -> None:
    """Hold the gateway to sending only these octets of a response body, and to calling it malformed."""
    assert await carry_down(gateway, body) == (sent, "malformed")


async def refuse_up(gateway: Running, body: bytes, sent: bytes = b"") -> None:
    """Hold the gateway to sending only these octets of a request body, and to answering it 400."""
    went, got = await carry_up(gateway, body)
    assert sent.startswith(went)  # a reset follows it at once, and may overtake it
    assert status_of(got) == 400


async def test_octets_beyond_ascii_survive_in_data_and_ext(make_mover: MakeMover) -> None:
    """Row 1, bodies. Fails where a body is decoded, or an ext looked at as text."""
    body = b'100;a="\x80\xe9\xff"\r\n' + ALL_OCTETS + b"\r\n0\r\nX-A: \xe9\xff\r\n\r\n"
    async with forwarding(make_mover) as gateway:
        assert await carry_down(gateway, body) == (body, "complete")


LF_BODIES = {
    "size line": (b"5\nhello\r\n" + END, b""),
    "size line with ext": (b"5;a=1\nhello\r\n" + END, b""),
    "after data": (b"5\r\nhello\n" + END, b"5\r\nhello"),
    "last-chunk": (TEXT + b"0\n\r\n", TEXT),
    "last-chunk with ext": (TEXT + b"0;a\n\r\n", TEXT),
    "trailer line": (TEXT + b"0\r\nX-A: 1\n\r\n", TEXT),
    "empty line": (TEXT + b"0\r\n\n", TEXT),
    "empty line after a trailer": (TEXT + b"0\r\nX-A: 1\r\n\n", TEXT),
}


@pytest.mark.parametrize("name", LF_BODIES)
async def test_a_bare_lf_in_a_chunked_body_is_refused_where_it_stands(make_mover: MakeMover, name: str) -> None:
    """Row 2, erratum 7633. Fails where LF ends a chunk line, or is waited on: no FIN comes here to help."""
    body, sent = LF_BODIES[name]
    async with forwarding(make_mover) as gateway:
        await refuse_down(gateway, body, sent)
        await refuse_up(gateway, body, sent)


async def test_every_accepted_vector_goes_through_both_ways(make_mover: MakeMover) -> None:
    """Row 35. Fails where a legal form is refused, or where any octet of it is written anew."""
    vectors = [vector for vector in load() if vector.verdict == "accept"]
    async with forwarding(make_mover) as gateway:
        for vector in vectors:
            body = vector.octets[: vector.consumed]
            with trio.fail_after(PATIENCE):
                assert await carry_down(gateway, vector.octets) == (body, "complete"), vector
                async with gateway.connect(post(body)) as client, gateway.accept() as upstream:
                    await upstream.read_head()
                    await upstream.expect(body)
                    await upstream.send(answer(b"Content-Length: 0"))
                    assert status_of(await client.read_head()) == 200
                    assert (await gateway.wait_ended()).verdict == "complete", vector
    assert len(vectors) >= 70


async def test_no_size_overflows(make_mover: MakeMover) -> None:
    """Row 36. Fails where a size wraps at 32 or 64 bits, or where memory is set aside by it."""
    vectors = [vector for vector in load() if vector.id.startswith("limit-")]
    async with forwarding(make_mover) as gateway:
        for vector in vectors:
            got, verdict = await carry_down(gateway, vector.octets)
            assert got == vector.octets[: vector.forward_max], vector
            assert verdict == ("cut" if vector.verdict == "incomplete" else "malformed"), vector
    assert len(vectors) >= 12


EXTS = [b"", b";a", b";a=1", b';a="b c"', b";a=1;b;c=d"]


@pytest.mark.parametrize("ext", EXTS)
async def test_an_unknown_ext_changes_nothing_and_goes_through(make_mover: MakeMover, ext: bytes) -> None:
    """Row 40. Fails where an ext is understood, dropped, or counted as content."""
    body = b"5" + ext + b"\r\nhello\r\n0" + ext + b"\r\n\r\n"
    async with forwarding(make_mover) as gateway:
        assert await carry_down(gateway, body) == (body, "complete")
        _, got = await gateway.relay(get(version=b"1.0"), chunked(body))
        assert body_of(got) == b"hello"


@pytest.mark.parametrize("octets", [4096, 4097])
async def test_an_ext_in_a_request_is_limited(make_mover: MakeMover, octets: int) -> None:
    """Row 41. Fails where an ext may be endless: CVE-2024-22019 of node. One octet less is served."""
    body = b"fff;" + (octets - 1) * b"a" + b"\r\n" + 4095 * b"x" + b"\r\n" + END
    async with forwarding(make_mover) as gateway, gateway.connect(post(body)) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            if octets == 4096:
                await upstream.expect(body)
                await upstream.send(answer(b"Content-Length: 0"))
            assert status_of(await client.read_head()) == (200 if octets == 4096 else 400)


@pytest.mark.parametrize("line", [b"5 ", b"5\t", b"5 ;a", b"5; a", b"5;a =1", b"5;a= 1", b"5;a=1 ", b" 5"])
async def test_a_blank_around_an_ext_is_not_relayed(make_mover: MakeMover, line: bytes) -> None:
    """Row 42. Fails where BWS is parsed and sent on: RFC 9110 §5.6.3 lets no sender make it."""
    async with forwarding(make_mover) as gateway:
        await refuse_down(gateway, TEXT + line + b"\r\nhello\r\n" + END, TEXT)
        await refuse_up(gateway, TEXT + line + b"\r\nhello\r\n" + END, TEXT)


@pytest.mark.parametrize("octets", [b"\r", b"\n", b"\r\n", b"\x00", b"\x01", b"\x7f", b"\\\r", b"\\\x00"])
async def test_a_control_octet_in_a_quoted_ext_is_refused(make_mover: MakeMover, octets: bytes) -> None:
    """Row 43. Fails where quotes hide what stands in them; a CRLF there is no line end, and no text."""
    async with forwarding(make_mover) as gateway:
        await refuse_down(gateway, b'5;a="b' + octets + b'c"\r\nhello\r\n' + END)
        legal = b'5;a="b\\"\\\\\t c"\r\nhello\r\n' + END
        assert await carry_down(gateway, legal) == (legal, "complete")


MODES = [Mode(), Mode(ModeName.REFRAME), Mode(ModeName.BUFFER), Mode(ModeName.SLICE, octets=2)]


@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_trailers_are_never_merged_into_the_head(make_mover: MakeMover, mode: Mode) -> None:
    """Row 44. Fails where a mode that holds the body to its end reads trailers as fields, or loses them."""
    async with forwarding(make_mover, GatewaySettings(mode=mode)) as gateway:
        for version in (b"1.1", b"1.0"):
            _, got = await gateway.relay(get(version=version), chunked(TEXT + b"0\r\nX-A: 1\r\n\r\n"))
            assert values_of(got, b"x-a") == []
            assert body_of(got).endswith(b"0\r\nX-A: 1\r\n\r\n") == (version == b"1.1")


@pytest.mark.parametrize("body", [b"", TEXT, b"5\r\nhel", TEXT + b"0", TEXT + b"0\r\n", TEXT + b"0\r\nX-A: 1\r\n"])
async def test_a_body_without_its_last_chunk_stays_without_one(make_mover: MakeMover, body: bytes) -> None:
    """Row 49. Fails where `0` is sent before all of the end is there, or where an end is made up."""
    async with forwarding(make_mover) as gateway:
        assert await carry_down(gateway, body) == (body.partition(b"0")[0], "cut")


@pytest.mark.parametrize("body", [TEXT, b"5\r\nhel", TEXT + b"0\r\n"])
async def test_a_request_without_its_last_chunk_stays_without_one(make_mover: MakeMover, body: bytes) -> None:
    """Row 49, requests. Fails where a half-close ends the body upstream: it would be run as if it were whole."""
    async with forwarding(make_mover) as gateway:
        went, got = await carry_up(gateway, body)
        assert body.partition(b"0")[0].startswith(went)
        assert status_of(got) == 400
        assert (await gateway.wait_ended()).verdict == "cut"


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
    async with forwarding(make_mover) as gateway, gateway.connect(request) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            assert TEXT.startswith(await upstream.read_end())
            assert status_of(await client.read_all()) == 400
