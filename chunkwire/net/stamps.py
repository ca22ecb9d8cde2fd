"""Kernel time stamps of the octets of a TCP connection: when their packet arrived, and when it left (Linux).

The rule here: an unknown stamp is 0, never a guess. These are software stamps of SO_TIMESTAMPING (kernel:
Documentation/networking/timestamping.rst), ns since the epoch:

- *arrived*: the packet with the last octet of a receive arrived. The kernel merges packets in the receive queue and
  keeps the latest stamp. So a receive that filled its buffer may report the stamp of a packet with later octets: it is
  dropped. The other octets of a receive have no stamp; peeking gives none, either. Packets that a network card merges
  (GRO) have one stamp. A FIN that is queued with the last octets of a connection may replace theirs.
- *left*: the driver got the packet with the last octet of a write; *queued*: the packet scheduler got it. With OPT_ID
  a stamp has the number of its octet, counted from when stamps were turned on. If the kernel joins two writes to one
  packet, only the later one has a stamp.

Transmit stamps are put into the socket's error queue, which poll(2) reports as an error. So `drain` the queue before
reading SO_ERROR.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final, TypeAlias

import trio

from chunkwire.wire.errors import LocalError

# Not in Python's socket module; asm-generic/socket.h and linux/net_tstamp.h, linux/errqueue.h.
_SO_TIMESTAMPING: Final = 37
_TX_SOFTWARE, _RX_SOFTWARE, _SOFTWARE = 1 << 1, 1 << 3, 1 << 4
_OPT_ID, _TX_SCHED, _OPT_TSONLY, _OPT_ID_TCP = 1 << 7, 1 << 8, 1 << 11, 1 << 16
_ORIGIN_TIMESTAMPING: Final = 4
_LEFT, _QUEUED = 0, 1  # SCM_TSTAMP_SND, SCM_TSTAMP_SCHED
_TIMESPEC: Final = struct.Struct("@ll")
_EXTENDED_ERROR: Final = struct.Struct("@IBBBBII")  # struct sock_extended_err
_RECEIVE_ERRORS: Final = ((socket.IPPROTO_IP, 11), (41, 25))  # IP_RECVERR; IPPROTO_IPV6, IPV6_RECVERR

ANCILLARY_OCTETS: Final = 128
"""Buffer for a receive's ancillary data: one stamp takes 64."""
_ERROR_OCTETS: Final = 512

MAX_ENTRIES: Final = 1 << 17
"""Rows of a log; later receives or writes have none. 7 MB for both logs; an hour of a stream of 36 frames a second."""
MAX_PENDING: Final = 4096
"""Stamps of writes that one connection waits for; the oldest are given up. A socket has fewer packets in flight."""
CHECK_SECONDS: Final = 2.0
"""How long `stamping` waits for the first stamp."""
STEP_NS: Final = 10_000
"""If `clock_offset_ns` changes by more, the wall clock was set."""

Ancillary: TypeAlias = Iterable[tuple[int, int, bytes]]


def arrival_of(ancillary: Ancillary) -> int:
    """Return the stamp of a receive from its ancillary data, ns since the epoch; 0 if it has none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING:
            return _nanoseconds(data)
    return 0


def departure_of(ancillary: Ancillary) -> tuple[int, int, int] | None:
    """Return kind, octet and stamp of a message of the error queue; None for another message.

    The octet is counted from 0, modulo 2**32; the kind is 0 for left, 1 for queued.
    """
    stamp, found = 0, None
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPING:
            stamp = _nanoseconds(data)
        elif (level, kind) in _RECEIVE_ERRORS and len(data) >= _EXTENDED_ERROR.size:
            _, origin, _, _, _, which, octet = _EXTENDED_ERROR.unpack_from(data)
            found = (which, octet) if origin == _ORIGIN_TIMESTAMPING else None
    return (*found, stamp) if found is not None and stamp else None


def _nanoseconds(data: bytes) -> int:
    if len(data) < _TIMESPEC.size:
        return 0
    seconds, rest = _TIMESPEC.unpack_from(data)
    return int(seconds * 1_000_000_000 + rest)


def stamp_receives(sock: socket.socket) -> None:
    """Turn receive stamps on, for `receive_stamped`; octets that arrived before have none."""
    with suppress(OSError):  # the socket is closed, or the kernel has no stamps
        _turn(sock, _RX_SOFTWARE | _SOFTWARE)


def receive_stamped(sock: socket.socket, most: int) -> tuple[bytes, int, int]:
    """Receive once, as `socket.recv`.

    Returns:
        The octets, when the receive returned, and when the last of them arrived, ns since the epoch; 0 if that is not
        known.
    """
    octets, ancillary, _, _ = sock.recvmsg(most, ANCILLARY_OCTETS)
    read_ns = time.time_ns()
    return octets, read_ns, arrival_of(ancillary) if len(octets) < most else 0


def _turn(sock: socket.socket, flags: int) -> None:
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPING, flags)


class OctetLog:
    """The receives, or the writes, of one body: a row of `width` numbers for each system call.

    Attributes:
        numbers: all rows in sequence. A receive: octets so far, arrived, read. A write: octets so far, written, left,
            queued.
        body_from: number of octets before the body.
    """

    __slots__ = ("body_from", "numbers", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.numbers = array("q")
        self.body_from = 0

    def __len__(self) -> int:
        return len(self.numbers) // self.width

    def rows(self) -> Iterator[tuple[int, ...]]:
        """Yield the rows: octets of the body up to the end of the call, then ns since the epoch, 0 for unknown."""
        numbers, width = self.numbers, self.width
        for k in range(0, len(numbers), width):
            end = numbers[k] - self.body_from
            if end > 0:
                yield (end, *numbers[k + 1 : k + width])


class SocketStamps:
    """The stamps of one TCP connection, for one body at a time, in one direction at a time.

    While they are on, all octets of that direction must go through `read_into` or `write`, which count them.

    Attributes:
        received: the receives since the latest `start_receiving`.
        sent: the writes since the latest `start_sending`.
    """

    __slots__ = ("_pending", "_received", "_sent", "_sock", "_turned_on", "received", "sent")

    def __init__(self, sock: trio.socket.SocketType) -> None:
        # The socket inside trio's: methods of trio's wait for octets. A duplicate would keep the connection open.
        self._sock: socket.socket = sock._sock  # type: ignore[attr-defined]
        self._received = self._sent = 0
        self._pending: dict[tuple[int, int], int] = {}  # (kind, octet) to its index in `sent.numbers`
        self._turned_on = 0
        self.received, self.sent = OctetLog(3), OctetLog(4)

    def start_receiving(self) -> None:
        """Turn receive stamps on, and transmit stamps off; octets that arrived before have none."""
        self.received, self._received = OctetLog(3), 0
        self._turn_on(_RX_SOFTWARE | _SOFTWARE)

    def start_sending(self, *, queued: bool = False) -> None:
        """Turn transmit stamps on, and receive stamps off; with `queued`, each write has two."""
        self.sent, self._sent = OctetLog(4), 0
        self._pending.clear()
        self._turn_on(0)  # the kernel's count of octets starts again
        self._turn_on(_TX_SOFTWARE | _SOFTWARE | _OPT_ID | _OPT_TSONLY | _OPT_ID_TCP | (_TX_SCHED if queued else 0))

    def stop(self) -> None:
        """Turn all stamps off; those so far are kept."""
        self.drain()
        self._turn_on(0)

    def _turn_on(self, flags: int) -> None:
        try:
            _turn(self._sock, flags)
            self._turned_on = flags
        except OSError:
            self._turned_on = 0  # the socket is closed, or the kernel has no stamps

    def begin_received_body(self, unread: int) -> None:
        """Let the body begin `unread` octets ago: that many of it came with the head."""
        self.received.body_from = self._received - unread

    def begin_sent_body(self, ahead: int = 0) -> None:
        """Let the body begin in `ahead` octets: those of the head, which are written next."""
        self.sent.body_from = self._sent + ahead

    @property
    def arrived_ns(self) -> int:
        """When the last octet of the latest receive with a row arrived, ns since the epoch; 0 if not known."""
        return self.received.numbers[-2] if self.received else 0

    @property
    def read_ns(self) -> int:
        """When that receive returned, ns since the epoch; 0 before any."""
        return self.received.numbers[-1] if self.received else 0

    def read_into(self, memory: memoryview) -> int:
        """Receive once; as `os.readv`."""
        if not self._turned_on & _RX_SOFTWARE:
            return os.readv(self._sock.fileno(), (memory,))
        got, ancillary, _, _ = self._sock.recvmsg_into((memory,), ANCILLARY_OCTETS)
        read_ns = time.time_ns()
        self._received += got
        if got and len(self.received) < MAX_ENTRIES:
            self.received.numbers.extend((self._received, arrival_of(ancillary) if got < len(memory) else 0, read_ns))
        return got

    def write(self, octets: bytes | bytearray | memoryview) -> int:
        """Send once; as `os.write`."""
        if not self._turned_on & _TX_SOFTWARE:
            return os.write(self._sock.fileno(), octets)
        written_ns = time.time_ns()
        sent = os.write(self._sock.fileno(), octets)
        self._sent += sent
        log = self.sent
        if sent and len(log) < MAX_ENTRIES:
            place = len(log.numbers)
            log.numbers.extend((self._sent, written_ns, 0, 0))
            octet = (self._sent - 1) & 0xFFFFFFFF
            self._pending[_LEFT, octet] = place + 2
            if self._turned_on & _TX_SCHED:
                self._pending[_QUEUED, octet] = place + 3
        self.drain()  # the stamps of this write are mostly there already; without a row, too, they fill the queue
        while len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        return sent

    def drain(self) -> None:
        """Take the stamps in the error queue; does not block and never raises."""
        while True:
            try:
                _, ancillary, _, _ = self._sock.recvmsg(0, _ERROR_OCTETS, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            except OSError:
                return  # empty, or the socket is closed
            if (found := departure_of(ancillary)) is None:
                continue
            place = self._pending.pop(found[:2], None)
            if place is not None:
                self.sent.numbers[place] = found[2]
                if not self._pending:
                    return  # the queue is mostly empty then; this saves a system call for each write

    async def send_some(self, octets: bytes | bytearray | memoryview) -> int:
        """Send as many octets as the kernel takes, at least one, by `write`; see `Connection.send_some`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                sent = self.write(octets)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._sock)
                self.drain()  # a stamp in the error queue may have woken trio, and would wake it again
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return sent

    async def peek(self) -> bool:
        """Wait until there is an octet to read, and leave it there; False at the end of input."""
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            self.drain()
            with suppress(BlockingIOError):
                return bool(self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))

    def is_broken(self) -> bool:
        """Say whether the connection itself has an error that poll(2) reported, not stamps only; clear the error."""
        self.drain()
        return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def clock_offset_ns() -> int:
    """Return CLOCK_REALTIME less CLOCK_MONOTONIC, within 1 µs."""
    tries = []
    for _ in range(16):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        tries.append((after - before, wall - (before + after) // 2))
    return min(tries)[1]


@contextmanager
def stamping(*, transmit: bool = False) -> Iterator[None]:
    """Check on a loopback connection that the kernel stamps receives, and with `transmit` also writes.

    The connection stays open in the with block, so that stamps stay turned on in the kernel: after they are turned on,
    the first packets may have none.

    Raises:
        LocalError: the reason why there are no stamps, in one line.
    """
    if not sys.platform.startswith("linux"):
        raise LocalError("kernel stamps: this system has none (Linux has: SO_TIMESTAMPING)")
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, closing(socket.create_connection(listening.getsockname())) as sender:
        receiver, _ = listening.accept()
        with receiver:
            _check_stamps(sender, receiver, transmit=transmit)
            yield


def _check_stamps(sender: socket.socket, receiver: socket.socket, *, transmit: bool) -> None:
    try:
        _turn(receiver, _RX_SOFTWARE | _SOFTWARE)
        if transmit:
            _turn(sender, _TX_SOFTWARE | _SOFTWARE | _OPT_ID | _OPT_TSONLY | _OPT_ID_TCP)
    except PermissionError as error:
        raise LocalError("kernel stamps: not permitted here (SO_TIMESTAMPING)") from error
    except OSError as error:
        older = "; transmit stamps need Linux 6.2 (OPT_ID_TCP)" if transmit else ""
        raise LocalError(f"kernel stamps: this kernel has none ({error.strerror}){older}") from error
    receiver.settimeout(CHECK_SECONDS)
    deadline = time.monotonic() + CHECK_SECONDS
    sender.sendall(b"x")
    while not arrival_of(receiver.recvmsg(1 << 10, ANCILLARY_OCTETS)[1]):  # the kernel turns stamps on with a delay
        if time.monotonic() > deadline:
            raise LocalError("kernel stamps: this kernel takes the option and stamps nothing")
        sender.sendall(b"x")
    if transmit:
        with suppress(BlockingIOError):  # the error queue is empty
            if departure_of(sender.recvmsg(0, _ERROR_OCTETS, socket.MSG_ERRQUEUE)[1]) is not None:
                return
        raise LocalError("kernel stamps: this kernel stamps nothing that leaves")
