"""Rows, their choice and their run; a scorecard's exit, and its forms."""

import json
from argparse import Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
import trio

from chunkwire.cli.check_run import show
from chunkwire.tools.check.page import page
from chunkwire.tools.check.rows import CheckRow, Level, RowCase, RowOutcome, RowResult, Ruling, Shown, choose
from chunkwire.tools.check.running import RowRun
from chunkwire.tools.check.scorecard import Scorecard, to_json, to_junit
from chunkwire.tools.check.view import conclusion_lines, octet_lines, result_lines
from chunkwire.wire.errors import ChunkwireError
from tests.patience import PATIENCE

PASSED = Ruling(RowOutcome.PASS, "answers 400")


async def passes() -> Ruling:
    return PASSED


def row(name: str = "9112/7.1/1", level: Level = Level.MUST) -> CheckRow:
    return CheckRow(name, level, "refuses <it>", "9112 §7.1")


@dataclass(frozen=True, slots=True)
class Case(RowCase):
    judge: Callable[[], Awaitable[Ruling]] = passes


def run_of(*cases: Case, jobs: int = 1) -> RowRun[Case]:
    return RowRun(cases, lambda case: case.judge(), jobs=jobs)


def rows_named(*names: str) -> list[Case]:
    return [Case(row(name)) for name in names]


def card(
    *results: tuple[Level, RowOutcome], octets: bytes = b"GET / HTTP/1.1\r\n\xff\x00", is_whole: bool = True
) -> Scorecard:
    rows = tuple(
        RowResult(row(f"9112/7.1/{n}", level), outcome, "answers <200>", (Shown("sent", octets),))
        for n, (level, outcome) in enumerate(results, 1)
    )
    return Scorecard("server", "http://x/<y>", rows, datetime(2026, 1, 2, tzinfo=UTC), (("nginx", "1.22"),), is_whole)


@pytest.mark.parametrize(
    "only, ids",
    [
        ([], ["9112/7.1/1", "9112/7.1/10", "9112/7.1.1/1"]),
        (["9112/7.1/1"], ["9112/7.1/1"]),
        (["9112/7.1"], ["9112/7.1/1", "9112/7.1/10"]),
        (["9112/7.1.1", "9112/7.1/10"], ["9112/7.1/10", "9112/7.1.1/1"]),
        (["9112"], ["9112/7.1/1", "9112/7.1/10", "9112/7.1.1/1"]),
    ],
)
def test_only_takes_ids_and_whole_sections(only: list[str], ids: list[str]) -> None:
    assert [case.row.id for case in choose(rows_named("9112/7.1/1", "9112/7.1/10", "9112/7.1.1/1"), only)] == ids


@pytest.mark.parametrize("json, junit, begins", [(None, None, "check server"), ("-", None, ""), (None, "-", "")])
def test_a_file_on_standard_output_takes_the_place_of_the_table(
    json: str | None, junit: str | None, begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Namespace(json=json, junit=junit, html=None, no_color=True, verbose=0, strict=False)
    show(card((Level.MUST, RowOutcome.PASS)), options)
    printed = capsys.readouterr().out
    assert printed.startswith(begins)
    assert bool(printed) is bool(begins)


async def test_an_error_in_a_nursery_of_a_judge_leaves_its_row_alone_undecided() -> None:
    async def fails() -> None:
        raise ChunkwireError("expected a port")

    async def judge() -> Ruling:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, name="fails")
        raise AssertionError

    run = run_of(Case(row("1"), judge=judge), Case(row("2")))
    await run.run()
    assert [result.outcome for result in run.results] == [RowOutcome.UNDECIDED, RowOutcome.PASS]
    assert run.results[0].why == "expected a port"


@pytest.mark.parametrize("jobs, most", [(1, 1), (2, 2)])
async def test_rows_run_as_many_at_a_time_as_jobs_say_and_stand_in_their_order(jobs: int, most: int) -> None:
    running, peak, done = 0, 0, trio.Event()

    def judging(number: int) -> Callable[[], Awaitable[Ruling]]:
        async def judge() -> Ruling:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            if number == 0 and jobs > 1:
                await done.wait()
            elif number == 1:
                done.set()
            await trio.lowlevel.checkpoint()
            running -= 1
            return PASSED

        return judge

    run = run_of(*(Case(row(f"9112/7.1/{n}"), judging(n)) for n in range(4)), jobs=jobs)
    with trio.fail_after(PATIENCE):
        await run.run()
    assert peak == most
    assert [result.row.id for result in run.results] == [f"9112/7.1/{n}" for n in range(4)]
    assert run.is_whole


async def test_an_error_of_the_peers_connection_leaves_a_row_undecided() -> None:
    async def judge() -> Ruling:
        raise ChunkwireError("x refused\nthe connection")

    run = run_of(Case(row(), judge))
    await run.run()
    assert [(r.outcome, r.why) for r in run.results] == [(RowOutcome.UNDECIDED, "x refused the connection")]


async def test_what_was_judged_before_a_cancellation_stays() -> None:
    async def waits() -> Ruling:
        scope.cancel()
        await trio.sleep_forever()

    run = run_of(Case(row()), Case(row("9112/9/1"), waits))
    with trio.CancelScope() as scope:
        await run.run()
    assert [result.row.id for result in run.results] == ["9112/7.1/1"]
    assert not run.is_whole


@pytest.mark.parametrize(
    "level, outcome, failed, strict",
    [
        (Level.MUST, RowOutcome.FAIL, True, True),
        (Level.SHOULD, RowOutcome.FAIL, False, True),
        (Level.SEEN, RowOutcome.FAIL, False, False),
        (Level.MUST, RowOutcome.PASS, False, False),
        (Level.MUST, RowOutcome.UNDECIDED, False, False),
    ],
)
def test_only_a_must_fails_a_run_and_a_should_where_it_is_strict(
    level: Level, outcome: RowOutcome, failed: bool, strict: bool
) -> None:
    scorecard = card((level, outcome))
    assert scorecard.has_failed() is failed
    assert scorecard.has_failed(is_strict=True) is strict


def test_json_holds_every_row_and_octets_that_are_no_text() -> None:
    value = json.loads(to_json(card((Level.MUST, RowOutcome.FAIL), (Level.SEEN, RowOutcome.PASS))))
    assert [each["outcome"] for each in value["rows"]] == ["fail", "pass"]
    assert value["versions"] == {"nginx": "1.22"}
    assert "data_b64" in value["rows"][0]["octets"][0]
    assert json.loads(to_json(card((Level.MUST, RowOutcome.PASS), octets=b"ok")))["rows"][0]["octets"] == [
        {"label": "sent", "data": "ok"}
    ]


@pytest.mark.parametrize("is_strict, failures, skipped", [(False, "1", "3"), (True, "2", "2")])
def test_junit_is_xml_in_which_only_what_fails_the_run_is_a_failure(
    is_strict: bool, failures: str, skipped: str
) -> None:
    levels = [(Level.MUST, RowOutcome.FAIL), (Level.SHOULD, RowOutcome.FAIL), (Level.SEEN, RowOutcome.FAIL)]
    text = to_junit(
        card(*levels, (Level.MUST, RowOutcome.UNDECIDED), (Level.MUST, RowOutcome.PASS)), is_strict=is_strict
    )
    suite = ElementTree.fromstring(text)[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", failures, skipped)
    failure = suite[0].find("failure")
    assert failure is not None
    assert "\\xff\\x00" in (failure.text or "")


def test_the_page_escapes_what_came_and_fetches_nothing() -> None:
    text = page(card((Level.MUST, RowOutcome.FAIL), (Level.MUST, RowOutcome.PASS), octets=b"<script>alert(1)</script>"))
    assert "<script" not in text
    assert "src=" not in text
    assert "href=" not in text
    assert text.index("Failed") < text.index("All others")


def test_the_table_fits_its_width_and_shows_no_control_character() -> None:
    scorecard = card((Level.MUST, RowOutcome.FAIL), (Level.SHOULD, RowOutcome.FAIL), octets=b"\x1b[31m" + b"x" * 200)
    lines = [*result_lines(scorecard.results, width=60), *octet_lines(scorecard.results, width=60)]
    lines += conclusion_lines(scorecard)
    assert max(map(len, lines[:-2])) <= 60
    assert not any("\x1b" in line for line in lines)
    assert lines[-2:] == ["* 2 rows: 1 must failed, 1 should failed", "* a failed should counts with --strict"]


def test_the_octets_of_many_failed_rows_are_those_of_the_first_ones() -> None:
    results = card(*[(Level.MUST, RowOutcome.FAIL)] * 10, octets=b"".join(b"line %d\n" % n for n in range(20))).results
    brief = list(octet_lines(results))
    assert sum("FAIL" in line for line in brief) == 8
    assert brief[-2] == "… and 2 more failed rows (-v shows the octets of all rows)"
    shown = [line.strip() for line in brief[3:14]]
    assert (shown[0], shown[5:7]) == (r"line 0\n", [r"line 5\n", "… 10 lines (-v shows them) …"])
    assert shown[-1] == r"line 19\n"
    assert sum("FAIL" in line for line in octet_lines(results, is_verbose=True)) == 10


def test_what_a_command_printed_is_no_octet_of_the_exchange() -> None:
    printed = RowResult(row(), RowOutcome.FAIL, "x", (Shown("sent", b"a"), Shown("stdout", b"b", is_exchanged=False)))
    assert "  stdout:" not in list(octet_lines([printed]))
    assert "  stdout:" in list(octet_lines([printed], is_verbose=True))


def test_a_run_that_was_stopped_says_so() -> None:
    assert "stopped before the last row" in next(iter(conclusion_lines(card(is_whole=False))))
