"""Plan when the events of an answer are sent, and put them into frames.

The rule here: the moments of all events are planned before the first octet is sent. Pure.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chunkwire.llm.dialect import Piece
from chunkwire.origin.mock.settings import EventFraming, Layout, MockSettings


@dataclass(frozen=True, slots=True)
class Due:
    """Octets, and the moment they are due, in seconds from the start."""

    moment: float
    octets: bytes


def schedule(pieces: Sequence[Piece], settings: MockSettings, chance: random.Random) -> list[Due]:
    """Return each event with its moment. Events without a token get the moment of the latest one.

    The opening events are sent with the first token.
    """
    found: list[Due] = []
    moment = _wait(settings.time_to_first_token, settings.jitter, chance)
    has_token = False
    for piece in pieces:
        if piece.is_token and has_token:
            moment += _wait(settings.inter_token_latency, settings.jitter, chance)
        has_token = has_token or piece.is_token
        found.append(Due(moment, piece.octets))
    return found


def lay_out(events: Sequence[Due], framing: EventFraming, chance: random.Random) -> Iterator[Due]:
    """Yield the frames, none of them empty.

    Joined events are sent when the last of them is due, the pieces of a split one all at its moment.
    """
    match framing.layout:
        case Layout.EVENT:
            yield from events
        case Layout.JOIN:
            for start in range(0, len(events), framing.n):
                group = events[start : start + framing.n]
                yield Due(group[-1].moment, b"".join(event.octets for event in group))
        case Layout.SPLIT:
            for event in events:
                for start in range(0, len(event.octets), framing.n):
                    yield Due(event.moment, event.octets[start : start + framing.n])
        case Layout.RANDOM:
            for event in events:
                yield from _cut_at_random(event, chance)


def _cut_at_random(event: Due, chance: random.Random) -> Iterator[Due]:
    """Yield one to four pieces of an event."""
    places = range(1, len(event.octets))
    cuts = sorted(chance.sample(places, k=min(chance.randrange(4), len(places))))
    for start, end in zip([0, *cuts], [*cuts, len(event.octets)], strict=True):
        yield Due(event.moment, event.octets[start:end])


def _wait(seconds: float, jitter: float, chance: random.Random) -> float:
    return seconds * (1 + chance.uniform(-jitter, jitter)) if jitter else seconds
