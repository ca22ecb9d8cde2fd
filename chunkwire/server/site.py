"""What an admin address serves beside the metrics: only values, so that a gateway need not import the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chunkwire.server.routes import Resource
    from chunkwire.server.settings import ServerSettings
    from chunkwire.server.stampdesk import StampDesk
    from chunkwire.server.tap import RecordFor


@dataclass(frozen=True, slots=True)
class AdminSite:
    """What an admin address serves beside `/metrics` and `/healthz`; see `serving.serve`.

    Attributes:
        stamps: keeps kernel timestamps for the requests that ask for them, and serves them; None reads none.
    """

    resources: tuple[Resource, ...] = ()
    settings: ServerSettings | None = None
    record_for: RecordFor | None = None
    stamps: StampDesk | None = None


NO_SITE: Final = AdminSite()
