"""`check proxy` on Debian's nginx and HAProxy: what they are known to do, and what each is known to break."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.peers.command import chunkwire
from tests.peers.process import free_port
from tests.peers.servers import Server, haproxy, nginx

STREAMS = ("9112/7.1/1", "9112/7.1/3", "9110/7.6/2", "9112/9.5/1")
WHOLE = ("9112/8/cut", "9112/8/reset", "9112/8/request-cut", "9112/11.2/1")
NO_VIA = "9110/7.6.3/1"


def nginx_at(port: int, settings: str) -> AbstractContextManager[Server]:
    return nginx(f"location / {{ proxy_pass http://127.0.0.1:{port}; {settings} }}")


def nginx_streaming(port: int) -> AbstractContextManager[Server]:
    return nginx_at(port, "proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;")


def nginx_by_default(port: int) -> AbstractContextManager[Server]:
    return nginx_at(port, "")


def haproxy_at(port: int) -> AbstractContextManager[Server]:
    return haproxy(f"  server one 127.0.0.1:{port}")


def outcomes(proxy: Callable[[int], AbstractContextManager[Server]], *rows: str) -> tuple[dict[str, str], int]:
    """Return what came out for some rows, and the exit code."""
    port = free_port()
    words = ("--upstream", f"127.0.0.1:{port}", "--only", ",".join(rows), "--patience", "1s", "--json", "-", "-q")
    with proxy(port) as server:
        run = chunkwire("check", "proxy", server.url(""), *words)
    assert run.stdout, run.stderr.decode()
    return {row["id"]: row["outcome"] for row in json.loads(run.stdout)["rows"]}, run.returncode


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param(nginx_streaming, marks=pytest.mark.needs("nginx"), id="nginx"),
        pytest.param(haproxy_at, marks=pytest.mark.needs("haproxy"), id="haproxy"),
    ],
)
def test_a_proxy_that_streams_and_fails_well_passes_those_rows(
    proxy: Callable[[int], AbstractContextManager[Server]],
) -> None:
    found, code = outcomes(proxy, *STREAMS, *WHOLE)
    assert found == dict.fromkeys((*STREAMS, *WHOLE), "pass")
    assert code == 0


@pytest.mark.needs("nginx")
def test_what_http_1_0_cannot_do_does_not_apply_and_what_is_held_is_seen() -> None:
    found, code = outcomes(nginx_by_default, "9112/7.1/1", "9112/8/cut", "9112/6.2/1", NO_VIA)
    assert found == {
        "9112/7.1/1": "not applicable",
        "9112/8/cut": "not applicable",
        "9112/6.2/1": "fail",
        NO_VIA: "fail",
    }
    assert code == 1


@pytest.mark.needs("haproxy")
def test_a_failed_must_is_found() -> None:
    found, code = outcomes(haproxy_at, "9112/6.1/1", NO_VIA)
    assert found == {"9112/6.1/1": "not applicable", NO_VIA: "fail"}  # it asks in the version of its client
    assert code == 1


@pytest.mark.needs("nginx")
def test_a_proxy_that_points_elsewhere_is_named_in_one_line() -> None:
    with nginx("location / { return 200 mine; }") as server:
        port = free_port()
        run = chunkwire("check", "proxy", server.url(""), "--upstream", f"127.0.0.1:{port}")
    assert run.returncode == 7
    assert run.stdout == b""
    (line,) = run.stderr.decode().splitlines()
    assert line == (
        f"chunkwire: no request came to 127.0.0.1:{port}: 127.0.0.1:{server.port} answered 200 by itself; "
        f"set 127.0.0.1:{port} as its upstream"
    )
