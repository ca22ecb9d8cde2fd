"""A result of bench in the formats of other tools: Go benchmark lines, JUnit, CSV, HdrHistogram logs.

The rule here: pure; as each format's own documentation says. Only HdrHistogram logs are also read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final
from xml.etree import ElementTree as ET

from chunkwire.tools.bench.histogram import DurationHistogram, bounds, bucket_of
from chunkwire.tools.bench.limits import Requirement
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.samples import FrameSample
from chunkwire.tools.bench.saturation import inexact_line
from chunkwire.tools.bench.segments import CLOCK_STEP
from chunkwire.tools.bench.statistics import DEFINITIONS
from chunkwire.wire.errors import LocalError, missing_package

GO_ROUNDS: Final = 10
"""Lines of a benchmark at most: benchstat wants about ten, and each needs enough samples for its percentiles."""

CSV_HEADING: Final = "stream,frame,arrived_ms,late_ms,added_ms,gap_ms,sampled,target,exact,turn,sampled_ms"
HLOG_LONGEST_NS: Final = 3_600_000_000_000
"""The largest value of a histogram in an .hlog, an hour; larger samples count as it."""
_STARTED: Final = re.compile(r"#\[StartTime: (\d{1,10}(?:\.\d{1,9})?) ", re.ASCII)


def go_lines(result: BenchResult) -> Iterator[str]:
    """Yield the result in Go's benchmark format (proposal 14313): lines of neighbouring rounds, at most `GO_ROUNDS`.

    The iterations of a line are its frames; without a count of these, the samples of the quantity that has the most.

    `benchstat old.txt new.txt` compares two such files. The conditions are comments: benchstat does not compare
    results whose configuration lines differ.
    """
    for name, value in {"url": result.url, **result.conditions}.items():
        yield f"# {name}: {value}"
    if line := inexact_line(result.gathered):
        yield f"# {line}"
    load = next((f"{name}={result.conditions[name]}" for name in ("streams", "rate") if name in result.conditions), "")
    name = load.replace("/", "-per-").replace(" ", "-")
    yield from _go_rounds(f"BenchmarkStream/{name}", result.gathered)
    if result.baseline is not None:
        yield from _go_rounds(f"BenchmarkBaseline/{name}", result.baseline)


def _go_rounds(name: str, gathered: Gathered) -> Iterator[str]:
    for one in gathered.in_rounds(GO_ROUNDS):
        cells = []
        for quantity in DEFINITIONS:
            figures = one.quantity(quantity).figures
            cells += [f"{ns} {quantity}-{name}-ns" for name, ns in figures.items() if ns is not None]
        if cells:
            yield f"{name} {one.frames or max(one.quantity(each).known for each in DEFINITIONS)} {' '.join(cells)}"


def junit(requirements: Sequence[Requirement], result: BenchResult, complaints: Sequence[str]) -> str:
    """Return a JUnit file: one test for each limit, and one named `measured`.

    Args:
        complaints: why nothing was measured; empty where something was.
    """
    cases = [("measured", "; ".join(complaints))]
    cases += [(requirement.text, requirement.missed_line(result.gathered)) for requirement in requirements]
    counts = {"tests": str(len(cases)), "failures": str(sum(bool(message) for _, message in cases))}
    suites, name = ET.Element("testsuites", counts), f"chunkwire bench {result.url}"
    suite = ET.SubElement(suites, "testsuite", {"name": name, **counts, "errors": "0", "skipped": "0"})
    for text, message in cases:
        case = ET.SubElement(suite, "testcase", classname=name, name=text)
        if message:
            ET.SubElement(case, "failure", message=message).text = message
    ET.indent(suites, "")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, "unicode")}\n'


def csv_line(of: tuple[str, int, FrameSample]) -> str:
    """Return the row of a frame, with its target's name and turn, under `CSV_HEADING`; a value that it lacks is empty.

    A warm-up is found only when its turn is over; on the scale of sampled_ms it ends at the turn's `Trend.warmup`.
    """
    target, turn, frame = of
    times = (frame.arrived_ns, frame.late_ns, frame.added_ns, frame.gap_ns, frame.sampled_ns)
    *cells, sampled_ms = ("" if ns is None else f"{ns / 1e6:.6f}" for ns in times)
    flags = f"{int(frame.sampled_ns is not None)},{target},{int(frame.is_exact)}"
    return f"{frame.stream},{frame.number or ''},{','.join(cells)},{flags},{turn},{sampled_ms}"


def hdr_histogram() -> Any:
    """Return the class `HdrHistogram` of the package hdrhistogram.

    Raises:
        LocalError: the package is missing.
    """
    try:
        return import_module("hdrh.histogram").HdrHistogram
    except ImportError:
        raise LocalError(missing_package("an HdrHistogram log", "hdrhistogram")) from None


def hlog_lines(gathered: Gathered) -> Iterator[str]:
    """Yield an HdrHistogram log: an interval for each round and quantity, tagged with the quantity; values in ns.

    The moments of intervals count from StartTime, 0 where it is not known. The format has no negative values, which are
    written as 0. A tag may not have spaces, which become `_`.

    Raises:
        LocalError: the package hdrhistogram is missing.
    """
    yield "#[Histogram log format version 1.3]"
    yield f"#[StartTime: {gathered.began:.3f} (seconds since epoch)]"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    began = 0.0
    for one in gathered.rounds:
        for name, samples in one.samples.items():
            if name == CLOCK_STEP:
                continue  # no latency, and the format rounds it
            histogram = hdr_histogram()(1, HLOG_LONGEST_NS, 3)
            for bucket, n in samples.counts():
                histogram.record_value(min(max(0, bounds(bucket)[0]), HLOG_LONGEST_NS), n)
            largest = max(0, samples.largest) / 1e6
            tag, encoded = name.replace(" ", "_"), histogram.encode().decode("ascii")
            yield f"Tag={tag},{began:.3f},{one.seconds:.3f},{largest:.3f},{encoded}"
        began += one.seconds


def read_hlog(lines: Iterable[str], *, where: str) -> Gathered:
    """Return the rounds of an HdrHistogram log whose values are ns; an interval without a tag counts as `late`.

    Raises:
        LocalError: a line is not a log's, its histogram cannot be decoded, no line has an interval, or the package
            hdrhistogram is missing.
    """
    rounds: dict[str, Round] = {}
    began = 0.0
    decode = hdr_histogram().decode
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if found := _STARTED.match(text):
            began = float(found[1])
        if not text or text[0] in '#"':
            continue
        tag, rest = text[4:].split(",", 1) if text.startswith("Tag=") and "," in text else ("late", text)
        try:
            start, seconds, _, payload = rest.split(",")
            if not (0 <= float(seconds) < math.inf and tag.isprintable()):
                raise ValueError("no duration, or no name of a quantity")
            one = rounds.setdefault(start, Round(float(seconds)))
            one.samples.setdefault(tag.replace("_", " "), DurationHistogram()).add(_samples_in(decode(payload)))
        except Exception as error:  # the decoder raises whatever its zlib, base64 and ctypes do
            raise LocalError(f"{where}: line {number} is no interval of an HdrHistogram log") from error
    if not rounds:
        raise LocalError(f"{where}: an HdrHistogram log without an interval")
    return Gathered(list(rounds.values()), began=began)


def _samples_in(decoded: Any) -> DurationHistogram:
    samples = DurationHistogram()
    for index, n in enumerate(decoded.counts[: decoded.counts_len]):  # its iterator takes 0.1 s for each interval
        if n:
            value = decoded.get_highest_equivalent_value(decoded.get_value_from_index(index))
            samples.count(bucket_of(value), n)
    samples.smallest, samples.largest = decoded.get_min_value(), decoded.get_max_value()
    return samples
