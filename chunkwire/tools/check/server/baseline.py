"""The server under test, and how it answers correct requests: the baseline for judging its other answers."""

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
class CheckedServer:
    """The server under test, and its answers to a GET and to a request with a body.

    Attributes:
        get: the answer to a GET.
        post: the answer to a request with a whole body and Content-Length; None if none came.
        post_seconds: the duration of that connection.
        is_early: the server sends that answer before it has the whole body.
        gives_back: the answer contains the body, so that the answer to another request shows whether its body was read.
        talks: the connections of the GET and of the request with a body.
    """

    target: ServerTarget
    get: ServerAnswer
    post: ServerAnswer | None
    post_seconds: float
    is_early: bool
    gives_back: bool
    talks: tuple[Talk, ...]


async def learn(target: ServerTarget) -> CheckedServer:
    """Send the first requests to the server.

    Raises:
        DialError: no connection.
        IncompleteHead: it closes without an answer.
        Deadline: no answer in time.
        HeadError: its answer is not HTTP.
        LocalError: its answer is too long or does not end.
    """
    asked = await ask_plainly(target)
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
    return CheckedServer(target, asked.finals[0], post, post_seconds, is_early, gives_back, (asked, posted))


async def ask_plainly(target: ServerTarget) -> Talk:
    """Send a GET; return its connection, with an answer. Raises what `learn` does but for LocalError."""
    asked = await talk(target, target.closing())
    if asked.answers.trouble:
        raise HeadError(502, "no-http", f"{target.url}: {asked.answers.trouble}")
    if not asked.finals and asked.before_fin is not None:
        raise Deadline("head", target.patience)
    if not asked.finals:
        raise IncompleteHead(asked.received)
    return asked


def with_length(target: ServerTarget, lines: bytes = b"", *, version: bytes = b"1.1") -> bytes:
    """Return a request with the target's body and Content-Length."""
    length = b"Content-Length: %d\r\n" % len(target.body)
    return target.request(length + lines, target.body, method=target.method, version=version)


async def _answers_early(target: ServerTarget) -> bool:
    """Say whether the server sends a whole answer when it has only half of the request's body."""
    request = with_length(target)
    hasty = replace(target, patience=min(target.patience, 1.0))
    async with conversing(hasty, (target.method,)) as conversation:
        await conversation.send(request[: len(request) - max(1, len(target.body) // 2)])
        return await conversation.wait(lambda answers: any(answer.is_whole for answer in answers.finals))
