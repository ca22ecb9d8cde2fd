"""Bad input: one clear line that names the culprit, the right exit code or status, and the server serves on."""

import socket

import pytest

from tests.peers.command import Served, chunkwire, serving
from tests.peers.plain import dialled
from tests.peers.process import free_port, listening_socket

GET = b"GET /stream/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)


@pytest.mark.parametrize(
    "words,culprit,code",
    [
        (["wach"], "wach", 2),
        (["watch", "--jsn", ":1/"], "--jsn", 2),
        (["watch"], "URL", 2),
        (["watch", "http://"], "http://", 2),
        (["watch", "gopher://127.0.0.1/"], "gopher", 2),
        (["watch", "http://127.0.0.1:99999/"], "99999", 2),
        (["watch", "no-such-file.jsonl"], "no-such-file.jsonl", 2),
        (["diff", "/bin/ls", "/bin/ls"], "octets that are no text", 2),
        (["probe", "/bin/ls"], "expected a capture, records (JSON Lines) or a curl --trace", 2),
        (["probe", ":1/probe", "--report", "no-such/page.html"], "no-such", 2),
        (["serve", "-l", "nonsense:port"], "nonsense:port", 2),
        (["serve", "-l", "127.0.0.1:70000"], "70000", 2),
        (["forward", "ftp://127.0.0.1"], "ftp", 2),
        (["forward"], "UPSTREAM", 2),
        (["watch", "http://no-such-host.invalid/"], "no-such-host.invalid", 7),
        (["serve", "-l", "192.0.2.1:80"], "192.0.2.1:80", 71),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_command_gets_one_line_and_its_code(words: list[str], culprit: str, code: int) -> None:
    result = chunkwire(*words)
    assert result.returncode == code, result
    assert result.stdout == b""
    (line,) = result.stderr.decode().splitlines()
    assert culprit in line
    assert len(line) < 160


def test_a_refused_connection_is_exit_7() -> None:
    port = free_port()
    result = chunkwire("watch", f"http://127.0.0.1:{port}/")
    assert result.returncode == 7
    assert str(port) in result.stderr.decode()


@pytest.mark.parametrize("words", [["serve"], ["forward", "http://127.0.0.1:9"]], ids=["serve", "forward"])
def test_a_port_in_use_is_named_with_exit_71(words: list[str]) -> None:
    with listening_socket() as taken:
        port = taken.getsockname()[1]
        result = chunkwire(*words, "-l", f"127.0.0.1:{port}")
    assert result.returncode == 71
    (line,) = result.stderr.decode().splitlines()
    assert f"127.0.0.1:{port}" in line


def test_a_refused_upstream_is_a_502_that_says_so() -> None:
    port = free_port()
    with serving("forward", f"http://127.0.0.1:{port}") as gateway, dialled(gateway.port, GET) as client:
        answer, _ = client.read_rest()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"\r\nProxy-Status: " in answer
    assert str(port).encode() in answer.partition(b"\r\n\r\n")[2]


def test_an_upstream_without_an_address_is_a_502_that_says_so() -> None:
    with serving("forward", "http://no-such-host.invalid") as gateway, dialled(gateway.port, GET) as client:
        answer, _ = client.read_rest()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"no-such-host.invalid" in answer


@pytest.mark.parametrize(
    "target,culprit",
    [
        ("/generate?n=-1", b"n"),
        ("/generate?interval=abc", b"interval"),
        ("/generate?nn=1", b"nn"),
        ("/stream-bytes/x", b"x"),
        ("/frames?plan=5", b"plan"),
        ("/frames?plan=5@x", b"plan"),
        ("/frames?plan=0@0,5@1", b"plan"),
        ("/frames?plan=5@0&trailer=broken", b"trailer"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(origin: Served, target: str, culprit: bytes) -> None:
    with dialled(origin.port, GET.replace(b"/stream/1", target.encode())) as client:
        answer, _ = client.read_rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
    assert culprit in body


@pytest.mark.parametrize("server", ["origin", "gateway"])
@pytest.mark.parametrize(
    "octets,status",
    [
        (TLS_HELLO, b"400"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"400"),
        (b"\x00" * 300, b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"414"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
    ],
    ids=["tls", "ssh", "nul", "fields", "target", "http2", "smuggling"],
)
def test_garbage_is_refused_and_the_server_serves_on(
    server: str, octets: bytes, status: bytes, origin: Served, gateway: Served
) -> None:
    port = (origin if server == "origin" else gateway).port
    with dialled(port) as client:
        try:
            client.send(octets)
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # refused before all of it was sent
        answer, _ = client.read_rest()
    assert answer[:13] == b"HTTP/1.1 " + status + b" "
    with dialled(port, GET) as client:
        assert client.read_rest()[0].startswith(b"HTTP/1.1 200 ")
