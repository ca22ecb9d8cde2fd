"""What one more connection to a hop shows: how far it is, and what it gives browsers and not a probe.

The rule here: no verdict on the stream, and nothing of it is read.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Final

import trio

from chunkwire import client
from chunkwire.net.dial import CONNECT_SECONDS, Url, dial
from chunkwire.tools.probe.requests import BROWSERS_CODINGS, Ask, overridden
from chunkwire.wire.coding import ContentDecoder
from chunkwire.wire.errors import ChunkwireError

ALPN_SECONDS: Final = 5.0  # for a TLS handshake that offers HTTP/2
HEAD_SECONDS: Final = 5.0  # for the head of an answer to a browser


async def connecting_time(url: Url, *, at_most: float) -> float:
    """Return s that a TCP connection to a hop takes to open, the look-up of its name included.

    Raises:
        DialError: it could not be opened, in `CONNECT_SECONDS` or in `at_most` s.
    """
    began = trio.current_time()
    connection = await dial(url.host, url.port, timeout=min(CONNECT_SECONDS, at_most))
    took = trio.current_time() - began
    await trio.aclose_forcefully(connection.stream)
    return took


async def offers_h2(url: Url) -> bool:
    """Say whether a hop takes HTTP/2 from a client that offers it by ALPN (RFC 7301), as browsers do.

    Its certificate is not checked. False where there is no handshake within `ALPN_SECONDS`.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    with trio.move_on_after(ALPN_SECONDS):
        try:
            async with await trio.open_ssl_over_tcp_stream(url.host, url.port, ssl_context=context) as stream:
                await stream.do_handshake()
                return bool(stream.selected_alpn_protocol() == "h2")
        except (OSError, trio.BrokenResourceError):
            return False
    return False


async def undecoded_for_browsers(ask: Ask, tls: ssl.SSLContext | None) -> str:
    """Return the content coding that a hop gives to a browser and that is not decoded here; empty for none.

    The answer is left after its head, which is awaited for `HEAD_SECONDS`.
    """
    asked = replace(ask, fields=overridden(ask.fields, (BROWSERS_CODINGS,)))
    try:
        async with client.open(
            asked.method, asked.url, fields=asked.fields, body=asked.body, tls=tls, total_timeout=HEAD_SECONDS
        ) as stream:
            coding = (stream.head.get(b"content-encoding") or b"").decode("latin-1")
    except ChunkwireError:
        return ""
    return coding if ContentDecoder(coding).error else ""
