"""A slow reader stops a fast upstream; nothing piles up in between."""

import contextlib
import socket
import sys
import threading

import pytest

from tests.patience import PATIENCE
from tests.peers.command import serving
from tests.peers.plain import CHUNKED_HEAD, Upstream, dialled, upstream
from tests.peers.servers import resident_octets

GIB = 1 << 30
MIB = 1 << 20
CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"
GET = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"


class Source:
    """An upstream that writes a stream of 1 GiB as fast as it is taken, and counts."""

    def __init__(self, server: Upstream) -> None:
        self._server = server
        self.sent_octets = 0
        self.stalled = threading.Event()

    def run(self) -> None:
        connection = self._server.accept()
        connection.read_head()
        connection.send(CHUNKED_HEAD)
        connection.sock.settimeout(1.0)
        with contextlib.suppress(OSError):  # the gateway ends it once the client has left
            while self.sent_octets < GIB:
                self._send_chunk(connection.sock)

    def _send_chunk(self, sock: socket.socket) -> None:
        left = memoryview(CHUNK)
        while left:
            try:
                sent = sock.send(left)
            except TimeoutError:
                self.stalled.set()  # every buffer between here and the reader is full
                continue
            left = left[sent:]
            self.sent_octets += sent


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_slow_reader_of_one_gibibyte_costs_the_gateway_no_memory() -> None:
    """Fault 8. Fails where the gateway takes what its client does not."""
    with upstream() as server, serving("forward", server.url()) as gateway:
        source = Source(server)
        thread = threading.Thread(target=source.run, name="source")
        thread.start()
        with dialled(gateway.port, GET, receive_octets=65536) as client:
            client.read_head()
            client.reader.exactly(4 * MIB)
            assert source.stalled.wait(PATIENCE)  # the reader stops here, so the upstream must
            assert source.sent_octets < 64 * MIB
            client.reader.exactly(32 * MIB)  # and it goes on when the reader does
            assert resident_octets(gateway.process.pid) < 64 * MIB
        thread.join(PATIENCE)
