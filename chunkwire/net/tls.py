"""TLS over a non-blocking socket, for tasks that wait and for movers that do not.

The rule here: `read_into` and `write` do what is possible at once and return how much that was; methods that wait call
them in a loop. A connection that ends without close_notify raises, so that a body which the close delimits cannot be
cut without an error (RFC 9112 §9.8). What this module must not know: messages of HTTP, and who else watches the socket.

Records go through `ssl.MemoryBIO`, not through an `ssl.SSLSocket`, which receives twice for each record, and once more
to find that there is no other. One receive for all of them takes half the time for a single record, and for many it
saves more than copying them once more costs (bench/README.md).
"""

from __future__ import annotations

import errno
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import trio

from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable

HANDSHAKE_SECONDS: Final = 10.0  # that a server gives a client for its handshake
HANDSHAKE_TYPE: Final = b"\x16"
"""The first octet of a client that speaks TLS: a record of type handshake (RFC 8446 §5.1)."""
RECORD_OCTETS: Final = 16384  # the most content of a record (RFC 8446 §5.1)
_READ_OCTETS: Final = 65536  # of content, if the caller does not say how many
_RECEIVE_OCTETS: Final = 256 * 1024  # of records, by one receive at most: with their content half of a 1 MiB L2 cache
_TURN_RECORDS: Final = 256  # a receive takes about so many at most: to decrypt them takes 1 ms, however short they are
_FEW_OCTETS: Final = 4096  # of records, which a receive may take in any case
_ANSWER_OCTETS: Final = 16384  # of unsent records that answer the peer's: 600 KeyUpdates (RFC 8446 §4.6.3)
_SLICE_OCTETS: Final = 65536  # of content encrypted at once: records that the kernel does not take are kept


class TlsStream(trio.abc.Stream):
    """TLS over a TCP or Unix socket; see `connect` and `accept`.

    Reads and writes raise OSError, not the errors of trio's streams; only a wait on a stream that this side has closed
    raises trio.ClosedResourceError.

    Attributes:
        socket: non-blocking; its descriptor is that of the socket it was made from.
        ssl_object: knows what the handshake agreed on.
        receive: receives once, as `socket.recv`. A caller that times receives replaces it after the handshake; its own
            may return more octets than asked for.
        has_more: the next read needs no octet from the socket, so no poll reports it: content that had no room in the
            latest one, or the end.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str | None) -> None:
        self.socket = sock
        self.receive: Callable[[int], bytes] = sock.recv
        self.has_more = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=host is None, server_hostname=host
        )
        self._read = cast("Callable[[int, memoryview], int]", self.ssl_object.read)
        self._unsent = b""  # records that the kernel has not taken
        self._encrypted = 0  # octets of content in them that `write` has not returned as taken
        self._received = 0  # octets that the latest receive gave
        self._records = 0  # with content, read since then
        self._most = 0  # octets that a receive may give; `_fill` sets it
        self._lost_by: OSError | None = None  # the error that each later read raises

    @classmethod
    async def connect(cls, stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> TlsStream:
        """Take over a socket and shake hands as the client of `host`.

        Raises:
            OSError: no handshake; an ssl.SSLError if TLS says why. The socket is closed.
        """
        return await cls._take_over(stream, context, host)

    @classmethod
    async def accept(cls, stream: trio.SocketStream, context: ssl.SSLContext) -> TlsStream:
        """Take over a socket and shake hands as the server; errors as `connect`."""
        return await cls._take_over(stream, context, None)

    @classmethod
    async def _take_over(cls, stream: trio.SocketStream, context: ssl.SSLContext, host: str | None) -> TlsStream:
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)
        try:
            secured = cls(sock, context, host)
        except BaseException:
            sock.close()
            raise
        try:
            await secured._shake_hands()
        except BaseException:
            secured._answer()
            secured.close_nowait()
            raise
        return secured

    async def _shake_hands(self) -> None:
        while True:
            try:
                self.ssl_object.do_handshake()
                self.has_more = self._incoming.pending > 0  # content may come together with the last message
                return await self.send_all(b"")
            except ssl.SSLWantReadError:
                await self.send_all(b"")
                await self.wait_readable()
                self._fill(_READ_OCTETS)

    def read_into(self, memory: memoryview) -> int | None:
        """Read content without waiting: return how many octets, 0 after close_notify, None if none have come yet.

        Not guaranteed: that the rest of a record that had no room can be read after `end_sending`.

        Raises:
            OSError: the connection was reset, ended without close_notify, or broke TLS; the same at each later read.
        """
        if self._lost_by is not None:
            raise self._lost_by
        size = records = 0
        try:
            if not (self.has_more or self._fill(len(memory))):
                return None
            self.has_more = False
            while got := self._read(len(memory), memory):
                size += got
                records += 1
                memory = memory[got:]
                if len(memory) < RECORD_OCTETS or not self._incoming.pending:
                    self.has_more = not memory or self._incoming.pending > 0
                    self._records += records
                    return size
        except ssl.SSLWantReadError:  # a record that is not whole yet, or one without content
            self._records += records
            self._answer()
            return size or None
        except ssl.SSLZeroReturnError:  # close_notify, if ours was sent before
            pass
        except OSError as error:
            self._lost_by = error  # the next read would give another error, an end without close_notify
            self._answer()
            self.has_more = True
            if not size:
                raise
        self.has_more = True
        return size

    @property
    def has_records(self) -> bool:
        """Say whether records, or a part of one, were received and are not read yet."""
        return self._incoming.pending > 0

    def take_unread(self) -> bytes:
        """Remove the records that came with the handshake, before any read; `receive` must return them first."""
        self.has_more = False
        return self._incoming.read()

    def _answer(self) -> None:
        """Send records of the TLS layer itself, such as an alert, if the kernel takes them."""
        with suppress(OSError):
            self._flush()

    def write(self, octets: memoryview) -> int:
        """Send without waiting, and return how many octets were taken; the rest must be first in the next call.

        Raises:
            OSError: the peer is gone.
        """
        taken = 0
        while True:
            is_flushed = self._flush()
            done = max(0, self._encrypted - len(self._unsent))  # records are longer than their content
            self._encrypted -= done
            taken += done
            if not is_flushed or taken == len(octets):
                return taken
            self._encrypted = self.ssl_object.write(octets[taken : taken + _SLICE_OCTETS])

    def _fill(self, content: int) -> bool:
        """Receive records once, with about so many octets of content at most; False if none have come yet.

        Raises:
            OSError: the connection was reset, or the peer makes TLS answer and does not read the answers.
        """
        # Content is encrypted only once all records before it have been sent: those in `_outgoing` are answers.
        if self._outgoing.pending > _ANSWER_OCTETS and not self._flush() and self._outgoing.pending > _ANSWER_OCTETS:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the peer reads no answers to its TLS messages")
        if self._records > _TURN_RECORDS or self._most < _RECEIVE_OCTETS:
            wanted = self._received * _TURN_RECORDS // max(1, self._records)
            # At most twice the latest: one long record does not say how short the next ones are.
            self._most = max(min(wanted, 2 * self._most, _RECEIVE_OCTETS), _FEW_OCTETS)
        try:
            octets = self.receive(min(content + content // 16, self._most))
        except BlockingIOError:
            return False
        self._received, self._records = len(octets), 0
        if octets:
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
        return True

    def _flush(self) -> bool:
        """Send records; False if the kernel has not taken all of them."""
        if not self._unsent:
            if not self._outgoing.pending:
                return True
            self._unsent = self._outgoing.read()
        try:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            return False
        return not self._unsent

    def close_nowait(self) -> None:
        """Close at once; a task that waits for the socket gets trio.ClosedResourceError."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    def end_sending_nowait(self) -> bool:
        """Send close_notify and a FIN; False if the kernel does not take close_notify yet. True if the peer is gone."""
        with suppress(OSError):
            if not self._flush():
                return False
            received = self._incoming.read()  # OpenSSL searches it for the peer's close_notify and drops the rest
            with suppress(ssl.SSLError, ValueError):  # mostly ssl.SSLWantReadError: the peer's has not come
                self.ssl_object.unwrap()
            if received:
                self._incoming.write(received)
            if not self._flush():
                return False
            self.socket.shutdown(socket.SHUT_WR)
        return True

    def drop_octets(self, memory: memoryview) -> int | None:
        """Receive octets without decrypting them; return how many, 0 at the FIN, None if none have come yet."""
        try:
            return self.socket.recv_into(memory)
        except BlockingIOError:
            return None

    async def wait_readable(self) -> None:
        """Wait until the socket can be read."""
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("closed by this side")
        await trio.lowlevel.wait_readable(self.socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return the content of one read; `b""` after close_notify."""
        memory = memoryview(bytearray(max_bytes or _READ_OCTETS))
        while (got := self.read_into(memory)) is None:
            await self.wait_readable()
        return bytes(memory[:got])

    async def send_some(self, octets: bytes | bytearray | memoryview) -> int:
        """Send one octet or more and return how many; the rest must be first in the next call."""
        rest = memoryview(octets)
        while not (taken := self.write(rest)) and (rest or self._unsent):
            await self.wait_send_all_might_not_block()
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all octets; with none, the records of the TLS layer itself."""
        rest = memoryview(data)
        while True:
            rest = rest[await self.send_some(rest) :]
            if not rest:
                return

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes more."""
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("closed by this side")
        await trio.lowlevel.wait_writable(self.socket)

    async def end_sending(self) -> None:
        """Send close_notify and a FIN, after all that was sent."""
        while not self.end_sending_nowait():
            await self.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close without close_notify, which would report to the peer that all was sent; see `end_sending`."""
        self.close_nowait()
        await trio.lowlevel.checkpoint()


def make_tls(cafile: str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a client's context, which checks certificate and name unless `verify` is False.

    Args:
        cafile: PEM file of the roots to trust, in place of the system's.

    Raises:
        LocalError: `cafile` cannot be read or has no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise LocalError(f"expected PEM certificates in {cafile}: {file_reason(error)}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return configured(context)


def configured(context: ssl.SSLContext) -> ssl.SSLContext:
    """Set what is the same for client and server (versions, ALPN, no renegotiation), and return the context."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Some builds of Python set it (Debian's 3.11): a FIN without close_notify would then be the end of a body.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def file_reason(error: OSError) -> str:
    """Return in a few words why a PEM file cannot be used."""
    if not isinstance(error, ssl.SSLError):  # its number is not one of the system's
        return f"{error.strerror or error}".lower()
    reason = _said(error)
    return "no certificate in it" if "no certificate" in reason else reason


def _said(error: ssl.SSLError) -> str:
    """Return the reason of an error, in lower case."""
    return (getattr(error, "reason", None) or " ".join(map(str, error.args))).replace("_", " ").lower()


def is_unexpected_eof(error: BaseException | None) -> bool:
    """Say whether TLS ended by a FIN without close_notify (RFC 8446 §6.1)."""
    # Debian's CPython 3.11 raises a plain SSLError for it.
    return isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", "") == "UNEXPECTED_EOF_WHILE_READING"


_ENDED: Final = "the peer ended the handshake"
_NO_TLS: Final = "what the peer sent is no TLS"
_TLS_REASONS: Final = {
    # The alert that answers ALPN without a protocol in common                                 RFC 7301 §3.2
    "no application protocol": "the server has no http/1.1 there (ALPN); HTTP/2 has no chunks",
    "wrong version number": _NO_TLS,
    "record layer failure": _NO_TLS,
    "packet length too long": _NO_TLS,
}
_UNTRUSTED: Final = range(18, 22)
"""OpenSSL's errors of certificates whose issuer is not trusted: self-signed, alone or in a chain, and two of a missing
issuer."""


def tls_reason(error: OSError) -> str:
    """Return in a few words why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if is_unexpected_eof(error) or not isinstance(error, ssl.SSLError):
        return _ENDED
    reason = _said(error)
    return next((text for name, text in _TLS_REASONS.items() if name in reason), reason)


def tls_hint(error: OSError) -> str:
    """Return what may help where a handshake failed, by the names of our flags; "" for nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        trusts = "--cafile FILE trusts it, " if error.verify_code in _UNTRUSTED else ""
        return f"{trusts}-k does not verify it"
    return "http:// perhaps?" if tls_reason(error) in (_NO_TLS, _ENDED) else ""
