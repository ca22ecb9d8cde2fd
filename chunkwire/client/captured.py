"""The state of a capture reader for its current message, and the interface to its consumer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from chunkwire.client.completion import Completion
from chunkwire.client.inner import InnerHead
from chunkwire.client.mistakes import hint_at_strays
from chunkwire.net.framing import Framing
from chunkwire.net.heads import Request, Response
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.errors import quoted
from chunkwire.wire.mistakes import LatestChunk
from chunkwire.wire.scanner import BodyScanner

MAX_STRAY_OCTETS: Final = 65536
"""Octets outside of messages, in one direction of a connection, that are kept while searching for a head: as many as a
head may have. A capture that begins with more octets without a head is reported as malformed."""
NO_BODY: Final = "its body is not in the capture: an answer to HEAD or CONNECT, or a redirect that was followed"
HEAD_IN_DATA: Final = "its content holds what looks like a head: taken for content, as the framing says"


class CaptureWatcher(Protocol):
    """The consumer of a capture's messages."""

    def record(self, record: Record) -> None:
        """Process a record."""

    def note(self, text: str) -> None:
        """Process one line about something that is in no record."""

    def begin(self, title: str) -> None:
        """Begin a message after the first one; its title is, for example, "response 2"."""


@dataclass(slots=True)
class CapturedMessage:
    """The message that is being read.

    Attributes:
        way: "request" or "response".
        head: None until it has come, and for a capture that has a body alone.
        framing: of its body; None until its head has come, where it has one.
        scanner: of its body; None as long as `framing`.
        may_miss_body: its body may be missing, so that a head in its content begins the next message.
        shown: how many held octets the scanner has seen and not approved, such as a part of a size line.
        inner: judges what looks like a head in its data; None while nothing does.
        is_noted: the note about such a head has been made.
        is_doubted: such a head could not be judged by `MAX_INNER_OCTETS`.
        reads: receives that brought octets of its body.
        last_read: the latest of them, counted over all receives of the capture; -1 for none.
    """

    recorder: Recorder
    way: str
    head: Request | Response | None = None
    framing: Framing | None = None
    scanner: BodyScanner | None = None
    completion: Completion = field(default_factory=lambda: Completion(is_judged=False))
    chunk: LatestChunk = field(default_factory=LatestChunk)
    may_miss_body: bool = False
    shown: int = 0
    inner: InnerHead | None = None
    is_noted: bool = False
    is_doubted: bool = False
    reads: int = 0
    last_read: int = -1


@dataclass(slots=True)
class Strays:
    """The octets since the last message that belong to no message.

    Attributes:
        recorded: how many of the octets that come next are in the record of a malformed message, and not counted.
        count: of the others.
        first: the first 17 of them.
        after: the complete message that they follow; None for none.
    """

    recorded: int = 0
    count: int = 0
    first: bytes = b""
    after: CapturedMessage | None = None

    def take(self, octets: bytes) -> None:
        """Count octets that belong to no message."""
        octets, self.recorded = octets[self.recorded :], max(0, self.recorded - len(octets))
        self.first = (self.first + octets)[:17]
        self.count += len(octets)

    def describe(self) -> str | None:
        """Return a note about these octets; None if there are none."""
        if not self.count:
            return None
        after, hint = self.after, ""
        if after is not None and after.head is not None and after.framing is not None:
            hint = hint_at_strays(self.first, after.head, after.framing)
        said = f"{self.count} octet{'s' * (self.count != 1)}, {quoted(self.first, 16)}"
        return f"left out, of no message: {said}{hint}"
