"""When the order of events already shows enough, or can show nothing: a probe says so, and waits no longer."""

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
import trio

from chunkwire.net.dial import Url, parse_url
from chunkwire.tools.probe.barrier import BarrierProbe
from chunkwire.tools.probe.captures import compared
from chunkwire.tools.probe.holding import MIN_HELD
from chunkwire.tools.probe.judge import Hop, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.requests import ACCEPT_ENCODING, Ask
from chunkwire.tools.probe.unproved import not_at
from tests.patience import PATIENCE
from tests.tools.synthesis import Path, Probe, run_of, unstamped

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n%b\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\ninstance x"
BR = "br is not decoded: the standard library has no Brotli; "


def state(written: int, more: bytes = b"") -> bytes:
    content = b'{"written":%d, "octets":%d%b}' % (written, 3 * written, more)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


@dataclass
class Held:
    """Hop and gateway in one: a stream whose frames do not come, and a barrier that has written one frame more each."""

    fields: bytes = b""  # of the stream's head
    more: bytes = b""  # in the state
    most: float = math.inf  # frames that are written
    acked: int = 0
    is_over: trio.Event = field(default_factory=trio.Event)  # so many frames as a verdict needs were acknowledged

    async def handle(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            while request := await stream.receive_some():
                if request.startswith(b"POST"):
                    self.acked += 1
                    await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif b"beyond" in request and self.acked >= self.most:
                    self.is_over.set()
                    await trio.sleep_forever()
                elif b"state" in request:
                    await stream.send_all(state(self.acked + 1, self.more))
                else:
                    await stream.send_all(HEAD % self.fields)


async def asking(
    handle: Callable[[trio.SocketStream], Awaitable[object]], use: Callable[[Url], Awaitable[object]]
) -> None:
    """Use the URL of a server."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        with trio.fail_after(PATIENCE):
            await use(parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"))
        nursery.cancel_scope.cancel()


async def test_a_hop_that_answers_what_the_gateway_would_answer_with_a_stream_leads_elsewhere() -> None:
    """Fails where only time ends the wait for its request, which is without a limit here."""
    said: list[str] = []

    async def handle(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            while request := await stream.receive_some():
                await stream.send_all(MISSING if request.startswith(b"GET /probe/state") else HEAD % b"")

    async def use(url: Url) -> None:
        prober = Prober(barrier_at=url, patience=math.inf, report_progress=said.append)
        await prober.run("hop", Ask(url=url))
        assert prober.unproved["hop"] == not_at(url)

    await asking(handle, use)
    assert any("its request is not at 127.0.0.1:" in line for line in said)


@pytest.mark.parametrize("accepted, advice", [(b"br", "ask without it: -H"), (b"gzip", "the request did not ask")])
@pytest.mark.parametrize(
    "fields, more", [(b"Content-Encoding: br\r\n", b""), (b"", b', "undecoded": "%b"' % BR[:-2].encode())]
)
async def test_frames_in_a_coding_that_is_not_decoded_are_neither_held_nor_streamed(
    fields: bytes, more: bytes, accepted: bytes, advice: str
) -> None:
    """Fails where no octet of them is awaited, so that each seems to have come before the next was written."""

    async def use(url: Url) -> None:
        ask = Ask(url=url, fields=((ACCEPT_ENCODING[0], accepted),))
        probe = BarrierProbe(ask, gateway=url, settle=0.0)
        await probe.run()
        assert probe.undecided.startswith(BR + advice)

    await asking(Held(fields, more).handle, use)


@pytest.mark.parametrize("frames", [MIN_HELD - 1, MIN_HELD])
async def test_a_probe_that_is_stopped_keeps_what_frames_enough_have_shown(frames: int) -> None:
    held = Held(most=frames)

    async def use(url: Url) -> None:
        prober = Prober(barrier_at=url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(prober.probe, "hop", url, name="probe")
            await held.is_over.wait()
            nursery.cancel_scope.cancel()
        assert prober.asking is not None
        runs = prober.asking[1]
        assert len(runs) == (frames == MIN_HELD)
        lines = [judge_hop(Hop("hop", tuple(runs))).proved_line] if runs else []
        assert lines in ([], ["HOLDS all of its first 3 frames, its end not awaited (by order)"])

    await asking(held.handle, use)


async def test_progress_says_what_has_come_and_until_when_more_is_awaited() -> None:
    said: list[str] = []
    held = Held(most=MIN_HELD + 1)

    async def use(url: Url) -> None:
        await Prober(barrier_at=url, max_time=5.0, report_progress=said.append).run("hop", Ask(url=url), settle=0.0)

    await asking(held.handle, use)
    assert said[0] == "hop: 0 of 1 frame came: not held so far; to its end, 4.5 s, or Ctrl-C"
    assert said[-1] == "hop: 0 of 4 frames came: held so far; to its end, 4.5 s, or Ctrl-C"


def test_the_content_of_a_hop_that_is_asked_is_compared_with_that_of_a_recording() -> None:
    recorded, asked = (unstamped(Hop(name, (run_of(Probe(), Path()),))) for name in ("a.jsonl", "hop"))
    asked = replace(asked, runs=(replace(asked.runs[0], request=None),))
    other = replace(asked, runs=(replace(asked.runs[0], beginning=b"data: another\n\n"),))
    undecoded = replace(asked, runs=(replace(asked.runs[0], beginning=b""),))
    assert compared(asked, [recorded]) == asked == compared(asked, [])
    notes = [compared(hop, [recorded]).notes for hop in (other, undecoded)]
    assert notes[0][0].startswith("its content is not that of a.jsonl, from octet ")
    assert all(note.endswith(", so that only times are compared") for [note] in notes)
