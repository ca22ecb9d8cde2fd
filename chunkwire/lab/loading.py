"""A recording or a capture, as a learner drops it on the page, as records.

The rule here: pure; octets in, records and notes out. The readers are those of `chunkwire watch`.
"""

from __future__ import annotations

import json
from typing import Final

from chunkwire.client.capture import CaptureReader
from chunkwire.record.values import Record, read_records, to_json
from chunkwire.tools.capture.exchanges import Messages
from chunkwire.tools.capture.load import load_exchanges
from chunkwire.tools.capture.packets import is_capture
from chunkwire.wire.errors import LocalError

MAX_FILE_OCTETS: Final = 8 << 20  # more frames than a page can usefully show
MAX_RECORDS: Final = 100_000
_PIECE_OCTETS: Final = 65536  # of one `feed`, whose octets the reader copies once for each message in them


def load_json(octets: bytes) -> bytes:
    """Return a file as a JSON object with `records` and `notes`; a large file takes a second or two.

    Raises:
        LocalError: what is wrong with it, in one line.
    """
    records, notes = _load(octets)
    if not records:
        raise LocalError(
            "expected a recording (JSON lines), a packet capture, or what curl --raw or nc printed; got none"
        )
    if len(records) > MAX_RECORDS:
        raise LocalError(f"expected at most {MAX_RECORDS} records, got {len(records)}")
    return f'{{"notes":{json.dumps(notes)},"records":[{",".join(map(to_json, records))}]}}'.encode("ascii")


def _load(octets: bytes) -> tuple[list[Record], list[str]]:
    """Return the records of a recording, packet capture or captured octets, and notes about what is in no record."""
    if octets[:1] == b"{":
        return list(read_records(octets.split(b"\n"), "the recording")), []
    if is_capture(octets):
        exchanges = load_exchanges(octets, "the capture")
        records = [record._replace(stream=exchange.n) for exchange in exchanges for record in exchange.records]
        return records, [note for exchange in exchanges for note in exchange.notes]
    messages = Messages()
    if octets:
        reader = CaptureReader(messages)
        for at in range(0, len(octets), _PIECE_OCTETS):
            reader.feed(octets[at : at + _PIECE_OCTETS], t=0.0, read=1)
        reader.end(0.0)
        messages.note("a capture has no times: all of it is shown at one moment")
    records = [record for message in messages.all for record in message.records]
    return records, [note for message in messages.all for note in message.notes]
