"""Why the order of events shows nothing of a hop, in half sentences.

The rule here: each says what is missing, and what to do about it where that is known.
"""

from __future__ import annotations

from typing import Final

from chunkwire.net.dial import Url
from chunkwire.tools.probe.requests import ACCEPT_ENCODING, Ask
from chunkwire.tools.probe.verdict import ELSEWHERE
from chunkwire.wire.errors import ChunkwireError

ENDED_AT_ONCE: Final = "it ended with its first read: an order needs two frames"


class Undecided(ChunkwireError):
    """The order of events shows nothing; the message says why."""


def not_at(gateway: Url, seconds: float | None = None) -> str:
    """Return what is said of a hop through which no request came to the gateway of --barrier-at, and what to do.

    Args:
        seconds: how long that was awaited; None where the stream had ended, or the hop gave it from elsewhere.
    """
    where = gateway.authority.decode("ascii") + ("" if seconds is None else f" within {seconds:g} s")
    advice = "make that the upstream of its innermost proxy, which must pass the field Chunkwire-Barrier on"
    return f"{ELSEWHERE} at {where}: {advice}; if it is, another site or a cache answered"


def unanswered(seconds: float, *, status: int, is_missing: bool, is_unwritten: bool) -> str:
    """Return what is said of a hop through which nothing says for so long that the next frame of a stream is written.

    Args:
        status: of the last answer that came from something that knows no barriers; 0 for none.
        is_missing: the last answer came from an instance that does not have the stream.
        is_unwritten: the last answer said that the frame is not written.
    """
    if is_unwritten:
        return f"the origin wrote no frame within {seconds:g} s after one was acknowledged"
    if is_missing:
        return f"requests beside the stream came to an instance that does not have it, for {seconds:g} s"
    if status:
        return f"requests beside the stream were answered {status} for {seconds:g} s, not by the barrier"
    return f"no request beside the stream was answered within {seconds:g} s"


def undecoded(error: str, ask: Ask) -> str:
    """Return what is said of frames whose ends cannot be told, since their content coding is not decoded.

    Args:
        error: why, as a `ContentDecoder` says it.
        ask: the request for them.
    """
    coding = error.partition(" is not decoded")[0].encode()
    if coding == error.encode():
        return error  # it is one that is decoded, and broken
    asked = b", ".join(value.lower() for name, value in ask.fields if name.lower() == b"accept-encoding")
    if coding not in asked:
        return f"{error}; the request did not ask for it"
    name, value = (part.decode() for part in ACCEPT_ENCODING)
    return f"{error}; ask without it: -H '{name}: {value}'"
