"""A conversation on one TCP connection, typed or piped, with each octet of both ways shown.

The rule here: LF is sent as CRLF, unless a CR precedes it, also across two reads; with `as_is` octets are sent
unchanged. The end of input half-closes the connection (RFC 9112 §9.6); the peer is still read until it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NamedTuple

import trio

from chunkwire.lab.lessons.judgement import shown_octets
from chunkwire.net.dial import dial_stream
from chunkwire.net.listen import Address, bound_addresses, open_listeners

READ_OCTETS: Final = 65536

Note = Callable[[str], None]


class TalkLine(NamedTuple):
    """One line of octets as it is shown."""

    t: float  # seconds since `talk` began: when the read returned, or the send of ours began
    is_ours: bool
    is_first: bool  # of its read
    text: str  # the octets, escaped


async def connected(where: Address, note: Note) -> trio.SocketStream:
    """Return a connection to an address.

    Raises:
        DialError: it failed.
    """
    stream = await dial_stream(where.host, where.port)
    assert isinstance(stream, trio.SocketStream)  # as without TLS it is
    ours, theirs = stream.socket.getsockname(), stream.socket.getpeername()
    note(f"connected to {Address(*theirs[:2])} from {Address(*ours[:2])}; Ctrl-D half-closes")
    return stream


async def accepted(where: Address, note: Note) -> trio.SocketStream:
    """Wait for one connection, then close the listeners, so that others are refused.

    Raises:
        ListenError: the address cannot be bound.
    """
    listeners = await open_listeners(where)
    note(f"listening on {bound_addresses(listeners)[0]}")
    try:
        stream = await listeners[0].accept()
    finally:
        for listener in listeners:
            await listener.aclose()
    note(f"connection from {Address(*stream.socket.getpeername()[:2])}; Ctrl-D half-closes")
    return stream


async def talk(
    stream: trio.SocketStream, source: int, show: Callable[[TalkLine], None], note: Note, *, as_is: bool = False
) -> bool:
    """Send what is read from a descriptor, show both ways, and return when the peer has ended; False for a reset.

    Cancellation: the connection is closed. A read from the descriptor that has begun goes on in its thread.
    """
    began = trio.current_time()

    def shown(octets: bytes, *, is_ours: bool) -> None:
        t = trio.current_time() - began
        for n, line in enumerate(octets.splitlines(keepends=True) if octets else ()):
            show(TalkLine(t, is_ours, n == 0, shown_octets(line)))

    async def send() -> None:
        ends = LineEnds()
        try:
            while octets := await trio.to_thread.run_sync(os.read, source, READ_OCTETS, abandon_on_cancel=True):
                octets = octets if as_is else ends.with_cr(octets)
                shown(octets, is_ours=True)  # before the send, as the answer may come before it returns
                await stream.send_all(octets)
            await stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the receiving task reports it
        note("you ended what you send (FIN); what comes is still read")

    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(send, name="what is typed")
        try:
            while octets := await stream.receive_some():
                shown(octets, is_ours=False)
            note("the other side ended (FIN)")
        except trio.BrokenResourceError:
            note("the other side reset the connection (RST)")
            return False
        finally:
            nursery.cancel_scope.cancel()
    return True


class LineEnds:
    """Puts a CR in front of each LF that has none, also where a read ends between the two."""

    def __init__(self) -> None:
        self._is_after_cr = False

    def with_cr(self, octets: bytes) -> bytes:
        """Return the octets with CRLF at the end of each line."""
        is_done, self._is_after_cr = self._is_after_cr and octets.startswith(b"\n"), octets.endswith(b"\r")
        first, rest = (octets[:1], octets[1:]) if is_done else (b"", octets)
        return first + rest.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
