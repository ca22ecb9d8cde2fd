"""`--barrier` and bodies without chunks: their parts, and the close, which waits as a last-chunk does."""

import json
import select

import trio.testing

from chunkwire.forward.barrier import _EVENT, _parts_of
from chunkwire.wire.frames import Data
from tests.forward.test_barrier import HELD, ID, NAMED, acknowledge, ask
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


async def test_a_stream_that_is_over_still_says_how_its_request_arrived() -> None:
    async with forwarding(settings=HELD) as gateway:
        sized = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
        async with gateway.exchange(get(NAMED, target=b"/sse"), sized) as (client, _upstream):
            await client.expect(b"no")
        head, content = await ask(gateway, get(target=f"/probe/state?barrier={ID}".encode()))
    state = json.loads(content)
    assert (b" 410 " in head, state["arrived"]["target"], state["is_over"]) == (True, "/sse", True)


def test_the_parts_of_content_have_their_own_offsets() -> None:
    parts = _parts_of([Data(7, b"a\n\nbc\n\n")], _EVENT)
    assert list(parts) == [[Data(7, b"a\n\n")], [Data(10, b"bc\n\n")]]
