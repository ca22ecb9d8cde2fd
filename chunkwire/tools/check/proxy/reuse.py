"""Rows about connections with several exchanges: one must not change the next, of the same client or of another.

The connection is one of a client to the proxy, or one of the proxy to the upstream, which it may reuse for any client.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Final

import trio

from chunkwire.net.connection import PeerGone
from chunkwire.tools.check.proxy.trial import PatienceOver, ProxyRow, ProxyTrial, proxy_row, reply, saying, writing
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import RowOutcome, Ruling, failed, must, passed, undecided

_FOLLOWERS: Final = 4  # later requests, so that the proxy sends one of them on the same connection to the upstream
_NOTICE_SECONDS: Final = 0.5  # for the proxy to read octets that came on an idle connection
_POISON: Final = b"poison"


async def _follow(trial: ProxyTrial, what: str) -> Ruling:
    """Send requests, each on a new connection of a client, and check that each gets its own response.

    A 502 is accepted, too: the proxy may find out only then that the connection to the upstream is broken.

    Args:
        what: the response that they must not get.
    """
    right = 0
    for number in range(_FOLLOWERS):
        own = b"response %d" % number
        answer = await trial.ask(saying(own))
        if answer.is_success and answer.content != own:
            return failed(f"a later request got {what}")
        if not answer.is_success and answer.status != 502:
            return undecided(f"a later request: {answer.summary}")
        right += answer.is_success
    if not right:
        return undecided(f"{_FOLLOWERS} later requests got 502")
    others = "" if right == _FOLLOWERS else "; the others got 502"
    return passed(f"{right} of {_FOLLOWERS} later requests got their own responses{others}")


@proxy_row(must("9112/6.3/6", "a response that was not asked for reaches no client"), runs_alone=True)
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


@proxy_row(must("9112/9.2/1", "a response that comes on an idle connection reaches no client"), runs_alone=True)
async def _idle_response(trial: ProxyTrial) -> Ruling:
    """Judge a failure once more, with more time for the proxy to read what came: it may only be slow."""
    ruling = await _disturb_idle(trial, _NOTICE_SECONDS)
    return await _disturb_idle(trial, trial.proxy.patience) if ruling.outcome is RowOutcome.FAIL else ruling


async def _disturb_idle(trial: ProxyTrial, notice: float) -> Ruling:
    """Write a second response once the client has the first, so that the connection to the upstream is idle.

    Args:
        notice: seconds until later requests follow.
    """
    has_first, written = trio.Event(), trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.body.rest()
        await arrival.send(reply(b"own"))
        await has_first.wait()
        with suppress(PeerGone):  # the proxy has closed the connection instead of keeping it idle
            await arrival.send(reply(_POISON))
        written.set()

    answer = await trial.ask(respond)
    has_first.set()
    answer.success()
    async with trial.within("the second response"):
        await written.wait()
    await trio.sleep(notice)
    return await _follow(trial, "the extra response")


@proxy_row(must("9112/9.3/7", "the next request is right after a response that was cut"))
async def _after_cut_response(trial: ProxyTrial) -> Ruling:
    answer = await trial.ask(writing(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", is_last=True))
    if answer.is_success and answer.is_whole:
        return undecided("the cut response came as a whole one (9112/8/short-length)")
    return await _follow(trial, "octets of the cut response")


@proxy_row(must("9112/9.3/8", "the next request is right after an upload that was cut"))
async def _after_cut_upload(trial: ProxyTrial) -> Ruling:
    client, upload = await trial.send(saying(b"uploaded"), b"Content-Length: 1000", method=b"POST", body=b"half")
    with trio.move_on_after(1):  # a proxy that gathers requests does not send this one on
        await upload.arrived.wait()
    client.reset()
    return await _follow(trial, "the response to the cut upload")


@proxy_row(must("9112/9.3.2/1", "pipelined requests are answered in their order"))
async def _pipelined(trial: ProxyTrial) -> Ruling:
    """Send three requests in one write; the first is answered once a later one has come, at the latest after 0.2 s."""
    names = (b"first", b"second", b"third")
    later = trio.Event()

    async def respond(arrival: Arrival, *, name: bytes) -> None:
        if name == names[0]:
            with trio.move_on_after(0.2):
                await later.wait()
        else:
            later.set()
        await arrival.send(reply(name))

    client = await trial.connect()
    requests = [trial.request(trial.expect(partial(respond, name=name))) for name in names]
    await client.send(b"".join(requests))
    for number, name in enumerate(names):
        answer = await client.answer()
        if answer.head is None and number:
            return passed(f"it answered {number} of 3 requests and closed the connection, as it may")
        if not answer.is_success:
            return undecided(answer.summary)
        if answer.content != name:
            return failed(f"{name.decode()} got the response of {answer.content[:20].decode('latin-1')}")
    return passed("three responses in the order of their requests")


ROWS: Final[tuple[ProxyRow, ...]] = (
    _extra_response, _idle_response, _after_cut_response, _after_cut_upload, _pipelined,
)  # fmt: skip
