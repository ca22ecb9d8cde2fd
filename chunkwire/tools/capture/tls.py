"""TLS in a capture: its content if a key log is given, else the sizes of its records.

The rule here: tshark decrypts, in one call for the whole capture; this module asks it and sorts its output. A record
that stays encrypted is shown as a *read*: it holds what the peer wrote at once or a part of it, so it shows no frames.
"""

from __future__ import annotations

import ipaddress
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from chunkwire.tools.capture.packets import CaptureFileError, TcpEnd
from chunkwire.tools.capture.streams import TcpConnection, TcpPiece

_APPLICATION_DATA: Final = 23
_RECORD_HEAD: Final = 5
_Decrypted: TypeAlias = tuple[int, TcpEnd, TcpEnd, bytes]  # of a record: moment (ns), source, target, content
_FIELDS: Final = ("frame.time_epoch", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport")
# Protocols that are turned off in tshark: their dissectors would take the decrypted octets out of `data.data`.
_UNWANTED: Final = ("http", "http2", "sse", "json", "data-text-lines", "image-gif", "png", "xml", "media")


def is_tls(pieces: Sequence[TcpPiece]) -> bool:
    """Say whether a connection begins with a TLS handshake."""
    first = next((piece.octets for piece in pieces if piece.octets), b"")
    return first[:2] == b"\x16\x03"


def offers_h2(pieces: Sequence[TcpPiece]) -> bool:
    """Say whether the client's first piece offers HTTP/2 by ALPN (RFC 7301 §3.1): searched for, not parsed."""
    first = next((piece.octets for piece in pieces if piece.octets and piece.is_from_client), b"")
    return b"\x02h2" in first


def record_sizes(pieces: Sequence[TcpPiece]) -> Iterator[tuple[int, int]]:
    """Yield moment (ns) and size of each record of application data that the server sent.

    The size is without the record's head, in octets as encrypted. TLS 1.3 sends most of its handshake in such records
    too. It ends at octets that the capture lacks: the start of the next record is then unknown.
    """
    held = b""
    for piece in pieces:
        if piece.is_from_client:
            continue
        if piece.missing:
            return
        held += piece.octets
        at = 0
        while len(held) >= at + _RECORD_HEAD:
            size = int.from_bytes(held[at + 3 : at + 5], "big")
            if len(held) < at + _RECORD_HEAD + size:
                break
            if held[at] == _APPLICATION_DATA:
                yield piece.t_ns, size
            at += _RECORD_HEAD + size
        held = held[at:]


def decrypted(connections: Sequence[TcpConnection], octets: bytes, keylog: str) -> list[TcpConnection]:
    """Return the connections; those that tshark decrypts have their content in place of the TLS records.

    Args:
        octets: of the capture.
        keylog: the path of a file of TLS secrets.

    Raises:
        CaptureFileError: there is no file of that name, or tshark is not installed or fails.
    """
    if not os.path.exists(keylog):
        raise CaptureFileError(f"--keylog: expected a file of TLS secrets, got no file at {keylog!r}")
    if not any(is_tls(connection.pieces) for connection in connections):
        return list(connections)
    return _with_content(connections, _ask_tshark(octets, keylog))


def _with_content(connections: Sequence[TcpConnection], records: Iterable[_Decrypted]) -> list[TcpConnection]:
    """Return the connections with the content of records.

    Several connections may have the same ports, one after the other: each has the records until the next one begins.
    """
    sent: dict[tuple[TcpEnd, TcpEnd], list[tuple[int, bytes]]] = {}
    for t_ns, source, target, content in records:
        sent.setdefault((source, target), []).append((t_ns, content))
    ends_ns: dict[frozenset[TcpEnd], float] = {}
    found = []
    for connection in reversed(connections):
        began_ns = connection.pieces[0].t_ns if connection.pieces else math.inf
        ends = frozenset((connection.client, connection.server))
        until_ns = ends_ns.get(ends, math.inf)
        ends_ns[ends] = min(began_ns, until_ns)
        pieces = [
            TcpPiece(t_ns, source == connection.client, content)
            for source, target in ((connection.client, connection.server), (connection.server, connection.client))
            for t_ns, content in sent.get((source, target), ())
            if began_ns <= t_ns < until_ns
        ]
        found.append(_decrypted(connection, pieces) if pieces and is_tls(connection.pieces) else connection)
    return found[::-1]


def _decrypted(connection: TcpConnection, content: list[TcpPiece]) -> TcpConnection:
    """Return a connection whose octets are this content; its gaps and ends stay."""
    pieces = content + [piece for piece in connection.pieces if piece.end or piece.missing]
    return replace(connection, is_decrypted=True, pieces=sorted(pieces, key=lambda piece: piece.t_ns))


def _ask_tshark(octets: bytes, keylog: str) -> Iterator[_Decrypted]:
    program = shutil.which("tshark")
    if program is None:
        raise CaptureFileError("--keylog: expected tshark, which decrypts with it, got no such program")
    words = [program, "-n", "-o", f"tls.keylog_file:{keylog}", "-Y", "tls.app_data"]
    words += ["-T", "fields", "-E", "aggregator=,"]
    for name in _UNWANTED:
        words += ["--disable-protocol", name]
    for field in (*_FIELDS, "data.data"):
        words += ["-e", field]
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(octets)
        file.flush()
        run = subprocess.run([*words, "-r", file.name], capture_output=True, check=False)
    if run.returncode:
        said = run.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CaptureFileError(f"tshark: {said[-1] if said else f'exit code {run.returncode}'}")
    for line in run.stdout.decode("ascii", "replace").splitlines():
        yield from _records_in(line.split("\t"))


def _records_in(columns: list[str]) -> Iterator[_Decrypted]:
    """Yield the records of one packet, which is a line of tshark's output."""
    if len(columns) < len(_FIELDS) + 1 or not columns[-1]:
        return
    t, src4, src6, sport, dst4, dst6, dport, data = columns
    seconds, _, fraction = t.partition(".")
    t_ns = int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0") or "0")
    for content in data.split(","):
        yield t_ns, _endpoint(src4 or src6, sport), _endpoint(dst4 or dst6, dport), bytes.fromhex(content)


def _endpoint(host: str, port: str) -> TcpEnd:
    return TcpEnd(ipaddress.ip_address(host).packed, int(port))
