"""Read standard input, with times, while the rest of the program is being loaded.

The rule here: only small modules of the standard library are imported. Loading the program takes 100 to 300 ms; frames
that come meanwhile would be in the pipe together, and look like one read. So a thread reads standard input until
`stop_reading`. Octets that were there before are marked, as their arrival times are unknown.
"""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
import time

STDIN = 0
READ_OCTETS = 65536
MAX_OCTETS = 1 << 24  # 16 MiB are read ahead; then the writer must wait

EarlyRead = tuple[float, bytes, bool]
"""A read: its `time.monotonic`, its octets (`b""` for the end), and whether they were there before the first read."""


class EarlyReader:
    """Reads standard input in a thread until `stop`, the end or an error, and at most `MAX_OCTETS`."""

    def __init__(self) -> None:
        self._reads: list[EarlyRead] = []
        self._wake, self._waker = os.pipe()
        waiting = _octets_waiting()
        if waiting:
            self._reads.append((time.monotonic(), os.read(STDIN, waiting), True))
        self._thread = threading.Thread(target=self._run, name="standard input", daemon=True)
        self._thread.start()

    def stop(self) -> list[EarlyRead]:
        """Stop reading, and return the reads; afterwards the caller may read the descriptor."""
        os.write(self._waker, b"\0")
        self._thread.join()
        os.close(self._wake)
        os.close(self._waker)
        return self._reads

    def _run(self) -> None:
        octets, total = b"\0", 0
        while octets and total < MAX_OCTETS:
            ready, _, _ = select.select([STDIN, self._wake], [], [])
            if self._wake in ready:
                return
            try:
                octets = os.read(STDIN, READ_OCTETS)
            except OSError:
                return  # the next read raises it again, and reports it
            total += len(octets)
            self._reads.append((time.monotonic(), octets, False))


_running: list[EarlyReader] = []


def start_reading() -> None:
    """Start to read standard input, unless it is a file or a directory, or the system is Windows."""
    try:
        mode = os.fstat(STDIN).st_mode
    except OSError:
        return
    if sys.platform != "win32" and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # select takes no pipe on Windows
        _running.append(EarlyReader())


def stop_reading() -> list[EarlyRead]:
    """Stop reading, and return the reads; an empty list if `start_reading` did not start, or at the second call."""
    return _running.pop().stop() if _running else []


def _octets_waiting() -> int:
    if sys.platform == "win32":
        return 0
    import array
    import fcntl
    import termios

    count = array.array("i", [0])
    try:
        fcntl.ioctl(STDIN, termios.FIONREAD, count)
    except OSError:
        return 0  # a device such as /dev/null
    return count[0]
