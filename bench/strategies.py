"""The sender of `writes`: connects, writes frames in one way, and prints what it cost as JSON.

    python -m bench.strategies PORT STRATEGY FRAMES SPACING_US

A strategy is how one frame is written, with its socket options. Each sets or clears TCP_NODELAY. With a spacing of -1
each frame answers a question, after a head in a send of its own, as a server begins a response.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bench.peers.stamps import stamped
from bench.processes import HOST

Parts: TypeAlias = tuple[bytes, bytes, bytes]
"""size line, chunk-data, CRLF."""

QUESTION, HEAD = b"?\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
TURNS = -1

# struct tcp_info of linux/tcp.h: segments sent that carry data.
_DATA_SEGS_OUT = 156
_TCP_INFO_OCTETS = 192


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to write a frame.

    Attributes:
        write: writes the parts of a frame.
        calls: system calls for a frame.
        is_nodelay: TCP_NODELAY is set.
    """

    write: Callable[[socket.socket, Parts], None]
    calls: int
    is_nodelay: bool


def one_send(stream: socket.socket, parts: Parts) -> None:
    """Join the parts and send them in one call."""
    stream.sendall(b"".join(parts))


def three_sends(stream: socket.socket, parts: Parts) -> None:
    """Send the parts one by one."""
    for part in parts:
        stream.sendall(part)


def one_vector(stream: socket.socket, parts: Parts) -> None:
    """Send the parts in one call, without joining them."""
    stream.sendmsg(parts)


def three_corked(stream: socket.socket, parts: Parts) -> None:
    """Set TCP_CORK, send the parts one by one, clear it."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    three_sends(stream, parts)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)


def three_more(stream: socket.socket, parts: Parts) -> None:
    """Send the parts one by one, the first two with MSG_MORE."""
    size_line, data, crlf = parts
    stream.sendall(size_line, socket.MSG_MORE)
    stream.sendall(data, socket.MSG_MORE)
    stream.sendall(crlf)


def always_corked(stream: socket.socket, parts: Parts) -> None:
    """Send a frame with TCP_CORK set and never cleared: the kernel sends it after 200 ms."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    one_send(stream, parts)


STRATEGIES: Mapping[str, Strategy] = {
    "one send, NODELAY": Strategy(one_send, 1, is_nodelay=True),
    "one send, Nagle": Strategy(one_send, 1, is_nodelay=False),
    "one sendmsg, NODELAY": Strategy(one_vector, 1, is_nodelay=True),
    "three sends, NODELAY": Strategy(three_sends, 3, is_nodelay=True),
    "three sends, Nagle": Strategy(three_sends, 3, is_nodelay=False),
    "three sends, MSG_MORE": Strategy(three_more, 3, is_nodelay=True),
    "three sends, CORK a frame": Strategy(three_corked, 5, is_nodelay=True),
    "one send, CORK kept set": Strategy(always_corked, 2, is_nodelay=True),
}


def main(name: str, port: int, frames: int, spacing_us: int) -> None:
    """Send frames; print `segments`, `calls` and `cpu_us` for a frame."""
    strategy = STRATEGIES[name]
    with socket.create_connection((HOST, port), 15) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(strategy.is_nodelay))
        cpu, before = time.process_time(), data_segments(stream)
        due_ns = time.time_ns() + 20_000_000
        for _ in range(frames):
            if spacing_us == TURNS:
                stream.recv(len(QUESTION))
                stream.sendall(HEAD)
            elif spacing_us and (left := (due_ns - time.time_ns()) / 1e9) > 0:
                time.sleep(left)
            data = stamped(due_ns)
            strategy.write(stream, (b"%x\r\n" % len(data), data, b"\r\n"))
            due_ns += spacing_us * 1000
        cpu = time.process_time() - cpu
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        segments = data_segments(stream) - before - (frames if spacing_us == TURNS else 0)  # each head is a segment
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(4096):
            pass  # the last question has no answer
    figures = {"segments": segments / frames, "calls": float(strategy.calls), "cpu_us": cpu / frames * 1e6}
    sys.stdout.write(json.dumps(figures))


def data_segments(stream: socket.socket) -> int:
    """Return how many TCP segments with data the kernel has sent on a connection."""
    info = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_OCTETS)
    segments: int = struct.unpack_from("=I", info, _DATA_SEGS_OUT)[0]
    return segments


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[1]), *map(int, sys.argv[3:5]))
