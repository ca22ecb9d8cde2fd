"""JSON whose shape is not known: numbers that JSON does not have, and counts."""

import json

import pytest

from chunkwire.llm.shape import count_at, dump, load_object


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_read_as_null_and_never_written(number: str) -> None:
    assert dump(load_object(f'{{"a":{number},"b":1.5}}')) == '{"a":null,"b":1.5}'
    with pytest.raises(ValueError, match="float"):
        dump(json.loads(number))


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
