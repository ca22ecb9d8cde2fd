"""Serve the scenarios to a command, and keep its requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from chunkwire.net.heads import Request
from chunkwire.origin.scenarios.playing import play
from chunkwire.server import IncomingRequest, Resource, Responder, serve
from chunkwire.tools.check.client.rows import ClientCase

_HOLD_SECONDS: Final = 3600.0  # of a stall; longer than a command may run
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class ScenarioOrigin:
    """An origin with a resource for each scenario: `/NAME`, and any path below it.

    Attributes:
        url: without a final slash; "" until it is served.
    """

    def __init__(self, cases: Sequence[ClientCase]) -> None:
        self._scenarios = {case.scenario.name: case.scenario for case in cases}
        self._asked: dict[str, list[Request]] = {name: [] for name in self._scenarios}
        self.url = ""
        self.resources = tuple(
            Resource(path, self._play, methods=_METHODS, parameters=None) for path in ("/{name}", "/{name}/{rest*}")
        )

    def asked(self, name: str) -> list[Request]:
        """Return the requests for a scenario so far."""
        return self._asked[name]

    async def _play(self, request: IncomingRequest, response: Responder) -> None:
        scenario = self._scenarios.get(request.captures["name"])
        if scenario is None:  # a browser's favicon
            await response.text(404, "no such scenario\n")
            return
        self._asked[scenario.name].append(request.head)
        async for _ in request.body_events():
            pass
        await play(response, scenario, hold=_HOLD_SECONDS)


@asynccontextmanager
async def playing(cases: Sequence[ClientCase]) -> AsyncIterator[ScenarioOrigin]:
    """Serve the scenarios on a free port of the loopback interface."""
    origin = ScenarioOrigin(cases)
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(serve, "127.0.0.1:0", origin.resources)
        origin.url = f"http://{addresses[0]}"
        yield origin
        nursery.cancel_scope.cancel()
