"""JSON whose shape is not known: numbers that JSON does not have, and counts."""

import pytest

from chunkwire.llm.shape import count_at, dump, load_object, number_at


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_written_as_null(number: str) -> None:
    value = load_object(f'{{"a":[{{"b":{number}}}],"c":1.5}}')
    assert dump(value) == '{"a":[{"b":null}],"c":1.5}'
    assert number_at(value, "a", 0, "b") is None


@pytest.mark.parametrize(
    "value, count",
    [
        ("12", 12),
        ("1234567890123456", 1234567890123456),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, 0),
        (1234567890123456, 1234567890123456),
        ("-1", 0),
        (-1, 0),
        ("many", 0),
        (None, 0),
    ],
)
def test_a_count_is_exact_or_0(value: object, count: int) -> None:
    assert count_at({"n": value}, "n") == count
