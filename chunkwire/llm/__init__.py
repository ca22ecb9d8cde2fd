"""Language models: the dialects of providers, whose requests and answers are read and written here.

The rule here: as pure as `wire`. A dialect gets octets, ids and the time, and returns octets and events; no I/O.
`question` and `answer` are the types that all dialects share, `dialect` is their interface. `asking` builds requests,
`reading` is the common part of reading answers, `errors` reads errors; the rest of a dialect is in a file of its name.
What this room must not know: chunks (an event is not a frame), sockets, breakers, pacing.
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
    """Return the dialect of a POST to this path (encoded, without query), None for no dialect."""
    return next((dialect for dialect in _ALL if dialect.matches_path(path)), None)


def recognize(payload: object, name: str = "") -> Dialect | None:
    """Return the dialect whose streams, or whole answers, contain such an object, None for none; Azure's for chats.

    Args:
        name: of its event, for an object without a `type`.
    """
    if not isinstance(payload, dict):
        return None
    named = {"type": name, **payload}
    return next((dialect for dialect in _ALL if dialect.matches_payload(named)), None)
