"""What the errors of the codec share."""

from chunkwire.wire.errors import LocalError, leaves, told


def test_the_errors_inside_nested_groups_are_found_in_order() -> None:
    first, second, third = ValueError("1"), KeyError("2"), OSError("3")
    nested = ExceptionGroup("outer", [first, ExceptionGroup("inner", [second, third])])
    assert list(leaves(nested)) == [first, second, third]
    assert list(leaves(first)) == [first]


def test_an_error_is_told_in_one_line_with_its_notes() -> None:
    error = LocalError("no\n  TLS")
    assert told(error) == "no TLS"
    error.add_note("http:// perhaps?")
    assert told(error) == "no TLS; http:// perhaps?"
