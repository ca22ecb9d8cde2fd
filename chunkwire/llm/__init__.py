"""The streams of language models: one file a provider dialect, both ways.

The rule here: as pure as `wire`. A dialect is given octets, ids and the time, and gives octets and events; it
opens nothing and waits for nothing. `answer` and `question` are the words that all dialects share, `dialect` the
interface they fill. What this room must not know: chunks (an event is not a frame), sockets, breakers, pacing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chunkwire.llm.anthropic import AnthropicMessages
from chunkwire.llm.bedrock import Bedrock
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.gemini import Gemini
from chunkwire.llm.openai_chat import AzureChat, OpenAIChat
from chunkwire.llm.openai_responses import OpenAIResponses

# Azure before OpenAI: its path ends in the same words.
_ALL: Final[tuple[Dialect, ...]] = (
    AzureChat(),
    OpenAIChat(),
    OpenAIResponses(),
    AnthropicMessages(),
    Gemini(),
    Bedrock(),
)

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({dialect.name: dialect for dialect in _ALL})
"""Every dialect by its name."""


def route(path: str) -> Dialect | None:
    """Return the dialect that a POST to this (still encoded, query cut off) path speaks, None for no dialect."""
    return next((dialect for dialect in _ALL if dialect.claims(path)), None)


def recognize(payload: object, name: str = "") -> Dialect | None:
    """Return the dialect whose streams, or whole answers, have such an object in them, None for no dialect.

    Args:
        name: of its event, which stands for a `type` that it does not have.
    """
    if not isinstance(payload, dict):
        return None
    named = {"type": name, **payload}
    return next((dialect for dialect in _ALL if dialect.speaks(named)), None)
