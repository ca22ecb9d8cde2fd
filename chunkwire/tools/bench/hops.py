"""Fetch `/stamps` of our servers: the stamps of a run's bodies (`server.stampdesk`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chunkwire import client
from chunkwire.net.dial import Url
from chunkwire.server.stampdesk import STAMPS_PATH
from chunkwire.tools.bench.segments import HopStamps, parse_stamps
from chunkwire.wire.errors import ChunkwireError, LocalError

_SECONDS: Final = 30.0
"""For an answer, which has some 60 octets a frame."""


async def read_stamps(hop: Url, run_id: str) -> dict[int, HopStamps]:
    """Return a hop's stamps of a run's bodies, by the number of the stream.

    Args:
        hop: its `--admin` address.

    Raises:
        LocalError: it does not answer, or not with stamps.
    """
    where = f"--hop {hop.authority.decode('ascii')}"
    url = replace(hop, target=b"%b?run=%b" % (STAMPS_PATH, run_id.encode("ascii")))
    try:
        async with client.open("GET", url, total_timeout=_SECONDS) as stream:
            if stream.head.status != 200:
                got = stream.head.status
                raise LocalError(f"{where}: expected the --admin address of serve or forward --stamps, got {got} there")
            text = await stream.text()
    except LocalError:
        raise
    except ChunkwireError as error:
        raise LocalError(f"{where}: {error}") from error
    return parse_stamps(text, where=where)
