"""Check a proxy: listen as its upstream, find out its HTTP versions, and judge rows.

The rule here: a run begins only after a request through the proxy has reached our address; otherwise an error says what
to configure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from chunkwire.client.exchange import HTTPS_HINT
from chunkwire.net.dial import DialError, Url
from chunkwire.net.listen import Address, Drain, bound_addresses, open_listeners, raise_file_limit, serve_connections
from chunkwire.tools.check.proxy import broken, departures, desync, heads, messages, reuse, streaming
from chunkwire.tools.check.proxy.trial import (
    CheckedProxy,
    Decided,
    PatienceOver,
    ProxyAnswer,
    ProxyRow,
    ProxyTrial,
    saying,
)
from chunkwire.tools.check.rows import Ruling, inapplicable, undecided
from chunkwire.wire.errors import ChunkwireError, LocalError, describe_error

PROXY_ROWS: Final[tuple[ProxyRow, ...]] = (
    *streaming.ROWS,
    *departures.ROWS,
    *messages.ROWS,
    *broken.ROWS,
    *reuse.ROWS,
    *heads.ROWS,
    *desync.ROWS,
)
_HELLO: Final = b"hello from the upstream"
_PLAIN_1_0: Final = "the proxy asks the upstream in HTTP/1.0, which has neither chunks nor 1xx"


class UpstreamNotReached(DialError):
    """The proxy can be reached, but its request did not reach our address, or our response did not reach the client."""

    def __init__(self, message: str) -> None:
        super().__init__("unreachable", message)


class ProxyCheck:
    """Judges a proxy whose upstream is our address."""

    def __init__(self, proxy: CheckedProxy) -> None:
        self._proxy = proxy

    async def check_accepts(self) -> None:
        """Check that the proxy still accepts connections.

        Raises:
            DialError: it does not.
        """
        trial = ProxyTrial(self._proxy, "alive")
        await trial.connect()
        trial.close()

    @property
    def versions(self) -> list[tuple[str, str]]:
        """Facts about the proxy for the scorecard: its HTTP version toward the upstream, and its Via."""
        known = [("asks the upstream in", f"HTTP/{self._proxy.version.decode('latin-1')}")]
        named = self._proxy.head.values(b"via")
        return [*known, *(("Via", value.decode("latin-1")) for value in named)]

    async def judge(self, row: ProxyRow) -> Ruling:
        """Judge a row, with the octets of both sides."""
        if row.needs_1_1 and self._proxy.version == b"1.0":
            return inapplicable(_PLAIN_1_0)
        trial = ProxyTrial(self._proxy, row.row.id.replace("/", "-"))
        try:
            ruling = await row.check(trial)
        except Decided as decided:
            ruling = decided.ruling
        except ChunkwireError as error:
            ruling = undecided(describe_error(error))
        finally:
            trial.close()
        return replace(ruling, octets=trial.shown())


@asynccontextmanager
async def open_proxy_check(proxy: CheckedProxy, upstream: Address) -> AsyncGenerator[ProxyCheck, None]:
    """Listen as the upstream of a proxy, and check that its requests come here.

    Raises:
        LocalError: the URL is that of our own address.
        ListenError: the address cannot be bound.
        DialError: the proxy cannot be reached.
        UpstreamNotReached: no request came, or our response did not reach the client.
    """
    raise_file_limit()
    listeners = await open_listeners(upstream)
    async with trio.open_nursery() as nursery:
        serve = partial(serve_connections, listeners, proxy.upstream.serve, drain=Drain())
        nursery.start_soon(serve, name="the upstream of the proxy")
        try:
            yield ProxyCheck(await _learn(proxy, bound_addresses(listeners)))
        finally:
            nursery.cancel_scope.cancel()


async def _learn(proxy: CheckedProxy, bound: Sequence[Address]) -> CheckedProxy:
    """Send one request through the proxy; return the proxy with the facts that the exchange shows."""
    trial = ProxyTrial(proxy, "hello")
    expected = trial.expect(saying(_HELLO))
    client = await trial.connect()
    own_name = client.connection.local
    try:
        await client.offer(trial.request(expected))
        answer = await client.answer()
    except PatienceOver:
        answer = None
    finally:
        arrived = list(expected.arrivals)
        trial.close()
    if not arrived:
        raise UpstreamNotReached(_describe_not_reached(proxy.url, bound, answer))
    if ":" in own_name and arrived[0].end.connection.peer == own_name:  # a Unix socket has no name
        raise LocalError(f"{proxy.url} is this check itself: expected the URL of a proxy in front of it")
    if answer is None or answer.head is None or answer.content != _HELLO:
        got = answer.summary if answer is not None else "the client got no response"
        raise UpstreamNotReached(f"a plain GET reached the upstream and was answered 200, but {got}")
    return replace(proxy, head=arrived[0].head, own_version=answer.head.version)


def _describe_not_reached(url: Url, bound: Sequence[Address], answer: ProxyAnswer | None) -> str:
    where = " and ".join(map(str, bound))
    if answer is None:
        got = "gave no response"
    elif answer.head is None:
        got = f"ended the connection without a response ({answer.how})" if answer.how else "sent no whole response head"
    else:
        got = f"answered {answer.status} by itself"
    hint = f", or {HTTPS_HINT}" if answer is not None and answer.head is None and url.scheme == "http" else ""
    return f"no request came to {where}: {url.authority.decode('ascii')} {got}; set {where} as its upstream{hint}"
