"""One learner's part of the lab: who watches, what is typed, the runs, and the token of the learner's page.

The rule here: everything that one learner can see or change is kept in a seat, and reached only through it.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Final

from chunkwire.lab.control import RunControl
from chunkwire.lab.hand import Hands
from chunkwire.lab.watching import Watchers

MAX_RUNS: Final = 64  # whose control is remembered; a page has one or two at a time
MAX_TRIALS: Final = 32  # octets that clients may still ask for


class Seat:
    """One learner.

    Attributes:
        path: that all of the learner's addresses begin with: "" where there is one learner, else "/c/TOKEN".
        token: what the page sends with whatever acts.
        trials: octets that clients are tried with, by number.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.token = secrets.token_urlsafe(24)
        self.watchers = Watchers()
        self.hands = Hands()
        self.trials: OrderedDict[str, bytes] = OrderedDict()
        self._runs: OrderedDict[str, RunControl] = OrderedDict()

    def run(self, name: str) -> RunControl:
        """Return the control of a run, by the name its page gave it; the oldest is forgotten."""
        if name not in self._runs:
            self._runs[name] = RunControl()
            if len(self._runs) > MAX_RUNS:
                self._runs.popitem(last=False)
        return self._runs[name]
