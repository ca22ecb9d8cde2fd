"""An HTTPS origin that sends equal chunks as fast as possible; a second port sends the same in cleartext.

A proxy that ends TLS before the meter's origin would use more of the meter's core than the relay uses of its own, so
all relays would have the same figures. This origin encrypts 256 KiB in one call and receives only requests.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from typing import Final

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BLOCK_OCTETS: Final = 1 << 18


def serve(listener: socket.socket, context: ssl.SSLContext | None, block: bytes, count: int) -> None:
    """Answer one connection after another."""
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=answer, args=(accepted, context, block, count), daemon=True).start()


def answer(accepted: socket.socket, context: ssl.SSLContext | None, block: bytes, count: int) -> None:
    """Send `count` blocks for each request, until the client leaves."""
    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with accepted if context is None else context.wrap_socket(accepted, server_side=True) as client:
            while client.recv(65536).endswith(b"\r\n\r\n"):
                client.sendall(HEAD)
                for _ in range(count):
                    client.sendall(block)
                client.sendall(b"0\r\n\r\n")
    except OSError:
        return  # a test whether the port listens makes no handshake


if __name__ == "__main__":
    secure, clear, both, size, chunks = sys.argv[1:]
    chunk = b"%x\r\n%b\r\n" % (int(size), b"x" * int(size))
    block = chunk * max(1, BLOCK_OCTETS // len(chunk))
    count = -(-int(chunks) * len(chunk) // len(block))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    listeners = [socket.create_server(("127.0.0.1", int(port))) for port in (secure, clear)]
    threading.Thread(target=serve, args=(listeners[0], context, block, count), daemon=True).start()
    serve(listeners[1], None, block, count)
