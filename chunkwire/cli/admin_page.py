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
    """Yield what the admin address serves beside the metrics, and what chooses the consumer of an exchange's records.

    Args:
        place: the server's name on the page, such as "origin".
        admin: the admin address; None serves no page.
        record_to: takes every record, with or without a page; None for no such consumer.
        streams: the resources that can be requested on the page; None for those of the origin.
        upstreams: where a gateway sends requests.
        settings: how the admin address serves these resources; None for the defaults.
        stamps: keeps kernel timestamps, which the admin address serves, too; None for none.
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
