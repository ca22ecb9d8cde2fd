"""The rows of `check client`: ours takes and refuses as each wants, and each fails on a client broken in its way."""

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
import trio

from chunkwire import client
from chunkwire.llm import DIALECTS
from chunkwire.net.heads import Request
from chunkwire.origin.scenarios import SCENARIOS
from chunkwire.tools.check.client.command import CommandRun
from chunkwire.tools.check.client.judging import (
    PLAIN_SCENARIO,
    TEXT,
    CheckedClient,
    OutputForm,
    detect_output_form,
    output_trouble,
    playing,
)
from chunkwire.tools.check.client.rows import FORMS, client_cases
from chunkwire.tools.check.rows import RowOutcome, Ruling
from chunkwire.tools.check.running import RowRun
from chunkwire.wire.errors import ChunkwireError, LocalError
from tests.check.variants import Variant, between, each_row
from tests.patience import PATIENCE

CASES = {case.row.name: case for case in client_cases()}
ENDS = b"\r\n0\r\n\r\n"
NO_CHUNKS = ((rb"Transfer-Encoding: chunked", b"Transfer-Encoding: chonked"),)

VARIANTS = (
    Variant("trusts no length", "content-length", answered=((rb"(Content-Length: )", rb"\g<1>9"),)),
    Variant("wants a length", "close-delimited", answered=((rb"Connection: close", b"Content-Length: 999"),)),
    Variant(
        "knows no chunks",
        "event-per-chunk one-chunk one-write tiny octet-per-write across-events split-utf8 pauses"
        " split-blank-line split-crlf lone-cr comments gzip",
        answered=NO_CHUNKS,
    ),
    Variant("reads hex in lower case", "upper-case-sizes", answered=((rb"(?<![0-9A-F])1[A-F]\r\n", b"x\r\n"),)),
    Variant("reads 4 digits", "padded-sizes", answered=((rb"0000", b"000x"),)),
    Variant("knows no extensions", "extensions", answered=((rb";", b"!"),)),
    Variant("knows no trailers", "trailers", answered=((rb"X-Checksum: none", b"X-Checksum none"),)),
    Variant("takes a 1xx for the response", "early-hints", answered=((rb"HTTP/1.1 103", b"HTTP/1.1 204"),)),
    Variant("takes the last length", "two-lengths", answered=((rb"Content-Length: 20\r\n", b""),)),
    Variant("reads lengths like C", "bad-length", answered=((rb"0x20", b"32"),)),
    Variant("takes any size", "bad-size", answered=((rb"zz\r\n", b"7\r\n"),)),
    Variant("guesses a size", "no-size", answered=((rb"\r\nnot hex", b"7\r\nnot hex"),)),
    Variant("drops a sign", "negative-size", answered=((rb"-7", b"7"),)),
    Variant("counts in 8 bits", "giant-size", answered=((rb"F{16}", b"5"),), answered_at_end=ENDS),
    Variant("counts in 64 bits", "wrapped-size", answered=((rb"10{15}5", b"5"),)),
    Variant("looks for no CRLF", "missing-crlf", answered=((rb"abcde5", b"abcde\r\n5"),)),
    Variant("skips to the next line", "long-data", answered=((rb"abcdefg", b"abcde"),)),
    Variant("reads sizes like C", "prefixed-size", answered=((rb"0x7", b"7"),)),
    Variant("reads sizes like Python", "underscored-size", answered=((rb"0_7", b"7"),)),
    Variant("takes the last-chunk for the end", "cut-in-last-chunk cut-in-trailers", answered_at_end=b"\r\n"),
    Variant("fills up what is cut", "cut reset-in-data", answered_at_end=b"8 octets" + ENDS),
    Variant("fills up characters", "cut-in-character", answered_at_end=b"\xbc" + ENDS),
    Variant("fills up sizes", "cut-in-size", answered_at_end=b"\r\nx" + ENDS),
    Variant("fills up CRLF", "cut-in-crlf", answered_at_end=ENDS[1:]),
    Variant("takes a FIN for the end", "no-terminator reset reset-unframed", answered_at_end=ENDS[2:]),
    Variant("fills up lengths", "short-length", answered_at_end=b"x" * 200),
    Variant("takes nothing for a response", "empty", answered_at_end=b"HTTP/1.1 204 x\r\n\r\n"),
    Variant("fills up heads", "cut-in-head", answered_at_end=b"\r\nContent-Length: 0\r\n\r\n"),
    Variant("takes silence for the end", "stall", has_no_patience=True, answered_at_end=ENDS[2:]),
    Variant("fills up sizes in silence", "stall-in-size", has_no_patience=True, answered_at_end=b"\r\nx" + ENDS),
    Variant("is ours, which cannot know", "early-end", answered=()),
    Variant("does not look for the end of gzip", "cut-gzip"),
)


async def ours(url: str, *, idle: float = 0.5, checks_gzip: bool = False) -> CommandRun:
    """Be a command: our client, which prints the content and says by its exit code whether it is whole."""
    try:
        async with client.open("GET", url, fields=[("Accept-Encoding", "gzip")], idle_timeout=idle) as stream:
            content = await stream.read()
            is_coded = stream.head.get(b"content-encoding") is not None
    except ChunkwireError as error:
        return CommandRun(1, b"", str(error).encode())
    decoder = zlib.decompressobj(31)
    plain = decoder.decompress(content) if is_coded else content
    return CommandRun(int(is_coded and checks_gzip and not decoder.eof), plain, b"")


@asynccontextmanager
async def checked(variant: Variant) -> AsyncIterator[CheckedClient]:
    """Give our client behind a variant."""
    async with playing(client_cases()) as origin, between(variant, urlsplit(origin.url).port or 0) as address:
        yield CheckedClient(lambda url: ours(f"http://{address}{urlsplit(url).path}"), origin, OutputForm.CONTENT)


async def test_ours_passes_every_row_but_those_that_only_the_content_tells() -> None:
    with trio.fail_after(PATIENCE):
        async with playing(client_cases()) as origin:
            checks = CheckedClient(partial(ours, checks_gzip=True), origin, OutputForm.CONTENT)
            run = RowRun(client_cases(), checks.judge, jobs=8)
            await run.run()
    size = len(SCENARIOS["early-end"].content)
    assert {result.row.name: result.why for result in run.results if result.outcome is not RowOutcome.PASS} == {
        "early-end": f"accepts it as whole: exit 0, {size} octets of output; only the content shows the fault"
    }


@each_row(VARIANTS)
async def test_each_row_fails_on_a_client_that_is_broken_in_its_way(variant: Variant, row: str) -> None:
    with trio.fail_after(PATIENCE):
        async with checked(variant) as checks:
            ruling = await checks.judge(CASES[row])
    assert ruling.outcome is RowOutcome.FAIL, ruling


def test_every_scenario_has_its_row_and_every_row_its_variant() -> None:
    assert {name for variant in VARIANTS for name in variant.rows.split()} == set(CASES) == set(SCENARIOS)
    ids = [case.row.id for case in CASES.values()]
    assert len(ids) == len(set(ids))


async def ruling(name: str, run: CommandRun, *targets: str) -> Ruling:
    """Judge a run that asked for these targets of a scenario; `1.0` stands for a request in HTTP/1.0."""
    async with playing(client_cases()) as origin:

        async def asks(url: str) -> CommandRun:
            for target in targets:
                version = b"1.0" if target == "1.0" else b"1.1"
                origin.asked[name].append(Request(b"GET", b"/", version))
            return run

        return await CheckedClient(asks, origin, OutputForm.CONTENT).judge(CASES[name])


async def test_retries_are_counted() -> None:
    assert (await ruling("empty", CommandRun(1, b"", b"x\nno answer\n"), "a", "b", "c")).why == (
        "exit 1: no answer; asked 3 times"
    )


async def test_a_command_that_was_killed_or_did_not_ask_is_undecided() -> None:
    for code, targets, why in ((None, ["a"], "killed at the deadline"), (0, [], "exit 0; asked 0 times")):
        found = await ruling("cut", CommandRun(code, b"", b""), *targets)
        assert (found.outcome, found.why) == (RowOutcome.UNDECIDED, why)


async def test_chunks_do_not_apply_to_http_1_0_nor_gzip_to_who_does_not_ask_for_it() -> None:
    assert (await ruling("tiny", CommandRun(1, b"", b""), "1.0")).outcome is RowOutcome.NOT_APPLICABLE
    assert (await ruling("short-length", CommandRun(0, b"", b""), "1.0")).outcome is RowOutcome.FAIL
    assert (await ruling("gzip", CommandRun(0, b"", b""), "a")).outcome is RowOutcome.NOT_APPLICABLE


async def test_the_form_of_the_output_is_learned_from_a_plain_response() -> None:
    plain = CASES[PLAIN_SCENARIO]
    content = plain.scenario.content
    outputs = {content: OutputForm.CONTENT, f"{TEXT}\n".encode(): OutputForm.TEXT, b"12 passed": OutputForm.IGNORED}
    async with playing(client_cases()) as origin:
        for output, form in outputs.items():

            async def asks(_: str, stdout: bytes = output) -> CommandRun:
                origin.asked[PLAIN_SCENARIO].append(Request(b"GET", b"/"))
                return CommandRun(0, stdout, b"")

            assert await detect_output_form(asks, origin, plain, None) is form


async def test_an_output_that_is_not_what_it_is_said_to_be_is_refused() -> None:
    async with playing(client_cases()) as origin:

        async def asks(_: str) -> CommandRun:
            origin.asked[PLAIN_SCENARIO].append(Request(b"GET", b"/"))
            return CommandRun(0, b"12 passed", b"")

        with pytest.raises(LocalError, match=r"--stdout content: .* 9 octets came out of"):
            await detect_output_form(asks, origin, CASES[PLAIN_SCENARIO], OutputForm.CONTENT)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "sse"])
def test_every_form_has_the_same_text_in_events_of_its_own(form: str) -> None:
    content = next(case.scenario for case in client_cases(form) if case.row.name == PLAIN_SCENARIO).content
    reader = DIALECTS[form].reader()
    texts = [getattr(event, "text", "") for event in reader.feed(content) + reader.end_of_input()]
    assert "".join(texts) == TEXT


def test_other_content_is_reported_by_its_first_different_octet() -> None:
    scenario = SCENARIOS["tiny"]
    assert output_trouble(OutputForm.CONTENT, scenario, scenario.content) == ""
    wrong = scenario.content.replace(b"!", b"?")
    assert "different from octet" in output_trouble(OutputForm.CONTENT, scenario, wrong)
    assert output_trouble(OutputForm.CONTENT, scenario, b"") == f"0 octets came out of {len(scenario.content)}"
    assert output_trouble(OutputForm.IGNORED, scenario, b"") == ""
