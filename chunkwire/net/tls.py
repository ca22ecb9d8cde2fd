"""TLS: one non-blocking socket of the standard library's `ssl`, for tasks that wait and for movers that do not.

The rule here: a read or a write does what it can at once and says what that was; waiting is a loop around it. A
connection that ends without close_notify raises, so that a body which the close delimits cannot be cut unseen (RFC 9112
§9.8). What this module must not know: HTTP, and who else watches the socket.
"""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from contextlib import suppress
from typing import Final

import trio

from chunkwire.wire.errors import LocalError

logger = logging.getLogger(__name__)

RECORD_OCTETS: Final = 16384
"""The most content of a TLS record (RFC 8446 §5.1). A read with room for so many leaves none inside the TLS layer,
where no poll would see it."""
HANDSHAKE_SECONDS: Final = 10.0  # of a server's patience
HANDSHAKE_TYPE: Final = b"\x16"
"""The first octet of a client that speaks TLS: a record of type handshake (RFC 8446 §5.1)."""
_SLICE_OCTETS: Final = 4 * RECORD_OCTETS  # of one write: what it took is known after each, also with a slow peer
_WOULD_WAIT: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsStream(trio.abc.Stream):
    """TLS over a TCP or Unix socket; see `connect` and `accept`.

    Attributes:
        socket: the TLS socket, non-blocking; its descriptor is that of the socket it was made from.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.socket = sock

    @classmethod
    async def connect(cls, stream: trio.SocketStream, context: ssl.SSLContext, host: str) -> TlsStream:
        """Take over a socket and shake hands as the client of `host`.

        Raises:
            OSError: no handshake; an ssl.SSLError where TLS says why. The socket is closed.
        """
        return await cls._shake_hands(stream, context, host)

    @classmethod
    async def accept(cls, stream: trio.SocketStream, context: ssl.SSLContext) -> TlsStream:
        """Take over a socket and shake hands as the server; errors as `connect`."""
        return await cls._shake_hands(stream, context, None)

    @classmethod
    async def _shake_hands(cls, stream: trio.SocketStream, context: ssl.SSLContext, host: str | None) -> TlsStream:
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)
        try:
            secured = cls(
                context.wrap_socket(
                    sock,
                    server_side=host is None,
                    server_hostname=host,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
            )
        except BaseException:
            sock.close()
            raise
        try:
            while True:
                try:
                    secured.socket.do_handshake()
                    return secured
                except ssl.SSLWantReadError:
                    await trio.lowlevel.wait_readable(secured.socket)
                except ssl.SSLWantWriteError:
                    await trio.lowlevel.wait_writable(secured.socket)
        except BaseException:
            secured.close_nowait()
            raise

    # ---- at once ---------------------------------------------------------------------------------------------

    def read_into(self, memory: memoryview) -> int | None:
        """Return how many octets of content one read gave, 0 after close_notify, None where it has to wait.

        Raises:
            OSError: the connection was reset, or ended without close_notify.
        """
        try:
            return self.socket.recv_into(memory)
        except _WOULD_WAIT:
            return None
        except ssl.SSLZeroReturnError:  # close_notify, where ours was sent before
            return 0

    def write(self, octets: memoryview) -> int:
        """Return how many octets were taken; what was not must come again as it is, and first, in the next call.

        Raises:
            OSError: the peer is gone.
        """
        taken = 0
        with suppress(*_WOULD_WAIT):
            while taken < len(octets):
                taken += self.socket.send(octets[taken : taken + _SLICE_OCTETS])
        return taken

    def close_nowait(self) -> None:
        """Close at once; who waits for the socket gets trio.ClosedResourceError."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()

    def end_sending_nowait(self) -> bool:
        """Send close_notify and a FIN; False where the kernel does not take close_notify yet, and nothing was sent."""
        try:
            self.socket.unwrap()
        except ssl.SSLWantWriteError:
            return False
        except (OSError, ValueError):  # mostly ssl.SSLWantReadError: it has gone, and the peer's has not come
            pass
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
        return True

    def drop_record(self, memory: memoryview) -> int | None:
        """Read octets as they are on the wire and drop them: after `end_sending`, when nothing is decrypted any more.

        Returns: how many, 0 at the FIN, None where it has to wait.
        """
        try:
            return socket.socket.recv_into(self.socket, memory)
        except BlockingIOError:
            return None

    # ---- waiting ---------------------------------------------------------------------------------------------

    async def wait_readable(self) -> None:
        """Wait until there is something to read, or the stream is closed.

        Raises:
            trio.ClosedResourceError: it is closed.
        """
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("closed by this side")
        await trio.lowlevel.wait_readable(self.socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what one read gives; `b""` after close_notify."""
        memory = memoryview(bytearray(max_bytes or RECORD_OCTETS))
        while (got := self.read_into(memory)) is None:
            await self.wait_readable()
        return bytes(memory[:got])

    async def send_some(self, octets: bytes | bytearray | memoryview) -> int:
        """Send one octet or more and return how many; the rest must come first in the next call."""
        rest = memoryview(octets)
        while not (taken := self.write(rest)) and rest:
            await self.wait_send_all_might_not_block()
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all octets."""
        rest = memoryview(data)
        while rest:
            rest = rest[await self.send_some(rest) :]

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes more."""
        if self.socket.fileno() < 0:
            raise trio.ClosedResourceError("closed by this side")
        await trio.lowlevel.wait_writable(self.socket)

    async def end_sending(self) -> None:
        """Send close_notify and a FIN, behind all that was sent."""
        while not self.end_sending_nowait():
            await self.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close without close_notify, which would say that all was sent: see `end_sending`."""
        self.close_nowait()
        await trio.lowlevel.checkpoint()


def make_tls(cafile: str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a client's context: system roots or `cafile`, and the name check on unless `verify` is False.

    Raises:
        LocalError: `cafile` cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise LocalError(f"expected PEM certificates in {cafile}: {_file_reason(error)}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _settled(context)


class ServerTls:
    """A server's certificate and key, and the context that has them; TLS 1.2 and 1.3.

    Args:
        cert: PEM file: the certificate, then those that lead to its root.
        key: PEM file of its key, without a passphrase; None where `cert` holds it.

    Raises:
        LocalError: a file cannot be read, is no PEM, or the key is another certificate's.
    """

    def __init__(self, cert: str, key: str | None = None) -> None:
        self._files = (cert, key)
        self.context = _settled(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self.reload()

    def reload(self) -> None:
        """Read the files again, for the handshakes from here on; where that fails, what was read before stays.

        Raises:
            LocalError: as the constructor.
        """
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for context in (trial, self.context):
            try:
                context.load_cert_chain(*self._files, password=_refuse_passphrase)
            except (OSError, ssl.SSLError) as error:
                cert, key = self._files
                shown = cert if key is None else f"{cert} and {key}"
                raise LocalError(f"expected a PEM certificate and its key in {shown}: {_file_reason(error)}") from error


async def reload_on_signal(tls: ServerTls, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Read certificate and key again at each SIGHUP; what cannot be read is logged, and the old ones stay."""
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            try:
                tls.reload()
                logger.info("certificate and key read again")
            except LocalError as error:
                logger.warning("the certificate stays as it was: %s", error)


def _settled(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Some builds of Python set it (Debian's 3.11): a FIN without close_notify would then read as a body's end.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _refuse_passphrase() -> str:
    raise ssl.SSLError("the key has a passphrase")


_FILE_REASONS: Final = {
    "key values mismatch": "the key is not that of the certificate",
    "no certificate": "no certificate in it",
    "no start line": "no PEM in it",
    "pem lib": "no PEM in it, or none of the kind",
}


def _file_reason(error: OSError) -> str:
    """Return why a file is not taken; an ssl.SSLError is an OSError whose number is not the system's."""
    if not isinstance(error, ssl.SSLError):
        return f"{error.strerror or error}".lower()
    reason = _said(error)
    return next((text for name, text in _FILE_REASONS.items() if name in reason), reason)


def _said(error: ssl.SSLError) -> str:
    """Return what OpenSSL, or ours, says of an error, in small letters."""
    return (getattr(error, "reason", None) or " ".join(map(str, error.args))).replace("_", " ").lower()


_TLS_REASONS: Final = {
    # The alert that answers ALPN without a protocol in common                                 RFC 7301 §3.2
    "no application protocol": "the server has no http/1.1 there (ALPN); HTTP/2 has no chunks",
    "wrong version number": "what the server answers is no TLS; http:// perhaps?",
    "record layer failure": "what the server answers is no TLS; http:// perhaps?",
}


def tls_reason(error: OSError) -> str:
    """Return in a few words why a handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError):
        return "the peer ended the handshake"
    reason = _said(error)
    return next((text for name, text in _TLS_REASONS.items() if name in reason), reason)
