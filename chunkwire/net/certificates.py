"""A server's certificate and key: read from files, checked, and read again on SIGHUP.

The rule here: what is wrong with the files is reported when they are read, not at the first handshake.
"""

from __future__ import annotations

import logging
import re
import signal
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Final

import trio

from chunkwire.net.tls import configured, file_reason
from chunkwire.wire.errors import LocalError

logger = logging.getLogger(__name__)

_DER: Final = b"\x30"  # the first octet of a SEQUENCE: of a certificate, a key, and a PKCS #12 file
_PEM: Final = {
    kind: re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*" + kind.upper().encode() + rb"-----")
    for kind in ("certificate", "private key")
}


class ServerTls:
    """A server's certificate and key in an SSL context; TLS 1.2 and 1.3.

    A certificate that clients refuse although they trust it, such as an expired one, is used; a warning is logged.

    Attributes:
        context: read it again for each handshake, as `reload` replaces it.

    Args:
        cert: PEM file: the certificate, then the rest of its chain.
        key: PEM file of its key, without a passphrase; None if `cert` has the key.

    Raises:
        LocalError: a file cannot be read or is no PEM, the key has a passphrase or does not match the certificate.
    """

    def __init__(self, cert: str, key: str | None = None) -> None:
        self._cert, self._key = cert, key
        self.context = self._load()

    def reload(self) -> None:
        """Read the files again, for later handshakes; if that raises, as the constructor does, nothing changes."""
        self.context = self._load()

    def _load(self) -> ssl.SSLContext:
        """Return a new context: one that loads again would keep its old certificate if the key type differs."""
        context = configured(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        try:
            context.load_cert_chain(self._cert, self._key, password=_refuse_passphrase)
        except OSError as error:
            raise LocalError(f"expected a PEM certificate and its key: {self._mistake(error)}") from error
        if reason := self._refusal(context):
            logger.warning("clients refuse the certificate in %s: %s", self._cert, reason)
        return context

    def _mistake(self, error: OSError) -> str:
        """Return which file is wrong, and why."""
        for kind, path in (("certificate", self._cert), ("private key", self._key or self._cert)):
            try:
                octets = Path(path).read_bytes()
            except OSError as failure:
                return f"{path}: {file_reason(failure)}"
            if not _PEM[kind].search(octets):
                what = "is empty" if not octets else "is DER, not PEM" if octets[:1] == _DER else f"has no PEM {kind}"
                return f"{path} {what}"
        key = self._key or self._cert
        reason = file_reason(error)
        if "mismatch" in reason:  # also if the chain begins with another certificate
            return f"the key in {key} is not that of the first certificate in {self._cert}"
        return f"{key}: {reason}" if "passphrase" in reason else f"{self._cert}: {reason}"

    def _refusal(self, context: ssl.SSLContext) -> str | None:
        """Return why a client refuses this certificate although it trusts it, or None; the host name is not checked."""
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        client.load_verify_locations(self._cert)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        asking = client.wrap_bio(to_client, to_server)
        answering = context.wrap_bio(to_server, to_client, server_side=True)
        try:
            for end in (asking, answering, asking):
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        except ssl.SSLError as error:  # the server's, "no shared cipher", if no client takes a key of this kind
            return getattr(error, "verify_message", None) or file_reason(error)
        return None


async def reload_on_signal(tls: ServerTls, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Read certificate and key again at each SIGHUP; if that fails, log it and keep the old ones."""
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            try:
                tls.reload()
                logger.info("certificate and key read again")
            except LocalError as error:
                logger.warning("the certificate stays as it was: %s", error)


def _refuse_passphrase() -> str:
    raise ssl.SSLError("the key has a passphrase")
