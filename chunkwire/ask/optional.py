"""Optional parameters of a request that a provider refuses.

The rule here: a parameter that this endpoint adds itself (`stream_options`, the newer name of the limit of tokens,
`stream`) is left out once the provider names it in a refusal. A caller's own parameter is left out only where the
provider reports it as unknown or not supported: a wrong value is for the caller to correct.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import replace
from typing import Final

from chunkwire.llm.answer import ProviderError
from chunkwire.llm.question import ModelRequest
from chunkwire.llm.shape import dump, load_object

STREAM: Final = "stream"
_OURS: Final = frozenset({STREAM, "stream_options", "max_completion_tokens"})
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


def refused_parameter(error: ProviderError, request: ModelRequest) -> str:
    """Return the refused parameter of a request that may be left out, "" for none."""
    name = error.parameter.rpartition(".")[2]
    if not error.is_callers_fault or not name or name in _NEEDED:
        return ""
    if name not in _OURS and not _UNSUPPORTED.search(error.message):
        return ""
    return name if name == STREAM or any(name in members for members in _places(load_object(request.body))) else ""


def without(request: ModelRequest, names: Set[str]) -> ModelRequest:
    """Return a request without these parameters; the limit of tokens is sent under its older name instead."""
    if not names - {STREAM}:
        return request
    body = load_object(request.body)
    for members in _places(body):
        for name in names & members.keys():
            value = members.pop(name)
            if name in _OLDER_NAMES:
                members[_OLDER_NAMES[name]] = value
    return replace(request, body=dump(body).encode("utf-8", "replace"))


def _places(body: dict[str, object]) -> list[dict[str, object]]:
    """Return the objects that may have a parameter."""
    nested = (body.get(key) for key in _NESTED)
    return [body, *(members for members in nested if isinstance(members, dict))]
