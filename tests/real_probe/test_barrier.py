"""`forward --barrier` between nginx and an application: what the hop does with it, it does without it."""

import itertools
import re
import socket
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.peers.command import chunkwire, serving
from tests.peers.plain import accepting
from tests.peers.servers import nginx

pytestmark = pytest.mark.needs("nginx")

V11 = "proxy_http_version 1.1;"
GZIP = "gzip on; gzip_proxied any; gzip_types text/event-stream;"
EVENTS = [b"data: %d\n\n" % n for n in range(12)]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
LOST = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nno route"


def polite(is_old: bool) -> tuple[bytes, list[bytes]]:
    """Answer HTTP/1.0 without chunks, as RFC 9112 §6.1 asks."""
    return (HEAD + b"Connection: close\r\n\r\n", EVENTS) if is_old else chunky(is_old)


def chunky(_: bool) -> tuple[bytes, list[bytes]]:
    """Answer every version in chunks."""
    frames = [b"%x\r\n%b\r\n" % (len(event), event) for event in EVENTS]
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n", [*frames, b"0\r\n\r\n"]


def endless(is_old: bool) -> tuple[bytes, Iterable[bytes]]:
    """Send events until the client leaves."""
    return HEAD + b"Connection: close\r\n\r\n", itertools.cycle(EVENTS)


@contextmanager
def chain(application: object, directives: str) -> Generator[tuple[str, str, int], None, None]:
    """Give the URLs of nginx and of a barrier between it and an application, and the port of the barrier."""

    def serve(client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (more := client.recv(65536)):
                    return
                head += more
            if b"/lost" in head.partition(b"\r\n")[0]:
                client.sendall(LOST)
                return
            assert callable(application)
            answer, frames = application(b" HTTP/1.0\r\n" in head)
            with suppress(OSError):  # the client may leave
                client.sendall(answer)
                for frame in frames:
                    client.sendall(frame)

    with ExitStack() as stack:
        port = stack.enter_context(accepting(serve))
        barrier = stack.enter_context(serving("forward", f"http://127.0.0.1:{port}", "--barrier"))
        site = f"location / {{ proxy_pass http://127.0.0.1:{barrier.port}; {directives} }}"
        server = stack.enter_context(nginx(site))
        yield server.url(""), barrier.url(""), barrier.port


@pytest.mark.parametrize(
    "application, directives, code, lines",
    [
        (chunky, "", 0, ["no hop holds the stream"]),
        (polite, "", 1, ["HOLDS to the end", "it asks the origin in HTTP/1.0", r"proxy_http_version 1\.1;"]),
        (polite, V11, 0, ["no hop holds the stream"]),
        (polite, "proxy_buffering off;", 0, ["no hop holds the stream"]),
        (polite, V11 + GZIP, 1, [r"COMPRESSED \(gzip\), and then HOLDS", "gzip off;"]),
        (chunky, GZIP, 1, [r"COMPRESSED \(gzip\), and then HOLDS", "gzip off;"]),
    ],
)
def test_a_hop_does_behind_a_barrier_what_it_does_without(
    application: object, directives: str, code: int, lines: list[str]
) -> None:
    with chain(application, directives) as (url, _, port):
        result = chunkwire("probe", url + "/sse", "--barrier-at", f":{port}")
    told = result.stdout.decode()
    assert result.returncode == code, told
    for line in lines:
        assert re.search(line, told), told


@pytest.mark.parametrize(
    "directives, code, verdict", [("", 1, "HOLDS"), ("proxy_buffering off;", 0, r"streams; by its first \d+ frames")]
)
def test_a_stream_without_end_is_judged_by_the_order_of_its_first_frames(
    directives: str, code: int, verdict: str
) -> None:
    with chain(endless, directives) as (url, _, port):
        result = chunkwire("probe", url + "/sse", "--barrier-at", f":{port}", "-m", "5")
    told = result.stdout.decode()
    assert result.returncode == code, told
    assert re.search(rf" {verdict}.* \((proved|by order)\)$", told.splitlines()[2]), told


def test_a_stream_without_end_is_left_once_it_shows_how_much_is_gathered() -> None:
    """Fails where all of the time that is left is taken, and so more frames."""
    with chain(lambda _: (HEAD + b"Connection: close\r\n\r\n", itertools.repeat(b"x" * 1022 + b"\n\n")), "") as (
        url,
        _,
        port,
    ):
        result = chunkwire("probe", url + "/sse", "--barrier-at", f":{port}", "-m", "60")
    [seen] = re.findall(r"HOLDS to \d+ octets; by its first (\d+) frames", result.stdout.decode())
    assert (result.returncode, int(seen) < 50) == (1, True), result.stdout


def test_the_application_is_found_behind_a_hop_that_rewrites_its_path() -> None:
    with chain(polite, "rewrite ^/lost(/.*)$ $1 break;") as (url, barrier, port):
        told = chunkwire("probe", url + "/lost/sse?a=b", "--barrier-at", f":{port}").stdout.decode()
    row = told.splitlines()[1]
    assert row.split()[0] == barrier.removeprefix("http://"), told
    assert row.endswith("streams; your application, behind this barrier (proved)"), told
    assert "HOLDS to the end (by order)" in told, told


@pytest.mark.parametrize(
    "path, code, verdict",
    [
        ("$1", 0, r"streams; its request.* \(proved\)"),
        ("/lost", 22, "not the stream: 404 Not Found, .*; its request.*"),
    ],
)
def test_a_hop_that_loses_the_query_is_told_where_it_streams_and_where_the_application_refuses(
    path: str, code: int, verdict: str
) -> None:
    with chain(chunky, f"rewrite ^(.*)$ {path}? break;") as (url, _, port):
        result = chunkwire("probe", url + "/sse?key=secret&n=1", "--barrier-at", f":{port}")
    told = result.stdout.decode()
    assert result.returncode == code, told
    assert re.search(rf"streams; your application.*\n.* {verdict}\n", told), told
    assert "its request reached your application without key, n of the query" in told, told


def test_why_says_once_what_frees_a_stream_and_what_it_does_not_try() -> None:
    with chain(polite, "") as (url, _, port):
        told = chunkwire("probe", url + "/sse", "--barrier-at", f":{port}", "--why").stdout.decode()
    assert re.search(r"as before +held to the end", told), told
    assert re.search(r"X-Accel-Buffering: no in the response +streams", told), told
    assert re.search(r"HTTP/1\.0 in the request +held to the end", told), told
    assert re.search("a client that leaves, silence +not tried: that needs /probe", told), told
    assert "\n  shown: it streams with X-Accel-Buffering: no in the response\n" in told, told
    assert told.count("it streams with") == 1, told


def test_the_answer_of_the_application_has_a_row_where_it_is_no_stream() -> None:
    with chain(polite, "") as (url, barrier, port):
        result = chunkwire("probe", url + "/lost", "--barrier-at", f":{port}", "--why")
    rows = result.stdout.decode().splitlines()[1:]
    name = barrier.removeprefix("http://")
    assert (result.returncode, rows[0].split()[0]) == (22, name), rows
    assert rows[0].endswith(
        "not the stream: 404 Not Found, text/plain, which says: no route; your application, behind this barrier"
    )
    assert rows[-1] == f"{name} is the first hop whose answer is not the stream."
    assert result.stderr.decode() == f"chunkwire: --why tries nothing at {name}: it is your application, not a hop\n"


def test_a_hop_that_leads_elsewhere_is_told_where_its_upstream_should_be() -> None:
    with chain(polite, V11) as (url, barrier, _), serving("forward", "http://127.0.0.1:1", "--barrier") as other:
        elsewhere = chunkwire("probe", url + "/sse", "--barrier-at", f":{other.port}", "--patience", "4s")
        wrong = chunkwire("probe", url + "/sse", barrier + "/sse", "--barrier-at", barrier)
    advice = f"sent no request to the barrier at 127.0.0.1:{other.port} within 4 s: make that the upstream"
    assert (elsewhere.returncode, advice in elsewhere.stdout.decode()) == (28, True), elsewhere
    assert (wrong.returncode, b"as the first URL: from the inside out" in wrong.stderr) == (2, True), wrong
