"""TLS in a capture: its content if tshark and a key log decrypt it, else the sizes of its records.

The rule here: nothing is decrypted here. tshark does that, called once for the whole capture. What stays encrypted is
shown as *reads*: a TLS record is what the peer's TLS library made of one write or a part of it, and no frame.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from chunkwire.tools.capture.packets import CaptureFileError, TcpEnd
from chunkwire.tools.capture.streams import TcpConnection, TcpPiece

_APPLICATION_DATA: Final = 23
_RECORD_HEAD: Final = 5
_FIELDS: Final = ("frame.time_epoch", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport")
# Protocols that would dissect the decrypted octets: without them tshark prints each record's data as it is.
_UNWANTED: Final = ("http", "http2", "sse", "json", "data-text-lines", "image-gif", "png", "xml", "media")


def is_tls(pieces: Sequence[TcpPiece]) -> bool:
    """Say whether a connection begins with a TLS handshake."""
    first = next((piece.octets for piece in pieces if piece.octets), b"")
    return first[:2] == b"\x16\x03"


def offers_h2(pieces: Sequence[TcpPiece]) -> bool:
    """Say whether the client's first octets offer HTTP/2 by ALPN (RFC 7301 §3.1)."""
    first = next((piece.octets for piece in pieces if piece.octets and piece.is_from_client), b"")
    return b"\x02h2" in first


def record_sizes(pieces: Sequence[TcpPiece]) -> Iterator[tuple[int, int]]:
    """Yield moment (ns) and size of each record of application data that the server sent.

    It ends at octets that the capture lacks: the start of the next record is then unknown.
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


def decrypted(connections: list[TcpConnection], octets: bytes, keylog: str) -> list[TcpConnection]:
    """Return connections; those with TLS have the octets that a key log decrypts, others are as they were.

    Raises:
        CaptureFileError: there is no file of that name, or tshark is not installed or fails.
    """
    if not os.path.exists(keylog):
        raise CaptureFileError(f"--keylog: expected a file of TLS secrets, got no file at {keylog!r}")
    if not any(is_tls(connection.pieces) for connection in connections):
        return connections
    opened: dict[tuple[TcpEnd, TcpEnd], deque[tuple[int, bytes]]] = {}
    for t_ns, source, target, content in _ask_tshark(octets, keylog):
        opened.setdefault((source, target), deque()).append((t_ns, content))
    return [_opened(connection, opened) if is_tls(connection.pieces) else connection for connection in connections]


def _opened(connection: TcpConnection, opened: dict[tuple[TcpEnd, TcpEnd], deque[tuple[int, bytes]]]) -> TcpConnection:
    up = opened.get((connection.client, connection.server), ())
    down = opened.get((connection.server, connection.client), ())
    if not up and not down:
        return connection
    pieces = [TcpPiece(t_ns, True, content) for t_ns, content in up]
    pieces += [TcpPiece(t_ns, False, content) for t_ns, content in down]
    pieces += [piece for piece in connection.pieces if piece.end or piece.missing]
    return replace(connection, is_opened=True, pieces=sorted(pieces, key=lambda piece: piece.t_ns))


def _ask_tshark(octets: bytes, keylog: str) -> Iterator[tuple[int, TcpEnd, TcpEnd, bytes]]:
    """Yield what tshark decrypts: moment (ns), source, target and content of each record."""
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
        yield from _opened_line(line.split("\t"))


def _opened_line(columns: list[str]) -> Iterator[tuple[int, TcpEnd, TcpEnd, bytes]]:
    if len(columns) < len(_FIELDS) + 1 or not columns[-1]:
        return
    t, src4, src6, sport, dst4, dst6, dport, data = columns
    seconds, _, fraction = t.partition(".")
    t_ns = int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0") or "0")
    for content in data.split(","):
        yield t_ns, _endpoint(src4 or src6, sport), _endpoint(dst4 or dst6, dport), bytes.fromhex(content)


def _endpoint(host: str, port: str) -> TcpEnd:
    return TcpEnd(ipaddress.ip_address(host).packed, int(port))
