"""Bodies through the gateway are the same octets."""

from tests.forward.wire import END, TEXT, chunked, forwarding, get
from tests.net.carry import MakeMover


async def test_a_chunked_body_goes_through_as_it_is(make_mover: MakeMover) -> None:
    body = b"005;a=1\r\nhello\r\n" + TEXT + b"0;z\r\nX-Sum: 1\r\n\r\n"
    async with forwarding(make_mover) as gateway:
        _, got = await gateway.relay(get(), chunked(body))
        assert got.endswith(b"\r\n\r\n" + body)
        assert (await gateway.wait_ended()).verdict == "complete"


async def test_each_frame_goes_through_before_the_next_one_is_written(make_mover: MakeMover) -> None:
    async with forwarding(make_mover) as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await upstream.read_head()
        await upstream.send(chunked(b""))
        await client.read_head()
        for frame in (TEXT, b"1\r\nx\r\n", TEXT, END):
            await upstream.send(frame)
            await client.expect(frame)
