"""Rows about the effects of one exchange on the next one, on a client's connection or on one that the proxy reuses."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.tools.check.proxy.trial import PatienceOver, ProxyRow, ProxyTrial, proxy_row, reply, saying, writing
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import Ruling, failed, must, passed, undecided

_FOLLOWERS: Final = 4  # requests after the one with extra octets, so that one of them uses the same connection
_NOTICE_SECONDS: Final = 0.5  # for the proxy to read octets that came on an idle connection
_POISON: Final = b"poison"


async def _follow(trial: ProxyTrial, what: str) -> Ruling:
    """Send requests on new connections, and check that each gets the right response."""
    for number in range(_FOLLOWERS):
        own = b"response %d" % number
        answer = await trial.ask(saying(own))
        if answer.is_success and answer.content != own:
            return failed(f"a later request got {what}")
        if not answer.is_success and answer.status != 502:
            return undecided(f"a later request: {answer.summary}")
    return passed(f"{_FOLLOWERS} later requests got their own responses")


@proxy_row(must("9112/6.3/6", "a response that nobody asked for goes to nobody"), runs_alone=True)
async def _extra_response(trial: ProxyTrial) -> Ruling:
    client, _ = await trial.send(writing(reply(b"own") + reply(_POISON)))
    (await client.answer()).success()
    if await client.offer(trial.request(trial.expect(saying(b"second")))):
        try:
            second = await client.answer()
        except PatienceOver:
            return undecided("the next request of the same connection was not answered")
        if second.content == _POISON:
            return failed("the next request of the same connection got the extra response")
    return await _follow(trial, "the extra response")


@proxy_row(must("9112/9.2/1", "a response on an idle connection answers nothing"), runs_alone=True)
async def _idle_response(trial: ProxyTrial) -> Ruling:
    """Write a second response once the client has the first."""
    had, written = trio.Event(), trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.body.rest()
        await arrival.send(reply(b"own"))
        await had.wait()
        with suppress(PeerGone):  # the proxy keeps no connection
            await arrival.send(reply(_POISON))
        written.set()

    answer = await trial.ask(respond)
    had.set()
    answer.success()
    async with trial.within("the second response"):
        await written.wait()
    await trio.sleep(_NOTICE_SECONDS)
    return await _follow(trial, "the extra response")


@proxy_row(must("9112/9.3/7", "the next request is right after a response that was cut"))
async def _after_cut_response(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(writing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", is_last=True))
    if answer.is_success and answer.is_whole:
        return undecided("the cut response came as a whole one (9112/8/short-length)")
    return await _follow(trial, "octets of the cut response")


@proxy_row(must("9112/9.3/8", "the next request is right after an upload that was cut"))
async def _after_cut_upload(trial: ProxyTrial) -> Ruling:
    client, outer = await trial.send(saying(b"outer"), b"Content-Length: 1000", method=b"POST", body=b"half")
    with trio.move_on_after(1):
        await outer.arrived.wait()
    client.reset()
    return await _follow(trial, "what the cut upload was answered")


@proxy_row(must("9112/9.3.2/1", "pipelined requests are answered in their order"))
async def _pipelined(trial: ProxyTrial) -> Ruling:
    """Send three requests in one write, and answer the first one last if the proxy allows that."""
    names = (b"first", b"second", b"third")
    later = trio.Event()

    async def respond_first(arrival: Arrival) -> None:
        await arrival.body.rest()
        with trio.move_on_after(0.2):
            await later.wait()
        await arrival.send(reply(names[0]))

    async def respond_later(arrival: Arrival) -> None:
        later.set()
        await arrival.send(reply(names[int(arrival.head.values(b"x-nth")[0])]))

    client = await trial.connect()
    requests = [trial.request(trial.expect(respond_first))]
    requests += [trial.request(trial.expect(respond_later), b"X-Nth: %d" % nth) for nth in (1, 2)]
    await client.send(b"".join(requests))
    for name in names:
        answer = await client.answer()
        if answer.head is None and name != names[0]:
            return passed("it answered one request, and closed the connection, as it may")
        if not answer.is_success:
            return undecided(answer.summary)
        if answer.content != name:
            return failed(f"{name.decode()} got the response of {answer.content[:20].decode('latin-1')}")
    return passed("three responses in the order of their requests")


ROWS: Final[tuple[ProxyRow, ...]] = (
    _extra_response, _idle_response, _after_cut_response, _after_cut_upload, _pipelined,
)  # fmt: skip
