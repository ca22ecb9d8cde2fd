"""Every dialect relayed byte for byte, under every framing; and a client that leaves just after `[DONE]`."""

import socket

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.question import Message, Question
from tests.peers.command import Served
from tests.sdk.wishes import FRAMINGS, PROMPT

ASKED = Question("m", (Message("user", PROMPT),))


def request(name: str, *lines: str) -> bytes:
    built = DIALECTS[name].build_request(ASKED, key="k")
    fields = [f"{key.decode()}: {value.decode()}" for key, value in built.fields]
    head = [f"POST {built.target.decode()} HTTP/1.1", "Host: x", f"Content-Length: {len(built.body)}", *fields, *lines]
    return "\r\n".join([*head, "x-chunkwire-seed: 7", "", ""]).encode() + built.body


def ask(served: Served, octets: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body, as on the wire, of a response that ends its connection."""
    with socket.create_connection((served.host, served.port), timeout=30) as peer:
        peer.sendall(octets)
        got = b""
        while more := peer.recv(65536):
            got += more
    head, _, body = got.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_relayed_octet_for_octet(origin: Served, gateway: Served, name: str, framing: str) -> None:
    asked = request(name, f"x-chunkwire-framing: {framing}", "Connection: close")
    _, direct = ask(origin, asked)
    head, relayed = ask(gateway, asked)
    assert relayed == direct
    assert direct.endswith(b"\r\n0\r\n\r\n")
    assert b"\r\nVia: " in head


@pytest.mark.parametrize("name", DIALECTS)
def test_a_fin_just_after_the_answer_is_a_normal_end(gateway: Served, name: str) -> None:
    asked = request(name, f"traceparent: fin-after-{name}")
    with socket.create_connection((gateway.host, gateway.port), timeout=30) as peer:
        peer.sendall(asked)
        got = b""
        while not got.endswith(b"\r\n0\r\n\r\n"):
            got += peer.recv(65536)
    assert gateway.wait_log(f"traceparent=fin-after-{name}").endswith(" complete")
