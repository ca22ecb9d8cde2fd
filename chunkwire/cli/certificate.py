"""The certificate of a server's verb: `--cert` and `--key`, or `--tls self`.

The rule here: the files are read before anything listens, so that a mistake in them is one line and nothing has begun.
"""

from __future__ import annotations

import argparse
import hashlib
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chunkwire.net.certificates import ServerTls
from chunkwire.net.listen import parse_address
from chunkwire.wire.errors import LocalError, missing_package


@contextmanager
def certificate_of(options: argparse.Namespace) -> Iterator[ServerTls | None]:
    """Yield the certificate of these options; None for a server in the clear. Files made for this run are removed.

    Raises:
        LocalError: flags that do not go together, a file that is not taken, or trustme is not installed.
    """
    if options.tls and (options.cert or options.key):
        raise LocalError("--tls self makes its own certificate: give it or --cert FILE, not both")
    if options.key and not options.cert:
        raise LocalError("--key FILE goes with --cert FILE")
    if not options.tls:
        yield ServerTls(options.cert, options.key) if options.cert else None
        return
    with tempfile.TemporaryDirectory(prefix="chunkwire-") as folder:
        yield _made_in(Path(folder), options)


def _made_in(folder: Path, options: argparse.Namespace) -> ServerTls:
    """Make an authority and a certificate in a folder that only this user can read, and print how to trust it."""
    try:
        import trustme
    except ImportError as error:
        raise LocalError(missing_package("--tls self", "trustme")) from error
    host = parse_address(options.listen, default_port=options.default_port).host
    names = {"localhost", "127.0.0.1", "::1", *([] if host.startswith("/") or host in ("0.0.0.0", "::") else [host])}
    authority = trustme.CA(organization_name="chunkwire", organization_unit_name="made for one run")
    try:
        issued = authority.issue_cert(*sorted(names))
    except ValueError as error:  # IDNA
        raise LocalError(f"--tls self: no certificate can have the name {host!r}") from error
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    if not options.quiet:
        der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode("ascii"))
        print(f"certificate for this run, SHA-256 {hashlib.sha256(der).digest().hex(':').upper()}", file=sys.stderr)
        print(f"  curl -N --cacert {folder / 'ca.pem'} https://…   or curl -k, which checks nothing", file=sys.stderr)
    return ServerTls(str(folder / "server.pem"))
