"""The clocks of `bench`: kernel stamps or the process's clock, steps of the wall clock, and the meter's own error."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chunkwire.net.dial import Url, parse_url
from chunkwire.net.stamps import stamping
from chunkwire.tools.bench.load import Timing
from chunkwire.tools.bench.metering import has_epoll
from chunkwire.tools.bench.saturation import step_line, void_reasons
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.tools.bench.rounds import Gathered


@dataclass(slots=True)
class Clocks:
    """How frames are timed.

    Attributes:
        why: the reason for `Timing.PROCESS`; empty with kernel stamps.
        has_stamps: kernel stamps of receives can be read.
        hops: servers on the way that are asked for their stamps.
        step_ns: the largest step of the wall clock during a turn.
    """

    timing: Timing = Timing.PROCESS
    why: str = ""
    has_stamps: bool = False
    hops: tuple[Url, ...] = ()
    step_ns: int = 0

    def note_offsets(self, began_ns: int, ended_ns: int) -> None:
        """Compare the offsets between wall clock and monotonic clock at both ends of a turn."""
        self.step_ns = max(self.step_ns, ended_ns - began_ns, key=abs)

    def conditions(self) -> dict[str, object]:
        """Return the conditions of the clocks, by name."""
        timed = f"{self.timing} ({self.why})" if self.why else str(self.timing)
        step_ms = round(self.step_ns / 1e6, 3) + 0.0  # what rounds to zero has no sign
        return {"stamps": timed, "wall clock": f"set by {step_ms:+.3f} ms"}

    def complaints(self, parts: Sequence[tuple[str, Gathered | None]], *, has_rate: bool) -> Iterator[str]:
        """Yield why the figures are not a measurement, prefixed with the name of target or baseline."""
        if line := step_line(self.step_ns):
            yield line
        for name, gathered in parts:
            if gathered is not None:
                yield from (name + line for line in void_reasons(gathered, by_process=self.why, has_rate=has_rate))


@contextmanager
def clocks_of(options: argparse.Namespace, urls: Sequence[Url]) -> Iterator[Clocks]:
    """Give the clocks for these targets: kernel stamps where they can be had, unless --stamps says otherwise.

    Raises:
        LocalError: --stamps kernel is not possible here, or a hop is not an address.
    """
    hops = tuple(parse_url(text) for text in options.hop)
    why = ""
    if any(url.is_unix for url in urls):
        why = "a Unix socket has no stamps"
    elif not has_epoll():
        why = "this system has no epoll"
    timing = Timing(options.stamps or Timing.KERNEL)
    clocks = Clocks(timing, "" if timing is Timing.KERNEL else "--stamps process", has_stamps=True, hops=hops)
    with ExitStack() as stack:
        try:
            if why:
                raise LocalError(why)
            stack.enter_context(stamping())
        except LocalError as error:
            if options.stamps == "kernel":
                raise LocalError(f"--stamps kernel: {error}") from error
            clocks = Clocks(why=str(error), hops=hops)
        yield clocks
