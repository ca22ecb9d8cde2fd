"""The chunks that the meter reads: when each is due, and its 64 octets. Standard library only.

All handlers, in all languages, send `n` chunks, one each `us` microseconds, from a random moment after the request on.
Each chunk has CLOCK_REALTIME just before its write.
"""

import random
import time
from collections.abc import Iterator
from urllib.parse import parse_qs

_PADDING = b"x" * 23 + b"\n"


def planned_moments(query: str) -> Iterator[int]:
    """Yield the moment of each chunk that `n=COUNT&us=INTERVAL` asks for, in ns of CLOCK_REALTIME."""
    asked = parse_qs(query)
    count, interval_ns = int(asked["n"][0]), int(asked["us"][0]) * 1000
    first = time.time_ns() + random.randrange(interval_ns + 1)
    yield from range(first, first + count * interval_ns, interval_ns)


def seconds_until(due_ns: int) -> float:
    """Return the time until a moment; 0 once it has passed."""
    return max(0.0, (due_ns - time.time_ns()) / 1e9)


def stamped(due_ns: int) -> bytes:
    """Return a chunk's data, stamped with this moment and the planned one."""
    return b"T%019dP%019d" % (time.time_ns(), due_ns) + _PADDING
