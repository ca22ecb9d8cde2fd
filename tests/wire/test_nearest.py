"""A wrong name is answered by the one that was meant, or by all of a few; never by a name that is unlike it."""

import pytest

from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import expected_one_of, look_up, near, near_or_all, refuse_unknown

NAMES = ("no-done", "no-terminator", "early-end", "cut", "watch", "--save", "-v")


@pytest.mark.parametrize(
    "word, meant",
    [
        ("no-dnoe", "no-done"),
        ("early", "early-end"),
        ("ear", "early-end"),
        ("ea", ""),
        ("ut", "cut"),
        ("vatch", "watch"),
        ("awtch", "watch"),
        ("swatch", "watch"),
        ("--asve", "--save"),
        ("no", ""),
        ("-V", ""),
        ("xyz", ""),
        ("foo", ""),
        ("", ""),
    ],
)
def test_the_name_that_was_probably_meant_is_suggested(word: str, meant: str) -> None:
    assert near(word, NAMES) == (f"; did you mean {meant}?" if meant else "")


def test_a_message_has_all_names_of_a_few_and_what_came_instead() -> None:
    assert expected_one_of(["keep", "close"], "kep") == "expected one of keep, close, got 'kep'; did you mean keep?"
    assert expected_one_of(["self"], 7) == "expected self, got 7"


def test_without_a_likely_name_a_message_has_all_of_a_few() -> None:
    assert near_or_all("eep", ["keep", "close"]) == "; did you mean keep?"
    assert near_or_all("foo", ["keep", "close"]) == "; there are keep, close"
    assert near_or_all("foo", [str(number) for number in range(50)]).endswith("48, 49")
    assert near_or_all("foo", [str(number) for number in range(51)]) == ""


def test_of_many_names_a_message_has_the_likely_one_or_where_all_are() -> None:
    many = {f"{letter}-{number}": number for letter in "abcdef" for number in range(100)}
    assert look_up("row", "c-11", many, listed_by="--list") == 11
    with pytest.raises(LocalError, match=r"^no row 'c-11x'; did you mean c-11\?$"):
        look_up("row", "c-11x", many, listed_by="--list")
    with pytest.raises(LocalError, match=r"^no row 'zz'; all 600 are in --list$"):
        look_up("row", "zz", many, listed_by="--list")


def test_an_unknown_name_is_refused_by_what_takes_it() -> None:
    refuse_unknown(["keep"], ["keep", "close"])
    with pytest.raises(LocalError, match=r"^expected one of keep, close, got 'kep'; did you mean keep\?$"):
        refuse_unknown(["keep", "kep"], ["keep", "close"])
    with pytest.raises(LocalError, match=r"^run\(\): expected one of keep, close, got 'x'$"):
        refuse_unknown(["x"], ["keep", "close"], by="run()")
