"""Recordings as hops: our JSON Lines, or a trace of curl's.

The rule here: text in, hops out. Each hop in a recording, and each point (origin, gateway, client), becomes a hop; the
inner ones come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chunkwire.record.values import Record, read_records
from chunkwire.tools.probe.arrival import Run, read_runs
from chunkwire.tools.probe.curl_trace import is_trace, read_trace
from chunkwire.tools.probe.judge import Hop
from chunkwire.wire.errors import LocalError, quoted


def read_recording(text: str, *, name: str, midnight: float = 0.0) -> list[Hop]:
    """Return the hops of a recording.

    Args:
        name: what to call a hop that the recording does not name.
        midnight: s since the epoch when the day of a trace began.

    Raises:
        LocalError: it is neither form, or holds no response.
    """
    connect = None
    records: Iterable[Record]
    if is_trace(text.partition("\n")[0]):
        trace = read_trace(text, midnight=midnight)
        records, connect = trace.records, trace.connect
    elif text.lstrip().startswith("{"):
        records = read_records(text.splitlines(), name)
    else:
        got = quoted(text.encode("utf-8", "surrogateescape"), 16) if text else "an empty file"
        raise LocalError(f"{name}: expected a capture, records (JSON Lines) or a curl --trace, got {got}")
    runs = read_runs(records, hop=name, connect=connect, clock=name)
    if not runs:
        raise LocalError(f"{name}: expected a response in the recording, got none")
    return list(_hops(runs, name))


def _hops(runs: Iterable[Run], name: str) -> Iterator[Hop]:
    """Yield the runs by hop and point, in the order in which they came."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.hop, run.point), []).append(run)
    points = {point for _, point in found}
    for (hop, point), its_runs in found.items():
        yield Hop(f"{hop} {point}" if len(points) > 1 else hop, tuple(its_runs))
