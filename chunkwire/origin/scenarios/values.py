"""What a scenario is: one response as the octets that are written, and what a sound client makes of them.

Values only, without I/O or a clock; `legal` and `broken` are the tables.
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
    HOLD = "silence, and FIN after some time"


@dataclass(frozen=True, slots=True)
class Write:
    """Octets of one write, and how many seconds pass before it."""

    octets: bytes
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    """A response as octets.

    Attributes:
        head: status-line, field lines and empty line, a 1xx before them where there is one.
        writes: what follows the head, each in a write of its own.
        content: all of the content, decoded.
    """

    head: bytes
    writes: tuple[Write, ...]
    content: bytes


Build: TypeAlias = Callable[[Sequence[bytes], bytes], Written]
"""Gives a response whose content is these events, of this media type."""


@dataclass(frozen=True, slots=True, repr=False)
class Scenario:
    """One response.

    Attributes:
        title: `NAME | SUMMARY | CLAUSE`, which `name`, `summary` and `clause` are taken from.
        name: kebab-case and unique.
        summary: how it differs from the usual response, in the words of the RFCs.
        clause: the section that decides, as in `9112 §7.1.1`.
        demand: what a sound client must do.
        is_legal: a sound client accepts the content as complete; else it must report an error.
        is_framed: the framing is complete, so HTTP alone finds no fault; in a broken one, only the content shows it.
        http_allows: of a broken one, why a client that knows HTTP, but not where its content ends, may take it for
            complete nevertheless; "" if it must not.
        tail: what `/fault/NAME`, `forward --fault NAME` and the mock write after whole frames; if the scenario
            `breaks_head`, the octets that replace the whole response; None if it is no fault of a chunked body.
        slice_octets: `/fault/NAME` and `forward --fault NAME` send chunk-data in chunks of this size; 0 for unchanged.
        events: the content, each event with its end.
        head, writes, content: those of the `Written` that `build` makes of them. If it is broken, `head` may be cut or
            empty, and `content` is what a client may deliver before its error.
    """

    title: str
    demand: str
    build: Build = field(compare=False)
    is_legal: bool = True
    ending: Ending = Ending.KEEP
    is_framed: bool = True
    http_allows: str = ""
    tail: bytes | None = None
    slice_octets: int = 0
    events: Sequence[bytes] = field(default=EVENTS, compare=False)
    content_type: bytes = field(default=EVENT_STREAM_TYPE, compare=False)
    name: str = field(init=False)
    summary: str = field(init=False)
    clause: str = field(init=False)
    head: bytes = field(init=False)
    writes: tuple[Write, ...] = field(init=False)
    content: bytes = field(init=False)

    def __post_init__(self) -> None:
        made = self.build(self.events, self.content_type)
        values = (*self.title.split(" | "), made.head, made.writes, made.content)
        names = ("name", "summary", "clause", "head", "writes", "content")
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def octets(self) -> bytes:
        """All that is written."""
        return self.head + b"".join(write.octets for write in self.writes)

    @property
    def is_chunked(self) -> bool:
        """The body has the chunked framing, which no HTTP/1.0 client must be sent (RFC 9112 §6.1)."""
        return b"\r\nTransfer-Encoding: chunked\r\n" in self.head

    @property
    def is_gzip(self) -> bool:
        """The content is coded, which is legal only where the request accepts gzip (RFC 9110 §12.5.3)."""
        return b"\r\nContent-Encoding: gzip\r\n" in self.head

    @property
    def breaks_head(self) -> bool:
        """The response ends before its head does."""
        return not self.head.endswith(b"\r\n\r\n")

    def of(self, events: Sequence[bytes], content_type: bytes = EVENT_STREAM_TYPE) -> Scenario:
        """Return the same scenario with other content: these events, each with its end."""
        return replace(self, events=events, content_type=content_type)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<scenario {self.name}>"


def head_of(content_type: bytes, *lines: bytes, framing: bytes = b"Transfer-Encoding: chunked") -> bytes:
    """Return a head of status 200 with these field lines, the one that frames the body last."""
    fields = (b"HTTP/1.1 200 OK", b"Content-Type: " + content_type, *lines, framing)
    return b"\r\n".join(fields) + b"\r\n\r\n"
