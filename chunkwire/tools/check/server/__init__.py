"""Judge how a server handles legal and broken requests, by its answers on the connection."""

from __future__ import annotations

from typing import Final

from chunkwire.tools.check.server.bodies import BODIES
from chunkwire.tools.check.server.cases import ServerCase
from chunkwire.tools.check.server.connections import CONNECTIONS
from chunkwire.tools.check.server.heads import HEADS


def _place(each: ServerCase) -> tuple[str, list[int]]:
    """Return the key that sorts ids by document, section and number."""
    document, section, number = each.row.id.split("/")
    return document, [*map(int, section.split(".")), -1, int(number)]


SERVER_CASES: Final = tuple(sorted((*BODIES, *HEADS, *CONNECTIONS), key=_place))
"""All rows, in the order of their ids."""
