"""Attacks by the body: what one hop takes for the end of a line, of a chunk or of the body, and another does not.

Each goes both ways through the gateway, over each mover: of a response that is not to be trusted the valid beginning
arrives, and no end; a request is answered 400, and what follows it is not run.
"""

import pytest
import trio

from tests.conformance.vectors import load
from tests.forward.test_rules_bodies import carry_down, carry_up, refuse_down, refuse_up
from tests.forward.wire import END, TEXT, chunked, forwarding, get, post, status_of, values_of
from tests.net.carry import MakeMover
from tests.patience import PATIENCE

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


async def refuse(make_mover: MakeMover, body: bytes, sent: bytes = b"") -> None:
    """Hold the gateway to refusing a body both ways: only `sent` goes on, and nothing after it is run."""
    async with forwarding(make_mover) as gateway:
        await refuse_down(gateway, body, sent)
        await refuse_up(gateway, body, sent)
        assert not gateway.is_asked()


async def refuse_vectors(make_mover: MakeMover, *prefixes: str) -> int:
    """Hold the gateway to refusing the vectors whose names begin so, after what may go; return how many those are."""
    vectors = [each for each in load() if each.verdict == "reject" and each.id.startswith(prefixes)]
    async with forwarding(make_mover) as gateway:
        for vector in vectors:
            with trio.fail_after(PATIENCE):
                await refuse_down(gateway, vector.octets, vector.octets[: vector.forward_max])
                await refuse_up(gateway, vector.octets, vector.octets[: vector.forward_max])
    return len(vectors)


LINE_ENDS = [b"2;\nxx\r\n", b"2;\rxx\r\n", b"2;\rX\r\n", b"2;\r\rxx\r\n", b"2;a\nxx\r\n", b"2\rxx\r\n"]


@pytest.mark.parametrize("body", LINE_ENDS)
async def test_term_ext_is_refused(make_mover: MakeMover, body: bytes) -> None:
    """Attack TERM.EXT / EXT.TERM. Fails where CR or LF alone ends an ext, or stands in one: Go CVE-2025-22871."""
    await refuse(make_mover, body + b"4a\r\n0\r\n\r\n" + SMUGGLED)


async def test_every_funky_vector_is_refused(make_mover: MakeMover) -> None:
    """Attack TERM.EXT and its kin, as vectors. Fails where any line end but CRLF is one to us."""
    assert await refuse_vectors(make_mover, "funky-") >= 20


@pytest.mark.parametrize("after", [b"XX", b"X\r\n", b"\rX", b"\nX", b"0\r\n"])
async def test_term_spill_is_refused(make_mover: MakeMover, after: bytes) -> None:
    """Attack TERM.SPILL / SPILL.TERM. Fails where two octets after data are skipped unread: h11 CVE-2025-43859."""
    await refuse(make_mover, b"3\r\nabc" + after + b"0\r\n\r\n" + SMUGGLED, b"3\r\nabc")


@pytest.mark.parametrize("after", [b"", b"\r", b"\n", b"\r\r\n", b"\r\n\r"])
async def test_one_two_is_refused(make_mover: MakeMover, after: bytes) -> None:
    """Attack ONE.TWO, TWO.ONE, ZERO.TWO, TWO.ZERO. Fails where a terminator may be longer or shorter than CRLF."""
    sent = b"3\r\nabc\r\n" if after == b"\r\n\r" else b"3\r\nabc"
    await refuse(make_mover, b"3\r\nabc" + after + b"00\r\n\r\n" + SMUGGLED, sent)


@pytest.mark.parametrize("ext", [b'n="\r\nwxyz\r\n0;m="', b'n="\n"', b'n="\\\r\n"', b'n="\r"'])
async def test_a_line_end_in_a_quoted_ext_is_refused(make_mover: MakeMover, ext: bytes) -> None:
    """Attack quoted ext. Fails where a CRLF in quotes ends the line, as in nginx 1.22, HAProxy 2.6 and Go 1.19."""
    await refuse(make_mover, b"4;" + ext + b"\r\n\r\n" + SMUGGLED)


H11_TAKES = [b"5;a\rb\r\n", b"5;\0\r\n", b'5;"\r\n', b"5 \t\r\n", b"0\r\nX: y\n\n", b"0\r\nContent-Length: 5\r\n\r\n"]


@pytest.mark.parametrize("body", [*H11_TAKES, b"5;\r\n", b"00000000000000000005\r\n", b"0\r\nX: a\r\n b\r\n\r\n"])
async def test_what_h11_takes_of_a_body_is_refused(make_mover: MakeMover, body: bytes) -> None:
    """Attack h11 leftovers. Fails where h11 reads bodies or trailers: it takes each of these."""
    await refuse(make_mover, TEXT + body, TEXT)


async def test_an_ext_on_each_chunk_spends_a_budget(make_mover: MakeMover) -> None:
    """Attack Go CVE-2023-39326. Fails where each ext is judged alone: these are legal, but not all of them."""
    frame = b"1;%b\r\nx\r\n" % (b"a" * 1000)
    async with forwarding(make_mover) as gateway:
        got, verdict = await carry_down(gateway, frame * 10 + END)
        assert (got, verdict) == (frame * 10 + END, "complete")
        got, verdict = await carry_down(gateway, frame * 100 + END)
        assert verdict == "malformed"
        assert (frame * 17).startswith(got)
        assert status_of((await carry_up(gateway, frame * 100 + END))[1]) == 400


async def test_an_endless_ext_is_refused_at_the_limit(make_mover: MakeMover) -> None:
    """Attack Node CVE-2024-22019. Fails where a line is held until its CRLF: none comes here, nor a FIN."""
    async with forwarding(make_mover) as gateway:
        async with gateway.connect(post(b"1;" + 5000 * b"a")) as client, gateway.accept():
            assert status_of(await client.read_all()) == 400
        async with gateway.connect(get()) as client, gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.send(chunked(TEXT + b"1;" + 5000 * b"a"))
            assert (await client.read_all()).endswith(b"\r\n\r\n" + TEXT)


@pytest.mark.parametrize("ext", [b";=1", b";a=", b"; a", b";a =1", b";a=\x80", b";a;;b", b";{}", b";a=1;"])
async def test_an_ext_that_is_none_is_refused(make_mover: MakeMover, ext: bytes) -> None:
    """Attack llhttp CVE-2021-22960. Fails where an ext is skipped up to the line end instead of parsed."""
    await refuse(make_mover, b"5" + ext + b"\r\nhello\r\n" + END)


async def test_every_ext_vector_is_refused(make_mover: MakeMover) -> None:
    """Attack llhttp CVE-2021-22960, as vectors. Fails where any octet of an ext goes on unparsed."""
    assert await refuse_vectors(make_mover, "ext-", "bws-") >= 30


async def test_trailers_are_no_request(make_mover: MakeMover) -> None:
    """Attack aiohttp CVE-2025-53643. Fails where trailers are left unparsed and read as the next request."""
    await refuse(make_mover, TEXT + b"0\r\n" + SMUGGLED, TEXT)
    await refuse(make_mover, b"5;\n\r\nhello\r\n" + END)
    body = TEXT + b"0\r\nX-A: 1\r\n\r\n"
    async with forwarding(make_mover) as gateway:
        assert await carry_down(gateway, body) == (body, "complete")


SIZES = [b"+5", b"5_0", b"0x5", b" 5", b"5 ", b"5\x00", b"\xef\xbc\x95", b"-5", b"5h", b"", b"5.0"]


@pytest.mark.parametrize("size", SIZES)
async def test_a_size_is_hex_digits_alone(make_mover: MakeMover, size: bytes) -> None:
    """Attack waitress CVE-2022-24761. Fails where `int(x, 16)` reads sizes: it takes most of these."""
    await refuse(make_mover, size + b"\r\nhello\r\n" + END)


async def test_nothing_is_run_after_a_body_that_failed(make_mover: MakeMover) -> None:
    """Attack waitress CVE-2024-49768 and reuse after error. Fails where reading goes on after a bad body."""
    async with forwarding(make_mover) as gateway:
        async with gateway.connect(post(TEXT + b"zz\r\n" + END) + SMUGGLED) as client, gateway.accept() as upstream:
            await upstream.read_head()
            got = await client.read_all()
            assert status_of(got) == 400
            assert values_of(got, b"connection") == [b"close"]
            assert got.count(b"HTTP/1.1 ") == 1
            assert TEXT.startswith(await upstream.read_reset())
        assert not gateway.is_asked()


@pytest.mark.parametrize("line", [b"no colon", b"X: a\r\nno-colon", b": b", b"X : b", b"X: a\r\n: b"])
async def test_a_trailer_without_a_colon_is_refused(make_mover: MakeMover, line: bytes) -> None:
    """Attack http4s CVE-2025-59822. Fails where such a line ends the trailers: the rest is a request to it."""
    await refuse(make_mover, TEXT + b"0\r\n" + line + b"\r\n" + SMUGGLED, TEXT)


FORBIDDEN = [
    b"Content-Length: 5",
    b"X: a\r\nHost: b",
    b"Transfer-Encoding: chunked",
    b"AUTHORIZATION: x",
    b"content_length: 5",
    b"Set-Cookie: a=b",
    b"Content-Type: text/html",
]


@pytest.mark.parametrize("lines", FORBIDDEN)
async def test_a_forbidden_trailer_is_refused(make_mover: MakeMover, lines: bytes) -> None:
    """Attack trailer smuggling. Fails where a trailer goes on that a next hop would merge into the head."""
    await refuse(make_mover, TEXT + b"0\r\n" + lines + b"\r\n\r\n", TEXT)


async def test_a_trailer_that_misleads_nobody_goes_on_as_it_is(make_mover: MakeMover) -> None:
    """Attack trailer smuggling. Fails where response control is taken for framing: a legal message is lost."""
    body = TEXT + b"0\r\nDate:now\r\nexpires: 0\r\nAge: 1\r\nLocation: /\r\nVary:  *\r\n\r\n"
    async with forwarding(make_mover) as gateway, gateway.connect(post(body)) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.expect(body)
            await upstream.send(chunked(body))
            await client.read_head()
            await client.expect(body)


@pytest.mark.parametrize("last", [b"0;a=b\r\n\r\n", b"000\r\n\r\n", b"0000000000000000\r\n\r\n", b'0;a="b;c"\r\n\r\n'])
async def test_a_zero_in_any_legal_spelling_ends_the_body(make_mover: MakeMover, last: bytes) -> None:
    """Attack zero chunk with ext, padded zero. Fails where only `0` is zero: the next request would be body."""
    async with forwarding(make_mover) as gateway, gateway.connect(post(TEXT + last) + get(target=b"/next")) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.expect(TEXT + last)
            await upstream.send(chunked(TEXT + last))
            assert (await upstream.read_head()).startswith(b"GET /next ")
            await client.read_head()
            await client.expect(TEXT + last)


@pytest.mark.parametrize("last", [b"0_0", b"0x0", b"-0", b" 0", b"", b"+0", b"0 ", b"\x00"])
async def test_what_looks_like_zero_ends_nothing(make_mover: MakeMover, last: bytes) -> None:
    """Attack zero look-alikes. Fails where a line that another parser reads as zero goes on."""
    await refuse(make_mover, TEXT + last + b"\r\n\r\n" + SMUGGLED, TEXT)


@pytest.mark.parametrize("size", [b"1000000000000005", b"ffffffffffffffff", b"10000000000000000", b"FFFFFFFFFFFFFFFB"])
async def test_a_size_beyond_any_is_refused(make_mover: MakeMover, size: bytes) -> None:
    """Attack size overflow: nginx CVE-2013-2028. Fails where a size wraps, or goes on to a client that dies of it."""
    await refuse(make_mover, size + b"\r\nhello\r\n" + END)


async def test_a_response_in_data_splits_nothing(make_mover: MakeMover) -> None:
    """Attack response splitting through SSE data. Fails where the size counts characters."""
    data = "data: é\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n0\r\n\r\n".encode()
    body = b"%x\r\n%b\r\n" % (len(data), data) + END
    async with forwarding(make_mover) as gateway, gateway.connect(get() + get(target=b"/2")) as client:
        async with gateway.accept() as upstream:
            for _ in range(2):
                await upstream.read_head()
                await upstream.send(chunked(body))
                await client.read_head()
                await client.expect(body)


async def test_one_octet_chunks_starve_nobody(make_mover: MakeMover) -> None:
    """Attack one-byte chunks. Fails where a flood keeps the loop: the other client must be answered in between."""
    flood = b"1\r\nx\r\n" * 10_000
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(chunked(b""))
        await client.read_head()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.send, flood * 10, name="flood")
            await client.expect(flood)
            async with gateway.connect(get(target=b"/2")) as other, gateway.accept() as second:
                await second.read_head()
                await second.send(chunked(TEXT))
                await other.read_head()
                await other.expect(TEXT)
            for _ in range(9):
                await client.expect(flood)
