"""Durations, read and written as people write them."""

import pytest

from chunkwire.wire.durations import exact_duration, format_duration, parse_duration


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("100ms", 0.1),
        ("1.5s", 1.5),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("5ns", 5e-9),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("2", 2.0),
        (".5", 0.5),
        ("0", 0.0),
    ],
)
def test_a_duration_is_go_s_or_a_number_of_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "abc", "1 s", "-1s", "1e3", "inf", "nan", "1d", "s", "1s2", "１s", "1_0", "9" * 400, "9" * 400 + "h"]
)
def test_another_duration_is_none(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    "seconds, text", [(0, "0ms"), (0.00025, "0.25ms"), (0.25, "250ms"), (1, "1s"), (1.5, "1.5s"), (90, "90s")]
)
def test_a_duration_is_written_in_ms_below_a_second_and_reads_back_the_same(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0ms"), (1e-6, "0.001ms"), (0.25, "250ms"), (1.2345678, "1234.5678ms"), (360000, "360000000ms")],
)
def test_a_duration_for_a_query_never_has_an_exponent(seconds: float, text: str) -> None:
    assert exact_duration(seconds) == text
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["1" * 60_000 + "x", "1." * 30_000, "1s" * 30_000 + "x"])
def test_a_long_text_that_is_no_duration_is_refused_in_one_pass(text: str) -> None:
    assert parse_duration(text) is None
