"""What the errors of the codec share."""

import subprocess
import sys

import pytest

from chunkwire.wire.errors import LocalError, describe_error, leaf_errors, missing_package, reason_of


def test_the_errors_inside_nested_groups_are_found_in_order() -> None:
    first, second, third = ValueError("1"), KeyError("2"), OSError("3")
    nested = ExceptionGroup("outer", [first, ExceptionGroup("inner", [second, third])])
    assert list(leaf_errors(nested)) == [first, second, third]
    assert list(leaf_errors(first)) == [first]


def test_an_error_is_told_in_one_line_with_its_notes() -> None:
    error = LocalError("no\n  TLS")
    assert describe_error(error) == "no TLS"
    error.add_note("http:// perhaps?")
    assert describe_error(error) == "no TLS; http:// perhaps?"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of descriptors")
def test_octets_are_quoted_where_no_descriptor_is_left() -> None:
    """Fails where the codec is loaded from its file at the first use: a server would end a connection by an error."""
    limit = "import resource; limits = 3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]"
    script = f"{limit}; resource.setrlimit(resource.RLIMIT_NOFILE, limits); print(quoted(b'\\r'))"
    command = [sys.executable, "-c", f"from chunkwire.wire.errors import quoted; {script}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ('"\\r"\n', "")


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    said = missing_package("--hlog", "hdrhistogram")
    assert said == "--hlog needs the package hdrhistogram: pip install hdrhistogram"


@pytest.mark.parametrize("error, reason", [(OSError(2, "No such file"), "no such file"), (OSError("Odd"), "odd")])
def test_the_reason_of_the_system_begins_in_lower_case(error: OSError, reason: str) -> None:
    assert reason_of(error) == reason
