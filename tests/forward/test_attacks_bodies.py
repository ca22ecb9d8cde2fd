"""Attacks by the body: what one hop takes for the end of a line, of a chunk or of the body, and another does not.

`test_rules_bodies` sends every vector through the gateway both ways: of a response that is not to be trusted the valid
beginning arrives, and no end; a request is answered 400, and what follows it is not run.
"""

import pytest
import trio

from chunkwire.forward.failure import client_failure
from chunkwire.wire.errors import FramingError, Rule
from chunkwire.wire.mistakes import SIZE_COUNTS
from tests.conformance.vectors import load
from tests.forward.wire import TEXT, chunked, forwarding, get
from tests.net.carry import MakeMover

# The attack, and how the names of its vectors begin.
REFUSED = {
    "TERM.EXT / EXT.TERM": ("funky-term-ext-", "funky-ext-term-", "eol-size-"),  # Go CVE-2025-22871
    "TERM.SPILL / SPILL.TERM": ("funky-term-spill", "funky-spill-term", "eol-data-xx"),  # h11 CVE-2025-43859
    "ONE.TWO, TWO.ONE, ZERO.TWO, TWO.ZERO": ("funky-one-two", "funky-two-one", "funky-zero-two", "eol-data-"),
    "quoted ext": ("funky-ext-quoted-", "ext-quote-"),  # taken by nginx 1.22, HAProxy 2.6 and Go 1.19
    "h11 leftovers": ("funky-last-ext-", "ext-nul-", "ext-empty", "limit-20-", "trailer-lf-", "trailer-obs-fold"),
    "Go CVE-2023-39326": ("over-budget-",),  # each ext is legal, and all of them are not
    "Node CVE-2024-22019": ("over-ext-no-eol",),
    "llhttp CVE-2021-22960": ("ext-", "bws-"),  # an ext was skipped up to the line end instead of parsed
    "aiohttp CVE-2025-53643": ("trailer-request-line", "funky-xx-end", "eol-size-lf"),  # trailers left unparsed
    "waitress CVE-2022-24761": ("size-", "ext-bel-"),  # `int(x, 16)` takes most of these
    "waitress CVE-2024-49768": ("funky-invalid-then-request",),  # what follows a body that failed was run
    "http4s CVE-2025-59822": ("trailer-no-colon", "trailer-second-bad", "trailer-colon-only"),
    "trailer smuggling": ("forbid-",),  # a next hop would merge it into the head
    "zero look-alikes": ("size-zero-", "size-empty-is-zero", "funky-octal-size"),
    "size overflow": ("limit-",),  # nginx CVE-2013-2028: the size wraps
}
TAKEN = {
    "zero chunk with ext, padded zero": ("valid-last-", "ext-last-"),
    "trailers that mislead nobody": ("trailer-control-",),
    "response splitting through SSE data": ("valid-data-", "valid-sse-", "valid-extra-response"),
}


@pytest.mark.parametrize("attack", [*REFUSED, *TAKEN])
def test_each_attack_by_the_body_is_among_the_vectors(attack: str) -> None:
    verdict, starts = ("reject", REFUSED[attack]) if attack in REFUSED else ("accept", TAKEN[attack])
    for start in starts:
        assert [vector for vector in load() if vector.verdict == verdict and vector.id.startswith(start)], start


async def test_one_octet_chunks_starve_nobody(make_mover: MakeMover) -> None:
    """Attack one-byte chunks. Fails where a flood keeps the loop: the other client must be answered in between."""
    flood = b"1\r\nx\r\n" * 10_000
    async with forwarding(make_mover) as gateway, gateway.exchange(get(), chunked(b"")) as (client, upstream):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.send, flood * 10, name="flood")
            await client.expect(flood)
            async with gateway.connect(get(target=b"/2")) as other, gateway.asked() as second:
                await second.send(chunked(TEXT))
                await other.read_head()
                await other.expect(TEXT)
            for _ in range(9):
                await client.expect(flood)


@pytest.mark.parametrize("hint, said", [("", f"; {SIZE_COUNTS}"), ("Use nc -C.", ". Use nc -C.")])
def test_the_answer_to_a_refused_body_has_the_hint_at_its_mistake(hint: str, said: str) -> None:
    error = FramingError(Rule.BARE_LF, 0, b"\n", Rule.BARE_LF.section, "expected CRLF", hint)
    assert client_failure(error).details == f"expected CRLF{said}"
