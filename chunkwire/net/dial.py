"""Open a connection to a server: names, TCP and Unix sockets, TLS.

The rule here: every failure to connect to an address of `parse_url` becomes a `DialError` with a kind and one clear
line; no `OSError`, `gaierror` or `SSLError` leaves this file.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, unquote_to_bytes

import trio

from chunkwire.net.ends import ClientConnection
from chunkwire.net.tls import TlsStream, tls_hint, tls_reason
from chunkwire.net.unix import require_unix_sockets, unix_path
from chunkwire.wire.errors import ChunkwireError, LocalError, reason_of
from chunkwire.wire.limits import DEFAULT_HEAD_LIMITS, HeadLimits

DialErrorKind: TypeAlias = Literal["dns", "refused", "unreachable", "timeout", "tls", "files"]

CONNECT_SECONDS: Final = 10.0  # enough for three repeats of a SYN (Linux before 6.5: after 1, 3, 7 s)
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PORTS: Final = {"http": 80, "https": 443}


class DialError(ChunkwireError):
    """No connection could be opened.

    Attributes:
        kind: why. `dns`: no address for the name; `unreachable`: any other error of the system, also a Unix socket that
            is missing; `timeout`: of the caller or the kernel; `tls`: in the handshake; `files`: no descriptor or
            memory is left here.

    Of kind `tls` or `timeout` it may have a note for a person, with flags of our verbs (`wire.errors.describe_error`).
    """

    def __init__(self, kind: DialErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: DialErrorKind = kind


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https URL in the parts that a request needs.

    Attributes:
        host: a name or an address, IPv6 without its brackets; or the path of a Unix socket, which begins with `/`.
        port: of a Unix socket 80, which is not used.
        target: path and query, at least `/`. What is percent-encoded in the URL stays so; octets that no target may
            contain are percent-encoded.
    """

    scheme: str
    host: str
    port: int
    target: bytes

    @property
    def is_unix(self) -> bool:
        """`host` is the path of a Unix socket."""
        return self.host.startswith("/")

    @property
    def authority(self) -> bytes:
        """The value of Host, without the scheme's default port (RFC 9110 §7.2); `localhost` for a Unix socket."""
        host = "localhost" if self.is_unix else f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}").encode("ascii")

    def __str__(self) -> str:
        if self.is_unix:
            return f"http+unix://{quote(os.fsencode(self.host), safe='')}{self.target.decode('latin-1')}"
        return f"{self.scheme}://{self.authority.decode('ascii')}{self.target.decode('latin-1')}"


_URL = re.compile(
    r"(?>(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://)?)"
    r"(?P<host>\[[^\]/?#]*\]|[^:/?#\[\]@]*)(?::(?P<port>[^/?#]*))?(?P<target>[/?][^#]*)?(?:#.*)?"
)
_USERINFO = re.compile(r"(?:[^/?#]*//)?[^/?#]*@")
_NOT_IN_A_TARGET = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]")
_HOST_NAME = re.compile(r"[A-Za-z0-9._~\-]+")
_HOST_IPV6 = re.compile(r"\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]*\]")


def parse_url(text: str) -> Url:
    """Return the parts of a URL; `http://` may be omitted, and so may 127.0.0.1: `:8081/sse`. A fragment is dropped.

    A number in the place of the host is a port, as in the addresses that servers listen on: `8081`. An empty port is
    the default one (RFC 3986 §3.2.3): `http://HOST:/`.

    `unix:PATH` and `http+unix://PATH/target` (PATH percent-encoded, also its `:`) name a Unix socket.

    Raises:
        LocalError: one line that names what is wrong; it does not show a user or password.
    """
    text = _checked(text)
    if text.startswith("unix:"):
        return Url("http", unix_path(text[5:], text), _PORTS["http"], b"/")
    if _USERINFO.match(text):
        raise LocalError("expected no user or password in a URL: the field Authorization carries them")
    found = _URL.fullmatch(text)
    if not found:
        raise LocalError(f"expected a URL like http://HOST:PORT/path, got {text!r}")
    scheme = (found["scheme"] or "http").lower()
    if scheme == "http+unix":
        if found["port"] is not None:
            raise LocalError(f"expected no port after http+unix://PATH (%3A is a colon in PATH), got {text!r}")
        path = unix_path(os.fsdecode(unquote_to_bytes(os.fsencode(found["host"]))), text)
        return Url("http", path, _PORTS["http"], _encode_target(found["target"] or "/"))
    if scheme not in _PORTS:
        why = ": `chunkwire.client.websocket` reads it; `forward` relays it" if scheme in ("ws", "wss") else ""
        raise LocalError(f"expected http://, https:// or http+unix://, got {text!r}{why}")
    host, port = found["host"], found["port"]
    if not found["scheme"] and not port and host.isdecimal():
        host, port = "", host
    host = host or ("" if found["scheme"] else "127.0.0.1")
    if not (_HOST_NAME.fullmatch(host) or _HOST_IPV6.fullmatch(host)):
        raise LocalError(f"expected a host name or address in {text!r}, got {host!r}")
    if found["host"] == "" and not port:  # nothing, or a path alone
        raise LocalError(f"expected a URL like http://HOST:PORT/path, got {text!r}")
    if port and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise LocalError(f"expected a port from 1 to 65535 in {text!r}, got {port!r}")
    target = _encode_target(found["target"] or "/")
    return Url(scheme, host.strip("[]"), int(port) if port else _PORTS[scheme], target)


def _checked(text: str) -> str:
    """Return a URL without the blanks around it.

    Raises:
        LocalError: it has a surrogate that stands for no octet of a command line.
    """
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise LocalError("expected a URL that UTF-8 can represent, got one with a surrogate") from error
    return text.strip()


def _encode_target(target: str) -> bytes:
    """Percent-encode octets that no target may contain, and `%` without two hex digits (RFC 3986 §2.1, §3.3)."""
    if not target.startswith("/"):
        target = "/" + target
    return _NOT_IN_A_TARGET.sub(lambda found: b"%%%02X" % found[0][0], target.encode("utf-8", "surrogateescape"))


async def dial(
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    timeout: float = CONNECT_SECONDS,
    limits: HeadLimits = DEFAULT_HEAD_LIMITS,
) -> ClientConnection:
    """Connect to a server as `dial_stream`, and return the client's end of the connection."""
    return ClientConnection(await dial_stream(host, port, tls=tls, timeout=timeout), limits=limits)


async def dial_stream(
    host: str, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = CONNECT_SECONDS
) -> trio.abc.Stream:
    """Connect to a server; return a `TlsStream` after the handshake if `tls` is given, else a `trio.SocketStream`.

    Args:
        host: a name or an address; a path that begins with `/` is that of a Unix socket, and has no port.
        timeout: seconds for name, TCP and TLS together.

    Raises:
        DialError: no connection; nothing stays open, as `TlsStream.connect` closes the socket if it fails.
    """
    shown = f"unix:{host}" if host.startswith("/") else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    plain = None
    try:
        with trio.fail_after(timeout):
            plain = await _connect(host, port)
            return plain if tls is None else await _shake_hands(plain, host, tls)
    except trio.TooSlowError as error:
        what = "a connection" if plain is None else "TLS"
        slow = DialError("timeout", f"{shown} did not accept {what} within {round(timeout, 3):g} s")
        raise (slow if plain is None else _noted(slow, "http:// perhaps?")) from error
    except socket.gaierror as error:
        if not _has_descriptor():  # the resolver could not read /etc/hosts, and says that the name is unknown
            raise _dial_error(shown, OSError(errno.EMFILE, "")) from error
        raise DialError("dns", f"no address for {host!r}: {reason_of(error)}") from error
    except UnicodeError as error:  # IDNA: an empty label, or one of more than 63 octets
        raise DialError("dns", f"no address for {host!r}: it is no domain name") from error
    except ssl.SSLError as error:
        failed = DialError("tls", f"TLS with {shown} failed: {tls_reason(error)}")
        raise _noted(failed, tls_hint(error)) from error
    except OSError as error:
        raise _dial_error(shown, error) from error


def _has_descriptor() -> bool:
    try:
        socket.socket().close()
    except OSError:
        return False
    return True


def _noted(error: DialError, hint: str) -> DialError:
    if hint:
        error.add_note(hint)
    return error


async def _connect(host: str, port: int) -> trio.SocketStream:
    """Connect. An address is connected to directly, which takes a third of the time of `trio.open_tcp_stream`."""
    if host.startswith("/"):
        return await _connect_unix(host)
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


async def _connect_unix(path: str) -> trio.SocketStream:
    """Connect to the Unix socket at a path.

    If the server's backlog is full, connect(2) fails with EAGAIN. trio handles that as EINPROGRESS and returns a socket
    that is not connected.
    """
    require_unix_sockets()
    stream = await trio.open_unix_socket(path)
    try:
        stream.socket.getpeername()
    except OSError as error:
        await stream.aclose()
        raise DialError("refused", f"unix:{path} refused the connection: its backlog is full") from error
    return stream


async def _shake_hands(stream: trio.SocketStream, host: str, tls: ssl.SSLContext) -> TlsStream:
    try:
        return await TlsStream.connect(stream, tls, host)
    except (ConnectionResetError, BrokenPipeError) as error:
        raise ssl.SSLEOFError(str(error)) from error


def _dial_error(shown: str, error: OSError) -> DialError:
    causes = [error, *_causes(error)]
    numbers = {cause.errno for cause in causes}
    if numbers & _NO_FILES:
        return DialError("files", f"no descriptor or memory left for a connection to {shown}")
    if errno.ECONNREFUSED in numbers:
        return DialError("refused", f"{shown} refused the connection")
    if any(isinstance(cause, socket.gaierror) for cause in causes):  # of fe80::1%ZONE: `connect` resolves the zone
        return DialError("dns", f"no address for {shown}")
    if errno.ETIMEDOUT in numbers:
        return DialError("timeout", f"{shown} did not answer")
    # The text of the number, since the text of trio's error contains the repr of a Python tuple, the address.
    reason = next((os.strerror(cause.errno) for cause in causes if cause.errno), error)
    return DialError("unreachable", f"{shown} cannot be reached: {reason}")


def _causes(error: OSError) -> list[OSError]:
    """Return the errors of the addresses that were tried: `trio.open_tcp_stream` has them in a group."""
    group = error.__cause__
    errors = group.exceptions if isinstance(group, BaseExceptionGroup) else ()
    return [each for each in errors if isinstance(each, OSError)]
