"""The other end of the tests: an origin on a real socket, a raw client, and pacers that a test controls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

import chunkwire
from chunkwire.net.listen import Address, Drain, open_listeners, serve_connections
from chunkwire.net.sleeper import Pacer
from chunkwire.origin.mock.settings import DEFAULT_MOCK, MockSettings
from chunkwire.origin.resources import origin_resources
from chunkwire.record.values import Record
from chunkwire.server.engine import Server
from chunkwire.server.journal import Ended, JournalEntry
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource, ResponderFunction
from chunkwire.server.settings import DEFAULT_SERVER_SETTINGS, ServerSettings
from chunkwire.wire.frames import Chunk
from tests.net.peer import reset
from tests.patience import PATIENCE


class LeapPacer:
    """A pacer for which every moment has come: it says which ones were asked for, and leaps to them."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self._now = 1000.0

    def now(self) -> float:
        return self._now

    async def wait_until(self, moment: float) -> None:
        self.moments.append(moment)
        self._now = max(self._now, moment)
        await trio.lowlevel.checkpoint()

    def pass_by(self, seconds: float) -> None:
        """Let time pass, as slow work would."""
        self._now += seconds


class TrioPacer:
    """A pacer on trio's clock, which a test may jump."""

    def now(self) -> float:
        return trio.current_time()

    async def wait_until(self, moment: float) -> None:
        await trio.sleep_until(moment)


class GatePacer(LeapPacer):
    """A pacer whose moments come one at a time, each when the test opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = trio.Semaphore(0)
        self._open = trio.Semaphore(0)

    async def wait_until(self, moment: float) -> None:
        self.waiting.release()
        await self._open.acquire()
        await super().wait_until(moment)

    def open(self) -> None:
        self._open.release()


@dataclass
class Running:
    """An origin that serves, and what it reported."""

    origin: Server
    port: int
    drain: Drain
    ended: list[JournalEntry] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    _signal: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(0))

    def note_end(self, exchange: JournalEntry) -> None:
        self.ended.append(exchange)
        self._signal.release()

    async def wait_ended(self) -> Ended:
        """Return how the next exchange ends."""
        with trio.fail_after(PATIENCE):
            await self._signal.acquire()
        ended = self.ended[-1].ended_by
        assert ended is not None
        return ended

    async def ask(self, octets: bytes) -> bytes:
        """Send octets on a new connection, half-close, and return all that comes back."""
        async with connect(self.port, octets) as client:
            await client.stream.send_eof()
            return await client.read_all()

    async def get(self, target: str) -> bytes:
        """Return the response to a GET, head and all."""
        return await self.ask(get(target, b"Connection: close"))

    async def journal(self, nonce: str = "") -> list[bytes]:
        """Return the entries of the journal, each of which is a chunk."""
        frames = chunkwire.decode(body_of(await self.get(f"/journal?nonce={nonce}")))
        return [frame.data for frame in frames if isinstance(frame, Chunk)]


class Client:
    """A raw client: what it sends is what the test wrote."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.received = bytearray()

    async def send(self, octets: bytes) -> None:
        await self.stream.send_all(octets)

    async def read_until(self, marker: bytes) -> bytes:
        """Return what comes, up to the marker and with it; what follows is kept."""
        with trio.fail_after(PATIENCE):
            while marker not in self.received:
                octets = await self.stream.receive_some()
                assert octets, f"expected {marker!r}, got the end after {bytes(self.received)!r}"
                self.received += octets
        end = self.received.index(marker) + len(marker)
        taken = bytes(self.received[:end])
        del self.received[:end]
        return taken

    async def read_all(self) -> bytes:
        """Return all that comes until the FIN."""
        with trio.fail_after(PATIENCE):
            while octets := await self.stream.receive_some():
                self.received += octets
        return bytes(self.received)

    async def read_head(self) -> bytes:
        """Return the next head, with its empty line."""
        return await self.read_until(b"\r\n\r\n")

    async def read_reset(self) -> bytes:
        """Return all that comes before a reset, which must come."""
        try:
            await self.read_all()
        except trio.BrokenResourceError:
            return bytes(self.received)
        raise AssertionError(f"expected a reset, got FIN after {bytes(self.received)!r}")

    def reset(self) -> None:
        reset(self.stream)


@asynccontextmanager
async def connect(port: int, octets: bytes = b"") -> AsyncIterator[Client]:
    """Give a raw client, which has sent these octets."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = Client(stream)
        await client.send(octets)
        yield client


@asynccontextmanager
async def serving(
    *resources: Resource,
    settings: ServerSettings = DEFAULT_SERVER_SETTINGS,
    mock: MockSettings = DEFAULT_MOCK,
    pacer: Pacer | None = None,
    record: bool = False,
) -> AsyncIterator[Running]:
    """Serve the built-in resources, or these, on a free port."""
    listeners = await open_listeners(Address("127.0.0.1", 0))
    drain, records = Drain(), list[Record]()
    running = Running(
        Server(
            resources or origin_resources(mock),
            settings=settings,
            pacer=pacer or LeapPacer(),
            drain=drain,
            record_for=(lambda _: records.append) if record else None,
            on_end=lambda exchange: running.note_end(exchange),
        ),
        listeners[0].socket.getsockname()[1],
        drain,
        records=records,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: serve_connections(listeners, running.origin.handle, drain=drain, grace=1.0), name="serve"
        )
        yield running
        nursery.cancel_scope.cancel()


async def ask(octets: bytes, *resources: Resource, **options: Any) -> bytes:
    """Return what comes back for octets and a half-close from an origin that serves for them alone."""
    async with serving(*resources, **options) as running:
        return await running.ask(octets)


async def fetch(target: str, *resources: Resource, **options: Any) -> bytes:
    """Return the response to a GET from an origin that serves for it alone."""
    return await ask(get(target, b"Connection: close"), *resources, **options)


def get(target: str, *lines: bytes) -> bytes:
    """Return a GET request."""
    return b"".join((b"GET %b HTTP/1.1\r\nHost: x\r\n" % target.encode(), *(line + b"\r\n" for line in lines), b"\r\n"))


def post(target: str, body: bytes, *lines: bytes) -> bytes:
    """Return a chunked POST request whose body is these octets as they stand."""
    head = (b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" % target.encode(),)
    return b"".join((*head, *(line + b"\r\n" for line in lines), b"\r\n", body))


def body_of(response: bytes) -> bytes:
    """Return what follows the head of a response."""
    return response.partition(b"\r\n\r\n")[2]


def status_of(response: bytes) -> int:
    """Return the status of a response."""
    assert response.startswith(b"HTTP/1.1 "), response
    return int(response[9:12])


def resource(responder: ResponderFunction, *methods: str) -> Resource:
    """Return a resource at `/x` that takes any parameter."""
    return Resource("/x", responder, "a test's own", methods=methods or ("GET", "POST"), parameters=None)


async def two_chunks(_: IncomingRequest, response: Responder) -> None:
    """Answer with `one` and `two`."""
    async with response.chunked() as body:
        await body.send_chunk(b"one")
        await body.send_chunk(b"two")


TWO_CHUNKS = b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
