"""A server's certificate and key: which file is at fault is one line, and what clients refuse is logged."""

import datetime
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chunkwire.net.certificates import ServerTls
from chunkwire.wire.errors import LocalError

DAY = datetime.timedelta(days=1)
TODAY = datetime.datetime.now(datetime.UTC)


def write(folder: Path, issued: trustme.LeafCert) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return cert, key


def first_in(path: Path) -> bytes:
    """Return the first certificate in a file, in DER."""
    first, end, _ = path.read_text("ascii").partition("-----END CERTIFICATE-----\n")
    return ssl.PEM_cert_to_DER_cert(first + end)


def as_der(path: Path) -> None:
    path.write_bytes(first_in(path))


def with_passphrase(path: Path) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    form, secret = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, secret))


def reverse(path: Path) -> None:
    first, second = path.read_bytes().split(b"-----END CERTIFICATE-----\n")[:2]
    path.write_bytes(b"".join(part + b"-----END CERTIFICATE-----\n" for part in (second, first)))


@pytest.mark.parametrize(
    "name, spoil, said",
    [
        ("cert.pem", Path.unlink, "cert.pem: no such file"),
        ("cert.pem", as_der, "cert.pem is DER, not PEM"),
        ("cert.pem", lambda path: path.write_bytes(b""), "cert.pem is empty"),
        ("cert.pem", lambda path: path.write_bytes(b"text"), "cert.pem has no PEM certificate"),
        ("cert.pem", reverse, "is not that of the first certificate in"),
        ("key.pem", Path.unlink, "key.pem: no such file"),
        ("key.pem", with_passphrase, "key.pem: the key has a passphrase"),
        ("key.pem", lambda path: path.write_bytes(b"text"), "key.pem has no PEM private key"),
    ],
)
def test_a_file_that_is_not_taken_is_named(
    tmp_path: Path, name: str, spoil: Callable[[Path], object], said: str
) -> None:
    cert, key = write(tmp_path, trustme.CA().create_child_ca().issue_cert("localhost"))
    ServerTls(str(cert), str(key))
    spoil(tmp_path / name)
    with pytest.raises(LocalError) as caught:
        ServerTls(str(cert), str(key))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("begin, end, said", [(-2, -1, "has expired"), (1, 2, "not yet valid"), (-1, 1, "")])
def test_a_certificate_that_is_not_valid_today_is_taken_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begin: int, end: int, said: str
) -> None:
    issued = trustme.CA().issue_cert("localhost", not_before=TODAY + begin * DAY, not_after=TODAY + end * DAY)
    cert, key = write(tmp_path, issued)
    ServerTls(str(cert), str(key))
    assert said in caplog.text
    assert bool(caplog.records) is bool(said)


def test_a_key_of_a_kind_that_no_client_takes_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, TODAY - DAY, TODAY + DAY)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    cert = tmp_path / "cert.pem"
    cert.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(encoding)
        + key.private_bytes(encoding, form, serialization.NoEncryption())
    )
    ServerTls(str(cert))
    assert "no shared cipher" in caplog.text


def served_by(tls: ServerTls) -> bytes | None:
    """Return the certificate, in DER, that a client with the library's defaults is given."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server)
    for end in (client, tls.context.wrap_bio(to_server, to_client, server_side=True), client):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return client.getpeercert(binary_form=True)


def test_a_certificate_read_again_replaces_one_of_another_type_of_key(tmp_path: Path) -> None:
    ca = trustme.CA()
    cert, key = write(tmp_path, ca.issue_cert("localhost"))
    tls = ServerTls(str(cert), str(key))
    for kind in (trustme.KeyType.RSA, trustme.KeyType.ECDSA, trustme.KeyType.RSA):
        write(tmp_path, ca.issue_cert("localhost", key_type=kind))
        tls.reload()
        assert served_by(tls) == first_in(cert)
