"""Open a stream: attempts, the waits between them, and cleanup.

The rule here: an attempt is repeated only before the response head is complete, or after a status that allows it; by
default only if a repeat is safe: the method is idempotent (RFC 9110 §9.2.2), or the request was not sent. When the
caller leaves, an unfinished exchange is ended at once.
"""

from __future__ import annotations

import math
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal

import trio

from chunkwire.client.errors import Deadline
from chunkwire.client.exchange import ClientExchange, RequestPlan, begin_exchange
from chunkwire.client.request import FIELD_VALUE, NO_JSON, AnyFields, Body, build_request, take_body
from chunkwire.client.stream import Stream
from chunkwire.llm.errors import retry_after
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import CONNECT_SECONDS, DialError, Url, parse_url
from chunkwire.net.ends import ClientConnection, IncompleteHead
from chunkwire.net.heads import IDEMPOTENT_METHODS, is_event_stream
from chunkwire.net.loops import refuse_outside_trio
from chunkwire.net.pool import Pool
from chunkwire.net.tls import make_tls
from chunkwire.record.values import Record
from chunkwire.wire import abnf
from chunkwire.wire.errors import ChunkwireError, LocalError
from chunkwire.wire.limits import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A policy: how many attempts, the waits between them, and the statuses that ask for another one.

    Attributes:
        attempts: in all, including the first one.
        first: seconds before the second attempt, at most; each later limit is `factor` times longer.
        cap: the longest wait, in seconds; a longer Retry-After ends the attempts.
        statuses: responses that ask for another attempt (RFC 9110 §15.6.4, RFC 6585 §4).
        is_repeatable: repeat also a request that is not idempotent and may have arrived; the caller says it is safe.
    """

    attempts: int = 3
    first: float = 0.5
    factor: float = 2.0
    cap: float = 30.0
    statuses: frozenset[int] = frozenset({429, 502, 503, 504})
    is_repeatable: bool = False

    def wait(self, attempt: int, *, at_least: float = 0.0, chance: random.Random) -> float:
        """Return seconds to wait after attempt number `attempt`, from 1.

        "Full jitter": anywhere between 0 and the bound, so that clients which failed together do not retry together.
        `at_least` is what the server asked for.
        """
        try:
            bound = min(self.cap, self.first * self.factor ** (attempt - 1))
        except OverflowError:
            bound = self.cap
        return max(at_least, chance.uniform(0.0, bound))

    def may_repeat(self, method: bytes) -> bool:
        """Say whether a request that may have reached the server may be sent again."""
        return self.is_repeatable or method in IDEMPOTENT_METHODS


NO_RETRY: Final = Retry(attempts=1)
RESUME: Final = Retry(attempts=10, first=1.0)  # for each resumption of an event stream whose caller gave no policy
_CHANCE: Final = random.Random()  # shared, as seeding one takes a system call


@asynccontextmanager
async def open(  # noqa: A001  it is called as chunkwire.client.open
    method: str,
    url: str | Url,
    *,
    fields: AnyFields = (),
    body: Body | str = None,
    json: object = NO_JSON,
    connect_timeout: float = CONNECT_SECONDS,
    head_timeout: float = math.inf,
    idle_timeout: float = math.inf,
    total_timeout: float = math.inf,
    tls: ssl.SSLContext | None = None,
    retry: Retry = NO_RETRY,
    limits: Limits = DEFAULT_LIMITS,
    record_to: Callable[[Record], None] | None = None,
    judges_content: bool = True,
    pool: Pool | None = None,
    version: Literal["1.0", "1.1"] = "1.1",
) -> AsyncIterator[Stream]:
    """Send a request and yield the response as a stream, once its head has come. Redirects are not followed.

    Leaving the block before the end resets the connection, so that the server stops at once. After a complete exchange
    the connection is closed, or given to `pool`.

    Args:
        url: `http://…` or `https://…`; without a scheme it is http, and `:8081/sse` is localhost.
        fields: field lines, as pairs or in a dict; they replace default fields of the same name.
        body: octets; a text, which is sent as UTF-8; or a stream, of which each item is sent as one chunk, also while
            the response is received. An exception of that stream ends the exchange and is raised by `open` or the view.
        json: a value to send as JSON instead of a body, with its Content-Type.
        connect_timeout: seconds for name, TCP and TLS.
        head_timeout: seconds from the request to the final head. Off by default, as language models are slow.
        idle_timeout: seconds to wait in one receive of the body. Off by default, as streams may pause.
        total_timeout: seconds for everything, including retries. Off by default.
        tls: the context for https; None trusts the system's roots and checks the name.
        retry: when to repeat the request; the default makes one attempt.
        record_to: called with each record (`chunkwire.record.recorder`), at `client.sent` and `client.received`.
        judges_content: False does not parse events: `verdict.application` is "unknown", and reading is faster.
        pool: connections are taken from it, except for a stream as body, and given back. The request then has no
            `Connection: close`, and is repeated if a kept connection ends before the first octet of a response,
            provided that its method is idempotent or `retry.is_repeatable`. None opens one for each request.
        version: of the request, to see what an old client gets; one in HTTP/1.0 has no stream as body.

    Raises:
        LocalError: the method, the URL, a field or the body is not valid; or this is not called inside trio.
        DialError: no connection.
        Deadline, PeerGone, IncompleteHead, HeadError: no response. For errors of the body see the views.
    """
    refuse_outside_trio()
    _check_policy(retry, connect=connect_timeout, head=head_timeout, idle=idle_timeout, total=total_timeout)
    where = _url_of(url)
    sent, lines = take_body(body, json, fields)
    plan = RequestPlan(
        url=where,
        request=build_request(method, where, fields=lines, body=sent, keeps=pool is not None, version=version),
        body=sent,
        tls=(tls or (make_tls() if pool is None else pool.tls)) if where.scheme == "https" else None,
        connect_timeout=connect_timeout,
        head_timeout=head_timeout,
        idle_timeout=idle_timeout,
        total=total_timeout,
        end=trio.current_time() + total_timeout,
        limits=limits,
        record_to=record_to,
        judges_content=judges_content,
        pool=pool,
    )
    async with (_opened if plan.is_short else _opened_beside)(plan, retry) as stream:
        yield stream


def _url_of(url: object) -> Url:
    if isinstance(url, Url):
        return url
    if not isinstance(url, str):
        raise LocalError(f"expected a URL (str), got {type(url).__name__}")
    return parse_url(url)


async def _begin_stream(plan: RequestPlan, nursery: trio.Nursery | None, retry: Retry) -> Stream:
    opener = Opener(plan, nursery, retry)
    return Stream(await opener.open(), opener.reopen)


@asynccontextmanager
async def _opened(plan: RequestPlan, retry: Retry) -> AsyncIterator[Stream]:
    """Yield the stream of a plan that `is_short`, which needs no task to send its body."""
    stream = await _begin_stream(plan, None, retry)
    try:
        yield stream
    finally:
        await stream.finish()


@asynccontextmanager
async def _opened_beside(plan: RequestPlan, retry: Retry) -> AsyncIterator[Stream]:
    """Yield the stream of a plan whose body is sent by a task."""
    raised: BaseException | None = None
    async with trio.open_nursery() as nursery:
        stream: Stream | None = None
        try:
            stream = await _begin_stream(plan, nursery, retry)
            yield stream
        except BaseException as error:  # noqa: BLE001  raised again below: the nursery would wrap it in a group
            raised = error
        finally:
            if stream is not None:
                await stream.finish()
            nursery.cancel_scope.cancel()
    if raised is not None:
        raise raised


class Opener:
    """Opens the exchanges of one stream: the first one, and those that resume it."""

    def __init__(self, plan: RequestPlan, nursery: trio.Nursery | None, retry: Retry) -> None:
        self._plan = plan
        self._nursery = nursery
        self._retry = retry
        self._number = 0

    async def open(self) -> ClientExchange:
        """Return an exchange whose head has come; make as many attempts as the policy allows."""
        return await self._open(self._plan, self._retry)

    async def reopen(self, last_id: str, wait: float | None, error: ChunkwireError) -> ClientExchange | None:
        """Resume an event stream after `last_id`; None if the server answers 204, which ends it.

        Args:
            wait: seconds before the first attempt; None lets the policy decide.

        Raises:
            ChunkwireError: `error`, which broke the stream, if it cannot be resumed; else that of the last attempt.
        """
        request = self._plan.request
        if not self._is_replayable(self._retry):
            raise error
        if last_id:
            value = last_id.encode().strip(abnf.OWS)
            if not FIELD_VALUE.fullmatch(value):
                raise error  # an id with control characters cannot be sent
            kept = tuple(field for field in request.fields if field[0].lower() != b"last-event-id")
            request = replace(request, fields=(*kept, (b"Last-Event-ID", value)))
        policy = self._retry if self._retry.attempts > 1 else RESUME
        await self._sleep(policy.wait(1, chance=_CHANCE) if wait is None else wait, error)
        exchange = await self._open(replace(self._plan, request=request), policy)
        if exchange.head.status == 204:
            await exchange.finish()
            return None
        if exchange.head.status != 200 or not is_event_stream(exchange.head):
            await exchange.finish()
            raise error
        return exchange

    async def _open(self, plan: RequestPlan, policy: Retry) -> ClientExchange:
        for attempt in range(1, policy.attempts + 1):
            is_last = attempt == policy.attempts
            try:
                exchange = await self._begin_kept(plan, policy) or await self._begin(plan)
            except (DialError, PeerGone, IncompleteHead, Deadline) as error:
                if is_last or not self._may_repeat(error, policy):
                    raise
                await self._sleep(policy.wait(attempt, chance=_CHANCE), error)
                continue
            asked = retry_after(exchange.head.fields, time.time()) or 0.0
            asks_again = exchange.head.status in policy.statuses and self._is_replayable(policy)
            if is_last or not asks_again or asked > policy.cap:
                return exchange
            await exchange.finish()
            await self._sleep(policy.wait(attempt, at_least=asked, chance=_CHANCE), None)
        raise AssertionError("the last attempt returns or raises")

    async def _begin(self, plan: RequestPlan, kept: ClientConnection | None = None) -> ClientExchange:
        self._number += 1
        return await begin_exchange(plan, self._nursery, self._number, kept=kept)

    async def _begin_kept(self, plan: RequestPlan, policy: Retry) -> ClientExchange | None:
        """Return an exchange on a kept connection; None if there is none, or if a new one must be opened."""
        if (kept := plan.take_kept()) is None:
            return None
        try:
            return await self._begin(plan, kept)
        except (PeerGone, IncompleteHead):
            if kept.has_answered or not self._is_replayable(policy):
                raise
        return None

    def _may_repeat(self, error: ChunkwireError, policy: Retry) -> bool:
        if isinstance(error, DialError):
            return error.kind not in ("tls", "files")  # nothing was sent, so even a streamed body can be sent
        is_total = isinstance(error, Deadline) and error.phase == "total"
        return self._is_replayable(policy) and not is_total

    def _is_replayable(self, policy: Retry) -> bool:
        return isinstance(self._plan.body, bytes | None) and policy.may_repeat(self._plan.request.method)

    async def _sleep(self, seconds: float, error: ChunkwireError | None) -> None:
        """Wait; raise Deadline at once if the total timeout would end first."""
        if trio.current_time() + seconds >= self._plan.end:
            raise Deadline("total", self._plan.total) from error
        await trio.sleep(seconds)


def _check_policy(retry: object, **timeouts: object) -> None:
    for name, seconds in timeouts.items():
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise LocalError(f"{name}_timeout: expected seconds, math.inf for none, got {seconds!r:.40}")
    if not isinstance(retry, Retry):
        raise LocalError(f"retry: expected a policy, such as client.Retry(attempts=3), got {retry!r:.40}")
