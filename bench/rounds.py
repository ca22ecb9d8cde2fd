"""Rounds in random order, and the options of all experiments.

The rule here: each round measures every subject once, in a new random order, so that changes of the machine affect all
of them. A subject that fails has a row with the reason; the others go on.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bench.processes import Trouble
from bench.results import Round, Row

DIRECT = "direct"
"""The row without a program under test: the machine and the meter alone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of the command line.

    Attributes:
        rounds: how often each subject is measured; `startup` has a number of its own.
        is_quick: few samples, to see that everything runs.
        peers: to compare with; None for the experiment's default.
        variants: of our own relay; None for all.
        subjects: further relays by name, as command lines (`bench.gateways.subject`).
        workloads: to measure; None for all.
        is_newest: also compare relays with the newest releases of the peers.
    """

    rounds: int = 3
    is_quick: bool = False
    peers: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    subjects: Mapping[str, str] = field(default_factory=dict)
    workloads: tuple[str, ...] | None = None
    is_newest: bool = False

    def choose(self, names: Iterable[str]) -> list[str]:
        """Return the names that --workloads selects."""
        return [name for name in names if self.workloads is None or name in self.workloads]

    def takes(self, peer: str) -> bool:
        """Say whether a peer is to be measured."""
        return self.peers is None or peer in self.peers


def interleave(measures: Mapping[str, Callable[[], Round]], rounds: int, *, what: str) -> tuple[Row, ...]:
    """Measure every subject in every round; on a terminal, show progress on stderr under the name `what`."""
    taken: dict[str, list[Round]] = {name: [] for name in measures}
    for number in range(rounds):
        for place, name in enumerate(random.sample(list(measures), len(measures)), 1):
            _show_progress(f"{what}: round {number + 1}/{rounds}, {place}/{len(measures)} {name}")
            try:
                taken[name].append(measures[name]())
            except Trouble as trouble:
                taken[name].append(Round(error=str(trouble)))
    _show_progress("")
    return tuple(Row(name, tuple(each)) for name, each in taken.items())


def _show_progress(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
