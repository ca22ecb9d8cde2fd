"""How an exchange ends on its upstream's side, and that none waits for ever."""

from dataclasses import replace

import trio

from chunkwire.forward.settings import DEFAULT_GATEWAY_SETTINGS
from tests.forward.wire import answer, forwarding, get, status_of
from tests.net.carry import MakeMover

BRIEF = 0.1  # s; a deadline that must pass: nothing here rests on how soon it does
SWITCH = answer(b"Upgrade: other", b"Connection: Upgrade", status=b"101 Switching Protocols")


async def test_an_upstream_that_neither_reads_nor_answers_is_a_504(make_mover: MakeMover) -> None:
    """Fails where the response's deadline waits for a request body that has stopped for good."""
    settings = replace(DEFAULT_GATEWAY_SETTINGS, send_timeout=BRIEF, response_timeout=BRIEF)
    head = get(b"Content-Length: 1000000000", method=b"POST")
    async with forwarding(make_mover, settings) as gateway, gateway.connect(head) as client, gateway.accept():
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                try:
                    while True:
                        await client.stream.send_all(bytes(65536))
                except trio.BrokenResourceError:
                    await trio.sleep_forever()

            nursery.start_soon(send, name="send")
            assert status_of(await client.read_head()) == 504
            nursery.cancel_scope.cancel()
        assert (await gateway.wait_ended()).verdict == "timeout"


async def test_the_last_octets_of_a_tunnel_arrive() -> None:
    """Fails where an upstream is reset after a tunnel that both sides ended: what is on its way is lost."""
    asked = get(b"Connection: Upgrade", b"Upgrade: other")
    async with forwarding() as gateway, gateway.connect(asked) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(SWITCH)
        await upstream.send_eof()
        await client.read_head()
        assert await client.read_all() == b""
        await client.send(b"last words")
        await client.send_eof()
        await gateway.wait_ended()
        assert await upstream.read_all() == b"last words"


async def test_an_upstream_that_is_done_with_is_closed_without_a_reset() -> None:
    """Fails where every connection that is not kept is reset, also after a whole exchange."""
    async with forwarding() as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(answer(b"Content-Length: 2", b"Connection: close") + b"ok")
        assert status_of(await client.read_head()) == 200
        assert await upstream.read_all() == b""


async def test_an_upstream_that_gives_a_204_a_coding_is_not_asked_again() -> None:
    """Fails where it is kept: the body that it announced may come later, as an answer to the next request."""
    async with forwarding() as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(answer(b"Transfer-Encoding: chunked", status=b"204 No Content"))
        assert status_of(await client.read_head()) == 204
        assert await upstream.read_all() == b""


async def test_an_upstream_that_gives_a_plain_204_is_asked_again() -> None:
    """The twin: a 204 without framing fields leaves both ends in step."""
    async with forwarding() as gateway, gateway.connect(get() + get(target=b"/next")) as client:
        async with gateway.accept() as upstream:
            await upstream.read_head()
            await upstream.send(answer(status=b"204 No Content"))
            assert status_of(await client.read_head()) == 204
            assert (await upstream.read_head()).startswith(b"GET /next ")
