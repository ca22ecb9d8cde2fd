"""A recording or a capture, as a learner drops it on the page, as records.

The rule here: pure; octets in, records and notes out. The readers are those of `chunkwire watch`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from chunkwire.client.capture import CaptureReader
from chunkwire.record.values import Record, read_records, to_json
from chunkwire.tools.capture.load import load_exchanges
from chunkwire.tools.capture.packets import is_capture
from chunkwire.wire.errors import LocalError

MAX_FILE_OCTETS: Final = 8 << 20  # more frames than a page can usefully show
MAX_RECORDS: Final = 100_000
_PIECE_OCTETS: Final = 65536  # fed to the reader at once, which copies what it holds for each message


@dataclass(slots=True)
class Loaded:
    """What a file held: its records, and what is said about it in lines."""

    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def record(self, record: Record) -> None:
        """Take a record."""
        self.records.append(record)

    def note(self, text: str) -> None:
        """Take a line about what no record says."""
        self.notes.append(text)

    def begin(self, title: str) -> None:
        """Do nothing: each message has records of its own number."""


def load_json(octets: bytes) -> bytes:
    """Return what `load` does as a JSON object with `records` and `notes`; of a large file this takes a second or two.

    Raises:
        LocalError: as `load`.
    """
    loaded = load(octets)
    records = ",".join(to_json(record) for record in loaded.records)
    return f'{{"notes":{json.dumps(loaded.notes)},"records":[{records}]}}'.encode("ascii")


def load(octets: bytes) -> Loaded:
    """Return the records of a recording, of a packet capture, or of captured octets.

    Raises:
        LocalError: what is wrong with it, in one line.
    """
    loaded = Loaded()
    if octets[:1] == b"{":
        loaded.records.extend(read_records(octets.split(b"\n"), "the recording"))
    elif is_capture(octets):
        for exchange in load_exchanges(octets, "the capture"):
            loaded.records.extend(record._replace(stream=exchange.n) for record in exchange.records)
            loaded.notes.extend(exchange.notes)
    elif octets:
        reader = CaptureReader(loaded)
        for at in range(0, len(octets), _PIECE_OCTETS):
            reader.feed(octets[at : at + _PIECE_OCTETS], t=0.0, read=1)
        reader.end(0.0)
        loaded.note("a capture has no times: all of it is shown at one moment")
    if not loaded.records:
        raise LocalError(
            "expected a recording (JSON lines), a packet capture, or what curl --raw or nc printed; got none"
        )
    if len(loaded.records) > MAX_RECORDS:
        raise LocalError(f"expected at most {MAX_RECORDS} records, got {len(loaded.records)}")
    return loaded
