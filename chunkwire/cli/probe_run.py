"""`chunkwire probe` at work: ask the hops or read their files, judge them, print and write the result."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import trio

from chunkwire.cli.asking import read_request
from chunkwire.cli.captures import is_path, looks_captured, refuse_flags, refuse_unused_keys
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.flags import refuse_flags_for_urls
from chunkwire.cli.main import report, version
from chunkwire.cli.output_files import check_outputs, files_read, lines_to, write_asked
from chunkwire.cli.stopping import StopSignal
from chunkwire.cli.terminal import paint_of, progress, result_printed, say, terminal_width
from chunkwire.net.dial import Url, parse_url
from chunkwire.record.values import Record, to_json
from chunkwire.tools.capture.load import load_exchanges
from chunkwire.tools.paint import wrapped
from chunkwire.tools.probe.captures import (
    CapturedHop,
    captured_hop,
    compared,
    frame_lines,
    hops_of,
    inside_out,
    matched,
    one_stream,
    read_recording,
)
from chunkwire.tools.probe.exports import gate_line, github_lines, json_lines, junit
from chunkwire.tools.probe.judge import Hop, judge_chain
from chunkwire.tools.probe.page import page_of, to_html, to_markdown
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.requests import ACCEPT_ENCODING, AGENTS, is_probe
from chunkwire.tools.probe.result import ProbeResult, outcome_of, result_of
from chunkwire.tools.probe.side_requests import is_barrier_gateway
from chunkwire.tools.probe.verdict import CUTTING, Finding, HopVerdict, Kind
from chunkwire.tools.probe.view import differences, lines_of
from chunkwire.tools.probe.why import INSTEAD, find_why, plan_why
from chunkwire.wire.errors import LocalError

_FILE_FLAGS = ("report", "junit", "save")
# Refused if all hops are files, beside those of `refuse_flags_for_urls`: flag, member of the options.
_FLAGS_FOR_URLS = (
    ("--barrier-at", "barrier_at"),
    ("--as", "agents"),
    ("--patience", "patience"),
    ("--save", "save"),
    ("-X", "method"),
    ("-m", "max_time"),
)


def run(options: argparse.Namespace) -> int:
    """Probe the hops, judge them, and print the result; return the exit code."""
    check_flags(options)
    if all(map(is_path, options.hops)):
        refuse_flags_for_urls(options, options.hops[0], *_FLAGS_FOR_URLS)
        options.save = None  # the environment may name a file, and no run would be written to it
    return trio.run(probe, options)


def check_flags(options: argparse.Namespace) -> None:
    """Refuse what cannot be done, before anything is asked.

    Raises:
        LocalError: a file is refused (see `check_outputs`), or there is one file for several clients.
    """
    inputs = [*filter(is_path, options.hops), *files_read(options)]
    check_outputs(options, _FILE_FLAGS, inputs, printing=("json", "github"))
    if len(options.agents) > 1 and (options.report or options.junit or options.save):
        raise LocalError("--report, --junit and --save go with one client at a time")


async def probe(options: argparse.Namespace) -> int:
    """Probe as each client of --as, and print what differs between them; return the first exit code that is not 0."""
    if len(options.agents) == 1:
        return (await _probe_as(options, options.agents[0]))[0]
    codes, found = [], {}
    for agent in options.agents:
        if not (options.json or options.gate):
            print(f"as {agent}:")
        code, found[agent] = await _probe_as(options, agent)
        codes.append(code)
        if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
            return code
    if not options.json:
        for line in differences(found):
            print(*wrapped("", line, terminal_width(sys.stdout)), sep="\n")
    return next((code for code in codes if code), ExitCode.OK)


async def _probe_as(options: argparse.Namespace, agent: str) -> tuple[int, tuple[HopVerdict, ...]]:
    """Probe until a signal, and judge; return the exit code, and the verdicts on the hops that were asked."""
    captured = _captured_hops(options.hops, options)
    hops = hops_of(captured) if captured else []
    findings: list[Finding] = []
    troubles: list[str] = []
    with lines_to("save", options.save, to_json, troubles.append) as record_to, progress(options) as report_progress:
        prober = _prober(options, agent, record_to, report_progress)
        with StopSignal() as stop:
            if not captured:
                await _ask_hops(prober, options.hops, hops)
            if options.why:
                await _ask_why(prober, result_of(judge_chain(hops)), options, findings)
        if stop.code and prober.asking is not None and prober.asking[1]:
            hops.append(_noted(Hop(prober.asking[0], tuple(prober.asking[1])), prober))
    result = replace(result_of(judge_chain(hops), findings), is_whole=not stop.code, is_order_told=bool(captured))
    code = stop.code or exit_code(result, is_strict=options.strict, is_gate=options.gate)
    is_shown = "-" not in [getattr(options, name) for name in _FILE_FLAGS]
    with result_printed():
        if is_shown and (hops or not stop.code):
            _show(result, options, code)
        if is_shown and captured and not (options.json or options.gate):
            print(*frame_lines(captured, hops, terminal_width(sys.stdout)), sep="\n")
    if stop.code and not options.quiet:
        unwritten = "".join(f", no --{name}" for name in ("report", "junit") if getattr(options, name))
        say(("stopped: the hops asked so far" if hops else "stopped before a hop was judged") + unwritten)
    if not stop.code:
        texts = {"report": lambda: _page(result, options.report), "junit": lambda: junit(result, is_gate=options.gate)}
        troubles += write_asked(options, texts)
    for trouble in troubles:
        code = report(trouble, code or ExitCode.USAGE)
    return code, result.verdicts


def _captured_hops(sources: Sequence[str], options: argparse.Namespace) -> list[CapturedHop]:
    """Return the places at which captures show one stream, from the inside out; none where no source is a capture.

    Raises:
        LocalError: some sources are captures and others are not, or they show no stream that is the same.
    """
    octets: dict[str, bytes] = {}
    for path in filter(is_path, sources):
        with open(path, "rb") as file:
            first = file.read(4)
            if looks_captured(first, path):
                octets[path] = first + file.read()
    if not octets:
        refuse_flags(options)
        return []
    if others := [source for source in sources if source not in octets]:
        raise LocalError(f"expected packet captures only, since they are compared with each other, got {others[0]!r}")
    loaded = {path: load_exchanges(held, path, keylog=options.keylog) for path, held in octets.items()}
    refuse_unused_keys([each for exchanges in loaded.values() for each in exchanges], options)
    found: list[CapturedHop] = []
    for path in sources:
        captured = [captured_hop(each, path) for each in loaded[path]]
        found += one_stream(captured, like=found[:1], chosen=options.exchange)
    return inside_out(found)


async def _ask_hops(prober: Prober, sources: Sequence[str], hops: list[Hop]) -> None:
    """Add each hop once it was asked, or its recording read.

    Raises:
        LocalError, DialError: --barrier-at names no `forward --barrier`, or nobody listens there.
    """
    patience = min(prober.patience, prober.max_time)
    if prober.barrier_at and not await is_barrier_gateway(prober.barrier_at, prober.tls, patience=patience):
        where = str(prober.barrier_at).removeprefix("http://").removesuffix("/")
        raise LocalError(f"--barrier-at: {where} is no chunkwire forward --barrier")
    application = await _application(prober, sources)
    if application is not None and _is_answered(application):
        hops.append(application)
    inner: list[Hop] = []
    for number, (source, name) in enumerate(_named(sources)):
        is_behind = any(verdict.is_holding for verdict in judge_chain(hops))
        if is_path(source):
            text = await trio.Path(source).read_text("utf-8", "surrogateescape")
            recorded = matched(read_recording(text, name=name), inner)
            hops += recorded
            inner += recorded
        else:
            hops.append(await prober.probe(name, parse_url(source), is_behind=is_behind))
            hops[-1] = compared(hops[-1], inner)
        if not number and application is not None and not _is_answered(application):
            if is_rewriting := _is_answered(hops[-1]):  # the barrier knows which path it asks the application for
                target = str(prober.arrivals.get(name, {}).get("target", ""))
                application = await _application(prober, sources, target=target) if target else None
            if application is not None and (_is_answered(application) or not is_rewriting):
                hops.insert(0, application)


async def _application(prober: Prober, sources: Sequence[str], *, target: str = "") -> Hop | None:
    """Return the application as a hop, asked where its barrier stands; None where that is named, or cannot be asked.

    Args:
        target: of the request, as the barrier got it through the first hop; empty for the target of the first URL.

    Raises:
        LocalError: it is named behind another hop, though nothing is further in.
    """
    if prober.barrier_at is None or is_path(sources[0]):
        return None
    url = replace(prober.barrier_at, target=parse_url(sources[0]).target)
    if target:
        url = replace(url, target=target.encode("latin-1", "replace"))
    where = url.authority
    places = [n for n, source in enumerate(sources) if not is_path(source) and parse_url(source).authority == where]
    if not places:
        return _noted(await prober.probe(where.decode("ascii"), url), prober)
    if places[0]:
        raise LocalError(f"expected {sources[places[0]]}, where --barrier-at is, as the first URL: from the inside out")
    return None


def _noted(hop: Hop, prober: Prober) -> Hop:
    """Return a hop; where it is the barrier in front of the application, with a note that says so."""
    is_application = prober.barrier_at is not None and hop.name == prober.barrier_at.authority.decode("ascii")
    return replace(hop, notes=(*hop.notes, "your application, behind this barrier")) if is_application else hop


def _is_answered(hop: Hop) -> bool:
    return bool(hop.runs) and hop.runs[0].status == 200


async def _ask_why(prober: Prober, result: ProbeResult, options: argparse.Namespace, findings: list[Finding]) -> None:
    """Add a finding for each change that is tried on the hop that is to blame, or else on the outermost URL.

    Raises:
        LocalError: there is no URL to ask.
    """
    blamed = result.blamed.hop if result.blamed is not None else None
    urls = [(source, name) for source, name in _named(options.hops) if not is_path(source)]
    chosen = [(source, name) for source, name in urls if blamed in (None, name)]
    if not chosen and prober.barrier_at is not None and blamed == prober.barrier_at.authority.decode("ascii"):
        if not options.quiet:
            say(f"--why tries nothing at {blamed}: it is your application, not a hop")
        return
    if not chosen:
        where = f"{blamed}, which is a recording" if blamed is not None else "a recording"
        raise LocalError(f"--why: expected a URL to ask, got {where}")
    source, name = chosen[-1]
    verdict = next(each for each in reversed(result.verdicts) if each.hop == name)
    if instead := f"it {verdict.unproved}" if verdict.is_elsewhere else INSTEAD.get(verdict.kind):
        if not options.quiet:
            say(f"--why tries nothing at {name}: {instead}")
        return
    if not (options.quiet or sys.stderr.isatty()):  # a terminal is shown each step
        print(plan_why(prober, parse_url(source), idle=options.idle), file=sys.stderr, flush=True)
    async for finding in find_why(prober, name, parse_url(source), idle=options.idle, blamed=result.blamed):
        findings.append(finding)  # noqa: PERF401  each is kept when it is found, as a signal may end this


def _page(result: ProbeResult, path: str) -> str:
    """Return the page for a ticket: Markdown for *.md, else HTML."""
    now = datetime.datetime.now().astimezone()
    blocks = list(page_of(result, made=f"Made by chunkwire {version()} on {now:%Y-%m-%d %H:%M %Z}"))
    return to_markdown(blocks) if path.endswith(".md") else to_html(blocks)


def _prober(
    options: argparse.Namespace,
    agent: str,
    record_to: Callable[[Record], None] | None,
    report_progress: Callable[[str], None],
) -> Prober:
    """Return what asks the hops, as the request flags say; `agent` is a client to ask as, or empty."""
    asked = read_request(options)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, since every hop is asked several times")
    barrier_at = None if options.barrier_at is None else parse_url(options.barrier_at)
    if barrier_at is not None and barrier_at.target != b"/":
        raise LocalError(f"--barrier-at: expected HOST:PORT of a `forward --barrier`, got {options.barrier_at!r}")
    return Prober(
        method=asked.method,
        fields=asked.fields,
        body=asked.body,
        defaults=AGENTS.get(agent, (ACCEPT_ENCODING,)),
        tls=asked.tls,
        max_time=options.max_time,
        record_to=record_to,
        report_progress=report_progress,
        origin=_innermost_probe(options.hops),
        barrier_at=barrier_at,
        patience=options.patience,
    )


def _innermost_probe(sources: list[str]) -> Url | None:
    """Return the URL of the innermost hop, which may be the origin itself; None if it is a file or no /probe."""
    url = None if is_path(sources[0]) else parse_url(sources[0])
    return url if url is not None and is_probe(url) else None


def _named(sources: Sequence[str]) -> list[tuple[str, str]]:
    """Return each source with the name of its hop: a file's name; host and port, and the path too if that is taken."""
    named: list[tuple[str, str]] = []
    for source in sources:
        if is_path(source):
            name = os.path.basename(source)
        else:
            url = parse_url(source)
            name = url.authority.decode("ascii")
            if name in (other for _, other in named):
                name += url.target.partition(b"?")[0].decode("latin-1")
        named.append((source, name))
    return named


def _show(result: ProbeResult, options: argparse.Namespace, code: int) -> None:
    if options.github:
        for line in github_lines(result, is_gate=options.gate):
            print(line)
    if options.json:
        lines = json_lines(result)
    elif options.gate:
        lines = iter([gate_line(result, is_passed=code == ExitCode.OK)])
    else:
        lines = lines_of(result, paint_of(options), width=terminal_width(sys.stdout), is_verbose=bool(options.verbose))
    for line in lines:
        print(line)
    if result.is_empty and code == ExitCode.TIMEOUT and not (options.json or options.gate):
        print("nothing was measured: no frame came")
    elif code == ExitCode.TIMEOUT and not (options.json or options.gate):
        print("undecided, so the exit code is 28 (1 with --strict)")


def exit_code(result: ProbeResult, *, is_strict: bool, is_gate: bool) -> ExitCode:
    """Return the exit code of a chain of hops: the smallest but 0 of theirs (`chunkwire help barrier`).

    Args:
        is_strict: what cannot be ruled out counts as found.
        is_gate: what no proof decides is undecided.
    """
    outcomes = [(outcome_of(verdict, is_gate=is_gate), verdict) for verdict in result.verdicts]
    if failed := [_code_of(verdict) for outcome, verdict in outcomes if outcome == "failed"]:
        return min(failed)
    if not result.is_empty and not any(outcome for outcome, _ in outcomes):
        return ExitCode.OK
    return ExitCode.FINDING if is_strict and not (is_gate or result.is_empty) else ExitCode.TIMEOUT


def _code_of(failed: HopVerdict) -> ExitCode:
    """Return the exit code of a verdict whose outcome is "failed"."""
    if failed.kind is Kind.NOT_THE_STREAM and failed.runs and (failed.runs[0].status or 0) >= 400:
        return ExitCode.HTTP_ERROR
    if failed.kind is Kind.UNREACHABLE:
        return ExitCode.NO_CONNECTION
    return ExitCode.CUT if failed.kind in CUTTING else ExitCode.FINDING
