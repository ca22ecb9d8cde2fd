"""All rows of `check server`, in the order of their ids."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.server.bodies import BROKEN_BODIES, INCOMPLETE_BODIES, LEGAL_BODIES
from chunkwire.tools.check.server.cases import ServerCase
from chunkwire.tools.check.server.connections import CONNECTIONS
from chunkwire.tools.check.server.heads import FRAMINGS, HEADS


def _place(each: ServerCase) -> tuple[str, list[int]]:
    """Return the key that sorts ids by document, section and number."""
    document, section, number = each.row.id.split("/")
    return document, [*map(int, section.split(".")), -1, int(number)]


SERVER_CASES: Final = tuple(
    sorted((*LEGAL_BODIES, *BROKEN_BODIES, *INCOMPLETE_BODIES, *HEADS, *FRAMINGS, *CONNECTIONS), key=_place)
)
