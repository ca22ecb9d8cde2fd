"""Rounds in a random order, and the options that every experiment takes.

The rule here: each round measures every subject once, in a fresh order, so that a drift of the machine hits all of
them alike; and a subject that fails has a row that says why, while the others go on.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.processes import Trouble
from bench.results import Round, Row

DIRECT = "direct"
"""The row without a program under test: what it shows is the machine's and the meter's own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asked for.

    Attributes:
        rounds: how often each subject is measured.
        is_quick: tiny counts, to see that everything runs.
        peers: which to compare with; None for those that the experiment takes by itself.
        variants: of the project's own relay, those to measure where they are told apart; None for all.
        subjects: further relays by name, as command lines; see `bench.gateways.subject`.
        workloads: of those an experiment has; None for all.
        is_newest: the peers in their newest release as well, where relays are compared.
    """

    rounds: int = 3
    is_quick: bool = False
    peers: tuple[str, ...] | None = None
    variants: tuple[str, ...] | None = None
    subjects: Mapping[str, str] = field(default_factory=dict)
    workloads: tuple[str, ...] | None = None
    is_newest: bool = False

    def choose(self, names: Sequence[str]) -> list[str]:
        """Return those of an experiment's workloads that were asked for."""
        return [name for name in names if self.workloads is None or name in self.workloads]

    def takes(self, peer: str) -> bool:
        """Say whether a peer is to be measured."""
        return self.peers is None or peer in self.peers


def interleave(measures: Mapping[str, Callable[[], Round]], rounds: int, *, what: str) -> tuple[Row, ...]:
    """Measure every subject in every round; `what` names the work on stderr, where somebody waits."""
    taken: dict[str, list[Round]] = {name: [] for name in measures}
    for number in range(rounds):
        for place, name in enumerate(random.sample(list(measures), len(measures)), 1):
            _tell(f"{what}: round {number + 1}/{rounds}, {place}/{len(measures)} {name}")
            try:
                taken[name].append(measures[name]())
            except Trouble as trouble:
                taken[name].append(Round(error=str(trouble)))
    _tell("")
    return tuple(Row(name, tuple(each)) for name, each in taken.items())


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
