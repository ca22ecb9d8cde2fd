"""What a quirk is, and the pieces that several of them share.

A quirk differs from its dialect's documentation, or uses a part of it that readers forget.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chunkwire.llm.answer import ErrorKind, StopReason, Usage

EVENT_STREAM: Final = b"text/event-stream"
JSON: Final = b"application/json"
CHAT: Final = ("openai", "azure")


@dataclass(frozen=True, slots=True)
class Said:
    """What a reader must find in a stream; the default is a normal stop and nothing else.

    Attributes:
        calls: the name and the arguments of each tool call.
        stop: None where the stream gives no reason to stop.
        usage: None where the stream has none.
        error: the kind of failure that the reader must report; None for a whole answer.
    """

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    stop: StopReason | None = StopReason.STOP
    usage: Usage | None = None
    error: ErrorKind | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Quirk:
    """One row.

    Attributes:
        name: kebab-case and unique; a request to the mock asks for it with `x-chunkwire-quirk`.
        summary: how it differs from the documentation.
        who: the services, servers and proxies that were seen to send it.
        seen: since when, a year and perhaps a month; "-" where it was not seen.
        dialects: whose readers meet it.
        pieces: the content, a frame each.
        said: what it means.
        content_type: as sent, which may be wrong.
        is_cut: the body ends without its last-chunk.
    """

    name: str
    summary: str
    who: str
    seen: str
    dialects: tuple[str, ...]
    pieces: tuple[bytes, ...]
    said: Said
    content_type: bytes = EVENT_STREAM
    is_cut: bool = False

    @property
    def content(self) -> bytes:
        """All of the content."""
        return b"".join(self.pieces)

    def __repr__(self) -> str:
        return f"<quirk {self.name}>"


def row(
    dialects: tuple[str, ...],
    title: str,
    *pieces: bytes,
    before: tuple[bytes, ...] = (),
    after: tuple[bytes, ...] = (),
    said: Said | None = None,
    content_type: bytes = EVENT_STREAM,
    is_cut: bool = False,
) -> Quirk:
    """Return a quirk.

    Args:
        title: `NAME | SUMMARY | WHO | SEEN`; see `Quirk`.
        pieces: those of the quirk; they are sent between `before` and `after`.
        said: None for the text "Hello", after which the model stopped by itself.
    """
    name, summary, who, seen = title.split(" | ")
    content = (*before, *pieces, *after)
    return Quirk(name, summary, who, seen, dialects, content, said or Said("Hello"), content_type, is_cut)


def dumped(value: object) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def data(value: object) -> bytes:
    """Return an event of JSON."""
    return b"data: " + dumped(value) + b"\n\n"


def named(value: Mapping[str, object]) -> bytes:
    """Return an event of JSON whose name is the JSON's `type`."""
    return b"event: %s\n" % str(value["type"]).encode() + data(value)


def choice(delta: object = None, finish: str | None = None, **members: object) -> dict[str, object]:
    """Return one choice of a chunk of a chat completion."""
    return {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish, **members}


def chunk(*choices: object, **members: object) -> bytes:
    """Return a chunk of a chat completion."""
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
    return data({**head, "choices": list(choices), **members})


def text_chunk(text: str) -> bytes:
    """Return a chunk that has more text."""
    return chunk(choice({"content": text}))


def call_chunk(*found: object) -> bytes:
    """Return a chunk that has these tool calls."""
    return chunk(choice({"tool_calls": list(found)}))


DONE: Final = b"data: [DONE]\n\n"


def ended(reason: str) -> tuple[bytes, bytes]:
    """Return the last chunk, with this finish_reason, and `[DONE]`."""
    return chunk(choice({}, reason)), DONE


ROLE: Final = chunk(choice({"role": "assistant", "content": ""}))
END: Final = ended("stop")
STOP: Final = END[0]
HELLO: Final = (ROLE, text_chunk("Hel"), text_chunk("lo"))
