"""Captures of TLS with a key log, which tshark decrypts."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from chunkwire.tools.capture.load import load_exchanges
from tests.net.test_dial_tls import server_tls
from tests.tools.packets import Packet, Talk, pcap

GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d"


def secured(authority: trustme.CA, keylog: Path, number: int) -> Iterator[Packet]:
    """Yield the packets of a TLS connection with one exchange, which begins so many seconds after the first."""
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    tls.keylog_filename = str(keylog)
    down, up = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.wrap_bio(down, up, server_hostname="localhost")
    server = server_tls(authority).wrap_bio(up, down, server_side=True)
    spoken = Talk(t=number, up=number * 100_000, down=number * 100_000).open()

    def flight(bio: ssl.MemoryBIO) -> None:
        octets = bio.read()
        (spoken.ask if bio is up else spoken.answer)(octets, spoken.t + 0.1)
        bio.write(octets)

    for end, bio in ((client, up), (server, down), (client, up)):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
        flight(bio)
    server.do_handshake()
    client.write(GET % number)
    flight(up)
    server.write(ANSWER % number)
    flight(down)
    yield from spoken.close().packets


@pytest.mark.needs("tshark")
def test_connections_with_the_same_ports_have_each_its_own_content(tmp_path: Path) -> None:
    authority, keylog = trustme.CA(), tmp_path / "keys"
    packets = [packet for number in (1, 2) for packet in secured(authority, keylog, number)]
    found = load_exchanges(pcap(packets), "a.pcap", keylog=str(keylog))
    assert [each.request.target for each in found if each.request is not None] == ["/1", "/2"]
    assert [each.is_decrypted for each in found] == [True, True]
