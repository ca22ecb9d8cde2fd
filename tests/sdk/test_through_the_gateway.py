"""Every dialect relayed octet for octet, under every framing; and a client that leaves just after its end."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.question import Message, Question
from chunkwire.testing import Origin, OriginRun
from tests.peers.command import Served, serving
from tests.sdk.wishes import PROMPT

ASKED = Question("m", (Message("user", PROMPT),))


def ask(name: str, url: str, *lines: str) -> bytes:
    """Return a whole response to a question, as on the wire."""
    where = urlsplit(url)
    built = DIALECTS[name].build_request(ASKED, key="k", base=where.path.encode())
    fields = [f"{key.decode()}: {value.decode()}" for key, value in built.fields]
    head = [f"POST {built.target.decode()} HTTP/1.1", "Host: x", f"Content-Length: {len(built.body)}", *fields, *lines]
    with socket.create_connection((where.hostname, where.port or 0), timeout=30) as peer:
        peer.sendall("\r\n".join([*head, "", ""]).encode() + built.body)
        got = b""
        while not got.endswith(b"\r\n0\r\n\r\n") and (more := peer.recv(65536)):
            got += more
    return got


def begun(origin: Origin, name: str, scenario: str) -> OriginRun:
    kind = "openai" if name == "azure" else name.partition("-")[0]
    return getattr(origin, kind)(PROMPT, framing=scenario, repeats=True)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def hops() -> Iterator[tuple[Origin, Served]]:
    with Origin() as origin, serving("forward", origin.url, "--on-client-fin", "cancel") as gateway:
        yield origin, gateway


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_relayed_octet_for_octet(name: str, hops: tuple[Origin, Served]) -> None:
    origin, gateway = hops
    for scenario in ("event-per-chunk", "one-chunk", "across-events", "tiny"):
        run = begun(origin, name, scenario)
        direct = ask(name, run.url)
        through = ask(name, gateway.url(f"/{run.served.id}"), f"traceparent: {name}-{scenario}")
        assert direct.partition(b"\r\n\r\n")[2] == through.partition(b"\r\n\r\n")[2]
        assert b"\r\nVia: " in through
        assert gateway.wait_log(f"traceparent={name}-{scenario} ").endswith(" complete")
