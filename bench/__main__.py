"""The command line: `python -m bench EXPERIMENT … [--quick] [--json F] [--html F]`. See README.md for the method."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.answers import answers
from bench.codec import codec
from bench.conditions import command_line, conditions, python_peers
from bench.exchanges import setup
from bench.fairness import fairness
from bench.gateways import PEERS_OF_DEBIAN, PEERS_OF_PYTHON, SUBJECTS, check_subject
from bench.html import report_html
from bench.memory import memory
from bench.newest import PEERS as NEWEST_PEERS
from bench.origins import origins
from bench.polling import polling
from bench.processes import Trouble
from bench.relays import admin, beside, relays, tls
from bench.results import Report, Table
from bench.rounds import Plan
from bench.servers import OWN, SERVERS
from bench.startup import startup
from bench.text import conditions_text, ratios_text, table_text
from bench.watched import watched
from bench.workshop import Workshop, open_workshop
from bench.writes import writes
from chunkwire.net.listen import raise_file_limit

EXPERIMENTS: Mapping[str, tuple[Callable[[Plan, Workshop], Iterator[Table]], str]] = {
    "relays": (relays, "what a relay adds to a chunk, and how many octets it moves"),
    "tls": (tls, "the same with an HTTPS upstream"),
    "admin": (admin, "what counting for /metrics costs a relay"),
    "beside": (beside, "a relay with a paced stream of an origin in the same run of trio"),
    "watched": (watched, "a relay with a stream of 1000 frames a second that the lab's page watches"),
    "fairness": (fairness, "how long a stream waits while another has frames that are slow to scan"),
    "polling": (polling, "CPU of an idle relay, and time to a new response"),
    "setup": (setup, "short responses through a relay, with wrk"),
    "origins": (origins, "time from a handler's write of a chunk to its client"),
    "answers": (
        answers,
        "first tokens of a language model through gateway and ask; time until its server sees that the reader left",
    ),
    "memory": (memory, "memory of an open stream"),
    "startup": (startup, "time until a command has printed its help; until a server listens"),
    "codec": (codec, "frames a second through the codec alone"),
    "writes": (writes, "ways to write a frame: TCP segments, CPU, latency"),
}
EPILOG = """examples:
  python -m bench all --quick                           does everything run here? (do not compare figures)
  python -m bench relays --rounds 5 --json relays.json --html relays.html
  python -m bench relays --peers nginx,go --workloads one,many
  python -m bench relays --subject 'mine=./my-proxy --from {listen} --to {origin}' --peers none
  python -m bench --from relays.json --html relays.html
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
            for table in EXPERIMENTS[name][0](plan, workshop):
                _print(table)
                yield table
        except Trouble as trouble:
            _say(f"{name}: not measured: {trouble}\n")


def _print(table: Table) -> None:
    _say(f"\n{table_text(table)}")
    line = ratios_text(table, "chunkwire")
    if line:
        _say(f"{line}\n")


def _show(report: Report, options: argparse.Namespace) -> None:
    _say(conditions_text(report.conditions))
    for table in report.tables:
        _print(table)
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


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<9} {what}" for name, (_, what) in EXPERIMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"Measure chunkwire beside other programs.\n\nexperiments:\n{listed}\n  all       each of them",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("experiments", nargs="*", metavar="EXPERIMENT", help="one or more of the above")
    add("--quick", action="store_true", help="few samples and one round: only to see that everything runs")
    add("--rounds", type=int, metavar="N", help="how often each subject is measured (default 3)")
    peers = "compare with these only, or 'none'; 'all' (default): those that an experiment usually has"
    add("--peers", type=_peers, metavar="A,B", help=peers)
    add("--newest", action="store_true", help="relays and tls: also the newest releases of the peers (bench.newest)")
    add("--variants", type=_variants, metavar="A,B", help=f"our relay as {', '.join(SUBJECTS)}; or 'none'")
    add("--subject", type=_subject, action="append", default=[], metavar="NAME=COMMAND", help="one more relay")
    add("--workloads", metavar="A,B", help="only these tables, by the part of the name after the slash")
    add("--json", type=Path, metavar="FILE", help="write all figures of all rounds")
    add("--html", type=Path, metavar="FILE", help="write a page with the tables and percentile curves")
    add("--from", dest="read", type=Path, metavar="FILE", help="show a file of --json instead of measuring")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
