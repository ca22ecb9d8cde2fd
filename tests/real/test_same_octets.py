"""curl shows the same octets directly and through the gateway, and each frame at once."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.peers.command import Served, serving
from tests.peers.plain import tee
from tests.peers.process import Reader, started
from tests.peers.programs import program
from tests.peers.readers import curl
from tests.peers.servers import nginx
from tests.peers.writers import Writer, go_writer, node_writer

PLAN = "/frames?plan=5@0,6:a=1@10,1:b%3D%22q%22@10,0@20&trailer=X-T:1"


def body_of(url: str) -> bytes:
    """Return the body as curl prints it, not decoded."""
    code, octets = curl("--raw", url)
    assert code == 0
    return octets


@pytest.mark.needs("curl")
@pytest.mark.parametrize("target", ["/stream-bytes/5000?seed=7&chunk_size=700", "/trailers?X-A=1", PLAN])
def test_an_origin_resource_is_the_same_through_the_gateway(origin: Served, gateway: Served, target: str) -> None:
    direct = body_of(origin.url(target))
    assert direct.endswith(b"\r\n\r\n")
    assert body_of(gateway.url(target)) == direct


@pytest.mark.needs("curl")
def test_extensions_and_trailers_of_a_plan_stand_on_the_wire(gateway: Served) -> None:
    frames = body_of(gateway.url("/frames?plan=5@0,6:a=1@10,0@20&trailer=X-T:1&text=hello%20world"))
    assert frames == b"5\r\nhello\r\n6;a=1\r\n world\r\n0\r\nX-T: 1\r\n\r\n"


@pytest.mark.needs("curl")
def test_a_timed_stream_leaves_the_gateway_as_the_origin_wrote_it(origin: Served) -> None:
    with tee(origin.port) as middle:
        with serving("forward", f"http://127.0.0.1:{middle.port}") as gateway:
            body = body_of(gateway.url("/generate?n=5&interval=10ms"))
    assert body.count(b"Chunk ") == 5
    assert middle.answered.partition(b"\r\n\r\n")[2] == body


@contextmanager
def any_writer(name: str, go_binary: Path) -> Generator[Writer, None, None]:
    """Run node's writer or Go's."""
    chosen: AbstractContextManager[Writer] = node_writer() if name == "node" else go_writer(go_binary)
    with chosen as writer:
        yield writer


def curl_step_by_step(url: str, tell: Callable[[str], None]) -> bytes:
    """Have each chunk written only when curl has printed the one before it: a frame held by any hop stops here."""
    with started([program("curl"), "-sN", "--raw", url]) as process:
        reader = Reader(process.stdout, whose="curl")
        body = b""
        for data in ("one", "two and a half", "data: 3", "x" * 300):
            tell(data)
            body += reader.exactly(len(f"{len(data):x}\r\n{data}\r\n"))
        tell(".")
        return body + reader.rest()


@pytest.mark.needs("curl", "node", "go")
@pytest.mark.parametrize("name", ["node", "go"])
def test_frames_of_another_server_pass_unchanged_and_at_once(name: str, go_binary: Path) -> None:
    with any_writer(name, go_binary) as writer, serving("forward", writer.url()) as gateway:
        direct = curl_step_by_step(writer.url(), writer.tell)
        assert direct.endswith(b"0\r\nX-Sum: 7\r\n\r\n")
        assert curl_step_by_step(gateway.url(), writer.tell) == direct


@pytest.mark.needs("curl", "nginx")
def test_a_chunked_response_of_nginx_passes_unchanged() -> None:
    text = b"<!--# echo var='request_uri' --> a line of nginx\n" * 2000
    with nginx("ssi on; ssi_types text/plain;", http="default_type text/plain;", files={"page": text}) as server:
        with serving("forward", server.url()) as gateway:
            direct = body_of(server.url("/page"))
            assert direct.endswith(b"\r\n0\r\n\r\n")
            assert body_of(gateway.url("/page")) == direct


@pytest.mark.needs("curl", "nginx", "node")
def test_frames_that_nginx_passes_on_leave_the_gateway_at_once() -> None:
    with node_writer() as writer:
        unbuffered = f"location / {{ proxy_pass {writer.url()}; proxy_http_version 1.1; proxy_buffering off; }}"
        with nginx(unbuffered) as server, serving("forward", server.url()) as gateway:
            body = curl_step_by_step(gateway.url(), writer.tell)
    assert body.startswith(b"3\r\none\r\ne\r\ntwo and a half\r\n")
    assert body.endswith(b"\r\n0\r\n\r\n")  # nginx keeps no trailers
