"""Upgrades: a real WebSocket client and server through the gateway, octet for octet; and what is no upgrade."""

import math
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from chunkwire.forward.gateway import Gateway
from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from chunkwire.forward.tunnel import tunnel
from chunkwire.forward.upstreams import Upstream, Upstreams
from chunkwire.net.connection import Connection
from chunkwire.net.dial import parse_url
from chunkwire.net.listen import Address, Drain, bound_addresses, open_listeners, serve_connections
from tests.forward.wire import Wire, answer, forwarding, get, status_of, values_of
from tests.net.peer import SMALL, read_exactly, tcp_pair, unix_pair
from tests.origin.websocket import KEY, UPGRADE, Peer
from tests.patience import PATIENCE
from tests.server.peer import connect, serving

SWITCHING = answer(b"Connection: Upgrade", b"Upgrade: websocket", status=b"101 Switching Protocols")


async def test_a_real_websocket_client_and_server_talk_through_the_gateway() -> None:
    """Fails where a frame is changed, held, or lost with the 101: messages, a ping and the close, both ways."""
    async with serving() as origin, trio.open_nursery() as nursery:
        upstream = Upstream(parse_url(f"http://127.0.0.1:{origin.port}"))
        gateway, listeners = Gateway(Upstreams([upstream])), await open_listeners(Address("127.0.0.1", 0))
        nursery.start_soon(gateway.run, name="gateway")
        nursery.start_soon(lambda: serve_connections(listeners, gateway.handle, drain=Drain()), name="serve")
        async with connect(bound_addresses(listeners)[0].port) as client:
            await client.send(get(*UPGRADE, KEY, target=b"/ws"))
            assert (await client.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            peer = Peer(client)
            exchanged: list[tuple[Event, Event]] = [
                (TextMessage("Grüße"), TextMessage("Grüße")),
                (BytesMessage(bytes(range(256)) * 300), BytesMessage(bytes(range(256)) * 300)),
                (Ping(b"x"), Pong(b"x")),
            ]
            for sent, expected in exchanged:
                await peer.send(sent)
                assert await read_message(peer) == expected
            await peer.send(CloseConnection(1000))
            assert isinstance(await peer.next(), CloseConnection)
        nursery.cancel_scope.cancel()


async def read_message(peer: Peer) -> Event:
    """Return the next event, a message in pieces as one."""
    event = await peer.next()
    while isinstance(event, BytesMessage) and not event.message_finished:
        more = await peer.next()
        assert isinstance(more, BytesMessage)
        event = BytesMessage(bytes(event.data) + bytes(more.data), message_finished=more.message_finished)
    return BytesMessage(bytes(event.data)) if isinstance(event, BytesMessage) else event


async def open_tunnel(client: Wire, upstream: Wire, early: bytes = b"") -> None:
    """Switch, with these octets in one read with the 101."""
    await upstream.read_head()
    await upstream.send(SWITCHING + early)
    assert status_of(await client.read_head()) == 101


async def test_octets_that_come_with_the_101_are_not_lost() -> None:
    """Fails where what was read beyond a head stays there: a server may speak first, a client at once."""
    async with forwarding() as gateway, gateway.connect(get(*UPGRADE, KEY) + b"early up") as client:
        async with gateway.accept() as upstream:
            await open_tunnel(client, upstream, b"early down")
            await client.expect(b"early down")
            await upstream.expect(b"early up")


async def test_a_tunnel_passes_each_half_close_on() -> None:
    """Fails where one side's FIN ends both ways: the other still has something to say."""
    async with forwarding() as gateway, gateway.connect(get(*UPGRADE, KEY)) as client:
        async with gateway.accept() as upstream:
            await open_tunnel(client, upstream)
            await client.send(b"last")
            await client.send_eof()
            assert await upstream.read_all() == b"last"
            await upstream.send(b"answer")
            await client.expect(b"answer")
            await upstream.send_eof()
            assert await client.read_all() == b""
        report = await gateway.wait_ended()
        assert (report.status, report.verdict) == (101, "complete")


async def test_the_last_octets_of_a_tunnel_arrive() -> None:
    """Fails where an upstream is reset after a tunnel that both sides ended: what is on its way is lost."""
    async with forwarding() as gateway, gateway.connect(get(*UPGRADE, KEY)) as client, gateway.accept() as upstream:
        await open_tunnel(client, upstream)
        await upstream.send_eof()
        assert await client.read_all() == b""
        last = bytes(400_000)  # more than the upstream's kernel takes before it reads
        await client.send(last)
        await client.send_eof()
        await gateway.wait_ended()
        assert await upstream.read_all() == last


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
async def test_half_closes_of_both_sides_end_no_tunnel_whose_upstream_is_slow(
    pair: Callable[..., Awaitable[tuple[trio.SocketStream, trio.SocketStream]]],
) -> None:
    """Fails where a client's FIN after the upstream's is taken for a reset: octets that it sent before it are lost."""
    (client, near), (far, upstream), octets = await pair(), await pair(buffer_octets=SMALL), bytes(80_000)
    async with client, near, far, upstream, trio.open_nursery() as nursery:
        nursery.start_soon(partial(tunnel, Connection(near), Connection(far), send_timeout=PATIENCE), name="tunnel")
        await upstream.send_eof()
        assert await client.receive_some() == b""
        await client.send_all(octets)
        await client.send_eof()
        await trio.testing.wait_all_tasks_blocked()
        assert await read_exactly(upstream, len(octets)) == octets
        assert await upstream.receive_some() == b""


@pytest.mark.parametrize("who, verdict", [("client", "client-gone"), ("upstream", "reset")])
async def test_a_reset_in_a_tunnel_reaches_the_other_side(who: str, verdict: str) -> None:
    """Fails where a reset becomes a FIN, or nothing: what came would look whole. Or where the log blames the other."""
    async with forwarding() as gateway, gateway.connect(get(*UPGRADE, KEY)) as client:
        async with gateway.accept() as upstream:
            await open_tunnel(client, upstream)
            one, other = (client, upstream) if who == "client" else (upstream, client)
            one.reset()
            assert await other.read_reset() == b""
            assert (await gateway.wait_ended()).verdict == verdict


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only a receive or a send notices it")
async def test_a_client_that_resets_while_its_upstream_takes_nothing_ends_the_tunnel() -> None:
    """Fails where the client is read only once the upstream takes more: it would end at the send timeout."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=math.inf)
    async with forwarding(settings=settings) as gateway, gateway.connect(get(*UPGRADE, KEY)) as client:
        async with gateway.accept() as upstream:
            await open_tunnel(client, upstream)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, bytes(1 << 26), name="send")
                for _ in range(1000):
                    await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            client.reset()
            assert (await gateway.wait_ended()).verdict == "client-gone"


async def test_upgrade_goes_up_as_it_was_asked_for_and_no_other_way() -> None:
    """Fails where Upgrade goes on without Connection naming it, or from HTTP/1.0."""
    async with forwarding() as gateway:
        for request in (get(b"Upgrade: websocket"), get(*UPGRADE, version=b"1.0")):
            head, _ = await gateway.relay(request, answer(b"Content-Length: 0"))
            assert (values_of(head, b"upgrade"), values_of(head, b"connection")) == ([], [])
        head, _ = await gateway.relay(get(*UPGRADE, KEY), answer(b"Content-Length: 0"))
        assert (values_of(head, b"upgrade"), values_of(head, b"connection")) == ([b"websocket"], [b"Upgrade"])


async def test_a_side_that_takes_nothing_ends_the_tunnel_at_a_deadline() -> None:
    """Fails where a client that reads nothing keeps its upstream for ever."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=0.1)
    async with forwarding(settings=settings) as gateway, gateway.connect(get(*UPGRADE, KEY)) as client:
        async with gateway.accept() as upstream:
            await open_tunnel(client, upstream)
            with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
                while True:
                    await upstream.send(bytes(65536))
        assert (await gateway.wait_ended()).verdict == "timeout"
