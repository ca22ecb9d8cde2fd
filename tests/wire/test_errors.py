"""What the errors of the codec share."""

from chunkwire.wire.errors import LocalError, leaves, missing_package, told


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


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    said = missing_package("--hlog", "hdrhistogram")
    assert said == "--hlog needs the package hdrhistogram: pip install hdrhistogram"
