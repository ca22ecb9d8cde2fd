"""An answer over HTTP, whatever the form: as a stream, as one body, and what its error is in numbers.

The rule here: the head waits for the first piece of the answer, so that a question that no provider answers has a
status of its own; it waits no longer than a keep-alive would, and not at all for a browser's EventSource.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import trio

from chunkwire.ask.answering import write_items
from chunkwire.ask.audit import Account
from chunkwire.ask.channel import MAX_WHOLE_CHARACTERS, AnswerChannel, End, Unsent
from chunkwire.ask.forms import AnswerForm
from chunkwire.llm.answer import ErrorKind, ProviderError, ToolCall, WholeToolCall
from chunkwire.llm.errors import retry_fields
from chunkwire.net.connection import PeerGone
from chunkwire.net.heads import Field
from chunkwire.server.responder import ChunkedBody, Responder
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk

JSON: Final[Field] = (b"Content-Type", b"application/json")
NO_STORE: Final[Field] = (b"Cache-Control", b"no-store")  # an answer is for who asked, once
_STATUS: Final = {
    ErrorKind.BAD_REQUEST: 400,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.RATE_LIMIT: 429,
    ErrorKind.OVERLOADED: 503,
    ErrorKind.TIMEOUT: 504,
}  # every other kind is a provider that does not do what it should: 502


def status_of(account: Account) -> int:
    """Return the status of a failed answer."""
    kind = ErrorKind.SERVER if account.error is None else account.error.kind
    if kind is ErrorKind.NOT_FOUND and account.is_callers_model:
        return 404
    return _STATUS.get(kind, 502)


def wait_of(account: Account) -> tuple[Field, ...]:
    """Return the Retry-After of a failed answer, where there is one."""
    error = account.error
    return () if error is None else tuple((b"Retry-After", seconds) for _, seconds in retry_fields(error))


def json_body(content: Mapping[str, object]) -> bytes:
    """Return a line of JSON."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


async def write_stream(
    response: Responder,
    account: Account,
    form: AnswerForm,
    keep_alive: float,
    is_early: bool,
    refuse: Callable[[], Awaitable[None]],
    channel: AnswerChannel,
) -> None:
    """Stream an answer, an event a chunk.

    Args:
        is_early: send the head before anything has come.
        refuse: answers where an error is all that has come.
    """
    first = [] if is_early else await channel.next(keep_alive)
    if first and isinstance(first[0], End) and account.error is not None:
        await refuse()
        return
    async with response.chunked(fields=((b"Content-Type", form.content_type), NO_STORE)) as body:
        await write_items(
            channel,
            form,
            account,
            keep_alive=keep_alive,
            send=partial(_send_events, response, body),
            send_keep_alive=lambda: body.send_chunk(form.keep_alive()),
            send_nowait=partial(_send_nowait, response),
            first=first,
        )


async def _send_events(response: Responder, body: ChunkedBody, pieces: list[bytes], is_last: bool) -> None:
    """Send events in one send, a chunk each; the last-chunk goes with the last of them.

    No checkpoint of its own: `AnswerChannel.next` is one, at the latest when the channel is empty.
    """
    raw = _encoded(response, pieces) + (encode_last_chunk() if is_last and response.is_chunked else b"")
    await response.write_after_checkpoint(raw, len(pieces), sum(map(len, pieces)))
    if is_last:
        body.mark_complete()


def _send_nowait(response: Responder, pieces: list[bytes]) -> Unsent | None:
    raw = _encoded(response, pieces)
    try:
        taken = response.write_nowait(raw, len(pieces), sum(map(len, pieces)))
    except PeerGone:
        taken = 0  # the writing task meets it again, and reports it
    return Unsent(partial(response.send_rest, memoryview(raw)[taken:])) if taken < len(raw) else None


def _encoded(response: Responder, pieces: list[bytes]) -> bytes:
    return b"".join(map(encode_chunk, pieces) if response.is_chunked else pieces)


async def gather(channel: AnswerChannel, account: Account) -> list[WholeToolCall]:
    """Take a whole answer, its text kept in `channel`; return its tool calls. An error stands in the account."""
    channel.keeps_text = True
    calls: dict[int, WholeToolCall] = {}
    is_over = False
    while not is_over and channel.keeps_text:
        for item in await channel.next(float("inf")):
            is_over = isinstance(item, End)
            if not is_over:
                account.note_token(trio.current_time())
            if isinstance(item, ToolCall):
                known = calls.get(item.index, WholeToolCall("", "", ()))
                more = (*known.arguments, item.arguments)
                calls[item.index] = WholeToolCall(known.id or item.id, known.name or item.name, more)
    if not channel.keeps_text:
        expected = f"expected an answer of at most {MAX_WHOLE_CHARACTERS} characters in one body"
        account.error = ProviderError(ErrorKind.BROKEN, f"{expected}, got more; stream it", is_ours=True)
        account.is_whole = False
    return [calls[index] for index in sorted(calls)]
