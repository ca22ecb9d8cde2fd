"""Whatever two ends do to the gateway: what goes down is a prefix of a valid message, and nothing is left behind.

Whole connections on real sockets, both movers: pipelined requests with bodies in any octets and reads, responses of
any octets in any reads, and at any point a FIN or a reset of either end. Afterwards no stream is open, no task has
raised, and the gateway serves the next client.
"""

import os
from dataclasses import dataclass, field

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwire.net.framing import BodyKind, response_framing
from chunkwire.net.heads import Response, read_response
from tests.forward.wire import END, Running, Wire, answer, forwarding, get, post, status_of
from tests.fuzz.conftest import fuzz
from tests.fuzz.machines import ODD, bodies, cut, splits
from tests.net.carry import MakeMover
from tests.patience import PATIENCE
from tests.server.test_fuzz import no_error_logged

LINES = st.sampled_from(
    [
        b"Transfer-Encoding: chunked",
        b"Content-Length: 5",
        b"Connection: close",
        b"X: \x01",
        b"X: y",
        b"Content-Length: 0",
    ]
)
ENDINGS = st.sampled_from(["fin", "reset", "keep"])


@dataclass(frozen=True)
class Talk:
    """What one end says, in which reads, and how it ends."""

    reads: list[bytes]
    ending: str
    received: bytearray = field(default_factory=bytearray, compare=False)


def requests() -> st.SearchStrategy[bytes]:
    """Return requests, most of them legal, as a client pipelines them."""
    one = st.one_of(
        st.builds(get, target=st.sampled_from([b"/", b"/2"])),
        st.builds(post, bodies()),
        st.builds(post, bodies(), st.just(b"Connection: close")),
        st.builds(lambda lines: get(*lines), st.lists(LINES, max_size=3)),
        st.just(get(version=b"1.0")),
        st.sampled_from(ODD),
    )
    return st.lists(one, min_size=1, max_size=3).map(b"".join)


def responses() -> st.SearchStrategy[bytes]:
    """Return responses, most of them chunked, some with octets after them."""
    chunked = st.builds(lambda body: answer(b"Transfer-Encoding: chunked") + body, bodies())
    other = st.builds(lambda lines, body: answer(*lines) + body, st.lists(LINES, max_size=3), bodies())
    early = st.builds(lambda body: answer(status=b"103 Early Hints") + body, chunked)
    return st.one_of(chunked, chunked, other, early, st.sampled_from(ODD))


def talks(octets: st.SearchStrategy[bytes]) -> st.SearchStrategy[Talk]:
    """Return what an end may say."""
    return st.builds(lambda said, sizes, ending: Talk(cut(said, sizes), ending), octets, splits(), ENDINGS)


async def say(wire: Wire, talk: Talk) -> None:
    """Say it, and end; then read what comes until the end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, wire, talk, name="listen")
        try:
            for read in talk.reads:
                await wire.send(read)
                await trio.lowlevel.checkpoint()
            if talk.ending == "fin":
                await wire.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if talk.ending == "reset":
            nursery.cancel_scope.cancel()
            wire.reset()


async def listen(wire: Wire, talk: Talk) -> None:
    try:
        while octets := await wire.stream.receive_some():
            talk.received.extend(octets)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def play(make_mover: MakeMover, client_talk: Talk, upstream_talks: list[Talk]) -> None:
    """Let both ends talk, then hold the gateway to having put everything away and serving the next client."""
    async with forwarding(make_mover) as gateway:
        async with gateway.connect() as client, trio.open_nursery() as nursery:
            nursery.start_soon(be_upstream, gateway, upstream_talks, name="upstream")
            nursery.start_soon(say, client, client_talk, name="client")
            await trio.testing.wait_all_tasks_blocked(0.003)
            nursery.cancel_scope.cancel()
        with trio.fail_after(PATIENCE):
            while gateway.metrics.streams_open:
                if gateway.is_asked():  # a request that nobody was there to answer
                    async with gateway.accept():
                        continue
                await trio.testing.wait_all_tasks_blocked()
        while gateway.is_asked():
            await (await gateway.listeners[0].accept()).aclose()
        await serve_one_more(gateway)
    check_messages(bytes(client_talk.received), [b"".join(talk.reads) for talk in upstream_talks])


async def serve_one_more(gateway: Running) -> None:
    """Carry an exchange on fresh connections."""
    async with gateway.connect(post(END)) as client, gateway.asked() as upstream:
        await upstream.expect(END)
        await upstream.send(answer(b"Content-Length: 0"))
        assert status_of(await client.read_head()) == 200


async def be_upstream(gateway: Running, said: list[Talk]) -> None:
    """Answer each connection with the next talk."""
    for talk in said:
        async with gateway.accept() as upstream:
            try:
                while b"\r\n\r\n" not in upstream.received:
                    octets = await upstream.stream.receive_some()
                    if not octets:
                        break
                    upstream.received += octets
                await say(upstream, talk)
            except trio.BrokenResourceError:
                continue


def check_messages(got: bytes, said: list[bytes]) -> None:
    """Hold octets to being whole messages and then a prefix of one, each chunked body as some upstream said it."""
    while got:
        head, blank, rest = got.partition(b"\r\n\r\n")
        if not blank:
            return
        response: Response = read_response(head + blank)
        framing = response_framing(response, b"GET")
        if framing.kind is BodyKind.CLOSE:
            return
        scanner = framing.scanner()
        taken = scanner.scan(rest, len(rest))
        assert framing.kind is not BodyKind.CHUNKED or any(rest[:taken] in each for each in said)
        if not scanner.is_complete:
            assert taken == scanner.wire_octets
            return
        got = rest[taken:]


def test_no_fuzzed_octet_goes_through_the_gateway_as_framing(make_mover: MakeMover) -> None:
    """Fails where an odd octet goes down as framing, an end is made up, or a task or a socket is left."""

    def run(chosen: settings) -> None:
        @chosen
        @given(client=talks(requests()), upstreams=st.lists(talks(responses()), min_size=1, max_size=3))
        def once(client: Talk, upstreams: list[Talk]) -> None:
            descriptors = len(os.listdir("/proc/self/fd"))
            client.received.clear()
            with no_error_logged():
                trio.run(play, make_mover, client, upstreams)
            assert len(os.listdir("/proc/self/fd")) <= descriptors

        once()

    fuzz(run, share=0.2)
