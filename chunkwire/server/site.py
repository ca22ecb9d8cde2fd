"""What an admin address serves beside its metrics, as a value: a gateway that has none holds no engine for it."""

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
    """What an admin address serves beside `/metrics` and `/healthz`; the others are as in `server.serving.serve`.

    Attributes:
        stamps: keeps the kernel's stamps of the bodies that a request asks them for, and says them there; None reads
            none.
    """

    resources: tuple[Resource, ...] = ()
    settings: ServerSettings | None = None
    record_for: RecordFor | None = None
    stamps: StampDesk | None = None


NO_SITE: Final = AdminSite()
