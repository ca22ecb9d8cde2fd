"""Other people's proxies beside ours: before the gateway, behind it, and over TLS."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import trustme

from tests.patience import PATIENCE
from tests.peers.command import chunkwire, serving
from tests.peers.process import Reader, run, started
from tests.peers.programs import program
from tests.peers.servers import Server, caddy, haproxy, nginx
from tests.peers.writers import node_writer

Proxy = Callable[[int], AbstractContextManager[Server]]


def nginx_before(port: int) -> AbstractContextManager[Server]:
    """Run nginx as it must be set to stream."""
    return nginx(f"location / {{ proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; proxy_buffering off; }}")


def haproxy_before(port: int) -> AbstractContextManager[Server]:
    """Run HAProxy, which streams as it is."""
    return haproxy(f"  server one 127.0.0.1:{port}")


def caddy_before(port: int) -> AbstractContextManager[Server]:
    """Run Caddy, set to flush each write."""
    return caddy(f"  reverse_proxy 127.0.0.1:{port} {{\n    flush_interval -1\n  }}")


PROXIES = [
    pytest.param(nginx_before, marks=pytest.mark.needs("nginx"), id="nginx"),
    pytest.param(haproxy_before, marks=pytest.mark.needs("haproxy"), id="haproxy"),
    pytest.param(caddy_before, marks=pytest.mark.needs("caddy"), id="caddy"),
]


@pytest.mark.needs("curl", "node")
@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("order", ["proxy before us", "proxy behind us"])
def test_a_chain_with_another_proxy_passes_each_chunk_at_once(proxy: Proxy, order: str) -> None:
    with node_writer() as writer, chain(writer.port, proxy, order) as port:
        with started([program("curl"), "-sN", f"http://127.0.0.1:{port}/"]) as process:
            reader = Reader(process.stdout, whose="curl")
            for data in ("one", "two and a half", "data: 3"):
                writer.tell(data)  # only when the one before it has been printed
                assert reader.exactly(len(data)) == data.encode()
            writer.tell(".")
            assert reader.rest() == b""
            assert process.wait(PATIENCE) == 0


@contextmanager
def chain(port: int, proxy: Proxy, order: str) -> Generator[int, None, None]:
    """Run our gateway and another proxy in a row; yield the port of the first."""
    if order == "proxy before us":
        with serving("forward", f"http://127.0.0.1:{port}") as gateway, proxy(gateway.port) as server:
            yield server.port
    else:
        with proxy(port) as server, serving("forward", server.url("")) as gateway:
            yield gateway.port


@pytest.mark.needs("curl", "nginx")
def test_an_https_upstream_is_reached_by_name_and_certificate(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    pem = tmp_path / "server.pem"
    tls = f"ssl_certificate {pem}; ssl_certificate_key {pem}; ssi on; ssi_types text/plain;"
    page = b"<!--# echo var='request_uri' --> over TLS\n" * 100
    with nginx(tls, http="default_type text/plain;", files={"page": page}, listen="ssl") as server:
        upstream = f"https://localhost:{server.port}"
        with serving("forward", upstream, "--cafile", str(tmp_path / "ca.pem")) as gateway:
            relayed = run([program("curl"), "-sN", "--raw", gateway.url("/page")]).stdout
        direct = run([program("curl"), "-sN", "--raw", "--cacert", tmp_path / "ca.pem", upstream + "/page"]).stdout
        watched = chunkwire("watch", "--cafile", str(tmp_path / "ca.pem"), upstream + "/page")
        with serving("forward", upstream) as stranger:
            refused = run([program("curl"), "-s", "-i", stranger.url("/page")]).stdout
    assert direct.endswith(b"\r\n0\r\n\r\n")
    assert relayed == direct
    assert watched.returncode == 0
    assert refused.startswith(b"HTTP/1.1 502 ")
