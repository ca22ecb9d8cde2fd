"""What a scenario is: one response as the octets that are written, and what a sound client makes of them.

The rule here: values only. No I/O, no clock, no table: the tables are `legal` and `broken`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

EVENT_STREAM_TYPE: Final = b"text/event-stream"

# The content of every scenario unless it is given another: events of JSON with characters of two, three and four octets
# in UTF-8, and an end mark of their own, without which a client of events must not report success.
EVENTS: Final = (
    'data: {"text":"Grüße"}\n\n'.encode(),
    'data: {"text":", 世界"}\n\n'.encode(),
    'data: {"text":" 🌍"}\n\n'.encode(),
    b'data: {"text":"!"}\n\n',
    b'event: done\ndata: {"texts":4}\n\n',
)


class Ending(enum.Enum):
    """What happens to the connection after the last write."""

    KEEP = "the response is over; the connection may serve another request"
    CLOSE = "FIN"
    RESET = "RST"
    HOLD = "silence until the client leaves"


@dataclass(frozen=True, slots=True)
class Write:
    """Octets of one write, and how many seconds pass before it."""

    octets: bytes
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """A response as octets: its head, the writes after it, and the content that these carry."""

    head: bytes
    writes: tuple[Write, ...]
    content: bytes


Build: TypeAlias = Callable[[Sequence[bytes], bytes], Written]
"""Gives a response whose content is these events, of this media type."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One response.

    Attributes:
        name: kebab-case and unique.
        summary: what is particular about it, in the words of the RFCs.
        clause: the section that decides, as in `9112 §7.1.1`.
        demand: what a sound client must do.
        head: status-line, field lines and empty line as on the wire, a 1xx before them where there is one; cut or
            empty where the response breaks off in it.
        writes: what follows, each in a write of its own.
        content: of a legal one, all of it, decoded; of a broken one what a client may have been given before its error.
        is_legal: a sound client takes the content for whole; else it must report an error.
        is_framed: HTTP alone finds the message complete; where it is broken, only its content shows it.
        tail: what `/fault/NAME`, `forward --fault NAME` and the mock write after whole frames of theirs; None for
            a scenario that is no continuation of a chunked body.
        slice_octets: chunk-data is sent in chunks of this size there; 0 leaves it alone.
    """

    name: str
    summary: str
    clause: str
    demand: str
    head: bytes
    writes: tuple[Write, ...]
    ending: Ending
    content: bytes
    is_legal: bool
    is_framed: bool
    build: Build = field(repr=False, compare=False)
    tail: bytes | None = None
    slice_octets: int = 0

    @property
    def octets(self) -> bytes:
        """All that is written."""
        return self.head + b"".join(write.octets for write in self.writes)

    @property
    def is_chunked(self) -> bool:
        """Say whether the body has the chunked framing, which no HTTP/1.0 client must be sent (RFC 9112 §6.1)."""
        return b"\r\nTransfer-Encoding: chunked\r\n" in self.head

    @property
    def is_gzip(self) -> bool:
        """Say whether the content is coded, which is legal only where the request accepts gzip (RFC 9110 §12.5.3)."""
        return b"\r\nContent-Encoding: gzip\r\n" in self.head

    @property
    def breaks_head(self) -> bool:
        """Say whether the response ends before its head does."""
        return not self.head.endswith(b"\r\n\r\n")

    def of(self, events: Sequence[bytes], content_type: bytes = EVENT_STREAM_TYPE) -> Scenario:
        """Return the same scenario with other content.

        Args:
            events: each as octets, its end included.
        """
        made = self.build(events, content_type)
        return replace(self, head=made.head, writes=made.writes, content=made.content)

    def __str__(self) -> str:
        return self.name


def scenario(
    name: str,
    summary: str,
    *,
    clause: str,
    demand: str,
    build: Build,
    is_legal: bool,
    ending: Ending = Ending.KEEP,
    is_framed: bool = True,
    tail: bytes | None = None,
    slice_octets: int = 0,
) -> Scenario:
    """Return a scenario with the content of `EVENTS`."""
    made = build(EVENTS, EVENT_STREAM_TYPE)
    return Scenario(
        name,
        summary,
        clause,
        demand,
        head=made.head,
        writes=made.writes,
        content=made.content,
        ending=ending,
        is_legal=is_legal,
        is_framed=is_framed,
        build=build,
        tail=tail,
        slice_octets=slice_octets,
    )


def head_of(content_type: bytes, *lines: bytes, framing: bytes = b"Transfer-Encoding: chunked") -> bytes:
    """Return a head of status 200 with these field lines, the one that frames the body last."""
    fields = (b"HTTP/1.1 200 OK", b"Content-Type: " + content_type, *lines, framing)
    return b"\r\n".join(fields) + b"\r\n\r\n"
