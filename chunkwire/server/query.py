"""Parameters of a request, read by name and type.

The rule here: what is wrong raises `Refusal` (400), whose message says what was expected; that about a value also names
the parameter and the value. Pure: no I/O, no clock.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from chunkwire.server.refusal import Refusal
from chunkwire.wire.abnf import number_of
from chunkwire.wire.durations import format_duration, parse_duration

MAX_PARAMETERS: Final = 256  # PHP allows 1000 (max_input_vars); our resources have far fewer
_SHOWN_CHARACTERS: Final = 60  # of a bad value, in a message


class Query:
    """The parameters of one request, in order, percent-decoded as UTF-8; `+` is a blank.

    What is not UTF-8 becomes U+FFFD; only `octets` returns it as it is.

    Raises:
        Refusal: there are more than `MAX_PARAMETERS`; in the methods, a parameter is repeated, wrong or unknown.
    """

    def __init__(self, octets: bytes = b"") -> None:
        count = sum(1 for part in octets.split(b"&") if part)
        if count > MAX_PARAMETERS:
            raise Refusal(400, "parameters", f"expected at most {MAX_PARAMETERS} parameters, got {count}")
        self._octets = octets
        pairs = parse_qsl(octets.decode("utf-8", "replace"), keep_blank_values=True)
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)

    def values(self, name: str) -> list[str]:
        """Return the values of a parameter that may be repeated, in order."""
        return [value for key, value in self.pairs if key == name]

    def text(self, name: str, default: str = "") -> str:
        """Return the value of a parameter that must not be repeated; `default` if it is absent."""
        values = self.values(name)
        if len(values) > 1:
            raise Refusal(400, "parameter", f"{name}: expected once, got {len(values)} times")
        return values[0] if values else default

    def octets(self, name: str) -> bytes:
        """Return the value of a parameter as octets, which need not be UTF-8; `b""` if it is absent."""
        self.text(name)  # refuses a repeated parameter
        for part in self._octets.split(b"&"):
            key, _, value = part.partition(b"=")
            if unquote_to_bytes(key.replace(b"+", b" ")) == name.encode():
                return unquote_to_bytes(value.replace(b"+", b" "))
        return b""

    def count(self, name: str, default: int, *, at_most: int, at_least: int = 0) -> int:
        """Return a whole number from `at_least` to `at_most`; any `default` if the parameter is absent."""
        if not self.values(name):
            return default
        return whole_number(name, self.text(name), at_least=at_least, at_most=at_most)

    def duration(self, name: str, default: float, *, at_most: float) -> float:
        """Return seconds, from zero to `at_most`; any `default` if the parameter is absent."""
        if not self.values(name):
            return default
        text = self.text(name)
        seconds = parse_duration(text)
        if seconds is None:
            raise bad_value(name, "a duration like 100ms, 1.5s or 2 (seconds)", text)
        if seconds > at_most:
            raise bad_value(name, f"a duration of at most {format_duration(at_most)}", text)
        return seconds

    def refuse_unknown(self, known: frozenset[str], path: str) -> None:
        """Raise a refusal if there is a parameter that is not `known` to the resource of this path."""
        for name, _ in self.pairs:
            if name not in known:
                has = f"has {', '.join(sorted(known))}" if known else "has no parameters"
                raise Refusal(400, "unknown-parameter", f"{shown(name)}: not a parameter of {path}, which {has}")


def whole_number(name: str, text: str, *, at_least: int, at_most: int) -> int:
    """Return the whole number, in decimal digits, of a parameter or a path segment.

    Raises:
        Refusal: it is none, or out of this range.
    """
    number = number_of(text)
    if number is None or not at_least <= number <= at_most:
        raise bad_value(name, f"a whole number from {at_least} to {at_most}", text)
    return number


def bad_value(name: str, expected: str, got: str) -> Refusal:
    """Return a refusal of a parameter's value, for the caller to raise."""
    return Refusal(400, "parameter", f"{name}: expected {expected}, got {shown(got)!r}")


def shown(text: str) -> str:
    """Return a value, cut for a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
