"""The page of the lab on a server's `--admin` address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from chunkwire.server.site import NO_SITE, AdminSite

if TYPE_CHECKING:
    from chunkwire.forward.upstreams import Upstream
    from chunkwire.net.listen import Address
    from chunkwire.record.values import Record
    from chunkwire.server.routes import Resource
    from chunkwire.server.settings import ServerSettings
    from chunkwire.server.stampdesk import StampDesk
    from chunkwire.server.tap import RecordFor


@asynccontextmanager
async def page_beside(
    place: str,
    admin: Address | None,
    *,
    record_to: Callable[[Record], None] | None,
    streams: Sequence[Resource] | None = None,
    upstreams: Sequence[Upstream] = (),
    settings: ServerSettings | None = None,
    stamps: StampDesk | None = None,
) -> AsyncIterator[tuple[AdminSite, RecordFor]]:
    """Yield what the admin address of a server serves beside its metrics, and the consumers of the server's records.

    Args:
        place: what the page calls the server.
        admin: None serves no page.
        record_to: takes the records all the same.
        streams: the resources on the page; None takes the origin's.
        upstreams: where a gateway sends requests.
        settings: of the streams on the page.
        stamps: what it keeps is said there, too.
    """
    if admin is None:
        yield NO_SITE, lambda _: record_to
        return
    import trio

    from chunkwire.lab.laboratory import Lab
    from chunkwire.lab.puzzling import learning
    from chunkwire.lab.relaying import Relays
    from chunkwire.origin.resources import origin_resources

    clock = getattr(settings, "clock", "real")
    streams = streams or origin_resources()
    lab = Lab(streams, relays=Relays(upstreams), about={"clock": clock}, others=learning())
    async with trio.open_nursery() as nursery:
        await nursery.start(lab.relays.run, name="lab")
        yield (
            AdminSite(lab.resources, settings, lab.record_for, stamps),
            lab.seat.watchers.record_for(place, record_to),
        )
        nursery.cancel_scope.cancel()
