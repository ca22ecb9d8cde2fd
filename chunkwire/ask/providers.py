"""Who is asked: a name, a dialect, a URL, a model, a key, and how it has done so far.

The rule here: a key comes out of the environment and goes into a request, and nowhere else: not into a log, an error
or `/providers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chunkwire.ask.breaker import Breaker
from chunkwire.llm import DIALECTS
from chunkwire.llm.dialect import Dialect
from chunkwire.net.dial import Url, parse_url
from chunkwire.wire.errors import LocalError

_SPEC: Final = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)=(?P<dialect>[a-z-]+):(?P<url>[^#]+)(?:#(?P<model>.+))?")
_KEY: Final = re.compile(r"[!-~]+")


@dataclass(slots=True)
class Tally:
    """What came of asking a provider."""

    asked: int = 0
    answered: int = 0
    failed: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider.

    Attributes:
        url: its target is the path that the dialect's own paths go under.
        key: "" for none.
    """

    name: str
    dialect: Dialect
    url: Url
    model: str
    key: str = field(default="", repr=False)
    breaker: Breaker = field(default_factory=Breaker)
    tally: Tally = field(default_factory=Tally)

    def to_json(self, now: float) -> dict[str, object]:
        """Return what `/providers` says of it."""
        return {
            "name": self.name,
            "dialect": self.dialect.name,
            "url": str(self.url),
            "model": self.model,
            "state": self.breaker.state(now).value,
            "failures_in_a_row": self.breaker.failures,
            "opens_in_s": round(self.breaker.opens_in(now), 3),
            "asked": self.tally.asked,
            "answered": self.tally.answered,
            "failed": self.tally.failed,
            "tokens": self.tally.tokens,
        }


def parse_provider(
    spec: str, environment: Mapping[str, str], *, model: str = "", failures: int, cooldown: float
) -> Provider:
    """Return the provider of `NAME=DIALECT:URL[#MODEL]`; its key is that of NAME_API_KEY in the environment.

    Args:
        model: for a spec that names none.
        failures, cooldown: of its breaker.

    Raises:
        LocalError: one line that names what is wrong.
    """
    found = _SPEC.fullmatch(spec)
    if found is None:
        raise LocalError(
            f"expected NAME=DIALECT:URL#MODEL, such as a=openai:https://api.openai.com/v1#gpt, got {spec!r}"
        )
    name, dialect = found["name"], DIALECTS.get(found["dialect"])
    if dialect is None:
        raise LocalError(f"{name}: expected a dialect out of {', '.join(DIALECTS)}, got {found['dialect']!r}")
    url = parse_url(found["url"])
    if b"?" in url.target:
        raise LocalError(f"{name}: expected a URL without a query, got {found['url']!r}")
    if not (model := found["model"] or model):
        raise LocalError(f"{name}: expected a model: {spec}#MODEL, or --model for all")
    breaker = Breaker(failures=failures, cooldown=cooldown)
    return Provider(name, dialect, url, model, _key(key_variable(name), environment), breaker)


def key_variable(name: str) -> str:
    """Return the environment variable that holds a provider's key: `my-openai` → `MY_OPENAI_API_KEY`."""
    return name.upper().replace("-", "_") + "_API_KEY"


def _key(variable: str, environment: Mapping[str, str]) -> str:
    key = environment.get(variable, "").strip()  # a key that was read from a file often ends in a newline
    if key and not _KEY.fullmatch(key):
        raise LocalError(f"{variable}: expected a key of visible ASCII characters")
    return key


def check_names(providers: Sequence[Provider]) -> None:
    """Refuse two providers of one name.

    Raises:
        LocalError: naming it.
    """
    names = [provider.name for provider in providers]
    for name in names:
        if names.count(name) > 1:
            raise LocalError(f"expected a name of its own for each provider, got {name!r} twice")
