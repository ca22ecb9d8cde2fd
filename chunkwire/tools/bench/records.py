"""The TLS records of a timed stream: octets of receives in, content out.

The rule here: the receive comes first, then the clock, and records are decrypted last. Only whole records are
decrypted, so a record that takes several receives gives its content with the last of them, which has its stamp.
"""

from __future__ import annotations

from typing import Final

from chunkwire.net.connection import READ_OCTETS
from chunkwire.net.stamps import receive_stamped, stamp_receives
from chunkwire.net.tls import RECORD_OCTETS, TlsStream

_HEAD_OCTETS: Final = 5  # type, version and length of a record (RFC 8446 §5.1)
_LONGEST: Final = RECORD_OCTETS + 2048  # the most that the length may say (RFC 5246 §6.2.3)


class StampedRecords:
    """The records that a client receives after its handshake, first by the task that has the connection.

    From `take_over` on, another thread receives and gives the octets to `contents`. Not guaranteed: the stamp of a
    frame that close_notify follows in its receive, or behind the head another record without content; it is that
    record's.

    Attributes:
        read_ns: when the latest receive of the task returned; 0 before any.
        arrived_ns: when the last octet of that receive arrived; 0 if it is not known.

    Args:
        has_stamps: turn kernel stamps on.
    """

    def __init__(self, tls: TlsStream, *, has_stamps: bool) -> None:
        self.read_ns = self.arrived_ns = 0
        self._tls = tls
        self._held = bytearray(tls.take_unread())
        self._given: bytes | None = None
        self._has_other = False  # a record without content, which is not close_notify, is behind the latest content
        if has_stamps:
            stamp_receives(tls.socket)
        tls.receive = self._receive

    @property
    def is_whole(self) -> bool:
        """Say whether the octets so far end with a record that has content, whose stamp is that of the latest receive.

        close_notify may follow it.
        """
        return not self._held and not self._has_other

    def take_over(self, leftover: bytes) -> list[bytes | OSError]:
        """Return, as `contents`, what the receives so far gave; `leftover` is its beginning."""
        self._tls.receive = self._give
        return self._decrypted(leftover)

    def contents(self, octets: bytes | OSError) -> list[bytes | OSError]:
        """Return what the octets of one receive give: content, b"" at close_notify, an error where the stream was lost.

        There is at most one of each. A stream is lost by a reset, a FIN without close_notify, or a broken record.

        Args:
            octets: empty at a FIN; the error of the receive at a reset.
        """
        if isinstance(octets, OSError):
            return [octets]
        self._held += octets
        self._given = self._take_whole() if octets else b""
        return [] if octets and not self._given else self._decrypted()

    def _receive(self, _: int) -> bytes:
        """Receive once, and return the whole records; for `TlsStream.receive`.

        Raises:
            BlockingIOError: none is whole yet.
            OSError: the connection was reset.
        """
        if whole := self._take_whole():
            return whole  # it came with the handshake
        octets, self.read_ns, self.arrived_ns = receive_stamped(self._tls.socket, READ_OCTETS)
        self._held += octets
        if octets and not (whole := self._take_whole()):
            raise BlockingIOError
        return whole

    def _give(self, _: int) -> bytes:
        """Return the octets that `contents` has prepared; for `TlsStream.receive`."""
        if self._given is None:
            raise BlockingIOError
        given, self._given = self._given, None
        return given

    def _take_whole(self) -> bytes:
        """Remove the whole records that are held, and return them."""
        held, end = self._held, 0
        while len(held) >= end + _HEAD_OCTETS:
            length = int.from_bytes(held[end + 3 : end + _HEAD_OCTETS], "big")
            after = end + _HEAD_OCTETS + length if length <= _LONGEST else len(held)  # no record: TLS says why
            if after > len(held):
                break
            end = after
        whole = bytes(held[:end])
        del held[:end]
        return whole

    def _decrypted(self, before: bytes = b"") -> list[bytes | OSError]:
        parts, ends = [before], list[bytes | OSError]()
        memory = memoryview(bytearray(RECORD_OCTETS))  # so that a read takes one record, also one after a short one
        try:
            while got := self._tls.read_into(memory):
                parts.append(bytes(memory[:got]))
                self._has_other = self._tls.has_records
            if got == 0:
                self._has_other = False
                ends.append(b"")
        except OSError as error:
            ends.append(error)
        content = b"".join(parts)
        return [content, *ends] if content else ends
