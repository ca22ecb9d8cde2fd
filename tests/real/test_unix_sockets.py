"""Unix sockets as addresses, with the clients and proxies that speak to them."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.command import BRIEF, CHUNKWIRE, called, chunkwire, serving
from tests.peers.process import Reader, end, free_port, run, started, workplace
from tests.peers.programs import program
from tests.peers.servers import Server, nginx

TWO = "/generate?n=2&interval=20ms"


@contextmanager
def serving_at(path: Path) -> Generator[list[str], None, None]:
    """Run an origin on a path; give what it said until then."""
    with started([*CHUNKWIRE, "serve", "-l", f"unix:{path}", *BRIEF]) as process:
        reader = Reader(process.stderr, whose="chunkwire serve")
        said = [reader.line()]
        while "listening" not in said[-1]:
            said.append(reader.line())
        yield said


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path, None, None]:
    """Run an origin on a socket; give its path."""
    path = tmp_path_factory.mktemp("u") / "o.sock"
    with serving_at(path) as said:
        assert said[-1].strip() == f"listening on unix:{path}"
        yield path
    assert not path.exists()


@pytest.mark.needs("curl")
def test_curl_reads_a_stream_from_a_socket(path: Path) -> None:
    result = run([program("curl"), "-sN", "--unix-socket", path, f"http://localhost{TWO}"])
    assert result.stdout.count(b"Chunk ") == 2, result


@pytest.mark.needs("nc")
def test_nc_reads_a_stream_from_a_socket(path: Path) -> None:
    request = f"GET {TWO} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    result = run([program("nc"), "-U", path], octets=request)
    assert result.stdout.endswith(b"0\r\n\r\n"), result


@pytest.mark.parametrize("form", ["unix:{}", "http+unix://{}"])
def test_a_gateway_reaches_an_upstream_at_a_socket(path: Path, form: str) -> None:
    upstream = form.format(path if form.startswith("unix") else str(path).replace("/", "%2F"))
    with serving("forward", upstream) as gateway:
        result = chunkwire("watch", gateway.url(TWO))
        assert result.returncode == 0, result
        gateway.wait_log(f"unix:{path}")


def test_our_client_reads_a_url_of_a_socket(path: Path) -> None:
    result = chunkwire("watch", f"http+unix://{str(path).replace('/', '%2F')}{TWO}")
    assert result.stdout.count(b"Chunk ") == 2, result


@contextmanager
def nginx_before_a_socket(version: str) -> Generator[Server, None, None]:
    """Run nginx before an origin at a socket; it asks by this version of HTTP."""
    with workplace() as folder:
        path = folder / "o.sock"
        config = f"location / {{ proxy_pass http://unix:{path}:; proxy_buffering off; proxy_http_version {version}; }}"
        with serving_at(path), nginx(config) as server:
            path.chmod(0o666)  # nginx's worker is another user
            yield server


@pytest.mark.needs("nginx")
def test_nginx_reaches_an_origin_at_a_socket() -> None:
    with nginx_before_a_socket("1.1") as server:
        assert chunkwire("watch", server.url(TWO)).stdout.count(b"Chunk ") == 2


@pytest.mark.needs("nginx")
def test_nginx_sees_a_cut_of_a_body_that_the_close_delimits() -> None:
    """Fails where the socket is just closed: nginx then ends its own response, and the cut looks whole."""
    with nginx_before_a_socket("1.0") as server:
        assert chunkwire("watch", server.url("/sse?count=2&duration=0&cut=1")).returncode == 18
        assert chunkwire("watch", server.url("/sse?count=2&duration=0")).returncode == 0


def test_the_socket_of_a_server_that_has_gone_is_taken_over(tmp_path: Path) -> None:
    stale = tmp_path / "o.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stale))
    with serving_at(stale) as said:
        assert "listening" in said[-1]


@pytest.mark.parametrize(
    "where, said, code",
    [
        ("unix:{taken}", "address already in use", 71),
        ("unix:{file}", "the file there is no socket", 71),
        ("unix:{folder}/missing/o.sock", "no such file", 71),
        ("unix:", "expected the path of a socket", 2),
        ("unix:/" + "x" * 107, "at most 107 octets", 2),
    ],
)
def test_a_path_that_cannot_be_bound_is_one_line(path: Path, tmp_path: Path, where: str, said: str, code: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"kept")
    result = called("serve", "-l", where.format(taken=path, file=file, folder=tmp_path))
    assert (result.returncode, result.stderr.count(b"\n")) == (code, 1), result
    assert said in result.stderr.decode()
    assert file.read_bytes() == b"kept"


def test_an_upstream_socket_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    with serving("forward", f"unix:{tmp_path}/o.sock") as gateway:
        result = chunkwire("watch", gateway.url("/"))
        assert result.returncode == 22
        assert b"502" in result.stderr


def test_several_workers_do_not_share_a_socket(tmp_path: Path) -> None:
    result = called("serve", "-l", f"unix:{tmp_path}/o.sock", "--workers", "2")
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1), result


def test_a_proxy_that_listens_at_a_path_is_checked(tmp_path: Path) -> None:
    path, upstream = tmp_path / "proxy", f"127.0.0.1:{free_port()}"
    with started([*CHUNKWIRE, "forward", f"http://{upstream}", "-l", f"unix:{path}", *BRIEF]) as process:
        Reader(process.stderr, whose="chunkwire forward").until(b"listening on")
        result = chunkwire("check", "proxy", f"unix:{path}", "-q", "--upstream", upstream, "--only", "9112/7.1/6")
        end(process)
    assert (result.returncode, b"1 passed" in result.stdout) == (0, True), result
