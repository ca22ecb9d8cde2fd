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


def unanswered(seconds: float, status: int) -> str:
    """Return what is said of a hop through which no barrier answers for so long while the stream runs.

    Args:
        status: of the last answer that came from something else; 0 for none.
    """
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
