"""Stream an answer over HTTP, in any format; gather a whole one; respond with an error.

The rule here: the head is sent with the first piece of the answer, so that a failed question gets an error status. It
waits no longer than a keep-alive would, and not at all for a browser's EventSource.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import trio

from chunkwire.ask.answering import write_items
from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import MAX_WHOLE_CHARACTERS, AnswerChannel, End, Unsent
from chunkwire.ask.formats import AnswerFormat
from chunkwire.llm.answer import ErrorKind, ProviderError, ToolCall, WholeToolCall, whole_calls
from chunkwire.llm.errors import STATUS_OF, retry_fields
from chunkwire.net.heads import Field
from chunkwire.server.body import ChunkedBody
from chunkwire.server.responder import Responder

JSON: Final[Field] = (b"Content-Type", b"application/json")
NO_STORE: Final[Field] = (b"Cache-Control", b"no-store")
# Any other kind is a failure of the provider: 502.
_PASSED_ON: Final = frozenset({"bad-request", "too-large", "rate-limit", "overloaded", "timeout"})


async def respond_error(response: Responder, entry: AuditEntry, content: Mapping[str, object]) -> None:
    """Respond with the error of an answer, before anything else was sent."""
    error = entry.error
    if error is None:
        raise AssertionError("expected an error to report")
    status = STATUS_OF[error.kind] if error.kind in _PASSED_ON else 502
    if error.kind is ErrorKind.NOT_FOUND and entry.is_callers_model:
        status = 404
    with entry.ending():
        wait = [(b"Retry-After", seconds) for _, seconds in retry_fields(error)]
        await response.fixed(status, (JSON, NO_STORE, *wait), json_body(content))


def json_body(content: Mapping[str, object]) -> bytes:
    """Return a line of JSON."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


async def write_stream(
    response: Responder,
    entry: AuditEntry,
    form: AnswerFormat,
    keep_alive: float,
    is_early: bool,
    refuse: Callable[[], Awaitable[None]],
    channel: AnswerChannel,
) -> None:
    """Stream an answer, one event or line per chunk.

    Args:
        is_early: send the head at once.
        refuse: called instead where an error comes before any piece and before the head was sent.
    """
    first = [] if is_early else await channel.next(keep_alive)
    if first and isinstance(first[0], End) and entry.error is not None:
        await refuse()
        return
    async with response.chunked(fields=((b"Content-Type", form.content_type), NO_STORE)) as body:
        await write_items(
            channel,
            form,
            entry,
            keep_alive=keep_alive,
            send=partial(_send_events, response, body),
            send_keep_alive=lambda: body.send_chunk(form.keep_alive),
            send_nowait=partial(_send_nowait, response),
            first=first,
        )


async def _send_events(response: Responder, body: ChunkedBody, pieces: list[bytes], is_last: bool) -> None:
    """Send events in one send, a chunk each, and the last-chunk with the last of them.

    No checkpoint: the caller passes one in `AnswerChannel.next`.
    """
    if rest := response.send_nowait(pieces, is_last=is_last):
        await response.send_rest(rest)
    if is_last:
        body.mark_complete()


def _send_nowait(response: Responder, pieces: list[bytes]) -> Unsent | None:
    rest = response.send_nowait(pieces)
    return Unsent(partial(response.send_rest, rest)) if rest else None


async def gather(channel: AnswerChannel, entry: AuditEntry) -> tuple[WholeToolCall, ...]:
    """Read a whole answer, and return its tool calls; its text is in `channel.text`, an error in the audit entry.

    An answer of more than `MAX_WHOLE_CHARACTERS` is an error, and the rest of it is not read.
    """
    channel.keeps_text = True
    calls: list[ToolCall] = []
    is_over = False
    while not is_over and channel.keeps_text:
        for item in await channel.next(float("inf")):
            is_over = isinstance(item, End)
            if not is_over:
                entry.note_token(trio.current_time())
            if isinstance(item, ToolCall):
                calls.append(item)
    if not channel.keeps_text:
        expected = f"expected an answer of at most {MAX_WHOLE_CHARACTERS} characters in one body"
        entry.error = ProviderError(ErrorKind.BROKEN, f"{expected}, got more; stream it", is_ours=True)
        entry.is_whole = False
    return whole_calls(calls)
