"""The output files of verbs: checked before a run, written after it, or line by line during it.

The rule here: an error while a file is written is one line of message, and neither ends the run nor keeps the other
files from being written. Only an error while a `LineFile` is made is raised. No output that is checked replaces an
input or another output. An old file stays until there is something to write. A whole file replaces it, atomically where
that is possible; `-` is standard output.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO, TypeVar

from chunkwire.cli import flags
from chunkwire.cli.exits import shown_path
from chunkwire.cli.terminal import drop_output, say
from chunkwire.wire.errors import LocalError, reason_of

T = TypeVar("T")

STDIN = 0
_FULL = (errno.ENOSPC, errno.EDQUOT)  # no second attempt: an old file is kept


def check_outputs(
    options: argparse.Namespace, names: Sequence[str], inputs: Sequence[str | int] = (), *, printing: Sequence[str] = ()
) -> None:
    """Check that each file can be written, is no other file of the command line, and shares standard output with none.

    Args:
        names: members of `options` that are paths of outputs, or None.
        inputs: paths and descriptors that are read.
        printing: members that choose what is printed, such as "json"; if one is set, no output may be `-`.

    Raises:
        LocalError: a file is refused.
    """
    _check_standard_output(options, names, printing)
    paths = [(name, path) for name in names if (path := getattr(options, name)) not in (None, "-")]
    read = {_identity(each): each for each in inputs}
    seen: dict[object, str] = {}
    for name, path in paths:
        _check(name, path)
        identity = _identity(path)
        if identity is None:
            continue
        if identity in read:
            raise LocalError(f"--{name}: expected a file of its own, got {shown_path(path)}, which is read")
        if identity in seen:
            raise LocalError(
                f"--{name} and --{seen[identity]}: expected a file of its own for each, got one file twice"
            )
        seen[identity] = name


def _check_standard_output(options: argparse.Namespace, names: Sequence[str], printing: Sequence[str]) -> None:
    files = [name for name in names if getattr(options, name) == "-"]
    if not files:
        return
    flags.let_words_win(options, *files, *(name for name in printing if getattr(options, name)))
    left = [f"--{name} -" for name in files if getattr(options, name)]
    printed = [f"--{name}" for name in printing if getattr(options, name)]
    if left and len(left) + len(printed) > 1:
        raise LocalError(f"expected one output for standard output, got {' and '.join([*left, *printed])}")


def files_read(options: argparse.Namespace) -> list[str]:
    """Return the files that flags name to be read."""
    texts = [getattr(options, name, None) or "" for name in ("data", "llm_answer")]
    paths = [getattr(options, name, None) for name in ("cafile", "keylog", "cert", "key", "replay")]
    return [path for path in (*(text[1:] for text in texts if text.startswith("@")), *paths) if path]


def _check(name: str, path: str) -> None:
    parent = os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) or "."
    if os.path.isdir(path):
        trouble = "it is a directory"
    elif not os.path.isdir(parent):
        trouble = f"there is no directory {shown_path(parent)}"
    else:
        try:
            _try_to_open(path, parent)
        except OSError as error:
            trouble = f"it cannot be written ({reason_of(error)})"
        else:
            return
    raise LocalError(f"--{name} {shown_path(path)}: {trouble}")


def _try_to_open(path: str, parent: str) -> None:
    """Open a file for writing and leave it as it is; where there is none, one without a name beside it.

    What is no regular file is not opened: a pipe would wait for its reader.
    """
    try:
        is_regular = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        with tempfile.TemporaryFile(dir=parent):
            return
    if is_regular:
        with open(path, "ab"):
            return
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _identity(path: str | int) -> object:
    """Return what is equal for two names of one regular file, which may not exist yet; None for another kind."""
    try:
        about = os.stat(path)
    except OSError:
        return os.path.realpath(path) if isinstance(path, str) else None
    return (about.st_dev, about.st_ino) if stat.S_ISREG(about.st_mode) else None


def write_asked(options: argparse.Namespace, texts: Mapping[str, Callable[[], str]]) -> list[str]:
    """Write the files that were asked for, each text under the name of its flag; return error messages."""
    asked = [(name, path, text) for name, text in texts.items() if (path := getattr(options, name))]
    return [trouble for name, path, text in asked if (trouble := write_whole(name, path, text()))]


def write_whole(name: str, path: str, text: str) -> str:
    """Write a file, atomically where that is possible; return an error message, or "" (see `_trouble`)."""
    try:
        if path == "-" or _is_standard_output(path):
            print(text, end="", flush=True)
        elif os.path.exists(path) and not os.path.isfile(path):  # a pipe, /dev/stdout
            _write(path, text)
        else:
            _replace(path, text)
    except OSError as error:
        return _trouble(name, path, error)
    return ""


def _is_standard_output(path: str) -> bool:
    """Say whether it is the regular file that standard output goes to (`--html /dev/stdout > FILE`)."""
    try:
        printed = _identity(sys.stdout.fileno())
    except (OSError, ValueError):  # closed, or no file of the system's
        return False
    return printed is not None and _identity(path) == printed


def _trouble(name: str, path: str, error: OSError) -> str:
    """Return a message; "" where the reader of standard output has left (`| head`): all further output is dropped."""
    if path == "-" and isinstance(error, BrokenPipeError):
        drop_output()
        return ""
    return f"--{name} {shown_path(path)}: {reason_of(error)}"


def _replace(path: str, text: str) -> None:
    """Replace a file, or the target of a link, and keep its mode; write into it where it cannot be replaced."""
    target = os.path.realpath(path)
    beside = f"{target}.{os.getpid()}.part"
    try:
        file = _opened(beside)
    except OSError as error:
        if error.errno in _FULL:
            raise
        _write(target, text)
        return
    try:
        with file:
            if os.path.exists(target):
                with contextlib.suppress(OSError):  # a file system without modes
                    shutil.copymode(target, beside)
            file.write(text)
        try:
            os.replace(beside, target)
        except OSError as error:
            if error.errno in _FULL:
                raise
            _write(target, text)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def _write(path: str, text: str) -> None:
    with _opened(path) as file:
        file.write(text)


def _opened(path: str) -> TextIO:
    # Octets of a file's name that are no UTF-8 are escaped as JSON does it.
    return open(path, "w", encoding="utf-8", errors="backslashreplace")


def report_loss(trouble: str) -> None:
    """Report that a file can no longer be written; the verb goes on without it."""
    say(f"{trouble}; nothing more is written there")


class LineFile:
    """A file of lines that is written during a run; several threads may call `write`.

    An old file is replaced by its first line, and stays where there is none. What is added to, or is no regular file,
    is opened at once: the reader of a pipe waits for that.

    Args:
        report: is called with `trouble`, once.
        heading: a line before the first one; "" for none.
        is_flushed: each line is written at once, as for a server.
        is_added_to: lines follow those that are in the file.

    Attributes:
        trouble: the message of the first error, after which lines are dropped; "" if there is none. Without
            `is_flushed`, it is no error if the reader of `-` has left.

    Raises:
        OSError: what is opened at once cannot be.
    """

    def __init__(
        self,
        name: str,
        path: str,
        report: Callable[[str], None] = report_loss,
        heading: str = "",
        *,
        is_flushed: bool = False,
        is_added_to: bool = False,
    ) -> None:
        self._lock = threading.Lock()  # text files are not thread-safe
        self._name, self._path, self._report, self._is_flushed = name, path, report, is_flushed
        self._heading = heading
        self.trouble = ""
        self._is_over = False
        self._file: TextIO | None = sys.stdout if path == "-" else None
        if path != "-" and (is_added_to or (os.path.exists(path) and not os.path.isfile(path))):
            self._file = open(path, "a" if is_added_to else "w", encoding="utf-8")  # noqa: SIM115

    def write(self, line: str) -> None:
        """Write a line."""
        with self._lock:
            heading, self._heading = self._heading, ""
            self._do(lambda file: file.write(f"{heading}\n{line}\n" if heading else f"{line}\n"))
            if self._is_flushed:
                self._do(lambda file: file.flush())

    def flush(self) -> None:
        """Write the lines that are buffered."""
        with self._lock:
            if self._file is not None:
                self._do(lambda file: file.flush())

    def close(self) -> None:
        """Flush and close it; standard output stays open."""
        with self._lock:
            if self._file is not None:
                self._do(lambda file: file.flush() if file is sys.stdout else file.close())
            self._is_over = True

    def _do(self, action: Callable[[TextIO], object]) -> None:
        if self._is_over:
            return
        file = self._file
        try:
            if file is None:
                file = self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115
            action(file)
        except OSError as error:
            self._is_over = True
            if file is not None and file is not sys.stdout:
                with contextlib.suppress(OSError):
                    file.close()
            self.trouble = _trouble(self._name, self._path, error)
            if self._is_flushed and not self.trouble:  # a server goes on after it
                self.trouble = f"--{self._name} -: the reader has left"
            if self.trouble:
                self._report(self.trouble)


@contextmanager
def lines_to(
    name: str,
    path: str | None,
    form: Callable[[T], str],
    report: Callable[[str], None] = report_loss,
    heading: str = "",
    *,
    is_flushed: bool = False,
    is_added_to: bool = False,
) -> Iterator[Callable[[T], None] | None]:
    """Give a function that writes a value, in this form, as a line of a `LineFile`; None without a path."""
    if path is None:
        yield None
        return
    lines = LineFile(name, path, report, heading, is_flushed=is_flushed, is_added_to=is_added_to)
    with contextlib.closing(lines):
        yield lambda value: lines.write(form(value))
