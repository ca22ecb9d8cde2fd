"""Rows about incomplete and malformed bodies, which a proxy must not relay as complete: neither those of responses to a
client, nor those of requests to the upstream.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from chunkwire.origin.scenarios import BROKEN, FAULTS, Ending, Scenario
from chunkwire.tools.check.proxy.raw import RawBody, scanner_of
from chunkwire.tools.check.proxy.trial import Check, PatienceOver, ProxyAnswer, ProxyRow, ProxyTrial, saying
from chunkwire.tools.check.proxy.upstream import Arrival
from chunkwire.tools.check.rows import Level, RowOutcome, Ruling, check_row, failed, inapplicable, passed, undecided
from chunkwire.tools.paint import number

# Rows below `must`, as the RFCs allow more. §8 calls a chunked body incomplete until the zero-sized chunk has been
# received, and in two of these it has been. A recipient MAY recover a usable element from an invalid construct (RFC
# 9110 §2.4): a size that a lenient parser accepts, or data up to the next line end.
_LEVELS: Final = {
    "cut-in-last-chunk": Level.SEEN,
    "cut-in-trailers": Level.SEEN,
    "prefixed-size": Level.SHOULD,
    "underscored-size": Level.SHOULD,
    "missing-crlf": Level.SHOULD,
    "long-data": Level.SHOULD,
}
_INVALID_FRAMING: Final = "9112 §6.3"  # the response MUST be discarded, even if its body can be read
_MORE_ATTEMPTS: Final = 4  # the result may depend on how the proxy's reads split the response
_BARRIER_SHARE: Final = 3  # patience is divided by this: so long the end of a message waits for the proxy to relay it


def _response_check(scenario: Scenario) -> Check:
    async def check(trial: ProxyTrial) -> Ruling:
        if scenario.is_chunked and trial.proxy.version == b"1.0":
            return inapplicable("the proxy asks in HTTP/1.0, to which no chunks may be sent")
        ruling = await _respond_broken(trial, scenario)
        again = 0 if scenario.ending is Ending.HOLD else _MORE_ATTEMPTS
        while again and ruling.outcome is RowOutcome.PASS:
            ruling = await _respond_broken(trial, scenario)
            again -= 1
        return ruling

    return check


async def _respond_broken(trial: ProxyTrial, scenario: Scenario) -> Ruling:
    got_head = trio.Event()

    async def respond(arrival: Arrival) -> None:
        await arrival.body.rest()
        await arrival.send(scenario.head)
        for write in scenario.writes:
            await trio.sleep(write.pause)
            await arrival.send(write.octets)
        if not scenario.breaks_head:
            with trio.move_on_after(trial.proxy.patience / _BARRIER_SHARE):
                await got_head.wait()  # so that the end comes after the proxy has begun to relay
        await _end(arrival, scenario.ending)

    client, _ = await trial.send(respond)
    try:
        _, head = await client.final_head()
    except PatienceOver:
        return _held(scenario)
    got_head.set()
    if head is None:
        return passed(f"no response: the connection ended with {client.how}")
    if scenario.clause == _INVALID_FRAMING and 200 <= head.status < 300:
        return failed(f"the response was not discarded: the client got {head.status}")
    body = RawBody(client, scanner_of(head, method=b"GET"))
    try:
        async with trial.within("the end of the response"):
            await body.rest()
    except PatienceOver:
        return _held(scenario)
    answer = ProxyAnswer([], head, body, client.how)
    if answer.is_success and answer.is_whole:
        return failed(f"the client got {head.status} and {number(body.octets, 'octet')} as a whole response")
    return passed(answer.summary)


def _held(scenario: Scenario) -> Ruling:
    if scenario.ending is Ending.HOLD:
        return passed("the response had not ended, and neither had the upstream's")
    return undecided("the response did not end")


async def _end(arrival: Arrival, ending: Ending) -> None:
    if ending is Ending.RESET:
        arrival.end.reset()
    elif ending is Ending.CLOSE:
        await arrival.end.finish()
    elif ending is Ending.HOLD:
        await trio.sleep_forever()


# Faults of chunked requests, sent after one whole chunk. After malformed framing the client stays silent.
_CHUNK: Final = b"6\r\nhello \r\n"
_CUTS: Final = ("cut", "cut-in-size", "no-terminator", "cut-in-last-chunk", "reset")
_MALFORMED: Final = ("bad-size", "negative-size", "no-size", "missing-crlf", "long-data", "wrapped-size")


def _request_check(framing: bytes, octets: bytes, ending: Ending) -> Check:
    async def check(trial: ProxyTrial) -> Ruling:
        client, expected = await trial.send(saying(b"taken for whole"), framing, method=b"POST")
        await client.offer(octets)
        with trio.move_on_after(trial.proxy.patience / _BARRIER_SHARE):
            await expected.arrived.wait()  # so that the end comes after the proxy has begun to relay
        is_gone = ending is Ending.RESET or (ending is Ending.CLOSE and trial.proxy.tls is not None)
        if ending is Ending.RESET:
            client.reset()
        elif is_gone:
            client.close()  # TLS 1.2 has no half-close (RFC 5246 §7.2.1)
        elif ending is Ending.CLOSE:
            await client.finish()
        answer = None
        if not is_gone:
            with suppress(PatienceOver):
                answer = await client.answer(b"POST")
        whole = await _whole_at_upstream(trial)
        if whole is not None:
            return failed(f"the upstream got a whole request of {number(len(whole), 'octet')}")
        if answer is not None and answer.is_success:
            return failed(f"no whole request reached the upstream, and {answer.summary}")
        return passed("no whole request reached the upstream" + (f"; {answer.summary}" if answer is not None else ""))

    return check


async def _whole_at_upstream(trial: ProxyTrial) -> bytes | None:
    """Return the content of a complete request that reached the upstream; None if none did."""
    for arrival in trial.arrivals:
        with trio.move_on_after(trial.proxy.patience / _BARRIER_SHARE):
            await arrival.ended.wait()
        if arrival.body.is_whole:
            return bytes(arrival.body.content)
    return None


def _row(scenario: Scenario, name: str, whom: str, check: Check) -> ProxyRow:
    section, level = scenario.clause.replace(" §", "/"), _LEVELS.get(scenario.name, Level.MUST)
    return ProxyRow(check_row(level, f"{section}/{name}", f"never whole to {whom}: {scenario.summary}"), check)


def _fault_row(fault: Scenario, ending: Ending) -> ProxyRow:
    check = _request_check(b"Transfer-Encoding: chunked", _CHUNK + (fault.tail or b""), ending)
    return _row(fault, f"request-{fault.name}", "the upstream", check)


ROWS: Final[tuple[ProxyRow, ...]] = (
    *(
        _row(scenario, scenario.name, "a client", _response_check(scenario))
        for scenario in BROKEN
        if not scenario.is_framed
    ),
    *(_fault_row(FAULTS[name], FAULTS[name].ending) for name in _CUTS),
    *(_fault_row(FAULTS[name], Ending.KEEP) for name in _MALFORMED),
    ProxyRow(check_row(Level.MUST, "9112/6.3/request-short-length",
                       "never whole to the upstream: FIN before Content-Length octets"),
             _request_check(b"Content-Length: 100", b"half", Ending.CLOSE)),
)  # fmt: skip
