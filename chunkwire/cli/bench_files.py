"""The output files of `bench`: checked before the measurement, written after it.

The rule here: a file that fails is one line of message, and neither ends the run nor keeps the other files from being
written. A whole file replaces an old one atomically; `-` is standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO, TypeVar

from chunkwire.wire.errors import LocalError

T = TypeVar("T")

FLAGS = ("html", "csv", "hlog", "junit", "save")


def check(options: argparse.Namespace) -> None:
    """Check every file of the command line.

    Raises:
        LocalError: one cannot be written, or two outputs are for standard output.
    """
    to_stdout = [f"--{name} -" for name in FLAGS if getattr(options, name) == "-"]
    to_stdout += [f"--format {options.format}"] * (options.format != "text")
    if len(to_stdout) > 1:
        raise LocalError(f"expected one output for standard output, got {' and '.join(to_stdout)}")
    paths = [(name, path) for name in FLAGS if (path := getattr(options, name)) not in (None, "-")]
    for name, path in paths:
        _check(name, path)
    names = [os.path.realpath(path) for _, path in paths if os.path.isfile(path) or not os.path.exists(path)]
    if len(set(names)) < len(names):
        raise LocalError("expected a file of its own for each output, got one file twice")


def _check(name: str, path: str) -> None:
    parent = os.path.dirname(path) or "."
    if not path or os.path.isdir(path):
        trouble = "it is a directory" if path else "its name is empty"
    elif not os.path.isdir(parent):
        trouble = f"there is no directory {parent!r}"
    elif not os.access(path if os.path.exists(path) else parent, os.W_OK):
        trouble = "it is not writable"
    else:
        return
    raise LocalError(f"--{name} {path}: {trouble}")


def write_whole(name: str, path: str, text: str) -> str:
    """Write a file atomically; return an error message, empty where it was written."""
    try:
        if path == "-":
            print(text, end="", flush=True)
        elif os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/stdout
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            _replace(path, text)
    except OSError as error:
        return f"--{name} {path}: {error.strerror or error}"
    return ""


def _replace(path: str, text: str) -> None:
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(beside, path)
    except OSError:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


class LineFile:
    """A file of lines that both threads of a bench write to during the measurement.

    Attributes:
        trouble: message of the first error, after which the file is closed; empty without one.
    """

    def __init__(self, name: str, path: str) -> None:
        self.trouble = ""
        self._lock = threading.Lock()  # text files are not thread-safe
        self._what = f"--{name} {path}"
        self._file: TextIO | None = sys.stdout if path == "-" else open(path, "w", encoding="utf-8")  # noqa: SIM115

    def write(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            if self._file is not None:
                try:
                    self._file.write(f"{line}\n")
                except OSError as error:
                    self._fail(error)

    def close(self) -> None:
        """Flush and close it; standard output stays open."""
        file, self._file = self._file, None
        try:
            if file is sys.stdout:
                file.flush()
            elif file is not None:
                file.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.trouble = self.trouble or f"{self._what}: {error.strerror or error}"
        file, self._file = self._file, None
        if file is not None and file is not sys.stdout:
            with contextlib.suppress(OSError):
                file.close()


@contextmanager
def lines_to(
    name: str, path: str | None, form: Callable[[T], str], complaints: list[str], heading: str = ""
) -> Iterator[Callable[[T], None] | None]:
    """Give a function that writes a value to a file as a line; None without a file. Adds errors to `complaints`."""
    if path is None:
        yield None
        return
    lines = LineFile(name, path)
    if heading:
        lines.write(heading)
    with ExitStack() as last:
        last.callback(lambda: complaints.append(lines.trouble) if lines.trouble else None)
        last.callback(lines.close)
        yield lambda value: lines.write(form(value))
