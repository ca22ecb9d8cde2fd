"""Load the exchanges of a capture file; one that has none is an error of one line.

The rule here: `watch`, `diff`, `probe` and the lab read captures by this module only, so that they agree.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from chunkwire.record.values import DataRecord, FrameRecord
from chunkwire.tools.capture.exchanges import CapturedExchange, exchanges_of
from chunkwire.tools.capture.packets import CaptureFileError, PacketCounts, read_segments
from chunkwire.tools.capture.streams import read_connections
from chunkwire.tools.capture.tls import decrypted
from chunkwire.tools.paint import PLAIN, columns, number, wrapped

SUFFIXES: Final = (".pcap", ".pcapng", ".cap")
"""How captures are usually named: a file of such a name is read as one, whatever its first octets are."""

_LINK_NAMES: Final = {105: "IEEE 802.11", 127: "radiotap", 147: "USER0", 187: "Bluetooth", 189: "USB", 252: "PDUs"}


def is_named_capture(name: str) -> bool:
    """Say whether a name is that of a capture, or FILE#N for one of its exchanges."""
    return name.lower().rpartition("#")[0].endswith(SUFFIXES) or name.lower().endswith(SUFFIXES)


def load_exchanges(octets: bytes, name: str, *, keylog: str | None = None) -> list[CapturedExchange]:
    """Return the exchanges of a capture.

    Args:
        keylog: a file of TLS secrets, for tshark.

    Raises:
        CaptureFileError: it is no capture, is malformed or has no exchange; dpkt is missing; or the key log is
            missing or useless, or tshark is missing or fails.
    """
    counts = PacketCounts()
    connections = read_connections(read_segments(io.BytesIO(octets), name, counts))
    if keylog is not None:
        connections = decrypted(connections, octets, keylog)
    found = exchanges_of(connections)
    if not found:
        raise CaptureFileError(f"{name}: expected an HTTP/1.1 exchange, got {_contents(counts)}")
    return found


def _contents(counts: PacketCounts) -> str:
    packets = number(counts.packets, "packet")
    if not counts.packets:
        return "a capture without a packet"
    if counts.link_types:
        names = ", ".join(f"{link} ({_LINK_NAMES.get(link, 'unknown')})" for link in sorted(counts.link_types))
        return f"{packets} of link type {names}, which cannot be read here"
    if counts.tcp:
        return f"{packets}, {counts.tcp} of them TCP, none with data that begins a message"
    if counts.fragments == counts.packets:
        return f"{packets}, all fragments of IP"
    return f"{packets}, all UDP" if counts.udp == counts.packets else f"{packets} without TCP ({counts.udp} UDP)"


def choose(exchanges: Sequence[CapturedExchange], n: int | None, name: str) -> list[CapturedExchange]:
    """Return the exchange of a number, or all of them.

    Raises:
        CaptureFileError: there is none of that number.
    """
    if n is None:
        return list(exchanges)
    if not 1 <= n <= len(exchanges):
        raise CaptureFileError(f"{name}: expected an exchange from 1 to {len(exchanges)}, got {n}; --list shows them")
    return [exchanges[n - 1]]


def title_of(exchange: CapturedExchange) -> str:
    """Return one line that identifies an exchange: its number, its request, and its two addresses."""
    asked = f"{exchange.request.method} {exchange.request.target}" if exchange.request is not None else "no request"
    return PLAIN.text(f"exchange {exchange.n}: {asked}, {exchange.client} to {exchange.hop}")


def list_lines(exchanges: Sequence[CapturedExchange], *, width: int | None = None) -> Iterator[str]:
    """Yield a heading; for each exchange number, time, server, frames, octets, request, status, how it ended.

    Args:
        width: columns that lines may have; what does not fit stands below. None: any.
    """
    hops = max((len(exchange.hop) for exchange in exchanges), default=0)
    yield f"  {'n':>3}  {'time':<12}  {'server':<{hops}}  {'frames':>6} {'octets':>8}  exchange"
    for exchange in exchanges:
        end, head, request = exchange.end, exchange.head, exchange.request
        asked = f"{request.method} {request.target}" if request is not None else "(request not captured)"
        status = head.status if head is not None else "-"
        framing = end.framing if end is not None else "no response"
        frames = sum(isinstance(each, FrameRecord | DataRecord) for each in exchange.records)
        octets = end.octets if end is not None else 0
        why = f": {end.error}" if end is not None and end.error else ""
        row = f"  {exchange.n:>3}  {_time_of_day(exchange.began_ns):<12}  {exchange.hop:<{hops}}"
        row += f"  {frames:>6} {octets:>8}  "
        text = PLAIN.text(f"{asked}  {status} {framing}{why}")
        if width is None or columns(row + text) <= width:
            yield PLAIN.text(row) + text
        else:
            yield PLAIN.text(row.rstrip())
            yield from wrapped(" " * 7, text, width)


def _time_of_day(t_ns: int) -> str:
    """Return a time of day to the ms, `-` for one that this platform's calendar lacks."""
    try:
        return f"{datetime.fromtimestamp(t_ns / 1e9).astimezone():%H:%M:%S.%f}"[:12]
    except (OverflowError, ValueError, OSError):
        return "-"
