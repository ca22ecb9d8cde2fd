"""`chunkwire probe URL|RECORDING …`: which hop holds the stream? from the inside out."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chunkwire.cli import captures, flags
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.probe_exits import exit_code, is_undecided
from chunkwire.cli.serving import recording
from chunkwire.cli.sources import is_path

if TYPE_CHECKING:
    from chunkwire.net.dial import Url
    from chunkwire.record.values import Record
    from chunkwire.tools.probe.judge import Hop
    from chunkwire.tools.probe.probing import Prober
    from chunkwire.tools.probe.verdict import HopVerdict
    from chunkwire.tools.probe.why import Finding

SUMMARY = "which hop holds the stream? each is asked, from the inside out"
EPILOG = """\
The path of our origin's resource must end in /probe on every hop: its events
carry their own moments. Any other stream can be probed too; arrival times
alone prove less, and the verdict says so: one hop alone that brings all of it
at once holds it, or it is written so.
each verdict says what it rests on. proved: each frame was with us before the
next one was written. by order: while a frame had not come, 20 requests were
answered through the same hop. by time: neither could be had.
exit codes: 0 no hop holds (or none can be shown to; with --strict that is 1),
  1 a hop holds, or the stream comes in bursts or from a cache, 7 a hop cannot
  be reached, 18 cut, 22 HTTP error, 28 undecided (--gate)

examples:
  chunkwire probe :8081/probe :8080/probe https://app.example/probe
      the origin first (chunkwire serve), then each hop in front of it
  chunkwire probe inside.jsonl https://app.example/probe
      a recording stands for a hop out of reach
  curl -sN --raw --http1.1 --trace pod.trace --trace-time URL
      so does what curl leaves, made anywhere
  chunkwire probe at-app.pcap at-proxy.pcap  packet captures, frame by frame
  chunkwire probe URL --why                  what frees it, and its idle limit
  chunkwire probe URL --report ticket.html   a page for those who run the hop
  chunkwire forward http://app:8000 --barrier -l :8001     behind your proxy,
  chunkwire probe URL --barrier-at :8001 -X POST -d @req.json    and through it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the hops and the flags."""
    parser.add_argument("hops", nargs="+", metavar="URL|RECORDING", help="from the inside out: the origin first")
    group = parser.add_argument_group("probe")
    group.add_argument("--why", action="store_true", help="ask what frees the first hop that holds (else the last hop)")
    group.add_argument(
        "--idle",
        type=flags.duration,
        default=70.0,
        metavar="TIME",
        help="with --why: a silence to try, for the idle limit (default: 70s; 0 leaves it out)",
    )
    group.add_argument(
        "--strict", action="store_true", help="exit 1 where a hold can be neither shown nor ruled out as well"
    )
    add_ways(parser)
    add_gate(parser)
    group.add_argument("--json", action="store_true", help="a line of JSON a hop, with its evidence and fixes")
    group.add_argument("--report", metavar="FILE", help="write one page for a ticket: HTML, or Markdown for *.md")
    group.add_argument(
        "--save", metavar="FILE", help="write the records of every run to FILE; `probe FILE` judges them"
    )
    captures.add_captures(parser)
    flags.add_request(parser)


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add how hops are asked."""
    group = parser.add_argument_group("ways to ask")
    group.add_argument(
        "--patience",
        type=flags.duration,
        default=15.0,
        metavar="TIME",
        help="without a frame and without an answer for so long, a hop is judged by time (default: 15s)",
    )
    group.add_argument(
        "--barrier-at",
        metavar="ADDR",
        help="your own application: where `chunkwire forward APP --barrier` listens, between it and its first proxy",
    )
    group.add_argument(
        "--as",
        dest="agents",
        type=clients,
        default=[""],
        metavar="CLIENT",
        help="send what this client sends: browser, node, curl; several (browser,curl): and compare",
    )


def clients(text: str) -> list[str]:
    """Return names of clients from a list with commas."""
    from chunkwire.tools.probe.agents import AGENTS

    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in AGENTS]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected one or more of {', '.join(AGENTS)}, each once, got {text!r}")
    return names


def add_gate(parser: argparse.ArgumentParser) -> None:
    """Add what a pull request is checked with."""
    group = parser.add_argument_group("in CI")
    group.add_argument(
        "--gate",
        action="store_true",
        help="one line, and only proofs count: 0 every hop streams, 1 one holds, 28 else",
    )
    group.add_argument("--junit", metavar="FILE", help="write the verdicts as JUnit XML, a test case a hop")
    group.add_argument("--github", action="store_true", help="print an annotation of GitHub's for each hop that fails")


def run(options: argparse.Namespace) -> int:
    """Probe the hops, judge them, and say so."""
    import trio

    from chunkwire.wire.errors import LocalError

    for path in (options.report, options.junit):
        if path and not os.path.isdir(os.path.dirname(path) or "."):
            raise LocalError(f"{path}: expected a folder that exists, got {os.path.dirname(path)!r}")
    return trio.run(probe, options)


async def probe(options: argparse.Namespace) -> int:
    """Probe as each client that was asked for; return the worst exit code, and say where they are treated apart."""
    from chunkwire.tools.probe.agents import differences
    from chunkwire.wire.errors import LocalError

    if len(options.agents) == 1:
        return (await probe_as(options, options.agents[0]))[0]
    if options.report or options.junit or options.save:
        raise LocalError("--report, --junit and --save go with one client at a time")
    codes, found = [], {}
    for agent in options.agents:
        if not (options.json or options.gate):
            print(f"as {agent}:")
        code, found[agent] = await probe_as(options, agent)
        codes.append(code)
    if not options.json:
        print(*differences(found), sep="\n", end="")
    return next((code for code in codes if code), ExitCode.OK)


async def probe_as(options: argparse.Namespace, agent: str) -> tuple[int, list[HopVerdict]]:
    """Probe and judge; return the exit code, and the verdicts."""
    from chunkwire.tools.probe.captures import frame_lines, hops_of
    from chunkwire.tools.probe.judge import judge_chain

    captured = captures.captured_hops(options)
    hops: list[Hop] = hops_of(captured) if captured else []
    verdicts: list[HopVerdict] = judge_chain(hops)
    with recording(options.save, is_flushed=False) as record_to, progress(options) as report_progress:
        prober = make_prober(options, agent, record_to, report_progress)
        hops += await application_hops(prober, options.hops)
        verdicts = judge_chain(hops)
        for source, name in name_sources(options.hops) if not captured else ():
            is_behind = any(verdict.is_holding for verdict in verdicts)
            hops += await read_hops(prober, source, name, is_behind=is_behind)
            verdicts = judge_chain(hops)
        findings = await ask_why(prober, verdicts, options) if options.why else []
    verdicts = revised_chain(verdicts, findings)
    code = exit_code(hops, verdicts, is_strict=options.strict)
    if options.gate:
        code = ExitCode.TIMEOUT if code in (ExitCode.OK, ExitCode.FINDING) and is_undecided(verdicts) else code
    show(verdicts, findings, options, code)
    if captured and not (options.json or options.gate):
        print(*frame_lines(captured, hops), sep="\n")
    await write_files(hops, verdicts, findings, options)
    return code, verdicts


async def application_hops(prober: Prober, sources: list[str]) -> list[Hop]:
    """Return the application itself, asked where its barrier stands, so that no hop is taken for it; else nothing.

    Where the first hop rewrites paths, its path is none of the application's: then it is left out.
    """
    from dataclasses import replace

    from chunkwire.net.dial import parse_url

    if prober.barrier_at is None or is_path(sources[0]):
        return []
    url = replace(prober.barrier_at, target=parse_url(sources[0]).target)
    name = url.authority.decode("ascii")
    if any(parse_url(source).authority == url.authority for source in sources if not is_path(source)):
        return []
    hop = await prober.probe(name, url)
    return [hop] if hop.runs and hop.runs[0].status == 200 else []


async def ask_why(prober: Prober, verdicts: list[HopVerdict], options: argparse.Namespace) -> list[Finding]:
    """Return what each change does to the first hop that holds, or where none does to the outermost."""
    from chunkwire.net.dial import parse_url
    from chunkwire.tools.probe.view import first_fault
    from chunkwire.tools.probe.why import find_why
    from chunkwire.wire.errors import LocalError

    blamed, _ = first_fault(verdicts)
    named = [(source, name) for source, name in name_sources(options.hops) if not is_path(source)]
    chosen = [(source, name) for source, name in named if blamed is None or name == blamed.hop]
    if not chosen:
        where = f"{blamed.hop}, which is a recording" if blamed is not None else "a recording"
        raise LocalError(f"--why: expected a URL to ask, got {where}")
    source, name = chosen[-1]
    return [finding async for finding in find_why(prober, name, parse_url(source), idle=options.idle)]


def revised_chain(verdicts: list[HopVerdict], findings: list[Finding]) -> list[HopVerdict]:
    """Return the verdicts as the findings on the hop that is to blame leave them."""
    from chunkwire.tools.probe.fixes import revised
    from chunkwire.tools.probe.view import first_fault
    from chunkwire.tools.probe.why import tried

    blamed, _ = first_fault(verdicts)
    return [revised(verdict, tried(findings)) if verdict is blamed else verdict for verdict in verdicts]


async def write_files(
    hops: list[Hop], verdicts: list[HopVerdict], findings: list[Finding], options: argparse.Namespace
) -> None:
    """Write what was found where it was asked for: a page, JUnit XML."""
    import trio

    from chunkwire.tools.probe.gate import junit

    if options.report:
        await write_report(hops, verdicts, findings, options.report)
    if options.junit:
        await trio.Path(options.junit).write_text(junit(verdicts, is_gate=options.gate), encoding="utf-8")


async def write_report(hops: list[Hop], verdicts: list[HopVerdict], findings: list[Finding], path: str) -> None:
    """Write the page for a ticket: Markdown for *.md, else HTML."""
    import datetime

    import trio

    from chunkwire.cli.main import version
    from chunkwire.tools.probe.document import to_html, to_markdown
    from chunkwire.tools.probe.report import report

    now = datetime.datetime.now().astimezone()
    blocks = list(report(hops, verdicts, findings, made=f"Made by chunkwire {version()} on {now:%Y-%m-%d %H:%M %Z}"))
    page = to_markdown(blocks) if path.endswith(".md") else to_html(blocks)
    await trio.Path(path).write_text(page, encoding="utf-8")


def make_prober(
    options: argparse.Namespace,
    agent: str,
    record_to: Callable[[Record], None] | None,
    report_progress: Callable[[str], None],
) -> Prober:
    """Return what asks the hops, as the request flags say; `agent` is a client to ask as, or empty."""
    import math

    from chunkwire.cli.asking import read_request
    from chunkwire.tools.probe.agents import AGENTS
    from chunkwire.tools.probe.probing import Prober
    from chunkwire.tools.probe.requests import ACCEPT_ENCODING
    from chunkwire.wire.errors import LocalError

    asked = read_request(options)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, since every hop is asked several times")
    return Prober(
        method=asked.method,
        fields=asked.fields,
        body=asked.body,
        defaults=AGENTS.get(agent, (ACCEPT_ENCODING,)),
        tls=asked.tls,
        max_time=None if math.isinf(options.max_time) else options.max_time,
        record_to=record_to,
        report_progress=report_progress,
        origin=innermost_probe(options.hops),
        barrier_at=barrier_address(options.barrier_at),
        patience=options.patience,
    )


def barrier_address(text: str | None) -> Url | None:
    """Return where a `forward --barrier` listens, as a URL; None where there is none."""
    from chunkwire.net.dial import parse_url
    from chunkwire.wire.errors import LocalError

    if text is None:
        return None
    url = parse_url(text)
    if url.target != b"/":
        raise LocalError(f"--barrier-at: expected HOST:PORT of a `forward --barrier`, got {text!r}")
    return url


def innermost_probe(sources: list[str]) -> Url | None:
    """Return the URL of a probe at the innermost hop, which may be the origin itself; None where it is none."""
    from chunkwire.net.dial import parse_url
    from chunkwire.tools.probe.requests import is_probe

    url = None if is_path(sources[0]) else parse_url(sources[0])
    return url if url is not None and is_probe(url) else None


def name_sources(sources: list[str]) -> list[tuple[str, str]]:
    """Return each source with what to call its hop: host and port, with the path where two would be called the same."""
    from chunkwire.net.dial import parse_url

    named: list[tuple[str, str]] = []
    for source in sources:
        if is_path(source):
            name = os.path.basename(source)
        else:
            url = parse_url(source)
            name = url.authority.decode("ascii")
            if name in [other for _, other in named]:
                name += url.target.partition(b"?")[0].decode("latin-1")
        named.append((source, name))
    return named


async def read_hops(prober: Prober, source: str, name: str, *, is_behind: bool) -> list[Hop]:
    """Return the hop of a URL, or the hops of a recording."""
    import trio

    from chunkwire.net.dial import parse_url
    from chunkwire.tools.probe.recordings import read_recording

    if not is_path(source):
        return [await prober.probe(name, parse_url(source), is_behind=is_behind)]
    return read_recording(await trio.Path(source).read_text("utf-8", "surrogateescape"), name=name)


@contextmanager
def progress(options: argparse.Namespace) -> Iterator[Callable[[str], None]]:
    """Give what shows one line that is rewritten, on a terminal; elsewhere, and with -q, it shows nothing."""
    if options.quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from chunkwire.tools.paint import PLAIN

    width = shutil.get_terminal_size().columns - 1  # a line that went on beneath would stay there
    try:
        yield lambda line: print(f"\r\x1b[K{PLAIN.text(line, width)}", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def show(verdicts: list[HopVerdict], findings: list[Finding], options: argparse.Namespace, code: int) -> None:
    """Print what was found."""
    from chunkwire.cli.terminal import is_coloured, width_of
    from chunkwire.tools.paint import Paint, wrapped
    from chunkwire.tools.probe.gate import gate_line, github_lines
    from chunkwire.tools.probe.json_view import verdict_lines
    from chunkwire.tools.probe.view import conclusion, evidence_lines, finding_lines, table

    paint = Paint(is_coloured(sys.stdout, no_color=options.no_color))
    if options.github:
        for line in github_lines(verdicts, is_gate=options.gate):
            print(line)
    if options.gate and not options.json:
        print(gate_line(verdicts, is_passed=code == ExitCode.OK))
        return
    if options.json:
        print(*verdict_lines(verdicts, findings), sep="\n")
        return
    width = width_of(sys.stdout) if sys.stdout.isatty() else None  # what reads a pipe wants whole lines
    print(*table(verdicts, paint, width=width), sep="\n")
    for verdict in verdicts if options.verbose else ():
        print(f"{paint.text(verdict.hop)}:")
        for evidence in evidence_lines(verdict):
            print(*(paint.text(line) for line in wrapped("  ", evidence, width)), sep="\n")
    for line in (*conclusion(verdicts, paint, width=width), *finding_lines(findings, paint, width=width)):
        print(line)
