"""What the errors of the codec share."""

from chunkwire.wire.errors import leaves


def test_the_errors_inside_nested_groups_are_found_in_order() -> None:
    first, second, third = ValueError("1"), KeyError("2"), OSError("3")
    nested = ExceptionGroup("outer", [first, ExceptionGroup("inner", [second, third])])
    assert list(leaves(nested)) == [first, second, third]
    assert list(leaves(first)) == [first]
