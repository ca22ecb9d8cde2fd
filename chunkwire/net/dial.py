"""Open a connection to a server: names, TCP, TLS.

The rule here: every way in which it can fail becomes one `DialError` with a kind and one clear line; no
`OSError`, `gaierror` or `SSLError` leaves this file.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import trio

from chunkwire.net.ends import ClientConnection
from chunkwire.wire.errors import ChunkwireError, LocalError
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, HeadLimits

DialErrorKind: TypeAlias = Literal["dns", "refused", "unreachable", "timeout", "tls", "files"]

CONNECT_SECONDS: Final = 10.0  # a SYN is sent three more times in that (Linux: 1, 3, 7 s)
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PORTS: Final = {"http": 80, "https": 443}


class DialError(ChunkwireError):
    """No connection could be opened; `kind` says which step failed."""

    def __init__(self, kind: DialErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: DialErrorKind = kind


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https URL in the parts that a request needs.

    Attributes:
        host: as in the URL, IPv6 without its brackets.
        target: path and query, at least `/`, percent-encoded octets as given.
    """

    scheme: str
    host: str
    port: int
    target: bytes

    @property
    def authority(self) -> bytes:
        """The value of Host: the port is left out where it is the scheme's own (RFC 9110 §7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}").encode("ascii")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority.decode('ascii')}{self.target.decode('latin-1')}"


_URL = re.compile(
    r"(?>(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://)?)"
    r"(?P<host>\[[^\]/?#]*\]|[^:/?#\[\]@]*)(?::(?P<port>[^/?#]*))?(?P<target>[/?][^#]*)?(?:#.*)?"
)
_NOT_IN_A_TARGET = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]")
_HOST_NAME = re.compile(r"[A-Za-z0-9._~\-]+")
_HOST_IPV6 = re.compile(r"\[[0-9A-Fa-f:.]+\]")


def parse_url(text: str) -> Url:
    """Return the parts of a URL; `http://` may be left out, and `:8081/sse` means localhost.

    Raises:
        LocalError: one line that names what is wrong.
    """
    found = _URL.fullmatch(text.strip())
    if not found:
        raise LocalError(f"expected a URL like http://HOST:PORT/path, got {text!r}")
    scheme = (found["scheme"] or "http").lower()
    if scheme not in _PORTS:
        raise LocalError(f"expected http:// or https://, got {text!r}")
    host = found["host"] or ("" if found["scheme"] else "127.0.0.1")
    if not (_HOST_NAME.fullmatch(host) or _HOST_IPV6.fullmatch(host)):
        raise LocalError(f"expected a host name or address in {text!r}, got {host!r}")
    if found["host"] == "" and found["port"] is None:
        raise LocalError(f"expected a URL like http://HOST:PORT/path, got {text!r}")
    port = found["port"]
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise LocalError(f"expected a port from 1 to 65535 in {text!r}, got {port!r}")
    target = _encode_target(found["target"] or "/")
    return Url(scheme, host.strip("[]"), int(port) if port else _PORTS[scheme], target)


def _encode_target(target: str) -> bytes:
    """Percent-encode what may not stand in a target, a percent sign that encodes nothing too (RFC 3986 §2.1, §3.3)."""
    if not target.startswith("/"):
        target = "/" + target
    return _NOT_IN_A_TARGET.sub(lambda found: b"%%%02X" % found[0][0], target.encode("utf-8", "surrogateescape"))


def make_tls(cafile: str | None = None, *, verify: bool = True) -> ssl.SSLContext:
    """Return a client's TLS context: system roots or `cafile`, and the name check on unless `verify` is False.

    Raises:
        LocalError: `cafile` cannot be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError) as error:
        raise LocalError(f"expected PEM certificates in {cafile}: {error.strerror or error}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    # Some builds of Python set it (Debian's 3.11): a FIN without close_notify would then read as a body's end.
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


async def dial(
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = CONNECT_SECONDS,
    limits: HeadLimits = DEFAULT_HEAD_LIMITS,
) -> ClientConnection:
    """Connect to a server as `dial_stream` does, and return the connection as HTTP has it."""
    return ClientConnection(await dial_stream(host, port, tls=tls, timeout=timeout), limits=limits)


async def dial_stream(
    host: str, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = CONNECT_SECONDS
) -> trio.abc.Stream:
    """Connect to a server, IPv4 or IPv6, and shake hands where `tls` is given: else it is a `trio.SocketStream`.

    Args:
        timeout: seconds for everything: name, TCP and TLS.

    Raises:
        DialError: with the step that failed.
    """
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with trio.fail_after(timeout):
            stream: trio.abc.Stream = await _connect(host, port)
            if tls is not None:
                stream = await _shake_hands(stream, host, tls)
    except trio.TooSlowError as error:
        raise DialError("timeout", f"{shown} did not accept a connection within {timeout:g} s") from error
    except socket.gaierror as error:
        raise DialError("dns", f"no address for {host!r}: {error.strerror or error}") from error
    except UnicodeError as error:  # IDNA: an empty label, or one of more than 63 octets
        raise DialError("dns", f"no address for {host!r}: it is no domain name") from error
    except ssl.SSLError as error:
        raise DialError("tls", f"TLS with {shown} failed: {_tls_reason(error)}") from error
    except OSError as error:
        raise _dial_error(shown, error) from error
    return stream


async def _connect(host: str, port: int) -> trio.SocketStream:
    """Connect without trio's happy eyeballs where the host is one address already (a third of the cost)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host)
    except OSError:
        return await trio.open_tcp_stream(host, port)
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await sock.connect((host, port))
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


async def _shake_hands(stream: trio.abc.Stream, host: str, tls: ssl.SSLContext) -> trio.abc.Stream:
    # https_compatible stays off: a connection that ends without close_notify then reads as gone, not as ended,
    # so a body delimited by close cannot be cut unseen (RFC 9112 §9.8).
    secured = trio.SSLStream(stream, tls, server_hostname=host)
    try:
        await secured.do_handshake()
    except BaseException as error:
        await trio.aclose_forcefully(secured)
        if isinstance(error, trio.BrokenResourceError):
            cause = error.__cause__
            raise (
                cause if isinstance(cause, ssl.SSLError) else ssl.SSLError("the server ended the handshake")
            ) from error
        raise
    return secured


_TLS_REASONS: Final = {
    # The alert that answers ALPN without a protocol in common                                 RFC 7301 §3.2
    "no application protocol": "the server has no http/1.1 there (ALPN); HTTP/2 has no chunks",
    "wrong version number": "what the server answers is no TLS; http:// perhaps?",
    "record layer failure": "what the server answers is no TLS; http:// perhaps?",
}


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    reason = (error.reason or " ".join(map(str, error.args))).replace("_", " ").lower()
    return next((text for name, text in _TLS_REASONS.items() if name in reason), reason)


def _dial_error(shown: str, error: OSError) -> DialError:
    causes = [error, *_causes(error)]
    numbers = {cause.errno for cause in causes}
    if numbers & _NO_FILES:
        return DialError("files", f"no descriptor left for a connection to {shown}")
    if errno.ECONNREFUSED in numbers:
        return DialError("refused", f"{shown} refused the connection")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return DialError("dns", f"no address for {shown}")
    if errno.ETIMEDOUT in numbers:
        return DialError("timeout", f"{shown} did not answer")
    return DialError("unreachable", f"{shown} cannot be reached: {error.strerror or error}")


def _causes(error: OSError) -> list[OSError]:
    """Return the errors of each address that `trio.open_tcp_stream` tried."""
    group = error.__cause__
    if isinstance(group, BaseExceptionGroup):
        return [inner for inner in group.exceptions if isinstance(inner, OSError)]
    return [group] if isinstance(group, OSError) else []
