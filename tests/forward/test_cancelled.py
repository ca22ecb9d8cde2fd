"""A gateway that is cancelled after any step of its tasks leaves nothing behind, and no body it cuts looks whole."""

from contextlib import suppress

import pytest
import trio
import trio.testing

from chunkwire.forward.gateway import Gateway
from chunkwire.forward.report import Report
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.net.dial import parse_url
from chunkwire.net.heads import Request
from chunkwire.net.listen import Address, ServedListener, bound_addresses, open_listeners, serve_connections
from chunkwire.net.movers import Mover
from chunkwire.server.metrics import Metrics
from tests.forward.wire import END, TEXT, GatewaySettings, Wire, answer, chunked, forwarding, get, post
from tests.net.carry import MakeMover
from tests.patience import PATIENCE

SWITCHING = answer(b"Connection: Upgrade", b"Upgrade: x", status=b"101 Switching Protocols")
CASES = {
    "chunked": (get(), (chunked(b"5\r\nhel"), b"lo\r\n", END)),
    "by close": (get(version=b"1.0"), (chunked(b"5\r\nhel"), b"lo\r\n", END)),
    "upload": (post(TEXT + END), (answer(status=b"100 Continue"), chunked(TEXT), END)),
    "tunnel": (get(b"Connection: Upgrade", b"Upgrade: x"), (SWITCHING, b"hel", b"lo")),
}


class CancelAfter(trio.abc.Instrument):
    """Cancels a scope after so many steps of a gateway's tasks."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self.left = steps
        self._scope = scope

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task.name in ("connection", "request body", "tunnel up", "tunnel down"):
            self.left -= 1
            if not self.left:
                self._scope.cancel()


class Cut:
    """One exchange of a gateway that is cancelled after so many steps."""

    def __init__(self, mover: Mover, steps: int) -> None:
        self.scope = trio.CancelScope()
        self.cancelling = CancelAfter(self.scope, steps)
        self.metrics = Metrics("gateway")
        self.reports: list[Report] = []
        self._mover = mover

    async def run(self, request: bytes, pieces: tuple[bytes, ...]) -> tuple[bytes, bool]:
        """Return what the client got, and whether it ended in a FIN."""
        [behind], [own] = [await open_listeners(Address("127.0.0.1", 0)) for _ in range(2)]
        async with trio.open_nursery() as nursery, behind:
            nursery.start_soon(self._serve, behind, own, name="serve")
            answering = trio.CancelScope()
            nursery.start_soon(answer_once, behind, pieces, answering, name="upstream")
            await trio.testing.wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(self.cancelling)
            got = await ask(bound_addresses([own])[0].port, request)
            trio.lowlevel.remove_instrument(self.cancelling)
            self.scope.cancel()
            answering.cancel()
        return got

    async def _serve(self, behind: ServedListener, own: ServedListener) -> None:
        upstream = Upstream(parse_url(f"http://{bound_addresses([behind])[0]}"))
        gateway = Gateway(Upstreams([upstream]), mover=self._mover, metrics=self.metrics, on_end=self._note_end)
        with self.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(gateway.run, name="gateway")
                await serve_connections([own], gateway.handle, drain=gateway.drain)
        assert len(upstream.idle) == 0

    def _note_end(self, peer: str, request: Request, report: Report) -> None:
        self.reports.append(report)


async def ask(port: int, request: bytes) -> tuple[bytes, bool]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        client = Wire(stream)
        with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
            await client.send(request)
            await client.send_eof()
            return await client.read_all(), True
        return bytes(client.received), False


async def answer_once(listener: ServedListener, pieces: tuple[bytes, ...], scope: trio.CancelScope) -> None:
    with scope, suppress(trio.BrokenResourceError):
        async with await listener.accept() as stream:
            head = b""
            while not head.endswith((b"\r\n\r\n", END)):
                if not (octets := await stream.receive_some()):
                    return
                head += octets
            for piece in pieces:
                await stream.send_all(piece)
                await trio.testing.wait_all_tasks_blocked()
            await stream.send_eof()
            while await stream.receive_some():
                pass


@pytest.mark.parametrize("case", CASES)
async def test_each_step_may_be_the_last(make_mover: MakeMover, case: str) -> None:
    """Fails where a task, a socket or a count is left, an error ends the run, or a cut looks like an end."""
    for steps in range(1, 100):
        mover = make_mover()
        cut = Cut(mover, steps)
        got, is_ended = await cut.run(*CASES[case])
        assert cut.metrics.streams_open == 0
        assert len(cut.reports) <= 1
        assert not getattr(mover, "_entries", None)
        head, _, body = got.partition(b"\r\n\r\n")
        if case == "by close" and is_ended and head:
            assert body == b"hello"
        if cut.cancelling.left > 0:
            return
    raise AssertionError("expected the exchange to end")


async def test_a_cancelled_exchange_resets_its_upstream(make_mover: MakeMover) -> None:
    """Fails where the upstream gets a FIN alone, which may be a half-close, and streams on."""
    async with forwarding(make_mover, GatewaySettings(grace=0.0)) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
            await client.expect(TEXT)
            gateway.drain.start()
            assert await upstream.read_reset() == b""
