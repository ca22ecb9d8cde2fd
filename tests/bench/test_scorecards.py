"""The scorecards of proxies: ours as a subject, one that cannot be started, and the tables of both."""

from bench.gateways import Route
from bench.processes import Trouble
from bench.proxies import PROXIES, ProxySubject
from bench.scorecards import WITHHELD, JudgedProxy, judge_proxies, short_table, whole_table
from bench.workshop import Workshop
from chunkwire.tools.check.proxy.checking import PROXY_ROWS
from chunkwire.tools.check.rows import Level, RowOutcome, RowResult


def missing(workshop: Workshop, route: Route) -> list[str]:
    raise Trouble("nosuchproxy is not installed")


def test_ours_is_judged_and_a_proxy_that_is_not_there_is_named(workshop: Workshop) -> None:
    nowhere = ProxySubject("nosuchproxy", missing, lambda _: ["echo", "1.2"])
    judged = list(judge_proxies(workshop, [PROXIES[0], nowhere]))
    short, whole = short_table(judged), whole_table(judged)
    assert "| yes | yes | yes | yes | 0 of 1" in short
    assert "| nosuchproxy 1.2 | – | – | – | – | – | nosuchproxy is not installed |" in short
    assert "- nosuchproxy 1.2: not judged: nosuchproxy is not installed" in whole
    assert "9112/11.2/1" in whole.rpartition("Passed by all that they apply to: ")[2]


def test_a_failed_row_that_its_maintainers_do_not_know_is_in_no_table() -> None:
    caddy = next(each for each in PROXIES if each.name == "Caddy" and each.is_short)
    broken = ("9112/9.3/3", "9110/7.6.3/1")
    outcomes = {each.row: RowOutcome.FAIL if each.row.id in broken else RowOutcome.PASS for each in PROXY_ROWS}
    judged = [JudgedProxy(caddy, "1", tuple(RowResult(row, outcome, "") for row, outcome in outcomes.items()))]
    assert f"| 1 of {sum(row.level is Level.MUST for row in outcomes) - 1} | Via; 1 row withheld |" in short_table(
        judged
    )
    lines = {line.split(" | ")[0]: line for line in whole_table(judged).splitlines()}
    assert lines["| 9112/9.3/3"].endswith("| withheld |")
    assert lines["| 9110/7.6.3/1"].endswith("| **fails** |")


def test_every_name_and_row_that_is_withheld_exists() -> None:
    assert WITHHELD.keys() <= {each.name for each in PROXIES}
    assert {row for rows in WITHHELD.values() for row in rows} <= {each.row.id for each in PROXY_ROWS}
