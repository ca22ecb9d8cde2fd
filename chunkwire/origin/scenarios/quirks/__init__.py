"""Quirks: the streams of language models as their providers, proxies and local servers really send them.

One registry: the mock sends a quirk on request, `testing` and the readers' own tests take it from here. Pure: no I/O,
no clock. `values` says what a quirk is; each other file is a table of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chunkwire.origin.scenarios.quirks.anthropic import ANTHROPIC
from chunkwire.origin.scenarios.quirks.bedrock import BEDROCK
from chunkwire.origin.scenarios.quirks.chat_contents import CONTENTS
from chunkwire.origin.scenarios.quirks.chat_failures import FAILURES
from chunkwire.origin.scenarios.quirks.chat_forms import FORMS
from chunkwire.origin.scenarios.quirks.gemini import GEMINI
from chunkwire.origin.scenarios.quirks.responses import RESPONSES
from chunkwire.origin.scenarios.quirks.values import Quirk, Said
from chunkwire.wire.nearest import look_up

QUIRKS: Final[Mapping[str, Quirk]] = MappingProxyType(
    {quirk.name: quirk for quirk in (*FORMS, *CONTENTS, *FAILURES, *RESPONSES, *ANTHROPIC, *GEMINI, *BEDROCK)}
)
"""Every quirk by its name."""


def find_quirk(name: str) -> Quirk:
    """Return the quirk of this name.

    Raises:
        LocalError: there is none; the message suggests a name, or says which there are.
    """
    return look_up("quirk", name, QUIRKS, listed_by="chunkwire.testing.QUIRKS, or GET /quirks of an origin")


__all__ = ["QUIRKS", "Quirk", "Said", "find_quirk"]
