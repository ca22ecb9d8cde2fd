"""Where requests go: failover order, one more try where that is safe, connections kept only where that is proved."""

from dataclasses import replace

import pytest
import trio

from chunkwire.forward.upstreams import MAX_IDLE, Upstream, Upstreams
from chunkwire.net.dial import Url
from chunkwire.net.ends import ClientConnection
from chunkwire.record.values import RequestRecord
from tests.forward.wire import END, TEXT, Wire, answer, chunked, forwarding, get, post, relay_heads, status_of
from tests.net.peer import tcp_pair

OK = answer(b"Content-Length: 2") + b"ok"


async def serve_ok(upstream: Wire, client: Wire) -> None:
    """Carry one exchange."""
    await upstream.read_head()
    await upstream.send(OK)
    assert status_of(await client.read_head()) == 200
    await client.expect(b"ok")


@pytest.mark.parametrize("request_octets", [get(), post(TEXT + END)])
async def test_the_next_upstream_serves_where_one_cannot_be_reached(request_octets: bytes) -> None:
    """Fails where a refused connection is the end, or where a POST that was never sent is not."""
    async with forwarding(upstreams=2) as gateway:
        gateway.listeners[0].socket.close()
        async with gateway.connect(request_octets) as client, gateway.accept(1) as upstream:
            await serve_ok(upstream, client)
        assert str(gateway.listeners[1].socket.getsockname()[1]) in (await gateway.wait_ended()).upstream


async def test_no_upstream_that_can_be_reached_is_a_502_at_once() -> None:
    """Fails where the client waits, or gets no reason."""
    async with forwarding(upstreams=2) as gateway:
        for listener in gateway.listeners:
            listener.socket.close()
        got = await gateway.ask(get())
    assert status_of(got) == 502
    assert b"\r\nProxy-Status: chunkwire; error=connection_refused; details=" in got


async def test_a_refusal_that_was_cut_short_reads_well_in_its_field_and_its_text() -> None:
    """Fails where the text has the ellipsis as an escape, or the field has an octet beyond ASCII."""
    async with forwarding() as gateway:
        got = await gateway.ask(b"a" * 65 + b"\r\n\r\n")
    assert (b'aaa\\"..."\r\n' in got, 'aaa"…\n'.encode() in got) == (True, True)


async def test_an_upstream_name_without_an_address_is_a_502(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where an error of the resolver is a traceback."""
    async with forwarding() as gateway:
        behind = next(iter(gateway.gateway.upstreams))
        behind.url = replace(behind.url, host="nosuch.invalid")
        got = await gateway.ask(get())
    assert status_of(got) == 502
    assert b"error=dns_error" in got


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 2"])
async def test_an_upstream_that_answered_badly_is_not_replaced(octets: bytes) -> None:
    """Fails where failover goes on after a request was sent: the other upstream would run it a second time."""
    async with forwarding(upstreams=2) as gateway, gateway.connect(post(END)) as client:
        async with gateway.asked() as upstream:
            await upstream.send(octets)
        assert status_of(await client.read_all()) == 502
        assert not gateway.is_asked(1)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT"])
async def test_a_kept_connection_that_ends_without_an_octet_is_replaced_once(method: bytes) -> None:
    """Fails where a stale connection is a 502: the upstream closed it while the request was on its way."""
    async with forwarding() as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await serve_ok(upstream, client)
            await gateway.wait_ended()
            await client.send(get(method=method))
            await upstream.read_head()
        async with gateway.accept() as fresh:
            assert (await fresh.read_head()).startswith(method)
        assert status_of(await client.read_all()) == 502
        assert not gateway.is_asked()


async def test_a_request_that_is_sent_twice_is_recorded_as_received_once() -> None:
    """Fails where the record of a kept connection that had ended shows two requests of the client."""
    async with forwarding(record=True) as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await serve_ok(upstream, client)
            await gateway.wait_ended()
            gateway.records.clear()
            await client.send(get())
            await upstream.read_head()
        async with gateway.accept() as fresh:
            await serve_ok(fresh, client)
            await gateway.wait_ended()
    points = [record.point for record in gateway.records if isinstance(record, RequestRecord)]
    assert points == ["gateway.received", "gateway.sent", "gateway.sent"]


HINTS = answer(b"Link: </a>", status=b"103 Early Hints")


@pytest.mark.parametrize("sent", [b"H", HINTS, HINTS + b"H"])
async def test_a_kept_connection_that_sent_an_octet_is_not_replaced(sent: bytes) -> None:
    """Suites: a 103 and then FIN. Fails where a request that has been run is sent again: the 103 would come twice."""
    async with forwarding() as gateway, gateway.connect(get()) as client:
        async with gateway.accept() as upstream:
            await serve_ok(upstream, client)
            await gateway.wait_ended()
            await client.send(get())
            await upstream.read_head()
            await upstream.send(sent)
        got = await client.read_all()
        assert got.startswith(sent.removesuffix(b"H") + b"HTTP/1.1 502 ")
        assert got.count(HINTS) == sent.count(HINTS)
        assert not gateway.is_asked()


async def test_a_request_that_may_not_be_repeated_gets_a_fresh_connection() -> None:
    """Fails where a POST goes out on a kept connection: were that stale, nobody could tell whether it was run."""
    async with forwarding() as gateway, gateway.connect(get()) as client, gateway.accept() as upstream:
        await serve_ok(upstream, client)
        await gateway.wait_ended()
        await client.send(get(b"Content-Length: 0", method=b"POST"))
        async with gateway.accept() as fresh:
            await serve_ok(fresh, client)


@pytest.mark.parametrize(
    "response, is_whole",
    [
        (answer(b"Content-Length: 2", version=b"1.0") + b"ok", True),
        (answer(b"Content-Length: 2", b"Connection: close") + b"ok", True),
        (answer(b"Transfer-Encoding: chunked", status=b"204 No Content"), True),  # whose body may come later
        (answer(b"Content-Length: 2") + b"ok!", False),
        (chunked(TEXT + END + b"0"), False),
    ],
)
async def test_an_upstream_is_kept_under_no_other_condition(response: bytes, is_whole: bool) -> None:
    """Fails where it is kept all the same (forwarding §0.8), or reset after a whole exchange."""
    async with forwarding() as gateway, gateway.exchange(get(), response) as (_client, upstream):
        assert await (upstream.read_all() if is_whole else upstream.read_end()) == b""


async def test_an_upstream_that_gives_a_plain_204_is_asked_again() -> None:
    """Fails where a 204 without framing fields, which leaves both ends in step, is a reason against keeping it."""
    async with forwarding() as gateway, gateway.exchange(get() + get(target=b"/next")) as (client, upstream):
        await upstream.send(answer(status=b"204 No Content"))
        assert status_of(await client.read_head()) == 204
        assert (await upstream.read_head()).startswith(b"GET /next ")


async def test_so_many_idle_upstreams_are_kept_and_no_more() -> None:
    """Fails where idle connections pile up: the oldest one goes."""
    upstream = Upstream(Url("http", "x", 80, b"/"))
    pairs = [await tcp_pair() for _ in range(MAX_IDLE + 1)]
    for _, ours in pairs:
        upstream.keep(ClientConnection(ours))
    assert len(upstream.idle) == MAX_IDLE
    assert await pairs[0][0].receive_some() == b""
    upstream.idle.close()
    for theirs, _ in pairs:
        await theirs.aclose()


async def test_closed_idle_upstreams_are_swept(autojump_clock: trio.abc.Clock) -> None:
    """Fails where a closed idle connection keeps its descriptor until somebody asks again."""
    upstream = Upstream(Url("http", "x", 80, b"/"))
    theirs, ours = await tcp_pair()
    upstream.keep(ClientConnection(ours))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Upstreams([upstream]).run, name="sweep")
        await trio.sleep(5)
        assert len(upstream.idle) == 1
        await theirs.aclose()
        await trio.sleep(2)
        assert len(upstream.idle) == 0
        nursery.cancel_scope.cancel()


async def test_a_path_of_the_upstream_is_a_prefix() -> None:
    """Fails where UPSTREAM's path replaces the target, or is doubled at the slash."""
    head, _ = await relay_heads(get(target=b"/chat?q=1"), OK, path="/v1/")
    assert head.startswith(b"GET /v1/chat?q=1 HTTP/1.1\r\n")
