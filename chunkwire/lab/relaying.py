"""Relay a stream through a real exchange of the gateway, in the mode and with the fault that the path names.

The rule here: no relay mode is simulated. `/via/buffer/generate` is an exchange of `forward.Gateway` over a connection
to the lab's own address, where `/direct/generate` answers; `/via/MODE,fault=NAME=N/…` breaks it as `forward --fault`
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import trio

from chunkwire.forward.gateway import Gateway, default_mover
from chunkwire.forward.rewrite import admitted_framing
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import parse_fault, parse_mode
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.lab.guard import SANDBOXED
from chunkwire.lab.seat import Seat
from chunkwire.net.dial import parse_url
from chunkwire.net.heads import HeadError, Request
from chunkwire.net.listen import Drain
from chunkwire.server.refusal import Refusal, refusal_of
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.wire.errors import LocalError

_FAULT: Final = ",fault="


class Relays:
    """The gateways of the lab: one mover, and a gateway for each exchange.

    Args:
        upstreams: of the gateway that serves the page; requests for `/up/…` go there. None if an origin serves it.
    """

    def __init__(self, upstreams: Sequence[Upstream] = ()) -> None:
        self.has_upstream = bool(upstreams)
        self._upstreams = Upstreams(upstreams)
        self._mover = default_mover(0.0)
        self._drain = Drain()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the tasks that all exchanges share, until cancelled: mover, deadlines, idle connections to upstreams."""
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._mover.run, name="mover of the lab")
            nursery.start_soon(self._drain.deadlines.run, name="deadlines of the lab")
            nursery.start_soon(self._upstreams.run, name="idle upstreams of the lab")

    async def relay(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        """Relay `/via/MODE/REST` to `/direct/REST` of this very server, and `/up/MODE/REST` to the upstream."""
        mode = request.captures["mode"]
        root = f"{seat.path}/{request.path.removeprefix(seat.path).split('/')[1]}/"
        is_own = not root.endswith("/up/")
        settings, head = _settings(mode, is_own=is_own), _inner(request.head, root)
        try:
            admitted_framing(head)
        except HeadError as error:
            raise refusal_of(error) from error
        connection = response.hand_over()
        own = Upstream(parse_url(f"http://{connection.local}{seat.path}/direct"))
        gateway = Gateway(
            Upstreams([own]) if is_own else self._upstreams,
            settings=settings,
            mover=self._mover,
            drain=self._drain,
            record_for=seat.watchers.record_for(f"gateway {mode}"),
            on_end=lambda *_: None,
        )
        try:
            await gateway.relay(connection, head)
        finally:
            own.idle.close()


def _settings(mode: str, *, is_own: bool) -> GatewaySettings:
    """Return a gateway's settings. With `is_own` the client's Host is kept, as this server checks it again."""
    name, _, fault = mode.partition(_FAULT)
    try:
        return GatewaySettings(
            mode=parse_mode(name),
            fault=parse_fault(fault) if fault else None,
            preserve_host=is_own,
            fields=() if is_own else SANDBOXED,
        )
    except LocalError as error:
        raise Refusal(400, "lab-mode", f"/via/MODE: {error}") from error


def _inner(head: Request, prefix: str) -> Request:
    """Return the request without `/via/MODE` in its target, and with `Connection: close`."""
    rest = head.target.removeprefix(prefix.encode()).partition(b"/")[2]
    fields = tuple(field for field in head.fields if field[0].lower() != b"connection")
    return replace(head, target=b"/" + rest, fields=(*fields, (b"Connection", b"close")))
