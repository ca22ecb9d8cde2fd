"""Packet captures that nobody took: TCP segments written as a file, in any format, link type and disorder."""

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 8080)
FIN, SYN, RST, PSH_ACK, ACK = 1, 2, 4, 24, 16
EPOCH_NS = 1_800_000_000 * 10**9

LINKS = {
    "EN10MB": (1, b"\x02\0\0\0\0\1\x02\0\0\0\0\2", b""),
    "LINUX_SLL": (113, b"\0\0\0\1\0\6\x02\0\0\0\0\1\0\0", b""),
    "LINUX_SLL2": (276, b"", b"\0\0\0\0\0\1\0\1\0\6\x02\0\0\0\0\1\0\0"),
    "NULL": (0, b"", b""),
    "LOOP": (108, b"", b""),
    "RAW": (101, b"", b""),
}


@dataclass(frozen=True, slots=True)
class Packet:
    """A segment, with where it goes and when."""

    t: float
    is_up: bool
    seq: int
    ack: int
    flags: int
    data: bytes = b""


@dataclass(slots=True)
class Talk:
    """One TCP connection that is written as it is told; sequence numbers are kept."""

    packets: list[Packet] = field(default_factory=list)
    up: int = 1000
    down: int = 0xFFFFFF00  # so that it wraps
    t: float = 0.0

    def open(self) -> "Talk":
        self.packets += [
            Packet(self.t, True, self.up - 1, 0, SYN),
            Packet(self.t, False, self.down - 1 & 0xFFFFFFFF, self.up, SYN | ACK),
        ]
        return self

    def ask(self, octets: bytes, at: float = 0.0) -> "Talk":
        self.t = max(self.t, at)
        self.packets.append(Packet(self.t, True, self.up, self.down, PSH_ACK, octets))
        self.up += len(octets)
        return self

    def answer(self, octets: bytes, at: float) -> "Talk":
        self.t = at
        self.packets.append(Packet(at, False, self.down, self.up, PSH_ACK, octets))
        self.down = self.down + len(octets) & 0xFFFFFFFF
        self.packets.append(Packet(at, True, self.up, self.down, ACK))
        return self

    def close(self, flags: int = FIN | ACK) -> "Talk":
        self.packets.append(Packet(self.t, False, self.down, self.up, flags))
        return self


def ip_packet(packet: Packet, *, v6: bool = False) -> bytes:
    """Return the IP packet of a segment."""
    source, target = (CLIENT, SERVER) if packet.is_up else (SERVER, CLIENT)
    tcp = struct.pack("!HHIIBBHHH", source[1], target[1], packet.seq, packet.ack, 0x50, packet.flags, 65535, 0, 0)
    tcp += packet.data
    if v6:
        hosts = b"".join(
            ipaddress.ip_address("fd00::" + host.rpartition(".")[2]).packed for host, _ in (source, target)
        )
        return struct.pack("!IHBB", 0x60000000, len(tcp), 6, 64) + hosts + tcp
    hosts = b"".join(ipaddress.ip_address(host).packed for host, _ in (source, target))
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + hosts + tcp


def linked(packet: bytes, link: str, *, v6: bool) -> bytes:
    ethertype = b"\x86\xdd" if v6 else b"\x08\x00"
    _, before, after = LINKS[link]
    if link == "LINUX_SLL2":
        return ethertype + after + packet
    if link in ("NULL", "LOOP"):
        return struct.pack("<I" if link == "NULL" else ">I", 30 if v6 else 2) + packet
    return packet if link == "RAW" else before + ethertype + packet


def pcap(
    packets: Iterable[Packet],
    *,
    link: str = "EN10MB",
    v6: bool = False,
    nano: bool = False,
    order: str = "<",
    snap: int = 1 << 18,
) -> bytes:
    """Return a pcap file."""
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, LINKS[link][0])]
    for packet in packets:
        octets = linked(ip_packet(packet, v6=v6), link, v6=v6)
        t_ns = EPOCH_NS + round(packet.t * 1e9)
        fraction = t_ns % 10**9 // (1 if nano else 1000)
        out.append(struct.pack(order + "IIII", t_ns // 10**9, fraction, min(len(octets), snap), len(octets)))
        out.append(octets[:snap])
    return b"".join(out)


def pcapng(packets: Iterable[Packet], *, links: tuple[str, ...] = ("EN10MB",), nano: bool = False) -> bytes:
    """Return a pcapng file whose packets come from these interfaces in turn."""
    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    option = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0) if nano else b""
    out += [block(1, struct.pack("<HHI", LINKS[link][0], 0, 0) + option) for link in links]
    for number, packet in enumerate(packets):
        which = number % len(links)
        octets = linked(ip_packet(packet), links[which], v6=False)
        ticks = (EPOCH_NS + round(packet.t * 1e9)) // (1 if nano else 1000)
        head = struct.pack("<IIIII", which, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
        out.append(block(6, head + octets + b"\0" * (-len(octets) % 4)))
    return b"".join(out)


def block(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
