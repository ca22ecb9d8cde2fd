"""The endpoint's own metrics: providers, retries, broken answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import trio

from chunkwire.ask.providers import Provider
from chunkwire.ask.relay import Relay
from chunkwire.server.metrics import Metrics, family

# Name, type, help, and the value of one provider.
_OF_PROVIDERS: Final[tuple[tuple[str, str, str, Callable[[Provider, float], float]], ...]] = (
    ("streams", "gauge", "Answers that a provider is giving.", lambda each, _: each.gate.running),
    ("waiting", "gauge", "Questions that wait for room at a provider.", lambda each, _: each.gate.waiting),
    ("turned_away_total", "counter", "Questions that got no room in time.", lambda each, _: each.gate.turned_away),
    ("breaker_open", "gauge", "1 while a breaker is open.", lambda each, now: each.gate.is_breaker_open(now)),
    ("asked_total", "counter", "Requests to a provider.", lambda each, _: each.tally.asked),
    ("answered_total", "counter", "Whole answers of a provider.", lambda each, _: each.tally.answered),
    ("failed_total", "counter", "Requests that a provider failed.", lambda each, _: each.tally.failed),
    ("tokens_total", "counter", "Pieces of text of a provider.", lambda each, _: each.tally.tokens),
)


class AskMetrics(Metrics):
    """The metrics of every server, and those of a relay."""

    def __init__(self, relay: Relay) -> None:
        super().__init__("ask")
        self._relay = relay

    def _lines(self) -> Iterator[str]:
        yield from super()._lines()
        now, relay = trio.current_time(), self._relay
        for name, kind, text, read in _OF_PROVIDERS:
            samples = [(f'{{provider="{each.name}"}}', +read(each, now)) for each in relay.providers]
            yield from family(f"ask_{name}", kind, text, samples)
        budget = relay.budget
        for name, kind, text, value in (
            ("retries_total", "counter", "Repeated requests to one provider.", budget.spent),
            ("retries_refused_total", "counter", "Repeats that the budget had nothing left for.", budget.refused),
            ("retries_left", "gauge", "Repeats that the budget has left.", int(budget.left(now))),
            ("caller_waits_total", "counter", "Times that a provider waited for a slow caller.", relay.waits),
        ):
            yield from family(f"ask_{name}", kind, text, [("", value)])
        yield from family("ask_broken_after_pieces", "histogram", "Pieces passed on before an answer failed.")
        yield from relay.broken_after.lines("chunkwire_ask_broken_after_pieces", 'server="ask"')
