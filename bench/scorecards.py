"""`chunkwire check proxy` on widely used proxies: do they stream, stop and fail as the RFCs say?

`python -m bench.scorecards` judges them and prints two tables; without names of proxies, it also judges the clients
(`scorecard_clients`). `--write` puts the short tables into README.md and the whole ones into bench/README.md, between
their marks. A proxy that cannot be installed or started is named with the reason.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import trio

from bench import scorecard_clients
from bench.gateways import Route
from bench.processes import ROOT, Trouble, free_port, running
from bench.proxies import PROXIES, ProxySubject
from bench.text import program_parser, put_between
from bench.workshop import Workshop, open_workshop, version_said
from chunkwire.net.dial import parse_url
from chunkwire.net.listen import Address
from chunkwire.tools.check.proxy.checking import PROXY_ROWS, UpstreamNotReached, open_proxy_check
from chunkwire.tools.check.proxy.trial import CheckedProxy
from chunkwire.tools.check.rows import CheckRow, Level, RowOutcome, RowResult, is_named
from chunkwire.tools.check.running import RowRun
from chunkwire.wire.errors import ChunkwireError, leaf_errors

PATIENCE: Final = 3.0  # s; the default of `chunkwire check proxy`
JOBS: Final = 8
READY_SECONDS: Final = 10.0  # for a proxy that accepts before it has read its routes
# The headings of the short table, and the rows that decide them.
QUESTIONS: Final = (
    ("response streams", ("9112/7.1/1", "9112/7.1/2")),
    ("request streams", ("9112/7.1/3",)),
    ("both at once", ("9110/7.6/2",)),
    ("a client's leaving reaches the upstream", ("9112/9.5/1", "9112/9.5/2")),
)
# Failed rows that no table shows before the maintainers of a release in use have been notified.
WITHHELD: Final = {
    "Caddy": ("9112/9.3/3", "9112/9.3/4"),
    "http-proxy": ("9112/11.2/21",),
    "http-proxy-3": ("9112/11.2/21",),
}
WORDS: Final = {RowOutcome.NOT_APPLICABLE: "–", RowOutcome.UNDECIDED: "open"}


@dataclass(frozen=True, slots=True)
class JudgedProxy:
    """A proxy and its results; `trouble` says why it has none."""

    subject: ProxySubject
    version: str
    results: tuple[RowResult, ...] = ()
    trouble: str = ""

    @property
    def title(self) -> str:
        """Its name, version and setting."""
        setting = f", {self.subject.setting}" if self.subject.setting else ""
        return f"{self.subject.name} {self.version}{setting}".rstrip()

    def of(self, row: CheckRow) -> RowResult:
        """Return the result of a row."""
        return next(result for result in self.results if result.row.id == row.id)

    def withholds(self, result: RowResult) -> bool:
        """Return whether no table may show this result."""
        return result.outcome is RowOutcome.FAIL and result.row.id in WITHHELD.get(self.subject.name, ())

    def count(self, outcome: RowOutcome, level: Level) -> int:
        """Return the number of rows of a level with this outcome."""
        return sum(result.outcome is outcome and result.row.level is level for result in self.results)


def judge_proxies(workshop: Workshop, subjects: Sequence[ProxySubject]) -> Iterator[JudgedProxy]:
    """Judge each proxy in turn."""
    for subject in subjects:
        version = ""
        try:
            version = version_said(subject.version(workshop))
            route = Route(free_port(), free_port())
            with running(subject.name, subject.command(workshop, route), route.listen, core=None):
                judged = JudgedProxy(subject, version, trio.run(_judge, route))
        except (Trouble, ChunkwireError) as error:
            judged = JudgedProxy(subject, version, trouble=" ".join(str(error).split()))
        failed = sum(_is_broken(result) and not judged.withholds(result) for result in judged.results)
        sys.stderr.write(f"bench: {judged.title}: {judged.trouble or f'{failed} must failed'}\n")
        yield judged


async def _judge(route: Route) -> tuple[RowResult, ...]:
    """Return the results; wait until the proxy forwards requests."""
    url, upstream = parse_url(f"http://127.0.0.1:{route.listen}"), Address("127.0.0.1", route.origin)
    deadline = trio.current_time() + READY_SECONDS
    while True:
        try:
            async with open_proxy_check(CheckedProxy(url, PATIENCE), upstream) as check:
                run = RowRun(PROXY_ROWS, check.judge, jobs=JOBS)
                await run.run()
            return tuple(run.results)
        except BaseExceptionGroup as group:
            known, others = group.split(ChunkwireError)
            if known is None or others is not None:
                raise
            error = next(leaf_errors(known))
            if not isinstance(error, UpstreamNotReached) or trio.current_time() > deadline:
                raise Trouble(" ".join(str(error).split())) from group
        await trio.sleep(0.3)


def short_table(judged: Sequence[JudgedProxy]) -> str:
    """Return a line for each proxy that is short or was not judged."""
    heads = ["proxy", *(question for question, _ in QUESTIONS), "`must` failed", "which"]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for proxy in judged:
        if not proxy.subject.is_short and not proxy.trouble:
            continue
        if proxy.trouble:
            lines.append(_line([proxy.title, *["–"] * (len(heads) - 2), proxy.trouble]))
            continue
        answers = [_answer(proxy, ids) for _, ids in QUESTIONS]
        broken = [result for result in proxy.results if _is_broken(result)]
        failed = [result for result in broken if not proxy.withholds(result)]
        decided = proxy.count(RowOutcome.PASS, Level.MUST) + len(failed)
        which = _families(failed)
        if hidden := len(broken) - len(failed):
            which += f"; {hidden} row{'s' * (hidden > 1)} withheld"
        lines.append(_line([proxy.title, *answers, f"{len(failed)} of {decided}", which]))
    return "\n".join(lines) + "\n"


def _answer(proxy: JudgedProxy, ids: Sequence[str]) -> str:
    outcomes = [result.outcome for result in proxy.results if any(is_named(result.row, row_id) for row_id in ids)]
    if RowOutcome.FAIL in outcomes:
        return "no" if RowOutcome.PASS not in outcomes else "in part"
    return next((WORDS[outcome] for outcome in outcomes if outcome in WORDS), "yes")


def _is_broken(result: RowResult) -> bool:
    return result.outcome is RowOutcome.FAIL and result.row.level is Level.MUST


# The names of failed rows in the short table, by a pattern of their titles.
FAMILIES: Final = (
    ("broken responses look whole", r"never whole to a client"),
    ("broken requests look whole", r"never whole to the upstream"),
    ("smuggling", r"one request stays one|is not a request|2\^64"),
    ("to HTTP/1.0 clients", r"HTTP/1\.0 client"),
    ("400 that is due", r": 400$"),
    ("NUL, CR or folds pass", r"NUL|bare CR|folded line"),
    ("unasked 101", r"a 101 "),
    ("not closed", r"the connection ends"),
    ("Connection options", r"that Connection names"),
    ("Host", r"Host"),
    ("Via", r"Via"),
    ("Date", r"Date"),
    ("version", r"version"),
)


def _families(failed: Sequence[RowResult]) -> str:
    titles = [result.row.title for result in failed]
    names = [next((name for name, part in FAMILIES if re.search(part, title)), "others") for title in titles]
    order = [name for name, _ in (*FAMILIES, ("others", ""))]
    counts = {name: names.count(name) for name in order if name in names}
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts.items()) or "none"


def whole_table(judged: Sequence[JudgedProxy]) -> str:
    """Return a line for each row that some proxy does not pass, and a list of the other rows."""
    shown = [proxy for proxy in judged if proxy.results]
    letters = [chr(ord("A") + number) for number in range(len(shown))]
    lines = [f"- {letter}: {proxy.title}" for letter, proxy in zip(letters, shown, strict=True)]
    lines += [f"- {proxy.title}: not judged: {proxy.trouble}" for proxy in judged if proxy.trouble]
    lines += ["", _line(["row", "level", "", *letters]), _line(["---"] * (len(shown) + 3))]
    alike: list[str] = []
    for each in PROXY_ROWS:
        cells = [_cell(proxy, proxy.of(each.row)) for proxy in shown]
        if set(cells) <= {"✓", "yes", WORDS[RowOutcome.NOT_APPLICABLE]}:
            alike.append(each.row.id)
        else:
            lines.append(_line([each.row.id, each.row.level.value, each.row.title, *cells]))
    return "\n".join([*lines, "", f"Passed by all that they apply to: {', '.join(alike)}."]) + "\n"


def _cell(proxy: JudgedProxy, result: RowResult) -> str:
    if proxy.withholds(result):
        return "withheld"
    if result.outcome in WORDS:
        return WORDS[result.outcome]
    is_pass = result.outcome is RowOutcome.PASS
    if result.row.level is Level.SEEN:
        return "yes" if is_pass else "no"
    if is_pass:
        return "✓"
    return "**fails**" if result.row.level is Level.MUST else "fails"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> int:
    """Judge the proxies, print or write both tables; return an exit code."""
    parser = program_parser("scorecards", __doc__)
    parser.add_argument(
        "names", nargs="*", metavar="PROXY", help="a part of a name or setting; default: all, and then the clients"
    )
    parser.add_argument("--write", action="store_true", help="write them into README.md and bench/README.md")
    options = parser.parse_args(words)
    wanted = [name.lower() for name in options.names]
    subjects = [each for each in PROXIES if not wanted or any(name in each.label.lower() for name in wanted)]
    if not subjects:
        parser.error(f"no proxy {' '.join(options.names)!r}; there are {', '.join(each.label for each in PROXIES)}")
    with open_workshop() as workshop:
        judged = list(judge_proxies(workshop, subjects))
    date = f"\nJudged on {datetime.now(UTC):%Y-%m-%d} by `python -m bench.scorecards`, {len(PROXY_ROWS)} rows each.\n"
    if options.write:
        put_between(ROOT / "README.md", "proxies", short_table(judged))
        put_between(ROOT / "bench" / "README.md", "proxies", whole_table(judged) + date)
    else:
        sys.stdout.write(short_table(judged) + "\n" + whole_table(judged) + date)
    code = 0 if any(proxy.results for proxy in judged) else 1
    return code if options.names else max(code, scorecard_clients.main(["--write"] if options.write else []))


if __name__ == "__main__":
    raise SystemExit(main())
