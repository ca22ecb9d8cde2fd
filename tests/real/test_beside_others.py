"""Where the RFC leaves a choice, or others do not follow it: ours beside nginx, node and Go, given the same octets.

The statuses of the others are what Debian 12's versions of them give; where another version decides otherwise, the row
is to name both. Ours are the origin's, then the gateway's. The rules are those of `tests/rules/README.md`.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.peers.command import Served
from tests.peers.plain import dialled
from tests.peers.process import Reader, started
from tests.peers.programs import program
from tests.peers.servers import nginx
from tests.peers.writers import go_writer

HOST: Final = b"Host: x\r\n\r\n"
POST: Final = b"POST / HTTP/1.1\r\nHost: x\r\n"
CODED: Final = b"Transfer-Encoding: "
WHO: Final = ("origin", "gateway", "nginx", "node", "go")

NODE: Final = """
const server = require('http').createServer((request, response) => response.end('hi'));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@contextmanager
def node() -> Generator[int, None, None]:
    """Run a server of node's http module; give its port."""
    with started([program("node"), "-e", NODE]) as process:
        yield int(Reader(process.stdout, whose="node").line())


@pytest.fixture(scope="module")
def ports(origin: Served, gateway: Served, go_binary: Path) -> Generator[dict[str, int], None, None]:
    with ExitStack() as stack:
        others = stack.enter_context(nginx("return 200 hi;")).port, stack.enter_context(node())
        go = stack.enter_context(go_writer(go_binary)).port
        yield dict(zip(WHO, (origin.port, gateway.port, *others, go), strict=True))


@pytest.mark.needs("nginx", "node", "go")
@pytest.mark.parametrize(
    "octets, statuses",
    [
        pytest.param(b"HEAD / HTTP/2.0\r\n" + HOST, (505, 505, 505, 200, 505), id="another-version"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", (400, 400, 400, 400, 400), id="no-host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", (200, 200, 400, 200, 200), id="an-empty-host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", (400, 400, 400, 200, 200), id="a-port-alone"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: [::::1]\r\n\r\n", (400, 400, 200, 200, 200), id="no-ipv6"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", (400, 400, 200, 200, 200), id="a-broken-percent"),
        pytest.param(b"GET https://x/ HTTP/1.1\r\n" + HOST, (421, 421, 200, 200, 200), id="another-scheme"),
        pytest.param(b"GET /{a} HTTP/1.1\r\n" + HOST, (400, 400, 200, 200, 200), id="braces-in-a-target"),
        pytest.param(b"GET /%zz HTTP/1.1\r\n" + HOST, (400, 400, 400, 200, 400), id="a-broken-percent-in-a-path"),
        pytest.param(b"GET /?%zz HTTP/1.1\r\n" + HOST, (400, 400, 200, 200, 200), id="a-broken-percent-in-a-query"),
        pytest.param("GET /é HTTP/1.1\r\n".encode() + HOST, (400, 400, 200, 400, 200), id="raw-utf-8"),
        pytest.param(
            POST + CODED + b"gzip\r\n" + CODED + b"chunked\r\n\r\n0\r\n\r\n",
            (501, 501, 400, 200, 501),
            id="codings-over-two-lines",
        ),
        pytest.param(
            POST + CODED + b"chunked, chunked\r\n\r\n0\r\n\r\n", (400, 400, 501, 400, 501), id="chunked-twice"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nX: X\nHost: x\r\n\r\n", (400, 400, 200, 400, 200), id="mixed-line-ends"),
        pytest.param(b"GET / HTTP/1.1\nHost: x\n\n", (200, 400, 200, 400, 200), id="bare-lf"),
    ],
)
def test_ours_answers_by_its_rule_and_the_others_by_theirs(
    octets: bytes, statuses: tuple[int, ...], ports: dict[str, int]
) -> None:
    seen = []
    for port in ports.values():
        with dialled(port, octets) as wire:
            seen.append(int(wire.read_head()[9:12]))
    assert dict(zip(WHO, seen, strict=True)) == dict(zip(WHO, statuses, strict=True))
