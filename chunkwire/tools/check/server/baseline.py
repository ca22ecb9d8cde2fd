"""What the server does with requests in order: everything else is compared with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import trio

from chunkwire.client.errors import Deadline
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError
from chunkwire.tools.check.server.answers import ServerAnswer
from chunkwire.tools.check.server.talk import MAX_RECEIVED_OCTETS, ServerTarget, Talk, TalkEnd, conversing, talk
from chunkwire.wire.errors import LocalError


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a first exchange of each kind gave.

    Attributes:
        method: of the requests with a body.
        get: the answer to a GET.
        post: the answer to a request with a whole body of known length; None where none came.
        post_seconds: from the connection to its end.
        is_early: the whole of that answer comes before the body has.
        gives_back: the body is in its content, so that the answer to another one tells whether that was read.
    """

    method: str
    get: ServerAnswer
    post: ServerAnswer | None
    post_seconds: float
    is_early: bool
    gives_back: bool
    talks: tuple[Talk, ...]

    @property
    def takes_bodies(self) -> bool:
        """Say whether a request with a body is answered with success."""
        return self.post is not None and 200 <= self.post.status < 300


async def learn(target: ServerTarget) -> Baseline:
    """Ask the server a first time.

    Raises:
        DialError: there is no connection.
        IncompleteHead: it closes without an answer.
        Deadline: it gives none.
        HeadError: what it says is no HTTP.
        LocalError: its answer is too long, or never ends.
    """
    asked = await talk(target, target.closing())
    if asked.answers.trouble:
        raise HeadError(502, "no-http", f"{target.url}: {asked.answers.trouble}")
    if not asked.finals and asked.before_fin is not None:
        raise Deadline("head", target.patience)
    if not asked.finals:
        raise IncompleteHead(asked.received)
    if not asked.finals[0].is_whole and asked.end is TalkEnd.OPEN:
        size = "within 4 MiB" if len(asked.received) > MAX_RECEIVED_OCTETS else f"in {target.patience:g} s"
        raise LocalError(
            f"expected a resource whose answers are short: that of {target.url} to GET does not end {size}"
        )
    began = trio.current_time()
    posted = await talk(target, with_length(target, b"Connection: close\r\n"), methods=(target.method,))
    post_seconds = trio.current_time() - began
    post = posted.finals[0] if posted.finals else None
    is_early = post is not None and await _answers_early(target)
    gives_back = post is not None and target.body in post.content
    return Baseline(
        target.method.decode("ascii"), asked.finals[0], post, post_seconds, is_early, gives_back, (asked, posted)
    )


def with_length(target: ServerTarget, lines: bytes = b"", *, method: bytes | None = None) -> bytes:
    """Return a request with the target's body, of known length."""
    length = b"Content-Length: %d\r\n" % len(target.body)
    return target.request(length + lines, target.body, method=method or target.method)


async def _answers_early(target: ServerTarget) -> bool:
    """Say whether the server gives a whole answer to a request of whose body half is still missing."""
    request = with_length(target)
    hasty = replace(target, patience=min(target.patience, 1.0))
    async with conversing(hasty, (target.method,)) as conversation:
        await conversation.send(request[: len(request) - max(1, len(target.body) // 2)])
        return await conversation.wait(lambda answers: any(answer.is_whole for answer in answers.finals))
