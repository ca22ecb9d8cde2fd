"""Where the real programs are. Debian keeps daemons in /usr/sbin, which is not on every user's PATH."""

import os
import shutil

import pytest

_EXTRA_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def find_program(name: str) -> str | None:
    """Return the path of a program, or None when it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + os.pathsep + _EXTRA_PATH)


def program(name: str) -> str:
    """Return the path of a program; a test that calls this without its `needs` marker is skipped all the same."""
    path = find_program(name)
    if path is None:
        pytest.skip(f"needs {name}")
    return path
