"""`--save` and `--name` of lessons and puzzles: write a line for each completed step."""

from __future__ import annotations

import getpass
import time
from datetime import UTC, datetime

from chunkwire.lab.lessons.handin import HandInLine


class HandInFile:
    """Appends lines to a hand-in file; without a path it does nothing.

    Raises:
        OSError: the file cannot be opened, so that this is found before the first step.
    """

    def __init__(self, path: str | None, name: str | None) -> None:
        self._file = open(path, "a", encoding="ascii", buffering=1) if path else None  # noqa: SIM115  closed on leaving
        self._who = name or _login_name()
        self._shown = time.monotonic()

    def __enter__(self) -> HandInFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def begin(self) -> None:
        """Note the time at which a step is shown."""
        self._shown = time.monotonic()

    def done(self, kind: str, n: int, *, tries: int, step: int = 1, of: int = 1) -> None:
        """Append the line of a completed step."""
        if self._file is not None:
            seconds = round(time.monotonic() - self._shown, 1)
            at = datetime.now(UTC).isoformat(timespec="seconds")
            print(HandInLine(kind, self._who, n, step, of, tries, seconds, at).to_json(), file=self._file)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name; Windows without USERNAME
        return "somebody"
