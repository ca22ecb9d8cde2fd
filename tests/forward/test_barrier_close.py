"""`--barrier` and a body that the close delimits: the close is its end, and waits as a last-chunk does."""

import select

import trio.testing

from tests.forward.test_barrier import HELD, NAMED, acknowledge
from tests.forward.wire import answer, forwarding, get
from tests.net.carry import MakeMover


async def test_a_close_that_delimits_a_body_waits_for_the_last_acknowledgement(make_mover: MakeMover) -> None:
    async with forwarding(make_mover, HELD) as gateway, gateway.connect(get(NAMED, target=b"/")) as client:
        async with gateway.asked() as upstream:
            await upstream.send(answer() + b"all")
            await upstream.send_eof()
            await client.read_head()
            await client.expect(b"all")
            for _ in range(50):
                await trio.testing.wait_all_tasks_blocked()
            assert not select.select([client.stream.socket], [], [], 0)[0]
            assert b" 204 " in await acknowledge(gateway, 1)
            assert await client.read_all() == b""
