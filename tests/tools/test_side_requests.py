"""Requests beside a stream: what their answers say, through hops that change them."""

import gzip

import trio

from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.side_requests import SideRequests
from tests.patience import PATIENCE


async def test_an_answer_that_a_hop_compressed_without_being_asked_is_decoded() -> None:
    state = b'{"written":1}'
    coded = gzip.compress(state)

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            assert b"accept-encoding" not in bytes(await stream.receive_some()).lower()
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded)
            await stream.send_all(head + coded)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/probe/state")
        requests = SideRequests(None, PATIENCE)
        assert await requests.ask("GET", url) == (200, state)
        requests.close()
        nursery.cancel_scope.cancel()
