"""What the stamps of an origin say against the figures: writes before the plan, and a clock with large steps."""

import json
from dataclasses import replace

import pytest

from chunkwire.net.framing import BodyKind, Framing
from chunkwire.tools.bench.forms import hlog_lines, read_hlog
from chunkwire.tools.bench.histogram import DurationHistogram
from chunkwire.tools.bench.page import page
from chunkwire.tools.bench.result import BenchResult
from chunkwire.tools.bench.rounds import Gathered, Round
from chunkwire.tools.bench.samples import StreamSampler, Window
from chunkwire.tools.bench.segments import CLOCK_STEP, PLAN
from chunkwire.tools.bench.view import lines, to_json
from chunkwire.wire.encoder import encode_chunk

MS = 1_000_000
SENT_NS = 1_795_748_400_000_000_000


def planned(*delays_ms: float) -> Gathered:
    """Return frames with these delays from plan to write."""
    return Gathered([Round(1.0, samples={PLAN: DurationHistogram(round(one * MS) for one in delays_ms)})])


def stepping(step_ns: int, frames: int = 10) -> Gathered:
    """Return the samples of frames that were written one step after another."""
    gathered = Gathered()
    window = Window(SENT_NS, SENT_NS, SENT_NS + 1000 * MS)
    stream = StreamSampler(gathered, window, framing=Framing(BodyKind.CHUNKED), coding="", sent_ns=SENT_NS)
    for number in range(1, frames + 1):
        moment_ns = SENT_NS + number * step_ns
        stream.take(moment_ns + 7, encode_chunk(b'data: {"n":%d,"actual_ns":%d}\n\n' % (number, moment_ns)))
    stream.finish()
    return gathered


def notes(gathered: Gathered, baseline: Gathered | None = None) -> tuple[str, list[str]]:
    """Return the text of a result, and its warnings in JSON."""
    result = BenchResult(url="http://x/", gathered=gathered, conditions={}, baseline=baseline, baseline_url="http://b/")
    members = json.loads(to_json(result))
    return "\n".join(lines(result)), members["warnings"] + members.get("baseline_warnings", [])


def test_writes_before_the_plan_are_reported() -> None:
    text, warnings = notes(planned(-0.3, -0.9, *[-0.05] * 20, *[0.2] * 78))
    assert (
        "* the origin wrote 2 of 100 frames more than 0.1 ms before they were planned, by up to 0.90 ms: late is too"
        in text
    )
    assert len(warnings) == 1


@pytest.mark.parametrize("delays", [[-0.3, *[0.2] * 99], [-0.1] * 100, [0.0] * 100])
def test_few_or_small_early_writes_are_not_reported(delays: list[float]) -> None:
    text, warnings = notes(planned(*delays))
    assert "before they were planned" not in text
    assert not warnings


@pytest.mark.parametrize("step_ns, step", [(MS, "1 ms"), (MS // 10, "0.1 ms"), (10 * MS, "10 ms")])
def test_a_clock_with_large_steps_is_reported(step_ns: int, step: str) -> None:
    text, warnings = notes(stepping(step_ns))
    expected = (
        f"all 10 moments of writes that the frames give are multiples of {step}; if the origin's clock has such steps, "
        f"added, hold, and their differences, are only known to {step}"
    )
    assert f"* {expected}" in text
    assert warnings == [expected]


@pytest.mark.parametrize("step_ns, frames", [(MS // 100, 10), (1, 10), (MS, 9)])
def test_a_fine_clock_or_too_few_frames_are_not_reported(step_ns: int, frames: int) -> None:
    text, warnings = notes(stepping(step_ns, frames))
    assert "multiples of" not in text
    assert not warnings


def test_the_step_is_that_of_all_runs_together() -> None:
    total = stepping(MS)
    total.add(stepping(1000))
    assert total.samples(CLOCK_STEP).smallest == 1000
    assert "multiples of" not in notes(total)[0]


def test_nothing_is_said_of_a_clock_where_no_quantity_is_left() -> None:
    gathered = stepping(MS)
    left = replace(gathered, rounds=[one.only(CLOCK_STEP.__eq__) for one in gathered.rounds])
    assert "multiples of" not in notes(left)[0]


def test_a_histogram_log_has_no_steps_of_a_clock_which_it_would_round() -> None:
    read = read_hlog(hlog_lines(stepping(MS)), where="a.hlog")
    assert read.has("added")
    assert "multiples of" not in notes(read)[0]


def test_the_baseline_is_named_with_its_own_stamps() -> None:
    text, warnings = notes(stepping(1), stepping(MS))
    assert "* base: all 10 moments of writes that the frames give are multiples of 1 ms; if" in text
    assert len(warnings) == 1


def test_the_page_says_how_a_negative_time_is_drawn() -> None:
    result = BenchResult(url="http://x/", gathered=stepping(1), conditions={})
    assert "A time below 1 µs, or below zero, is drawn as 1 µs." in page(result)
