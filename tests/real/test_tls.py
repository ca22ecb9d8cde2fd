"""TLS listeners as real clients meet them: which versions, which mistakes, and a certificate that is read again."""

import signal
import socket
import ssl
from collections.abc import Generator
from pathlib import Path

import pytest
import trustme

from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, Served, called, chunkwire, serving
from tests.peers.process import LOOPBACK, Reader, run, started
from tests.peers.programs import program

TWO = "/generate?n=2&interval=20ms"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the certificates are: `ca.pem`, `cert.pem` and `key.pem`, and the key of another one."""
    made = tmp_path_factory.mktemp("certificates")
    authority.cert_pem.write_to_path(str(made / "ca.pem"))
    write_certificate(authority, made)
    authority.issue_cert("localhost").private_key_pem.write_to_path(str(made / "other.pem"))
    return made


def write_certificate(authority: trustme.CA, folder: Path) -> None:
    issued = authority.issue_cert("localhost", LOOPBACK)
    folder.joinpath("cert.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))


@pytest.fixture(scope="module")
def flags(folder: Path) -> tuple[str, ...]:
    return "--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")


@pytest.fixture(scope="module")
def secured(flags: tuple[str, ...]) -> Generator[Served, None, None]:
    """Run an origin over TLS."""
    with serving("serve", *flags) as served:
        yield served


@pytest.fixture(scope="module")
def secured_gateway(secured: Served, flags: tuple[str, ...], folder: Path) -> Generator[Served, None, None]:
    """Run a gateway with TLS on both sides."""
    with serving("forward", f"https://localhost:{secured.port}", "--cafile", str(folder / "ca.pem"), *flags) as served:
        yield served


@pytest.mark.needs("curl")
def test_curl_gets_the_same_chunks_over_tls_from_both_servers(
    secured: Served, secured_gateway: Served, folder: Path
) -> None:
    for served in (secured, secured_gateway):
        url = f"https://localhost:{served.port}/frames?plan=5:a=1@0,3@20,0@40"
        result = run([program("curl"), "-sN", "--raw", "--cacert", folder / "ca.pem", url])
        assert result.returncode == 0, result
        assert result.stdout.startswith(b"5;a=1\r\n")
        assert result.stdout.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.needs("node")
def test_node_reads_a_stream_over_tls(secured_gateway: Served, folder: Path) -> None:
    script = "fetch(process.argv[1]).then(async r => { for await (const c of r.body) process.stdout.write(c) })"
    url = f"https://localhost:{secured_gateway.port}{TWO}"
    result = run([program("node"), "-e", script, url], env={"NODE_EXTRA_CA_CERTS": str(folder / "ca.pem")})
    assert result.stdout.count(b"Chunk ") == 2, result


def test_our_own_client_checks_the_name(secured: Served, folder: Path) -> None:
    good = chunkwire("watch", f"https://localhost:{secured.port}{TWO}", "--cafile", str(folder / "ca.pem"))
    assert good.returncode == 0, good
    refused = chunkwire("watch", f"https://localhost:{secured.port}{TWO}")
    assert (refused.returncode, refused.stderr.count(b"\n")) == (7, 1), refused


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    "flag, protocol", [("-tls1", b""), ("-tls1_1", b""), ("-tls1_2", b"TLSv1.2"), ("-tls1_3", b"TLSv1.3")]
)
def test_only_tls_1_2_and_1_3_are_spoken(secured: Served, flag: str, protocol: bytes) -> None:
    words = ["-connect", f"{LOOPBACK}:{secured.port}", flag, "-cipher", "ALL:@SECLEVEL=0", "-brief"]
    result = run([program("openssl"), "s_client", *words], octets=b"")
    told = result.stdout + result.stderr
    assert (b"Protocol version: " + protocol in told) is bool(protocol), told


@pytest.mark.needs("openssl")
def test_a_client_cannot_renegotiate(secured: Served) -> None:
    """Fails without OP_NO_RENEGOTIATION: each costs the server a handshake."""
    words = ["-connect", f"{LOOPBACK}:{secured.port}", "-tls1_2", "-quiet", "-no_ign_eof"]
    told = run([program("openssl"), "s_client", *words], octets=b"R\n")
    assert b"no renegotiation" in told.stderr.lower() or b"NO_RENEGOTIATION" in told.stderr, told


def test_http_in_the_clear_gets_a_400_that_names_https(secured: Served) -> None:
    with socket.create_connection((LOOPBACK, secured.port)) as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in answer


def test_a_tls_handshake_on_a_port_in_the_clear_is_logged(origin: Served) -> None:
    with pytest.raises(ssl.SSLError):
        ssl.get_server_certificate((LOOPBACK, origin.port))
    origin.wait_log("TLS handshake")


def test_sighup_reads_the_certificate_again(authority: trustme.CA, folder: Path, tmp_path: Path) -> None:
    write_certificate(authority, tmp_path)
    with serving("serve", "--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem")) as served:
        before = ssl.get_server_certificate((LOOPBACK, served.port))
        tmp_path.joinpath("cert.pem").write_bytes(b"no certificate")
        served.process.send_signal(signal.SIGHUP)
        served.wait_log("the certificate stays as it was")
        assert ssl.get_server_certificate((LOOPBACK, served.port)) == before
        write_certificate(authority, tmp_path)
        served.process.send_signal(signal.SIGHUP)
        served.wait_log("read again")
        assert ssl.get_server_certificate((LOOPBACK, served.port)) != before


def test_a_drain_does_not_wait_for_a_handshake(flags: tuple[str, ...]) -> None:
    """Fails where the server stays for the whole grace time, here longer than the handshake may take."""
    with started([*CHUNKWIRE, "serve", *flags, "-l", "127.0.0.1:0", "--grace", "1h"]) as process:
        port = int(Reader(process.stderr, whose="chunkwire serve").line().rpartition(":")[2])
        with socket.create_connection((LOOPBACK, port)) as silent, socket.create_connection((LOOPBACK, port)) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
            assert ssl.get_server_certificate((LOOPBACK, port))  # those before it have been accepted
            process.send_signal(signal.SIGTERM)
            silent.settimeout(5)
            assert silent.recv(1) == b""
            assert process.wait(5) == 0


def test_sighup_reaches_every_worker(flags: tuple[str, ...]) -> None:
    with serving("serve", *flags, "--workers", "2") as served:
        served.process.send_signal(signal.SIGHUP)
        with served.logged:
            assert served.logged.wait_for(lambda: sum("read again" in line for line in served.log) == 2, PATIENCE)


@pytest.mark.parametrize(
    "words, said",
    [
        (("--key", "KEY"), "--cert"),
        (("--cert", "missing.pem"), "no such file"),
        (("--cert", "CERT"), "cert.pem has no PEM private key"),
        (("--cert", "CERT", "--key", "OTHER"), "is not that of the first certificate"),
        (("--tls", "self", "--cert", "CERT"), "not both"),
        (("--tls", "self", "--workers", "2"), "--workers"),
        (("--tls", "self", "-l", "my_host:0"), "the name 'my_host'"),
    ],
)
@pytest.mark.parametrize("verb", [("serve",), ("forward", "127.0.0.1:9")])
def test_a_mistake_in_flags_or_files_is_one_line(
    verb: tuple[str, ...], words: tuple[str, ...], said: str, folder: Path
) -> None:
    files = {"CERT": "cert.pem", "KEY": "key.pem", "OTHER": "other.pem"}
    given = [str(folder / files[word]) if word in files else word for word in words]
    result = called(*verb, "-l", "127.0.0.1:0", *given)
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1), result
    assert said in result.stderr.decode()


@pytest.mark.needs("curl")
def test_a_certificate_made_for_one_run_is_trusted_by_its_root() -> None:
    with serving("serve", "--tls", "self") as served:
        root = next(line.split("--cacert ")[1].split()[0] for line in served.log if "--cacert" in line)
        result = run([program("curl"), "-sN", "--cacert", root, f"https://localhost:{served.port}{TWO}"])
        assert result.stdout.count(b"Chunk ") == 2, result
        assert any("SHA-256" in line for line in served.log)
    assert not Path(root).exists()
