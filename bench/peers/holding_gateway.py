"""A gateway that holds one frame in EVERY for 1 ms, at random: `python -m bench.peers.holding_gateway EVERY forward …`.

The rest is the command line of `chunkwire`. With an EVERY of 0 it holds none, and relays in the same way.
"""

import random
import sys

import trio

from chunkwire.cli.main import main
from chunkwire.forward import exchange
from chunkwire.forward.shape import Mode
from chunkwire.net.movers import Shaper
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.frames import DataEnd, Event, LastChunk

HOLD_SECONDS = 0.001


class HoldRarely:
    """Relays the body unchanged, and delays a few of its frames."""

    error: ChunkwireError | None = None
    due: float | None = None

    def __init__(self, every: int) -> None:
        self._every = every
        self._kept = b""

    def feed(self, events: list[Event]) -> bytes:
        """Return these events' octets; empty while they are held."""
        self._kept += b"".join(event.raw for event in events)
        is_end = any(isinstance(event, LastChunk) for event in events)
        frames = sum(isinstance(event, DataEnd) for event in events)
        if self._every and not is_end and any(random.randrange(self._every) == 0 for _ in range(frames)):
            self.due = trio.current_time() + HOLD_SECONDS
        return b"" if self.due is not None and not is_end else self.flush()

    def flush(self) -> bytes:
        """Return the held octets."""
        kept, self._kept, self.due = self._kept, b"", None
        return kept


def run(every: int, words: list[str]) -> int:
    """Run the gateway."""

    def shaper(mode: Mode, *, is_chunked: bool) -> Shaper | None:
        return HoldRarely(every)

    vars(exchange)["shaper"] = shaper
    return main(words)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2:]))
