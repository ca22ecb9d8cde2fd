"""A mover that adds the upstream connection's kernel stamps to the sheet of a response's body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chunkwire.net.connection import Connection
from chunkwire.net.movers import EXACT, MoveOptions, Mover
from chunkwire.wire.scanner import BodyScanner

if TYPE_CHECKING:
    from chunkwire.server.stampdesk import StampSheet


class StampingMover:
    """Gives the sheet the upstream connection of the response's body; the wrapped mover does the rest."""

    def __init__(self, mover: Mover, sheet: StampSheet, client: Connection) -> None:
        self.run, self.watch, self.rest, self.unwatch = mover.run, mover.watch, mover.rest, mover.unwatch
        self._mover = mover
        self._sheet = sheet
        self._client = client

    async def move(
        self, source: Connection, sink: Connection, scanner: BodyScanner, options: MoveOptions = EXACT
    ) -> None:
        """Carry one body; see `Mover.move`."""
        if sink is self._client:
            self._sheet.receive_from(source)
        await self._mover.move(source, sink, scanner, options)
