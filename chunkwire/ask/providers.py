"""A provider: name, dialect, URL, model, key, and the results so far.

The rule here: a key is read from the environment and sent in requests, and goes nowhere else: not into a log, an error
or `/providers`.

A parameter that this endpoint adds itself (`stream_options`, the newer name of the limit of tokens, `stream`) is left
out once the provider names it in a refusal. A caller's own parameter is left out only where the provider reports it as
unknown or not supported: a wrong value is for the caller to correct.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

from chunkwire.ask.breaker import Breaker
from chunkwire.ask.overload import ProviderGate
from chunkwire.client.answers import build_request, parse_target
from chunkwire.llm.answer import ProviderError
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.question import ModelRequest, Question
from chunkwire.llm.shape import dump, load_object
from chunkwire.net.dial import Url
from chunkwire.wire.errors import LocalError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_KEY: Final = re.compile(r"[!-~]+")
_MAX_MODELS: Final = 256  # whose refused parameters are kept, per provider; callers may name any model
_STREAM: Final = "stream"
_OURS: Final = frozenset({_STREAM, "stream_options", "max_completion_tokens"})
_OLDER_NAMES: Final = {"max_completion_tokens": "max_tokens"}
# Without these the question would be another one.
_NEEDED: Final = frozenset(
    {"model", "messages", "input", "contents", "system", "systemInstruction", "tools", "max_tokens"}
)
_NESTED: Final = ("generationConfig", "inferenceConfig")  # Gemini, Bedrock
_UNSUPPORTED: Final = re.compile(
    r"(?i)unsupported|unrecogni[sz]ed|unknown|unexpected|deprecated|extra (?:inputs|fields)|n['o]t support"
    r"|not (?:\w+ )?(?:supported?|permitted|allowed|recogni[sz]ed|available)"
)


@dataclass(slots=True)
class Tally:
    """Counts of the requests to a provider."""

    asked: int = 0
    answered: int = 0  # with a whole answer
    failed: int = 0
    tokens: int = 0  # pieces of text


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider."""

    name: str
    dialect: Dialect
    url: Url  # see `build_request`
    model: str
    key: str = field(default="", repr=False)  # "" for none
    gate: ProviderGate = field(default_factory=lambda: ProviderGate(Breaker()))
    tally: Tally = field(default_factory=Tally)
    _refused: OrderedDict[str, frozenset[str]] = field(default_factory=OrderedDict, repr=False)

    def refused(self, model: str) -> frozenset[str]:
        """Return the parameters that the provider refuses for a model, as far as known."""
        return self._refused.get(model, frozenset())

    def remember(self, model: str, names: frozenset[str]) -> None:
        """Keep the parameters that a request had to leave out to be accepted."""
        if names:
            self._refused[model] = names
            if len(self._refused) > _MAX_MODELS:
                self._refused.popitem(last=False)

    def request(self, question: Question, left_out: frozenset[str]) -> ModelRequest:
        """Return the request for a question, without these parameters.

        Raises:
            ValueError: the question is nested too deep to be written.
        """
        question = replace(question, is_stream=_STREAM not in left_out)
        return _without(build_request(self.dialect, self.url, question, self.key), left_out)

    def to_json(self, now: float) -> dict[str, object]:
        """Return its entry in `/providers`, without the query of its URL, which may have a key in it."""
        breaker = self.gate.breaker
        return {
            "name": self.name,
            "dialect": self.dialect.name,
            "url": str(replace(self.url, target=self.url.target.partition(b"?")[0])),
            "model": self.model,
            "state": breaker.state(now).value,
            "failures_in_a_row": breaker.failures,
            "next_trial_in_s": round(breaker.trial_in(now), 3),
            "streams": self.gate.running,
            "waiting": self.gate.waiting,
            "asked": self.tally.asked,
            "answered": self.tally.answered,
            "failed": self.tally.failed,
            "tokens": self.tally.tokens,
            "leaves_out": sorted(frozenset().union(*self._refused.values())),
        }


def parse_provider(
    spec: str,
    environment: Mapping[str, str],
    *,
    model: str = "",
    gate: ProviderGate | None = None,
) -> Provider:
    """Return the provider of `NAME=DIALECT:URL[#MODEL]`; its key is NAME_API_KEY in the environment.

    Args:
        model: for a spec without one.
        gate: None for one with the usual limits.

    Raises:
        LocalError: the spec or the key is wrong.
    """
    name, _, target = spec.partition("=")
    if not _NAME.fullmatch(name) or not target:
        raise LocalError(
            f"expected NAME=DIALECT:URL#MODEL, such as a=openai:https://api.openai.com/v1#gpt, got {spec!r}"
        )
    dialect, url, own = parse_target(target)
    if not (model := own or model):
        raise LocalError(f"{name}: expected a model: {spec}#MODEL, or --model for all")
    return Provider(name, dialect, url, model, _key(key_variable(name), environment), gate or ProviderGate(Breaker()))


def key_variable(name: str) -> str:
    """Return the environment variable of a provider's key: `my-openai` → `MY_OPENAI_API_KEY`."""
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


def refused_parameter(error: ProviderError, request: ModelRequest) -> str:
    """Return the refused parameter of a request that may be left out, "" for none."""
    name = error.parameter.rpartition(".")[2]
    if not error.is_callers_fault or not name or name in _NEEDED:
        return ""
    if name not in _OURS and not _UNSUPPORTED.search(error.message):
        return ""
    return name if name == _STREAM or any(name in members for members in _places(load_object(request.body))) else ""


def _without(request: ModelRequest, names: Set[str]) -> ModelRequest:
    """Return a request without these parameters; the limit of tokens is sent under its older name instead."""
    if not names - {_STREAM}:
        return request
    body = load_object(request.body)
    for members in _places(body):
        for name in names & members.keys():
            value = members.pop(name)
            if name in _OLDER_NAMES:
                members[_OLDER_NAMES[name]] = value
    return replace(request, body=dump(body).encode())


def _places(body: dict[str, object]) -> list[dict[str, object]]:
    """Return the objects that may have a parameter."""
    nested = (body.get(key) for key in _NESTED)
    return [body, *(members for members in nested if isinstance(members, dict))]
