"""A stream through a real exchange of the gateway, in the mode and with the fault that the path names.

The rule here: nothing is imitated. `/via/buffer/generate` is an exchange of `forward.Gateway` over a connection to the
lab's own address, where `/direct/generate` answers; `/via/MODE,fault=NAME=N/…` breaks it as `forward --fault` does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import trio

from chunkwire.forward.gateway import Gateway, default_mover
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import parse_fault, parse_mode
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.lab.guard import SANDBOXED
from chunkwire.lab.seat import Seat
from chunkwire.net.dial import parse_url
from chunkwire.net.heads import HeadError, Request
from chunkwire.net.listen import Drain
from chunkwire.server.refusal import Refusal, from_head_error
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.wire.errors import LocalError

_FAULT: Final = ",fault="


class Relays:
    """The gateways of the lab: one mover, and a gateway for each exchange."""

    def __init__(self) -> None:
        self._mover = default_mover(0.0)
        self._drain = Drain()

    async def run(self) -> None:
        """Do what exchanges need done beside them, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._mover.run, name="mover of the lab")
            nursery.start_soon(self._drain.deadlines.run, name="deadlines of the lab")

    async def relay(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        """Relay a request for `/via/MODE/REST` to `/direct/REST` of this very server."""
        mode = request.captures["mode"]
        settings = _settings(mode)
        head = _inner(request.head, f"{seat.path}/via/")
        connection = response.hand_over()
        upstream = Upstream(parse_url(f"http://{_own_address(connection.stream)}{seat.path}/direct"))
        gateway = Gateway(
            Upstreams([upstream]),
            settings=settings,
            mover=self._mover,
            drain=self._drain,
            record_for=seat.watchers.record_for(f"gateway {mode}"),
            on_end=lambda *_: None,
        )
        try:
            await gateway.relay(connection, head)
        except HeadError as error:
            raise from_head_error(error) from error
        finally:
            upstream.close()


def _settings(mode: str) -> GatewaySettings:
    name, _, fault = mode.partition(_FAULT)
    try:
        return GatewaySettings(mode=parse_mode(name), fault=parse_fault(fault) if fault else None, fields=SANDBOXED)
    except LocalError as error:
        raise Refusal(400, "lab-mode", f"/via/MODE: {error}") from error


def _inner(head: Request, prefix: str) -> Request:
    """Return a request whose target lacks `/via/MODE`, and after which the connection closes."""
    rest = head.target.removeprefix(prefix.encode()).partition(b"/")[2]
    fields = tuple(field for field in head.fields if field[0].lower() != b"connection")
    return replace(head, target=b"/" + rest, fields=(*fields, (b"Connection", b"close")))


def _own_address(stream: trio.abc.Stream) -> str:
    """Return the address that a client reached us at, to reach ourselves by."""
    assert isinstance(stream, trio.SocketStream)
    host, port = stream.socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
