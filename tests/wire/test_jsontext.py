"""JSON of bounded depth."""

import pytest

from chunkwire.wire.jsontext import MAX_DEPTH, load_json


def nested(depth: int) -> str:
    return '{"a":[' * (depth // 2) + "1" + "]}" * (depth // 2)


@pytest.mark.parametrize("text", [nested(MAX_DEPTH), f"[{'{},' * 2000}1]", '["[[[[[["]'])
def test_what_is_not_too_deep_can_be_shown(text: str) -> None:
    assert repr(load_json(text))
    assert load_json(text.encode()) == load_json(text)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 960, 980, 5000, 100_000])
def test_what_is_too_deep_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="nested deeper than 500 levels"):
        load_json(nested(depth))
    with pytest.raises(ValueError, match="nested deeper than 500 levels"):
        load_json(f"[1, {nested(depth)}]")
