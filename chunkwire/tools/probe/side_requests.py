"""Small requests sent while a stream runs, on kept connections.

The rule here: an answer is a status and the beginning of its content, and every failure is status 0. The caller decides
what that means.
"""

from __future__ import annotations

import secrets
import ssl
from dataclasses import dataclass, field
from typing import Final

import trio

from chunkwire import client
from chunkwire.client.views import content
from chunkwire.net.dial import DialError, Url
from chunkwire.net.pool import Pool, ServerKey, server_of
from chunkwire.net.tls import make_tls
from chunkwire.origin.barrier import BARRIER_FIELD, STATE_WORD
from chunkwire.tools.probe.requests import Fields
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.errors import ChunkwireError

MAX_CONTENT_OCTETS: Final = 65536  # of an answer: with the read that exceeds it, no more is read
_KEPT_SECONDS: Final = 1.0  # for an answer on a kept connection; then a new one is tried


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
                status, answer = stream.head.status, await content_of(stream)
        except ChunkwireError:
            return 0, b""
        if status >= 300:
            self._pool.close()  # several instances may share the address: the next request finds another one
        return status, answer

    def close(self) -> None:
        """End the connections."""
        self._pool.close()


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
