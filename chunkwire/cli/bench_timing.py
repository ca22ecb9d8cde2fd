"""Who says when a frame of a bench came, and whether that can be believed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chunkwire.net.dial import Url, parse_url
from chunkwire.net.stamps import stamping
from chunkwire.tools.bench.load import Load, Timing
from chunkwire.tools.bench.metering import has_epoll
from chunkwire.tools.bench.own_error import deciding, step_line
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.tools.bench.rounds import Gathered


@dataclass(slots=True)
class Clocks:
    """How frames are timed.

    Attributes:
        why: this process times them, where it does.
        has_stamps: the kernel's can be read at all.
        hops: that say what they know of the target's bodies.
        offsets_ns: CLOCK_REALTIME less CLOCK_MONOTONIC at the beginning of the first turn and at the end of the latest.
        step_ns: by how much the wall clock was set during a turn: the largest so far.
    """

    timing: Timing = Timing.PROCESS
    why: str = ""
    has_stamps: bool = False
    hops: tuple[Url, ...] = ()
    offsets_ns: tuple[int, int] | None = None
    step_ns: int = 0

    def applied(self, load: Load, *, is_baseline: bool) -> Load:
        """Return a load that is timed so."""
        hops = () if is_baseline else self.hops
        return replace(load, timing=self.timing, has_stamps=self.has_stamps, hops=hops)

    def note_offsets(self, began_ns: int, ended_ns: int) -> None:
        """Take note of the wall clock less the monotonic one at both ends of a turn."""
        self.offsets_ns = (self.offsets_ns[0] if self.offsets_ns else began_ns, ended_ns)
        self.step_ns = max(self.step_ns, ended_ns - began_ns, key=abs)

    def conditions(self) -> dict[str, object]:
        """Return what a figure was taken under."""
        timed = f"{self.timing} ({self.why})" if self.why else str(self.timing)
        began, ended = (f"{ns / 1e9:.6f} s" for ns in self.offsets_ns or (0, 0))
        clock = f"{began} before and {ended} after the run ahead of the monotonic one, {self.step_ns / 1e6:+.3f} ms"
        return {"stamps": timed, "wall clock": clock}

    def complaints(self, parts: Sequence[tuple[str, Gathered | None]], *, has_rate: bool) -> Iterator[str]:
        """Yield why what was gathered is no measurement, by the name of the part."""
        is_kernel = self.timing is Timing.KERNEL
        if line := step_line(self.step_ns):
            yield line
        for name, gathered in parts:
            if gathered is not None:
                yield from (name + line for line in deciding(gathered, is_kernel=is_kernel, has_rate=has_rate))


@contextmanager
def clocks_of(options: argparse.Namespace, urls: Sequence[Url]) -> Iterator[Clocks]:
    """Give how the frames of these targets are timed, as the flags say and this system can.

    Raises:
        LocalError: the kernel's stamps are asked for and cannot be had, or a hop is no address.
    """
    hops = tuple(parse_url(text) for text in options.hop)
    why = ""
    if any(url.scheme == "https" for url in urls):
        why = "TLS: no stamp says which of its records came when"
    elif any(url.is_unix for url in urls):
        why = "a Unix socket has no stamps"
    elif not has_epoll():
        why = "this system has no epoll"
    try:
        if why:
            raise LocalError(why)
        with stamping():
            timing = Timing(options.stamps or Timing.KERNEL)
            yield Clocks(timing, "" if timing is Timing.KERNEL else "--stamps process", has_stamps=True, hops=hops)
            return
    except LocalError as error:
        if options.stamps == "kernel":
            raise LocalError(f"--stamps kernel: {error}") from error
        why = str(error)
    yield Clocks(why=why, hops=hops)
