"""Small requests sent while a stream runs, on kept connections; those about a barrier too.

The rule here: an answer is a status and the beginning of its content, and every failure is status 0. The caller decides
what that means.
"""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field, replace
from typing import Final

import trio

from chunkwire import client
from chunkwire.client.views import content
from chunkwire.net.dial import DialError, Url
from chunkwire.net.pool import Pool, ServerKey, server_of
from chunkwire.net.tls import make_tls
from chunkwire.origin.barrier import BARRIER_FIELD, STATE_WORD
from chunkwire.tools.probe.requests import PROBE_PATH, Ask, Entry, Fields
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.jsontext import load_json

MAX_CONTENT_OCTETS: Final = 65536  # of an answer: with the read that exceeds it, no more is read
_KEPT_SECONDS: Final = 1.0  # for an answer on a kept connection; then a new one is tried
_OTHERS_AT_ONCE: Final = 40  # requests without a pause: of eight workers, one in 200 such series misses the right one
_ANSWER_TYPES: Final = (b"", b"application/json", b"text/plain")  # of a barrier's answers; a stream is not read


@dataclass(slots=True)
class SideRequests:
    """Sends requests to hops, on kept connections where a hop answers on these."""

    tls: ssl.SSLContext | None  # for https; None is replaced by the system's roots
    timeout: float  # s for one request and its answer, beside `_KEPT_SECONDS`
    _pool: Pool = field(default_factory=Pool)
    _unkept: set[ServerKey] = field(default_factory=set)

    async def ask(self, method: str, url: Url, fields: Fields = ()) -> tuple[int, bytes]:
        """Return status and content of the answer to a request without a body; 0 where there is none.

        The request may be sent twice: on a kept connection, and where that brings no answer on a new one.
        """
        is_https = url.scheme == "https"
        if is_https and self.tls is None:
            self.tls = make_tls()
        server = server_of(url, self.tls if is_https else None)
        if (kept := self._pool.take(server)) is not None:
            self._pool.give(server, kept)
            with trio.move_on_after(_KEPT_SECONDS):
                status, answer = await self._try(method, url, fields, self._pool)
                if status:
                    return status, answer
            self._unkept.add(server)
        with trio.move_on_after(self.timeout):
            return await self._try(method, url, fields, None if server in self._unkept else self._pool)
        return 0, b""

    async def _try(self, method: str, url: Url, fields: Fields, pool: Pool | None) -> tuple[int, bytes]:
        try:
            async with client.open(method, url, fields=fields, tls=self.tls, pool=pool, judges_content=False) as stream:
                status, answer = stream.head.status, b""
                if (stream.head.get(b"content-type") or b"").partition(b";")[0].strip().lower() in _ANSWER_TYPES:
                    answer = await content_of(stream)
        except ChunkwireError:
            return 0, b""
        if status >= 300:
            self._pool.close()  # several instances may share the address: the next request finds another one
        return status, answer

    def close(self) -> None:
        """End the connections."""
        self._pool.close()


@dataclass(slots=True)
class BarrierRequests:
    """Sends the requests about one barrier.

    Attributes:
        gateway: where a `forward --barrier` stands; None where our origin has the barrier.
        is_over: the caller knows that the stream has ended.
        is_missing: the last request for the state found no such stream.
        arrived: how the request of the stream arrived at `gateway`; empty where nothing says.
        was_there: the stream was at the barrier, and may be over there.
        foreign: the status of the last answer where it came from something that knows no barriers; else 0.
    """

    gateway: Url | None
    requests: SideRequests
    is_over: bool = False
    is_missing: bool = False
    arrived: Entry = field(default_factory=dict)
    was_there: bool = False
    foreign: int = 0
    name: str = field(default_factory=lambda: secrets.token_hex(8))

    def url(self, url: Url, path: str, more: str = "") -> Url:
        """Return the URL of a resource of barriers, beside that of a probe."""
        prefix = url.target.partition(b"?")[0].removesuffix(PROBE_PATH)
        return replace(url, target=prefix + f"{path}?barrier={self.name}{more}".encode())

    async def state(self, ask: Ask) -> dict[str, object] | None:
        """Return the state that a request is answered with; None where the answer is none, or is missing."""
        status, answer = await self.ask(ask)
        self.is_missing = is_of_another(status, answer)
        try:
            state = load_json(answer) if status in (200, 410) else None
        except ValueError:
            state = None
        if isinstance(state, dict) and isinstance(arrived := state.get("arrived"), dict):
            self.arrived = arrived
        is_state = status == 200 and isinstance(state, dict) and "written" in state
        self.was_there = self.was_there or is_state or status == 410
        self.foreign = 0 if is_state or self.is_missing or status == 410 else status
        return state if is_state else None

    async def ask(self, ask: Ask) -> tuple[int, bytes]:
        """Return status and content of an answer; 0 where there is none.

        Several workers or origins may be behind one name: an answer of another one is asked for again, on a new
        connection. A `forward --barrier` is one process, and its 404 says that the stream is not there yet.
        """
        plain = tuple(each for each in ask.fields if each[0].lower() != b"accept-encoding")
        status, answer = 0, b""
        for _ in range(_OTHERS_AT_ONCE if self.gateway is None else 1):
            status, answer = await self.requests.ask(ask.method, ask.url, plain)
            if not is_of_another(status, answer) or self.is_over:
                break
        return status, answer


def count_in(state: dict[str, object], name: str) -> int:
    """Return a number of a state; 0 where it has none of that name."""
    value = state.get(name)
    return value if isinstance(value, int) else 0


async def is_barrier_gateway(url: Url, tls: ssl.SSLContext | None, *, patience: float) -> bool:
    """Say whether a `forward --barrier` answers at a URL; our origin, which has barriers of its own, is none.

    The request is for the state of a barrier that no stream has open, by the field that only such a gateway reads.

    Raises:
        DialError: there was no connection to ask on, or no answer within `patience` seconds.
    """
    field = (BARRIER_FIELD, (secrets.token_hex(8) + STATE_WORD).encode())
    try:
        async with client.open("GET", url, fields=(field,), tls=tls, total_timeout=patience) as stream:
            return is_of_another(stream.head.status, await content_of(stream))
    except DialError as error:
        raise DialError(error.kind, f"--barrier-at: {error}") from error
    except client.Deadline as error:
        raise DialError("timeout", f"--barrier-at: {error}") from error
    except ChunkwireError:
        return False  # it speaks something else, or nothing


async def content_of(stream: client.Stream) -> bytes:
    """Return the beginning of an answer's content, decoded: some hops compress what was asked for without a coding."""
    decoder = ContentDecoder((stream.head.get(b"content-encoding") or b"").decode("latin-1"))
    answer = b""
    async for read in stream.reads(whole_frames=False):
        for piece in decoder.feed(content(read)):
            answer += piece
            if len(answer) > MAX_CONTENT_OCTETS:
                return answer
    return answer


def is_of_another(status: int, content: bytes) -> bool:
    """Say whether an answer is that of an instance which does not have the barrier (`origin.barrier`)."""
    return status == 404 and b"instance" in content
