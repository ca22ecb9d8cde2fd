"""What these tests share: an origin, what it answers itself, and programs that are built or installed once."""

from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest
import trio

from chunkwire.net.dial import parse_url
from chunkwire.tools.probe.judge import Hop, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import HopVerdict, Kind
from tests.peers.command import Served, serving
from tests.peers.writers import build_go
from tests.real_probe.proxies import GO, install_compression, install_mitmproxy

Judge = Callable[..., Awaitable[HopVerdict]]
TRIES = 5
"""How often a hop is asked while the verdict is `unsure`, which is what a busy machine makes of any hop."""


@pytest.fixture(scope="session")
def origin() -> Generator[Served, None, None]:
    """Run the origin once."""
    with serving("serve") as served:
        yield served


@pytest.fixture(scope="session")
def inner(origin: Served) -> Hop:
    """Return what the origin itself answers."""
    return trio.run(Prober().probe, "origin", parse_url(origin.url("/probe")))


@pytest.fixture
def judge(inner: Hop) -> Judge:
    """Return what probes a hop in front of that origin and judges it: give its URL, and what to add to the query."""

    async def judge_it(url: str, *asked: str, name: str = "hop") -> HopVerdict:
        at = parse_url(url.rstrip("/") + "/probe" + ("?" + "&".join(asked) if asked else ""))
        for _ in range(TRIES - 1):
            verdict = judge_hop(await Prober().probe(name, at), inner=inner)
            if verdict.kind is not Kind.UNSURE:
                return verdict
        return judge_hop(await Prober().probe(name, at), inner=inner)

    return judge_it


@pytest.fixture(scope="session")
def go_binary(go_folder: Path) -> Path:
    """Return the Go proxy, compiled."""
    return build_go(go_folder, GO, "proxy")


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config) -> Path:
    """Return a folder with node's compression middleware and Express, kept between runs."""
    return install_compression(_kept(pytestconfig, "node-modules"))


@pytest.fixture(scope="session")
def mitmdump(pytestconfig: pytest.Config) -> Path:
    """Return mitmproxy's program, kept between runs."""
    return install_mitmproxy(_kept(pytestconfig, "mitmproxy"))


def _kept(config: pytest.Config, name: str) -> Path:
    assert config.cache is not None
    return config.cache.mkdir(name)
