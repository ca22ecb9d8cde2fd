"""The scorecards of proxies: ours as a subject, one that cannot be started, and the tables of both."""

from bench.gateways import Route
from bench.processes import Trouble
from bench.proxies import PROXIES, ProxySubject
from bench.scorecards import judge_proxies, short_table, whole_table
from bench.workshop import Workshop


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
