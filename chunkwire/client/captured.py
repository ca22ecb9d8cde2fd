"""What a capture reader keeps of the message that it is reading, and who receives what the capture holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from chunkwire.client.completion import Completion
from chunkwire.client.inner import InnerHead
from chunkwire.record.recorder import Recorder
from chunkwire.record.values import Record
from chunkwire.wire.errors import quoted
from chunkwire.wire.scanner import BodyScanner

MAX_STRAY_OCTETS: Final = 65536
"""Octets outside of any message that are kept while a head is looked for: as many as a head may have."""
NO_BODY: Final = "its body is not in the capture: an answer to HEAD or CONNECT, or a redirect that was followed"
HEAD_IN_DATA: Final = "its content holds what looks like a head: taken for content, as the framing says"


class CaptureWatcher(Protocol):
    """Who receives what a capture holds."""

    def record(self, record: Record) -> None:
        """Take a record."""

    def note(self, text: str) -> None:
        """Take one line about what no record says."""

    def begin(self, title: str) -> None:
        """Begin another message than the first; its title is such as "response 2"."""


@dataclass(slots=True)
class CapturedMessage:
    """The message that is being read.

    Attributes:
        scanner: None until its head is in.
        may_miss_body: a head in its content is the next message's.
        shown: of the octets held, those that the scanner has seen and not approved: a size line or a trailer section.
        inner: a head in its data, which is being judged.
        is_noted: that its content holds such a head has been said.
        is_doubted: one was too long to be judged.
        reads: receives that brought octets of its body.
        last_read: the latest of them, as the caller numbers them.
    """

    recorder: Recorder
    way: str
    scanner: BodyScanner | None = None
    completion: Completion = field(default_factory=lambda: Completion(is_judged=False))
    may_miss_body: bool = False
    shown: int = 0
    inner: InnerHead | None = None
    is_noted: bool = False
    is_doubted: bool = False
    reads: int = 0
    last_read: int = -1


@dataclass(slots=True)
class Strays:
    """The octets since the last message that belong to none.

    Attributes:
        shown: how many of them the record of a broken message has.
        first: the first 17 of them.
    """

    shown: int = 0
    count: int = 0
    first: bytes = b""

    def take(self, octets: bytes) -> None:
        """Count octets that are left out."""
        self.first = (self.first + octets)[:17]
        self.count += len(octets)

    def describe(self) -> str | None:
        """Return a line that says what was left out; None where records have all of it."""
        if self.count <= self.shown:
            return None
        return f"{self.count} octet{'s' * (self.count != 1)} of no message left out: {quoted(self.first, 16)}"
