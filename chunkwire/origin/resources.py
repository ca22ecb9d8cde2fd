"""The built-in resources, in one table.

A module of resources ends in a tuple of `Resource`; those in this table are served.
"""

from __future__ import annotations

from typing import Final

from chunkwire.origin.echo import ECHO
from chunkwire.origin.events import EVENTS
from chunkwire.origin.mock.resources import mock_resources
from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockSettings
from chunkwire.origin.plan import PLANNED
from chunkwire.origin.probe import PROBE
from chunkwire.origin.scenarios.playing import PLAYED
from chunkwire.origin.streams import STREAMS
from chunkwire.origin.websocket import WEBSOCKET
from chunkwire.server.admin import JOURNAL
from chunkwire.server.routes import Resource

RESOURCES: Final[tuple[Resource, ...]] = (*STREAMS, *EVENTS, *PLANNED, *ECHO, *PROBE, *WEBSOCKET, *PLAYED)


def origin_resources(mock: MockSettings = DEFAULT_MOCK) -> tuple[Resource, ...]:
    """Return what an origin serves: the table, the mock of language models, and the server's own journal."""
    return (*RESOURCES, *mock_resources(mock), JOURNAL)
