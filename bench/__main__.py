"""The command line: `python -m bench EXPERIMENT … [--quick] [--json F] [--html F]`. See README.md for the method."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.answers import TABLES as ANSWERS
from bench.answers import answers
from bench.codec import SHAPES, codec
from bench.conditions import NOT_COMPARABLE, command_line, conditions, python_peers
from bench.exchanges import KINDS, setup
from bench.fairness import LOADS, fairness
from bench.gateways import PEERS_OF_DEBIAN, PEERS_OF_PYTHON, SUBJECTS, check_subject
from bench.html import report_html
from bench.memory import TABLES as MEMORY
from bench.memory import memory
from bench.meter import WORKLOADS
from bench.newest import PEERS as NEWEST_PEERS
from bench.origins import CROWDS, origins
from bench.polling import polling
from bench.processes import Trouble
from bench.relays import ADMIN_WORKLOADS, BESIDE_WORKLOADS, TLS_WORKLOADS, admin, beside, relays, tls
from bench.results import Report, Table
from bench.rounds import Plan
from bench.servers import OWN, SERVERS
from bench.startup import TABLES as STARTUP
from bench.startup import startup
from bench.text import conditions_text, ratios_text, table_text
from bench.watched import WATCHED_WORKLOADS, watched
from bench.workshop import Workshop, open_workshop
from bench.writes import STREAMS, writes
from chunkwire.net.listen import raise_file_limit


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of the command line.

    Attributes:
        run: yields its tables.
        shows: what it measures, in a line.
        tables: the names for --workloads; empty where there is one table without a name.
    """

    run: Callable[[Plan, Workshop], Iterator[Table]]
    shows: str
    tables: Iterable[str] = ()


EXPERIMENTS: Mapping[str, Experiment] = {
    "relays": Experiment(relays, "what a relay adds to the latency of a chunk; octets a second", WORKLOADS),
    "tls": Experiment(tls, "the same with an HTTPS upstream", TLS_WORKLOADS),
    "admin": Experiment(admin, "what counting for /metrics costs our relay: with and without --admin", ADMIN_WORKLOADS),
    "beside": Experiment(
        beside, "our relay alone in a run of trio, and with an origin's paced stream in the same run", BESIDE_WORKLOADS
    ),
    "watched": Experiment(
        watched,
        "our relay beside a stream of 1000 frames a second, unwatched and watched by the lab's page",
        WATCHED_WORKLOADS,
    ),
    "fairness": Experiment(fairness, "how long a stream waits while another has frames that are slow to scan", LOADS),
    "polling": Experiment(
        polling, "CPU of a relay with no stream, 1000 silent ones, 50 mixed ones; time to a new response meanwhile"
    ),
    "setup": Experiment(setup, "short responses through a relay, by wrk: kept connections, or one for each", KINDS),
    "origins": Experiment(origins, "time from a handler's write of a chunk to its client", CROWDS),
    "answers": Experiment(
        answers,
        "a language model through gateway and ask: first token, end after its reader left, CPU (3 minutes a round)",
        ANSWERS,
    ),
    "memory": Experiment(memory, "memory of an open stream", MEMORY),
    "startup": Experiment(startup, "time until a command has printed its help; until a server accepts", STARTUP),
    "codec": Experiment(codec, "frames a second through the codec alone, without a socket", SHAPES),
    "writes": Experiment(writes, "ways to write a frame: TCP segments, system calls, CPU, latency", STREAMS),
}
PROGRAMS: Mapping[str, str] = {
    "newest": "download the newest releases of the peers, for --newest (1.3 GB); print their paths",
    "headline": "store a run of --json as the one that the project's README quotes; write its rows there",
    "scorecards": "`chunkwire check proxy` on real proxies, and then the clients; --write updates both READMEs",
    "scorecard_clients": "`chunkwire check client` on real clients; --write updates both READMEs",
    "rows": "each fix that `probe` suggests, on old and new versions of the proxies: does it free the stream?",
    "chains": "is `probe` right about chains of real proxies with random settings?",
    "barriers": "is `probe` right by barrier, on busy cores, about our gateway and nginx, holding and not?",
    "claims": "is `chunkwire bench` right? beside a capture; on equal gateways; on one that rarely holds a frame",
    "hour": "memory of `chunkwire bench` over a simulated hour of 1000 streams (45 minutes of CPU)",
    "graders": "how wrong are the latencies that other benchmarks of language models report?",
    "soak": "500 streams at a time through the gateway for 15 minutes, cut and left at random",
    "answer_soak": "200 answers at a time through `ask` for 10 minutes; providers fail, callers leave",
    "idle": "the cost of 10,000 idle connections at the gateway",
    "picture": "measure and draw the picture in the project's README",
}
EPILOG = """examples:
  python -m bench all --quick                           does everything run here? (do not compare figures)
  python -m bench relays --rounds 5 --json relays.json --html relays.html
  python -m bench relays --peers nginx,go --workloads one,many
  python -m bench relays --subject 'mine=./my-proxy --from {listen} --to {origin}' --peers none
  python -m bench --from relays.json --html relays.html

programs of their own; run `python -m bench.NAME --help`:
"""


def main(words: list[str]) -> int:
    """Run experiments; return an exit code: 0 measured, 1 nothing was measured, 2 usage."""
    parser = _parser()
    options = parser.parse_args(words)
    if options.read:
        try:
            report = Report.from_json(json.loads(options.read.read_text("utf-8")))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            parser.error(f"--from {options.read}: expected a file of --json, got {type(error).__name__}: {error}")
        _show(report, options)
        return 0
    unknown = [name for name in options.experiments if name not in (*EXPERIMENTS, "all")]
    if unknown or not options.experiments:
        got = ", ".join(unknown) or "none"
        parser.error(f"expected experiments out of {', '.join(EXPERIMENTS)}, or all, got {got}")
    chosen = list(EXPERIMENTS) if "all" in options.experiments else options.experiments
    plan = _plan(options)
    known = {table for name in chosen for table in EXPERIMENTS[name].tables}
    if unknown := [name for name in plan.workloads or () if name not in known]:
        parser.error(f"--workloads: expected names out of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    raise_file_limit()
    found = conditions(plan, command_line())
    _say(conditions_text(found))
    with open_workshop() as workshop:
        tables = tuple(_tables(chosen, plan, workshop))
        for python in workshop.pythons:
            found["python peers"] = python_peers(python)
            _say(f"python peers  {found['python peers']}\n")
    _write(Report(found, tables), options)
    return 0 if tables else 1


def _tables(chosen: list[str], plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield each table, printed as soon as it is complete."""
    for name in chosen:
        try:
            for table in EXPERIMENTS[name].run(plan, workshop):
                shown = replace(table, verdicts=()) if plan.is_quick else table
                _print(shown, is_compared=not plan.is_quick)
                yield shown
        except Trouble as trouble:
            _say(f"{name}: not measured: {trouble}\n")


def _print(table: Table, *, is_compared: bool) -> None:
    _say(f"\n{table_text(table)}")
    line = ratios_text(table, "chunkwire")
    if line and is_compared:
        _say(f"{line}\n")


def _show(report: Report, options: argparse.Namespace) -> None:
    _say(conditions_text(report.conditions))
    for table in report.tables:
        _print(table, is_compared=NOT_COMPARABLE not in report.conditions)
    _write(report, options)


def _write(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        options.json.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    if options.html:
        options.html.write_text(report_html(report), "utf-8")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _plan(options: argparse.Namespace) -> Plan:
    def listed(text: str | None) -> tuple[str, ...] | None:
        return None if text is None else tuple(text.split(","))

    peers = listed(None if options.peers == "all" else options.peers)
    return Plan(
        rounds=options.rounds or (1 if options.quick else 3),
        is_quick=options.quick,
        peers=() if peers == ("none",) else peers,
        variants=listed(options.variants),
        subjects=dict(options.subject),
        workloads=listed(options.workloads),
        is_newest=options.newest,
    )


def _subject(text: str) -> tuple[str, str]:
    name, sign, command = text.partition("=")
    if not (name and sign and command):
        raise argparse.ArgumentTypeError(f"expected NAME=COMMAND, got {text!r}")
    try:
        check_subject(command)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name, command


def _peers(text: str) -> str:
    return _known(
        text,
        {*PEERS_OF_DEBIAN, *PEERS_OF_PYTHON, *(peer.name for peer in NEWEST_PEERS), *SERVERS, "all", "none"} - {OWN},
    )


def _variants(text: str) -> str:
    return _known(text, {*SUBJECTS, "none"})


def _known(text: str, known: set[str]) -> str:
    unknown = [name for name in text.split(",") if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected names out of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    return text


def _described(name: str) -> str:
    tables = " ".join(EXPERIMENTS[name].tables)
    return f"  {name:<9} {EXPERIMENTS[name].shows}\n" + (f"{'':<12}{tables}\n" if tables else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure chunkwire beside other programs.\n\nexperiments, and under each the names of its tables:\n"
        + "".join(map(_described, EXPERIMENTS))
        + "  all       each of them",
        epilog=EPILOG + "".join(f"  {name:<18} {what}\n" for name, what in PROGRAMS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("experiments", nargs="*", metavar="EXPERIMENT", help="one or more of the above")
    add("--quick", action="store_true", help="few samples and one round: only to see that everything runs")
    add("--rounds", type=int, metavar="N", help="how often each subject is measured (default 3)")
    variants = "our relay with its defaults (chunkwire), --poll 0 (nopoll), --poll always (always); or 'none'"
    subject = "one more relay; {origin} and {listen} stand for its ports"
    peers = "compare with these only, or 'none'; 'all' (default): those that an experiment usually has"
    add("--peers", type=_peers, metavar="A,B", help=peers)
    add("--newest", action="store_true", help="relays and tls: also the newest releases of the peers (bench.newest)")
    add("--variants", type=_variants, metavar="A,B", help=variants)
    add("--subject", type=_subject, action="append", default=[], metavar="NAME=COMMAND", help=subject)
    add("--workloads", metavar="A,B", help="only these tables")
    add("--json", type=Path, metavar="FILE", help="write all figures of all rounds")
    add("--html", type=Path, metavar="FILE", help="write a page with the tables and percentile curves")
    add("--from", dest="read", type=Path, metavar="FILE", help="show a file of --json instead of measuring")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
