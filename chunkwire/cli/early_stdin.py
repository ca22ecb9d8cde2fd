"""Read standard input, and take the time of each read, while the rest of the program is being imported.

The rule here: only small modules of the standard library are imported. Importing the program takes 100 to 300 ms;
frames that come meanwhile would wait in the pipe together, and look like one read. So a thread reads standard input
until `stop_reading`. Octets that waited before the first read are marked: their arrival times are unknown.
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
MAX_OCTETS = 1 << 24  # the thread stops once it has read 16 MiB; then the pipe fills, and its writer blocks

EarlyRead = tuple[float, bytes, bool]
"""A read: its `time.monotonic`, its octets (`b""` for the end), and whether they waited before reading began."""


class EarlyReader:
    """Reads standard input in a thread until `stop`, the end, an error or `MAX_OCTETS`."""

    def __init__(self) -> None:
        self._reads: list[EarlyRead] = []
        self._stop_reader, self._stop_writer = os.pipe()  # an octet in it stops the thread
        waiting = _octets_waiting()
        if waiting:
            self._reads.append((time.monotonic(), os.read(STDIN, waiting), True))
        self._thread = threading.Thread(target=self._run, name="standard input", daemon=True)
        self._thread.start()

    def stop(self) -> list[EarlyRead]:
        """Stop reading, and return the reads; afterwards the caller may read the descriptor."""
        os.write(self._stop_writer, b"\0")
        self._thread.join()
        os.close(self._stop_reader)
        os.close(self._stop_writer)
        return self._reads

    def _run(self) -> None:
        total = 0
        while total < MAX_OCTETS:
            ready, _, _ = select.select([STDIN, self._stop_reader], [], [])
            if self._stop_reader in ready:
                return
            try:
                octets = os.read(STDIN, READ_OCTETS)
            except OSError:
                return  # the program's own read raises it again, where it is reported
            self._reads.append((time.monotonic(), octets, False))
            if not octets:
                return
            total += len(octets)


_running: list[EarlyReader] = []  # at most one


def start_reading() -> None:
    """Start to read standard input, unless it is closed, a file or a directory, or the system is Windows; call it once.

    On Windows, select takes sockets only.
    """
    try:
        mode = os.fstat(STDIN).st_mode
    except OSError:
        return
    if sys.platform != "win32" and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
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
