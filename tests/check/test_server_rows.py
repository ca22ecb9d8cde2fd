"""The rows of `check server`: ours passes each, and each fails on a variant of ours that is broken in its way."""

from dataclasses import replace

import pytest
import trio

from chunkwire.net.dial import parse_url
from chunkwire.server import IncomingRequest, Resource, Responder, serve
from chunkwire.tools.check.rows import Level, RowOutcome
from chunkwire.tools.check.running import RowRun
from chunkwire.tools.check.server import SERVER_CASES
from chunkwire.tools.check.server.baseline import CheckedServer, learn
from chunkwire.tools.check.server.talk import ServerTarget
from chunkwire.wire.errors import LocalError
from tests.check.variants import GIVES_BACK, Changes, Variant, each_row, spoilt
from tests.patience import PATIENCE

CASES = {case.row.id: case for case in SERVER_CASES}
SOUND = Variant("sound", "")
OF_FIRST_ANSWERS = ("9110/6.6.1/1", "9112/6.3/5")
LEARNED: list[CheckedServer] = []  # of ours, once a process: to see that it reads bodies takes a wait

VARIANTS = (
    Variant("knows no later minor version", "9110/2.5/1", ((rb"HTTP/1.9", b"HTTP/2.9"),)),
    Variant("has no clock", "9110/6.6.1/1", answered=((rb"Date: [^\r]*\r\n", b""),)),
    Variant("reads bodies first", "9112/9.3/7"),
    Variant(
        "upgrades HTTP/1.0",
        "9110/7.8/1",
        answered=((rb"^HTTP/1.1 200 OK", b"HTTP/1.1 101 x"),),
    ),
    Variant("answers HEAD as GET", "9110/9.3.2/1", ((rb"^HEAD", b"GET"),)),
    Variant(
        "waits for what it was to ask for",
        "9110/10.1.1/1",
        ((rb"Expect: [^\r]*\r\n", b""),),
        waits_for=b"from chunkwire check",
    ),
    Variant("sends 100 to HTTP/1.0", "9110/10.1.1/2", ((rb"HTTP/1.0", b"HTTP/1.1"),)),
    Variant("takes CR alone for a line end", "9112/2.2/1", ((rb"\r(?!\n)", b"\r\n"),)),
    Variant("takes no empty line", "9112/2.2/2", ((rb"^\r\n", b"x\r\n"),)),
    Variant("takes a blank before the first field", "9112/2.2/3", ((rb"\r\n Host", b"\r\nHost"),)),
    Variant("takes anything for a request", "9112/2.2/4", ((rb"^(\x16|SSH).*", b"GET /check HTTP/1.0\r\n\r\n"),)),
    Variant("has a short line buffer", "9112/3/1", ((rb"x{7000,}(?= HTTP)", b" x"),)),
    Variant("answers a long target with 400", "9112/3/2", answered=((rb"^HTTP/1.1 414", b"HTTP/1.1 400"),)),
    Variant("mends request lines", "9112/3/3", ((rb" extra HTTP", b" HTTP"),)),
    Variant("needs no Host", "9112/3.2/1", ((rb"1.1\r\nConnection", b"1.1\r\nHost: x\r\nConnection"),)),
    Variant("takes the first of two Hosts", "9112/3.2/2", ((rb"(Host: a\r\n)Host: .\r\n", rb"\1"),)),
    Variant("takes any Host", "9112/3.2/3", ((rb"Host: a b\r\n", b"Host: a\r\n"),)),
    Variant("knows no absolute-form", "9112/3.2.2/1", ((rb"^GET http:", b"GET x:"),)),
    Variant("skips lines without a colon", "9112/5/1", ((rb"nonsense\r\n", b""),)),
    Variant("drops blanks before a colon", "9112/5.1/1", ((rb"X-Check\s:", b"X-Check:"),)),
    Variant("drops folded lines", "9112/5.2/1", ((rb"Transfer-Encoding:\r\n chunked\r\n", b""),)),
    Variant("ignores codings it does not know", "9112/6.1/1", ((rb"nonsense, ", b""),)),
    Variant("joins codings", "9112/6.1/2", ((rb"chunked, chunked", b"chunked"),)),
    Variant("drops a length beside a coding", "9112/6.1/3", ((rb"Content-Length: \d+\r\nTransfer", b"Transfer"),)),
    Variant("chunks in HTTP/1.0", "9112/6.1/4 9112/6.1/5 9112/9.3/6", ((rb" HTTP/1.0", b" HTTP/1.1"),)),
    Variant("wants no length", "9112/6.2/1", ((rb"(Content-Length: )(\d+)(\r\n\r\nhello)", rb"\1\2x\3"),)),
    Variant("accepts a cut length as whole", "9112/6.3/1", at_end=b"12345"),
    Variant("reads lengths as far as they are digits", "9112/6.3/2", ((rb"(Content-Length: \d)x", rb"\1"),)),
    Variant("takes the first of two lengths", "9112/6.3/3", ((rb"\r\nContent-Length: 6", b""),)),
    Variant("looks for chunked anywhere", "9112/6.3/4", ((rb"chunked, gzip", b"chunked"),)),
    Variant("writes broken chunks", "9112/6.3/5", answered=((rb"1a\r\n(?=hello)", b"zz\r\n"),)),
    Variant("compares codings in lower case", "9112/7/1", ((rb"CHUNKED", b"X"),)),
    Variant("ignores parameters of codings", "9112/7/2", ((rb"chunked;a=1", b"chunked"),)),
    Variant("takes one chunk", "9112/7.1/1 9112/7.1/2", ((rb"\r\n(?:c|1)\r\n", b"\r\n\r\n"),)),
    Variant("knows no hex digits in upper case", "9112/7.1/3", ((rb"\r\nA\r\n", b"\r\nx\r\n"),)),
    Variant("wants a body in one read", "9112/7.1/4", is_hasty=True),
    Variant("reads sizes like C", "9112/7.1/5", ((rb"(?:0x|\+| )5\r\n", b"5\r\n"),)),
    Variant("counts in 32 bits", "9112/7.1/6", ((rb"10+5\r\n", b"5\r\n"),)),
    Variant("looks for no CRLF after data", "9112/7.1/7", ((rb"hello(?:XX)?0", b"hello\r\n0"),)),
    Variant("goes on after the data", "9112/7.1/8", ((rb"4\r\nhello", b"5\r\nhello"),)),
    Variant("takes LF alone", "9112/7.1/9 9112/7.1/10 9112/7.1.1/2", ((rb"(?<!\r)\n", b"\r\n"),)),
    Variant("knows no extensions", "9112/7.1.1/1", ((rb";a=1", b"\0"),)),
    Variant("skips extensions unread", "9112/7.1.1/3", ((rb";a[\r\0]b?(?=\r)", b""),)),
    Variant("ends a quoted extension at CRLF", "9112/7.1.1/4", ((rb';a="\r\nhello', b"\r\nhello"),)),
    Variant("limits no extensions", "9112/7.1.1/5", ((rb"x{100,}", b"x"),)),
    Variant("knows no trailers", "9112/7.1.2/1", ((rb"X-Check: 1\r\n", b"X-Check 1\r\n"),)),
    Variant("skips trailers unread", "9112/7.1.2/2 9112/7.1.2/3", ((rb"0\r\n(?:nonsense|A : 1)\r\n", b"0\r\n"),)),
    Variant("ends a body where it is cut", "9112/8/1", at_end=b"0\r\n\r\n"),
    Variant("ends a body at its last-chunk", "9112/8/2", at_end=b"\r\n"),
    Variant(
        "knows no bodies",
        "9112/9.3/1 9112/9.3/2 9112/9.3/3 9112/9.3/4 9112/9.3/5",
        ((rb"Content-Length: \d+\r\n\r\nGET", b"\r\nGET"),),
    ),
    Variant("answers the second request first", "9112/9.3.2/1", ((rb"^GET (\S+)(.*?)GET (\S+)", rb"GET \3\2GET \1"),)),
    Variant("goes on after close", "9112/9.6/1", ((rb"(?<=\d\r\n)Connection: close\r\n", b""),)),
    Variant("takes a FIN for a departure", "9112/9.6/2", is_deaf_at_end=True, waits_for=b"\0"),
)


async def as_sound(target: ServerTarget) -> CheckedServer:
    """Return a server that answered correct requests as ours does."""
    if not LEARNED:
        async with spoilt(SOUND) as sound:
            LEARNED.append(await learn(sound))
    return replace(LEARNED[0], target=target)


async def test_a_resource_whose_answer_never_ends_is_refused() -> None:
    async def drip(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk(b"x")
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (address,) = await nursery.start(serve, ":0", [Resource("/", drip)])
        url = parse_url(f"http://{address}/")
        with trio.fail_after(PATIENCE), pytest.raises(LocalError, match=r"to GET does not end in 0.2 s"):
            await learn(ServerTarget(url, url.authority, None, (), b"POST", b"hello", 0.2))
        nursery.cancel_scope.cancel()


async def test_ours_passes_every_row() -> None:
    with trio.fail_after(PATIENCE):
        async with spoilt(SOUND) as target:
            server = await as_sound(target)
            run = RowRun(SERVER_CASES, lambda case: case.judge(server), jobs=8)
            await run.run()
    wrong = [result for result in run.results if result.outcome is not RowOutcome.PASS]
    assert [result.row.level for result in wrong] == [Level.SEEN], wrong


@each_row(VARIANTS)
async def test_each_row_fails_on_a_variant_that_is_broken_in_its_way(variant: Variant, row: str) -> None:
    with trio.fail_after(PATIENCE):
        async with spoilt(variant) as target:
            server = await learn(target) if row in OF_FIRST_ANSWERS else await as_sound(target)
            ruling = await CASES[row].judge(server)
    assert ruling.outcome is RowOutcome.FAIL, ruling


@pytest.mark.parametrize(
    "filling, answered, outcome",
    [
        (rb"\g<0>", (), RowOutcome.PASS),
        (b" x", (), RowOutcome.FAIL),
        (b"x" * 100_000, (), RowOutcome.FAIL),
        (b"x" * 100_000, ((rb"^(HTTP/1.1 414|expected a request-line).*", b""),), RowOutcome.FAIL),
        (b"x" * 100_000, ((rb"^HTTP/1.1 414", b"HTTP/1.1 503"),), RowOutcome.UNDECIDED),
    ],
    ids=["it reads the line", "400", "414", "closed", "503"],
)
async def test_a_long_line_is_judged_by_its_length_where_each_parameter_is_refused(
    filling: bytes, answered: Changes, outcome: RowOutcome
) -> None:
    variant = Variant("changes long lines", "", ((rb"x{7000,}(?= HTTP)", filling),), answered)
    with trio.fail_after(PATIENCE):
        async with spoilt(variant, replace(GIVES_BACK, parameters=frozenset())) as target:
            ruling = await CASES["9112/3/1"].judge(await as_sound(target))
    assert ruling.outcome is outcome, ruling


async def test_a_long_line_is_undecided_where_a_short_one_is_refused_too() -> None:
    with trio.fail_after(PATIENCE):
        async with spoilt(Variant("takes no x", "", ((rb"x+(?= HTTP)", b" x"),))) as target:
            ruling = await CASES["9112/3/1"].judge(await as_sound(target))
    assert ruling.outcome is RowOutcome.UNDECIDED, ruling


async def test_an_order_of_answers_needs_two_statuses_and_the_octets_shown_say_why_not() -> None:
    everywhere = replace(GIVES_BACK, path="/{name}")
    silent = Variant("is silent", "", is_deaf_at_end=True, waits_for=b"GET /check ")
    for variant, outcome in ((SOUND, RowOutcome.NOT_APPLICABLE), (silent, RowOutcome.UNDECIDED)):
        with trio.fail_after(PATIENCE):
            async with spoilt(variant, everywhere) as target:
                ruling = await CASES["9112/9.3.2/1"].judge(await as_sound(target))
        assert ruling.outcome is outcome, ruling
        assert b"no-such-resource" in ruling.octets[0].octets


def test_every_row_has_its_variant() -> None:
    assert {row for variant in VARIANTS for row in variant.rows.split()} == set(CASES)
