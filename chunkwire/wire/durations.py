"""Parse and format durations: of query parameters, command-line flags, relay modes and the limits of a bench.

The rule here: the syntax of Go everywhere; a bare number is seconds. No sign is allowed, as no duration is negative.
"""

from __future__ import annotations

import math
import re
from typing import Final

# Possessive, so that a long run of digits without a unit causes no backtracking.
_PART: Final = re.compile(r"(\d++\.?\d*+|\.\d++)(ns|us|µs|ms|s|m|h)", re.ASCII)
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_SECONDS: Final = re.compile(r"\d++\.?\d*+|\.\d++", re.ASCII)
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float | None:
    """Return seconds for `100ms`, `1.5s`, `250us`, `1m30s` or a bare number of seconds; None for anything else."""
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif _DURATION.fullmatch(text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        return None
    return seconds if math.isfinite(seconds) else None


def exact_duration(seconds: float) -> str:
    """Return seconds in ms, to 1 ns, as `parse_duration` reads them: `250ms`, `360000000ms`."""
    text = f"{seconds * 1000:.6f}"
    return f"{text.rstrip('0').removesuffix('.')}ms"


def format_duration(seconds: float) -> str:
    """Return seconds for a message, with at most six digits: `250ms`, `2s`, `90s`.

    From 1e6 s on, and below 1e-7 s, it has an exponent, which `parse_duration` does not read.
    """
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"
