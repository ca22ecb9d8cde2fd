"""The server under test, and how it answers correct requests: the baseline for judging its other answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

import trio

from chunkwire.client.errors import Deadline
from chunkwire.client.exchange import HTTPS_HINT
from chunkwire.net.ends import IncompleteHead
from chunkwire.net.heads import HeadError
from chunkwire.tools.check.server.answers import AnswersParser, ServerAnswer
from chunkwire.tools.check.server.talk import MAX_RECEIVED_OCTETS, ServerTarget, Talk, TalkEnd, conversing, talk
from chunkwire.wire.errors import LocalError

_SILENCE_SECONDS: Final = 1.0  # without an answer to half of a body
SOON_SHARE: Final = 0.25
"""An answer that comes within this share of a silence before it proves that the silence was no delay of the server."""

_ASKS_FOR_TLS: Final = re.compile(rb"plain HTTP\b.*(?:HTTPS|SSL)|HTTP request to an HTTPS", re.DOTALL | re.IGNORECASE)
"""What nginx, Apache and Go answer on a port for TLS to a request without it."""


@dataclass(frozen=True, slots=True)
class CheckedServer:
    """The server under test, and its answers to a GET and to a request with a body.

    Attributes:
        asked: the connection of the GET; it has an answer.
        posted: the connection of a request with a whole body and Content-Length.
        half: the connection of the same request with half of its body; None if `posted` has no answer.
        waits_for_body: no answer came to the half, and one soon after the rest: the silence before was no delay.
    """

    target: ServerTarget
    asked: Talk
    posted: Talk
    half: Talk | None
    waits_for_body: bool

    @property
    def get(self) -> ServerAnswer:
        """The answer to the GET."""
        return self.asked.finals[0]

    @property
    def post(self) -> ServerAnswer | None:
        """The answer to the request with a body; None if none came."""
        return self.posted.finals[0] if self.posted.finals else None

    @property
    def is_early(self) -> bool:
        """The server sends a whole answer before it has the whole body."""
        return self.half is not None and any(answer.is_whole for answer in self.half.finals)

    @property
    def gives_back(self) -> bool:
        """The answer contains the body, so that the answer to another request shows whether its body was read."""
        return self.post is not None and self.target.body in self.post.content


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
    posted = await talk(target, with_length(target, b"Connection: close\r\n"), methods=(target.method,))
    half, waits_for_body = await _send_half(target) if posted.finals else (None, False)
    return CheckedServer(target, asked, posted, half, waits_for_body)


async def ask_plainly(target: ServerTarget) -> Talk:
    """Send a GET; return its connection, with an answer. Raises what `learn` does but for LocalError."""
    asked = await talk(target, target.closing())
    if asked.answers.trouble:
        raise HeadError(502, "no-http", f"{target.url}: {asked.answers.trouble}")
    if target.url.scheme == "http" and asked.finals and _ASKS_FOR_TLS.search(asked.finals[0].content):
        raise LocalError(f"{target.url} says that it is for TLS: {HTTPS_HINT}")
    if not asked.finals and asked.before_fin is not None:
        raise Deadline("head", target.patience)
    if not asked.finals:
        error = IncompleteHead(asked.received)
        if not asked.received and target.url.scheme == "http":
            error.add_note(HTTPS_HINT)
        raise error
    return asked


def with_length(target: ServerTarget, lines: bytes = b"", *, version: bytes = b"1.1") -> bytes:
    """Return a request with the target's body and Content-Length."""
    length = b"Content-Length: %d\r\n" % len(target.body)
    return target.request(length + lines, target.body, method=target.method, version=version)


async def _send_half(target: ServerTarget) -> tuple[Talk, bool]:
    """Send half of a body, and the rest once a whole answer has come, or none within `_SILENCE_SECONDS`.

    Returns:
        The connection before the rest was sent, and `CheckedServer.waits_for_body`.
    """
    request = with_length(target)
    place = len(request) - max(1, len(target.body) // 2)
    hasty = replace(target, patience=min(target.patience, _SILENCE_SECONDS))
    async with conversing(hasty, (target.method,)) as conversation:
        await conversation.send(request[:place])
        if await conversation.wait(_has_whole_answer):
            return conversation.talk, False
        half, began = conversation.talk, trio.current_time()
        await conversation.send(request[place:])
        came = await conversation.wait(_has_whole_answer)
        return half, came and trio.current_time() - began < hasty.patience * SOON_SHARE


def _has_whole_answer(answers: AnswersParser) -> bool:
    return any(answer.is_whole for answer in answers.finals)
