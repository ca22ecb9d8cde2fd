"""A body that nobody takes any more is still scanned as one body (`--on-client-gone drain`)."""

from dataclasses import replace

from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from tests.forward.wire import TEXT, chunked, forwarding, get
from tests.net.carry import MakeMover


async def test_octets_held_when_the_client_left_are_read_out_with_what_follows(make_mover: MakeMover) -> None:
    """Fails where a mover forgets, at the sink's end, what the scanner has not approved: `a` begins the next line."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, on_client_gone="drain")
    async with forwarding(make_mover, settings) as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.send(chunked(b""))
            await client.read_head()
            client.reset()
            await upstream.send(TEXT + b"a")
            for _ in range(100):
                await upstream.send(b"\r\n0123456789\r\na")
            await upstream.send(b"\r\n0123456789\r\n0\r\n\r\n")
            assert (await gateway.wait_ended()).verdict == "client-gone"
