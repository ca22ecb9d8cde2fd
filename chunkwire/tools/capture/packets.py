"""Packets of a capture file, pcap or pcapng, as TCP segments. A file that is cut is read up to the cut.

The rule here: dpkt, an extra, parses the headers of link, network and transport. A capture of 100 MB (765,000 packets)
takes dpkt 9 s of CPU and 14 MB of memory, scapy 140 s, and tshark, a program and no library, 37 s (`bench/README.md`).
The two file formats are parsed here: dpkt's readers know one interface per file, give times as floats, and raise if
the last packet is cut. What this module must not know: what a segment's octets mean.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, NamedTuple

from chunkwire.wire.errors import LocalError, missing_package

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
ACK: Final = 16

_PCAP_MAGICS: Final = {b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1"}
_PCAPNG_MAGIC: Final = b"\x0a\x0d\x0d\x0a"
_LITTLE_ENDIAN: Final = b"\x4d\x3c\x2b\x1a"
_MAX_BLOCK_OCTETS: Final = 16 << 20
"""Of one packet or block: Wireshark's own limit for a packet is 256 KiB, a block of names may be larger."""

_NULL, _EN10MB, _RAW_BSD, _RAW_BSD2, _RAW, _LOOP, _SLL, _IPV4, _IPV6, _SLL2 = 0, 1, 12, 14, 101, 108, 113, 228, 229, 276


class CaptureFileError(LocalError):
    """A capture that cannot be read or decrypted, or has nothing to read."""


class TcpEnd(NamedTuple):
    """One end of a connection; `host` is an address as octets, 4 or 16."""

    host: bytes
    port: int

    def __str__(self) -> str:
        host = str(ipaddress.ip_address(self.host))
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Segment(NamedTuple):
    """One TCP segment as it was captured."""

    t_ns: int  # ns since the epoch
    source: TcpEnd
    target: TcpEnd
    seq: int
    ack: int
    flags: int
    data: bytes
    length: int  # octets of data it had on the wire; `data` has fewer where the capture kept only the first octets


@dataclass(slots=True)
class PacketCounts:
    """What a file held: for the message about one without an exchange."""

    packets: int = 0
    tcp: int = 0
    udp: int = 0
    fragments: int = 0
    link_types: set[int] = field(default_factory=set)  # those that cannot be read, by their number


def is_capture(first: bytes) -> bool:
    """Say whether a file that begins with these octets is a packet capture."""
    return first[:4] in _PCAP_MAGICS or first[:4] == _PCAPNG_MAGIC


def read_segments(file: BinaryIO, name: str, counts: PacketCounts) -> Iterator[Segment]:
    """Yield the TCP segments of a capture in the order of the file.

    Raises:
        CaptureFileError: it is no capture, or a malformed one, or dpkt is not installed.
    """
    dpkt = _dpkt()
    first = file.read(4)
    if not is_capture(first):
        got = "an empty file" if not first else f"a file that begins with {first.hex(' ')}"
        got = "a gzip file, to be unpacked first" if first[:2] == b"\x1f\x8b" else got
        raise CaptureFileError(f"{name}: expected a packet capture (pcap or pcapng), got {got}")
    packets = _pcapng(file, name) if first == _PCAPNG_MAGIC else _pcap(file, first, name)
    network = _Network(dpkt)
    for t_ns, link_type, octets in packets:
        counts.packets += 1
        segment = network.segment(t_ns, link_type, octets, counts)
        if segment is not None:
            yield segment


def _dpkt() -> Any:
    try:
        import dpkt
    except ImportError as error:
        raise CaptureFileError(missing_package("a packet capture", "dpkt")) from error
    return dpkt


_Packet = tuple[int, int, bytes]  # ns since the epoch, link type, octets


def _pcap(file: BinaryIO, magic: bytes, name: str) -> Iterator[_Packet]:
    order = "<" if magic[0] in (0xD4, 0x4D) else ">"
    unit_ns = 1 if b"\x3c" in magic else 1000
    head = file.read(20)
    if len(head) < 20:
        raise CaptureFileError(f"{name}: expected the 24 octets of a pcap header, got {4 + len(head)}")
    link_type = struct.unpack(order + "HHiIII", head)[5] & 0x0FFFFFFF
    record = struct.Struct(order + "IIII")
    while len(head := file.read(16)) == 16:
        seconds, fraction, kept, _ = record.unpack(head)
        yield seconds * 10**9 + fraction * unit_ns, link_type, _at_most(file, kept, name)


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    ticks: int  # a second
    offset: int  # s


def _pcapng(file: BinaryIO, name: str) -> Iterator[_Packet]:
    """Yield the packets of every section and interface (draft-ietf-opsawg-pcapng)."""
    kind, order, interfaces = _PCAPNG_MAGIC, "<", list[_Interface]()
    while len(kind) == 4:
        length_octets = file.read(4)
        if kind == _PCAPNG_MAGIC:
            byte_order = file.read(4)
            order, interfaces = ("<" if byte_order == _LITTLE_ENDIAN else ">"), []
        taken = 12 if kind == _PCAPNG_MAGIC else 8
        if len(length_octets) < 4:
            return
        length = struct.unpack(order + "I", length_octets)[0]
        if length < 12 or length % 4:
            raise CaptureFileError(f"{name}: expected the length of a pcapng block, got {length}")
        body = _at_most(file, length - taken, name)
        if len(body) < length - taken:
            return
        number = struct.unpack(order + "I", kind)[0]
        if number == 1 and len(body) >= 12:
            interfaces.append(_interface(body[:-4], order))
        elif number in (2, 3, 6):
            packet = _packet_of(number, body[:-4], order, interfaces)
            if packet is not None:
                yield packet
        kind = file.read(4)


def _interface(body: bytes, order: str) -> _Interface:
    """Return an interface from its description block; without if_tsresol its clock ticks in µs."""
    link_type = struct.unpack(order + "H", body[:2])[0]
    ticks, offset, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
        if code == 9 and length == 1:  # if_tsresol
            power = value[0] & 0x7F
            ticks = 1 << power if value[0] & 0x80 else 10 ** min(power, 18)
        elif code == 14 and length == 8:  # if_tsoffset
            offset = struct.unpack(order + "q", value)[0]
    return _Interface(link_type, ticks, offset)


def _packet_of(number: int, body: bytes, order: str, interfaces: list[_Interface]) -> _Packet | None:
    """Return the packet of a block: simple (3; its time is 0), enhanced (6) or obsolete (2).

    None: the block is too short, or its interface is unknown.
    """
    if number == 3:
        return (0, interfaces[0].link_type, body[4:]) if interfaces and len(body) > 4 else None
    if len(body) < 20:
        return None
    if number == 6:
        which, high, low, kept, _ = struct.unpack(order + "IIIII", body[:20])
    else:
        which, _, high, low, kept, _ = struct.unpack(order + "HHIIII", body[:20])
    if which >= len(interfaces):
        return None
    interface = interfaces[which]
    t_ns = (high << 32 | low) * 10**9 // interface.ticks + interface.offset * 10**9
    return t_ns, interface.link_type, body[20 : 20 + kept]


def _at_most(file: BinaryIO, count: int, name: str) -> bytes:
    if count > _MAX_BLOCK_OCTETS:
        raise CaptureFileError(f"{name}: expected at most {_MAX_BLOCK_OCTETS} octets of a packet or block, got {count}")
    return file.read(count)


class _Network:
    """Parse a packet, from its link type to the TCP segment in it."""

    def __init__(self, dpkt: Any) -> None:
        self._dpkt = dpkt
        self._links: dict[int, Callable[[bytes], Any]] = {
            _EN10MB: lambda octets: dpkt.ethernet.Ethernet(octets).data,
            _SLL: lambda octets: dpkt.sll.SLL(octets).data,
            _SLL2: lambda octets: dpkt.sll2.SLL2(octets).data,
            _NULL: lambda octets: dpkt.loopback.Loopback(octets).data,
            _LOOP: lambda octets: dpkt.loopback.Loopback(octets).data,
            **dict.fromkeys((_RAW, _RAW_BSD, _RAW_BSD2, _IPV4, _IPV6), self._raw),
        }

    def _raw(self, octets: bytes) -> Any:
        return (self._dpkt.ip6.IP6 if octets[0] >> 4 == 6 else self._dpkt.ip.IP)(octets)

    def segment(self, t_ns: int, link_type: int, octets: bytes, counts: PacketCounts) -> Segment | None:
        """Return the TCP segment of a packet; None if it has none, of which the cause is counted."""
        dpkt, link = self._dpkt, self._links.get(link_type)
        if link is None:
            counts.link_types.add(link_type)
            return None
        try:
            packet = link(octets)
        except (dpkt.UnpackError, IndexError, struct.error):
            packet = None
        if isinstance(packet, dpkt.ip.IP) and (packet.mf or packet.offset):
            counts.fragments += 1
            return None
        tcp = getattr(packet, "data", None)
        if not isinstance(tcp, dpkt.tcp.TCP):
            counts.udp += isinstance(tcp, dpkt.udp.UDP)
            return None
        counts.tcp += 1
        return Segment(
            t_ns,
            TcpEnd(packet.src, tcp.sport),
            TcpEnd(packet.dst, tcp.dport),
            tcp.seq,
            tcp.ack,
            tcp.flags,
            tcp.data,
            self._length(packet, tcp),
        )

    def _length(self, packet: Any, tcp: Any) -> int:
        """Return the octets of data that a segment had on the wire, by the lengths in its headers.

        The length in the IP header is 0 if the network card was to split the segment (TSO): then all is captured.
        """
        if isinstance(packet, self._dpkt.ip.IP):
            return packet.len - packet.hl * 4 - tcp.off * 4 if packet.len else len(tcp.data)
        extensions = sum(len(header) for header in getattr(packet, "all_extension_headers", ()))
        return packet.plen - extensions - tcp.off * 4 if packet.plen else len(tcp.data)
