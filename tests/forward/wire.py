"""A gateway on real sockets; the test is the client and the upstream, octet by octet.

async with forwarding(make_mover) as gateway, gateway.connect() as client:
    await client.send(get())
    async with gateway.asked() as upstream:
        await upstream.send(chunked(b"1\\r\\nx\\r\\n0\\r\\n\\r\\n"))
        assert (await client.read_head()).startswith(b"HTTP/1.1 200 ")
    report = await gateway.wait_ended()
"""

from __future__ import annotations

import re
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from chunkwire.forward.gateway import Gateway, default_mover
from chunkwire.forward.report import Report
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS, GatewaySettings
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.net.dial import parse_url
from chunkwire.net.heads import Request
from chunkwire.net.listen import Address, Drain, ServedListener, open_listeners, serve_connections
from chunkwire.net.movers import Mover
from chunkwire.record.values import Record
from chunkwire.server.metrics import Metrics
from tests.patience import PATIENCE
from tests.server.peer import Client, body_of, status_of

CHUNKED: Final = b"Transfer-Encoding: chunked"
END: Final = b"0\r\n\r\n"
TEXT: Final = b"5\r\nhello\r\n"


class Wire(Client):
    """One connection, whose other end is the gateway."""

    async def expect(self, octets: bytes) -> None:
        """Read these octets, which must come next."""
        with trio.fail_after(PATIENCE):
            while len(self.received) < len(octets) and octets.startswith(self.received):
                more = await self.stream.receive_some()
                assert more, f"expected {octets!r}, got the end after {bytes(self.received)!r}"
                self.received += more
        assert bytes(self.received[: len(octets)]) == octets
        del self.received[: len(octets)]

    async def read_end(self) -> bytes:
        """Return what comes before the end, be it a FIN or a reset."""
        try:
            return await self.read_all()
        except trio.BrokenResourceError:
            return bytes(self.received)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def close(self) -> None:
        await self.stream.aclose()


@dataclass
class Running:
    """A gateway that serves, the upstreams behind it, and what it reported."""

    gateway: Gateway
    port: int
    listeners: list[ServedListener]
    drain: Drain
    nursery: trio.Nursery
    ended: list[tuple[Request, Report]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    metrics: Metrics = field(default_factory=lambda: Metrics("gateway"))
    _signal: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(0))

    def note_end(self, peer: str, request: Request, report: Report) -> None:
        self.ended.append((request, report))
        self._signal.release()

    async def wait_ended(self) -> Report:
        """Return what the next exchange to end came to (a request that was refused is one)."""
        with trio.fail_after(PATIENCE):
            await self._signal.acquire()
        return self.ended[-1 - self._signal.value][1]

    @asynccontextmanager
    async def connect(self, octets: bytes = b"") -> AsyncIterator[Wire]:
        """Give a client's connection, on which these octets have been sent."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            client = Wire(stream)
            await client.send(octets)
            yield client

    @asynccontextmanager
    async def accept(self, number: int = 0) -> AsyncIterator[Wire]:
        """Give the next connection that the gateway opens to this upstream."""
        with trio.fail_after(PATIENCE):
            stream = await self.listeners[number].accept()
        async with stream:
            yield Wire(stream)

    @asynccontextmanager
    async def asked(self, number: int = 0) -> AsyncIterator[Wire]:
        """Give the next connection to this upstream, which has read the head of a request."""
        async with self.accept(number) as upstream:
            await upstream.read_head()
            yield upstream

    @asynccontextmanager
    async def exchange(self, request: bytes, response: bytes = b"") -> AsyncIterator[tuple[Wire, Wire]]:
        """Give a client and the upstream that has read its request's head.

        Args:
            response: has been sent, if there is one, and its head has been read.
        """
        async with self.connect(request) as client, self.asked() as upstream:
            if response:
                await upstream.send(response)
                await client.read_head()
            yield client, upstream

    def is_asked(self, number: int = 0) -> bool:
        """Say whether a connection to this upstream waits to be accepted."""
        return bool(select.select([self.listeners[number].socket.fileno()], [], [], 0)[0])

    async def relay(self, request: bytes, response: bytes) -> tuple[bytes, bytes]:
        """Carry one exchange: the upstream reads a head, sends the response and a FIN; the client half-closes.

        Returns:
            The request head that the upstream got, and all that the client got.
        """
        async with self.connect(request) as client, self.accept() as upstream:
            await client.send_eof()
            head = await upstream.read_head()
            with suppress(trio.BrokenResourceError):  # refused already, and reset
                await upstream.send(response)
                await upstream.send_eof()
            return head, await client.read_end()

    async def ask(self, octets: bytes) -> bytes:
        """Return all that comes back for these octets and a half-close, where no upstream has to answer."""
        async with self.connect(octets) as client:
            await client.send_eof()
            return await client.read_end()


@asynccontextmanager
async def forwarding(
    make_mover: Callable[[], Mover] | None = None,
    settings: GatewaySettings = DEFAULT_GATEWAY_SETTINGS,
    *,
    upstreams: int = 1,
    path: str = "",
    record: bool = False,
) -> AsyncIterator[Running]:
    """Run a gateway before so many listening upstreams, which accept only what the test accepts.

    Args:
        make_mover: makes the mover of bodies; None is the one of the settings' own.
        path: of each upstream's URL.
        record: keep the records of what goes through.
    """
    behind = [(await open_listeners(Address("127.0.0.1", 0)))[0] for _ in range(upstreams)]
    urls = [parse_url(f"http://127.0.0.1:{each.socket.getsockname()[1]}{path}") for each in behind]
    listeners = await open_listeners(Address("127.0.0.1", 0))
    drain, records, metrics = Drain(), list[Record](), Metrics("gateway")
    gateway = Gateway(
        Upstreams([Upstream(url, None, settings.connect_timeout, settings.head_limits) for url in urls]),
        settings=settings,
        mover=make_mover() if make_mover is not None else default_mover(settings.poll),
        drain=drain,
        record_for=(lambda _: records.append) if record else None,
        on_end=lambda *said: running.note_end(*said),
        metrics=metrics,
    )
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        running = Running(gateway, port, behind, drain, nursery, records=records, metrics=metrics)
        nursery.start_soon(gateway.run, name="gateway")
        nursery.start_soon(
            lambda: serve_connections(listeners, gateway.handle, drain=drain, grace=settings.grace), name="serve"
        )
        try:
            yield running
        finally:
            nursery.cancel_scope.cancel()
            for listener in behind:
                listener.socket.close()


async def relay_heads(request: bytes, response: bytes, **options: Any) -> tuple[bytes, bytes]:
    """Carry one exchange, as `Running.relay` does, by a gateway of these options that is there for it alone."""
    async with forwarding(**options) as gateway:
        return await gateway.relay(request, response)


async def refuse_request(request: bytes, settings: GatewaySettings = DEFAULT_GATEWAY_SETTINGS) -> int:
    """Return the status that refuses a request: nothing reaches the upstream, and the GET after it is not run."""
    async with forwarding(settings=settings) as gateway:
        got = await gateway.ask(request + get())
        assert count_answers(got) == 1
        assert not gateway.is_asked()
        assert b"\r\nConnection: close\r\n" in got
        await gateway.wait_ended()
        assert len(gateway.ended) == 1
    return status_of(got)


async def refuse_response(response: bytes, request: bytes | None = None) -> int:
    """Return the status that stands for a response that is refused: nothing of it reaches the client."""
    async with forwarding() as gateway, gateway.connect(request or get()) as client, gateway.asked() as upstream:
        await upstream.send(response)
        got = await client.read_all()
        assert await upstream.read_reset() == b""
    assert count_answers(got) == 1
    assert b"\r\nProxy-Status: chunkwire; error=" in got
    return status_of(got[got.rindex(b"HTTP/1.1 ", 0, got.index(b"\r\nProxy-Status: ")) :])


def count_answers(got: bytes) -> int:
    """Return how many final responses these octets hold."""
    return len(re.findall(rb"^HTTP/1\.1 [2-5]\d\d ", got, re.MULTILINE))


def get(*lines: bytes, target: bytes = b"/", method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    """Return a request head with Host and these lines."""
    return b"\r\n".join((b"%b %b HTTP/%b" % (method, target, version), b"Host: x", *lines, b"", b""))


def post(body: bytes, *lines: bytes) -> bytes:
    """Return a chunked POST whose body is these octets as they stand."""
    return get(CHUNKED, *lines, method=b"POST") + body


def answer(*lines: bytes, status: bytes = b"200 OK", version: bytes = b"1.1") -> bytes:
    """Return a response head of these lines."""
    return b"\r\n".join((b"HTTP/%b %b" % (version, status), *lines, b"", b""))


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return a chunked 200 whose body is these octets as they stand."""
    return answer(CHUNKED, *lines) + body


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the field lines of a head in order, names in lower case."""
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]


def values_of(head: bytes, name: bytes) -> list[bytes]:
    """Return the values of each line of this name (lower case), in order."""
    return [value for each, value in fields_of(head) if each == name]


__all__ = [
    "CHUNKED", "END", "TEXT", "Running", "GatewaySettings", "Wire", "answer", "body_of", "chunked",
    "count_answers", "fields_of", "forwarding", "get", "post", "refuse_request", "refuse_response", "status_of",
    "values_of",
]  # fmt: skip
