"""A lab on a real socket, and a raw client for it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from chunkwire.lab.laboratory import Lab
from chunkwire.lab.seat import Seat
from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from chunkwire.server.serving import serve
from tests.patience import PATIENCE
from tests.server.peer import status_of


@asynccontextmanager
async def lab_running(lab: Lab | None = None) -> AsyncIterator[tuple[Lab, Address]]:
    """Serve a lab, and give it with its address."""
    lab = lab or Lab(origin_resources())
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            await nursery.start(lab.relays.run, name="lab")

            async def page(*, task_status: trio.TaskStatus[list[Address]]) -> None:
                await serve("127.0.0.1:0", lab.resources, record_for=lab.record_for, task_status=task_status)

            bound = await nursery.start(page, name="page")
            yield lab, bound[0]
            nursery.cancel_scope.cancel()


async def answer(where: Address, request: bytes, content: bytes = b"") -> bytes:
    """Send a request, its head without the empty line, and return all that comes back until the end."""
    stream = await trio.open_tcp_stream(where.host, where.port)
    async with stream:
        length = b"Content-Length: %d\r\n" % len(content) if content else b""
        await stream.send_all(request + length + b"Connection: close\r\n\r\n" + content)
        octets = bytearray()
        async for part in stream:
            octets += part
    return bytes(octets)


async def take_seat(lab: Lab, where: Address, host: str = "127.0.0.1") -> Seat:
    """Take a seat in a class as a browser does."""
    taken = await answer(where, get("/seat", host=host, method="POST"))
    found = re.search(rb"\r\nLocation: (/c/[\w-]{22})/\r\n", taken)
    assert (status_of(taken), bool(found)) == (303, True), taken
    seat, _ = lab.seats.find(found[1])  # type: ignore[index]
    assert seat is not None
    return seat


def get(target: str, *fields: str, host: str = "127.0.0.1", method: str = "GET") -> bytes:
    """Return a request's head, without the empty line."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", *fields)
    return "".join(f"{line}\r\n" for line in lines).encode()


def act(lab: Lab, target: str, *fields: str) -> bytes:
    """Return the head of a POST as the page sends it, with its token."""
    return get(target, f"Chunkwire-Token: {lab.seat.token}", *fields, method="POST")
