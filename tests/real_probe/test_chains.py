"""Chains of two and three hops, one of them bad, in any place: it is named, live and from what curl recorded."""

import json
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.peers.command import Served, chunkwire, serving
from tests.peers.process import run
from tests.peers.programs import program
from tests.peers.servers import caddy, haproxy, nginx

pytestmark = pytest.mark.needs("nginx", "haproxy", "caddy", "curl")

Hop = Callable[[int], AbstractContextManager[int]]


@contextmanager
def clean_nginx(port: int) -> Generator[int, None, None]:
    with nginx(
        f"location / {{ proxy_pass http://127.0.0.1:{port}; proxy_buffering off; proxy_http_version 1.1; }}"
    ) as server:
        yield server.port


@contextmanager
def bad_nginx(port: int) -> Generator[int, None, None]:
    with nginx(f"location / {{ proxy_pass http://127.0.0.1:{port}; }}") as server:
        yield server.port


@contextmanager
def clean_caddy(port: int) -> Generator[int, None, None]:
    with caddy(f"reverse_proxy 127.0.0.1:{port}") as server:
        yield server.port


@contextmanager
def bad_haproxy(port: int) -> Generator[int, None, None]:
    with haproxy(f"  server s 127.0.0.1:{port}") as server:
        yield server.port


@contextmanager
def clean_gateway(port: int) -> Generator[int, None, None]:
    with serving("forward", f"http://127.0.0.1:{port}") as server:
        yield server.port


@contextmanager
def bad_gateway(port: int) -> Generator[int, None, None]:
    with serving("forward", f"http://127.0.0.1:{port}", "--mode", "coalesce=300ms") as server:
        yield server.port


# Hops from the inside out, and which of them holds.
CHAINS: dict[str, tuple[tuple[Hop, ...], int]] = {
    "first of two": ((bad_nginx, clean_caddy), 0),
    "second of two": ((clean_caddy, bad_haproxy), 1),
    "first of three": ((bad_haproxy, clean_nginx, clean_caddy), 0),
    "second of three": ((clean_gateway, bad_nginx, clean_caddy), 1),
    "third of three": ((clean_nginx, clean_caddy, bad_gateway), 2),
    "none of three": ((clean_nginx, clean_gateway, clean_caddy), -1),
}


@contextmanager
def standing(origin: Served, hops: tuple[Hop, ...]) -> Generator[list[str], None, None]:
    """Run the hops, each before the one further in; give the URLs of the probe, the origin's first."""
    with ExitStack() as stack:
        ports = [origin.port]
        for hop in hops:
            ports.append(stack.enter_context(hop(ports[-1])))
        yield [f"http://127.0.0.1:{port}/probe" for port in ports]


def verdicts(*words: str) -> tuple[int, list[dict[str, object]]]:
    """Return the exit code of a probe, and its verdicts."""
    result = chunkwire("probe", "--json", *words, within=100)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result.returncode, [line for line in lines if line["kind"] == "verdict"]


def check(code: int, found: list[dict[str, object]], bad: int) -> None:
    """The origin and what lies before the bad hop streams, the bad hop holds, and nothing behind it is judged."""
    assert code == (bad >= 0)
    expected = ["streams"] * len(found) if bad < 0 else ["streams"] * (bad + 1) + ["HOLDS"]
    for verdict, word in zip(found, expected, strict=False):
        assert str(verdict["line"]).startswith(word)
    for verdict in found[len(expected) :]:
        assert verdict["line"] == "not judged: behind a hop that holds"


@pytest.mark.parametrize("chain", CHAINS)
def test_the_hop_that_holds_is_named(origin: Served, chain: str) -> None:
    hops, bad = CHAINS[chain]
    with standing(origin, hops) as urls:
        check(*verdicts(*urls), bad)


@pytest.mark.parametrize("chain", CHAINS)
def test_it_is_named_from_what_curl_recorded(origin: Served, chain: str, tmp_path: Path) -> None:
    hops, bad = CHAINS[chain]
    with standing(origin, hops) as urls:
        for number, url in enumerate(urls):
            words = ["-sN", "--raw", "-o", "/dev/null", "--trace", f"{number}.trace", "--trace-time", url]
            assert run(["sh", "-c", f'cd {tmp_path} && exec "$0" "$@"', program("curl"), *words]).returncode == 0
    check(*verdicts(*(str(tmp_path / f"{number}.trace") for number in range(len(urls)))), bad)


def test_recordings_and_urls_may_be_mixed(origin: Served, tmp_path: Path) -> None:
    with standing(origin, (clean_caddy, bad_haproxy)) as urls:
        inside = tmp_path / "inside.jsonl"
        assert chunkwire("watch", urls[1], "--json", "--save", str(inside)).returncode == 0
        code, found = verdicts(urls[0], str(inside), urls[2])
    check(code, found, 1)
    assert found[1]["hop"] == "inside.jsonl"
