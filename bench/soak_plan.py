"""The plan of a soak's stream, made from its number alone: what the upstream does, and how the client acts.

Pure. Both ends make the same plan from the number in the request's target, so they need not communicate, and the client
knows which octets and which verdict are right.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import Final

END: Final = b"0\r\n\r\n"
_BROKEN: Final = b"zz\r\n"  # no size line
_STREAM_SECONDS: Final = 4.0  # mean length of a stream: 500 of them are some 125 exchanges a second


class Fate(enum.StrEnum):
    """How the upstream ends a response."""

    COMPLETE = "complete"
    CUT = "cut"  # FIN before the end
    RESET = "reset"
    MALFORMED = "malformed"
    STALL = "stall"  # silent for longer than the gateway's --idle-timeout
    NOTHING = "nothing"  # closed before an octet of the response
    ENDLESS = "endless"  # until the client leaves


class Form(enum.StrEnum):
    """How the response body is delimited."""

    CHUNKED = "chunked"
    LENGTH = "length"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream.

    Attributes:
        frames: the body's pieces as on the wire; the first one repeats in an ENDLESS stream.
        gap: seconds between two of them.
        upload: a chunked request body, whose end the upstream waits for; empty for a GET.
        is_old: the client is HTTP/1.0.
        leaves_by_reset: the client of an ENDLESS stream leaves by a reset; otherwise it closes.
    """

    number: int
    fate: Fate
    form: Form
    frames: tuple[bytes, ...]
    gap: float
    upload: tuple[bytes, ...]
    is_old: bool
    leaves_by_reset: bool

    @property
    def head(self) -> bytes:
        """Return the upstream's response head."""
        octets = sum(len(frame) for frame in self.frames)
        line = {
            Form.CHUNKED: b"Transfer-Encoding: chunked",
            Form.LENGTH: b"Content-Length: %d" % (octets + (self.fate is not Fate.COMPLETE)),
            Form.CLOSE: b"Connection: close",
        }[self.form]
        return b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % line

    @property
    def ending(self) -> bytes:
        """Return the octets after the frames, before the end that the fate says."""
        if self.form is not Form.CHUNKED:
            return b""
        return {Fate.COMPLETE: END, Fate.MALFORMED: _BROKEN}.get(self.fate, b"")

    @property
    def request(self) -> bytes:
        """Return the client's request head."""
        lines = [b"%b /%d HTTP/1.%d" % (b"POST" if self.upload else b"GET", self.number, not self.is_old), b"Host: x"]
        lines += [b"Transfer-Encoding: chunked"] if self.upload else []
        return b"\r\n".join((*lines, b"", b""))

    @property
    def content(self) -> bytes:
        """Return the body of which an HTTP/1.1 client may receive all, or a prefix."""
        return b"".join(self.frames) + (self.ending if self.fate is Fate.COMPLETE else b"")


def make_plan(number: int, *, seed: int) -> StreamPlan:
    """Return the plan of a stream, which depends only on number and seed."""
    dice = random.Random(seed * 1_000_003 + number)
    form = dice.choices([Form.CHUNKED, Form.LENGTH, Form.CLOSE], [8, 1, 1])[0]
    fates = {Fate.COMPLETE: 50, Fate.RESET: 12, Fate.NOTHING: 4, Fate.ENDLESS: 15, Fate.STALL: 2}
    if form is not Form.CLOSE:
        fates |= {Fate.CUT: 12}
    if form is Form.CHUNKED:
        fates |= {Fate.MALFORMED: 5}
    fate = dice.choices(list(fates), list(fates.values()))[0]
    if fate is Fate.ENDLESS:
        form = Form.CHUNKED
    count = dice.randint(0, 20)
    pieces = [dice.randbytes(dice.choice((1, 32, 300, 5000))) for _ in range(count)]
    if fate is Fate.ENDLESS:
        pieces = pieces or [b"tick"]
    uploads = dice.random() < 0.1
    return StreamPlan(
        number,
        fate,
        form,
        tuple(_frame(piece, dice) if form is Form.CHUNKED else piece for piece in pieces),
        dice.uniform(0, 2 * _STREAM_SECONDS / max(4, count)) if dice.random() < 0.8 else 0.0,
        tuple(_frame(dice.randbytes(dice.randint(1, 2000)), dice) for _ in range(3)) if uploads else (),
        is_old=form is not Form.LENGTH and not uploads and dice.random() < 0.05,
        leaves_by_reset=dice.random() < 0.5,
    )


def _frame(data: bytes, dice: random.Random) -> bytes:
    """Return one chunk, sometimes with leading zeros or a chunk-ext."""
    ext = dice.choice((b"", b"", b"", b";a=1", b';q="x"'))
    return b"%b%x%b\r\n%b\r\n" % (b"0" * dice.choice((0, 0, 2)), len(data), ext, data)
