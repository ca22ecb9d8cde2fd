"""When to repeat a request, and after how long.

The rule here: only before the first octet of a response, and by default only if a repeat is safe: the method is
idempotent (RFC 9110 §9.2.2), or the request was not sent. What this module must not know: how to send.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from chunkwire.net.heads import IDEMPOTENT_METHODS


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A policy: how many attempts, the waits between them, and the statuses that ask for another one.

    Attributes:
        attempts: in all, including the first one.
        first: seconds before the second attempt, at most; each later limit is `factor` times longer.
        cap: the longest wait, in seconds; a longer Retry-After ends the attempts.
        statuses: responses that ask for another attempt (RFC 9110 §15.6.4, RFC 6585 §4).
        is_repeatable: repeat also a request that is not idempotent and may have arrived; the caller says it is safe.
    """

    attempts: int = 3
    first: float = 0.5
    factor: float = 2.0
    cap: float = 30.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})
    is_repeatable: bool = False

    def wait(self, attempt: int, *, at_least: float = 0.0, chance: random.Random) -> float:
        """Return seconds to wait after attempt number `attempt`, from 1.

        "Full jitter": anywhere between 0 and the bound, so that clients which failed together do not retry together.
        `at_least` is what the server asked for.
        """
        bound = min(self.cap, self.first * self.factor ** (attempt - 1))
        return max(at_least, chance.uniform(0.0, bound))

    def may_repeat(self, method: bytes) -> bool:
        """Say whether a request that may have reached the server may be sent again."""
        return self.is_repeatable or method in IDEMPOTENT_METHODS


NO_RETRY: Final = Retry(attempts=1)
