"""What other clients say of bodies that the gateway refused or that were cut: never that they were whole.

The upstream sends each vector that is not accepted, and a FIN or a reset; the gateway stands between it and curl,
node's fetch, Go's net/http and Python's http.client.
"""

from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.conformance.vectors import Vector, load
from tests.forward.wire import Running, Wire, chunked, forwarding
from tests.net.peer import reset
from tests.peers.readers import READERS, Reading, read_all

VECTORS: Final = load()
# Legal bodies that a client refuses all the same: Go reads a size line, or a trailer section, into 4096 octets; curl
# keeps no longer trailer line; llhttp, which is node's, refuses some extensions.
LONGEST_LINE: Final = 4000

needs_reader = pytest.mark.parametrize(
    "reader", [pytest.param(name, marks=pytest.mark.needs(*([name] * ("." not in name)))) for name in READERS]
)


async def serve_vectors(gateway: Running, ending: str) -> None:
    """Answer each request, on a connection of its own, with the vector that its target numbers."""

    async def answer_one(stream: trio.SocketStream) -> None:
        async with stream:
            target = (await Wire(stream).read_head()).split(b" ")[1]
            try:
                await stream.send_all(chunked(VECTORS[int(target[1:])].octets))
                if ending == "reset":
                    reset(stream)
                    return
                await stream.send_eof()
                while await stream.receive_some():
                    """The other side ends it."""
            except trio.BrokenResourceError:
                return  # the body has been refused already, and the connection reset

    await trio.serve_listeners(answer_one, gateway.listeners)


async def read_vectors(
    reader: str, folder: Path, ending: str = "fin", *, is_direct: bool = False
) -> dict[str, Reading]:
    """Return what a client makes of every vector, by its id."""
    async with forwarding() as gateway:
        gateway.nursery.start_soon(serve_vectors, gateway, ending, name="upstream")
        port = gateway.listeners[0].socket.getsockname()[1] if is_direct else gateway.port
        urls = [f"http://127.0.0.1:{port}/{number}" for number in range(len(VECTORS))]
        readings = await trio.to_thread.run_sync(partial(read_all, reader, urls, folder))
    return {vector.id: reading for vector, reading in zip(VECTORS, readings, strict=True)}


def deceived(readings: dict[str, Reading]) -> list[str]:
    """Return the vectors that are not to be accepted and were taken for whole."""
    return [each.id for each in VECTORS if each.verdict != "accept" and readings[each.id].is_whole]


def is_plain(vector: Vector) -> bool:
    """Say whether every client must take this vector: it is legal, without extensions and long lines."""
    is_short = max(map(len, vector.octets.split(b"\r\n"))) < LONGEST_LINE
    return vector.verdict == "accept" and is_short and b";" not in vector.octets


@needs_reader
async def test_no_client_takes_a_refused_or_cut_body_for_whole(reader: str, go_folder: Path) -> None:
    """Fails where an octet of an end goes down before all of it is valid, an end is made up, or a reset is one."""
    readings = await read_vectors(reader, go_folder)
    assert deceived(readings) == []
    assert deceived(await read_vectors(reader, go_folder, "reset")) == []
    plain = [each.id for each in VECTORS if is_plain(each)]
    assert {each: readings[each] for each in plain if not readings[each].is_whole} == {}
    assert len(plain) >= 40


async def test_without_the_gateway_a_client_is_deceived(tmp_path: Path) -> None:
    """Fails where the vectors could deceive nobody: http.client takes most of them for whole."""
    assert len(deceived(await read_vectors("http.client", tmp_path, is_direct=True))) >= 100
