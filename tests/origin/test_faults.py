"""Each fault puts exactly the octets on the wire that its name promises."""

import pytest
import trio

import chunkwire
from chunkwire.origin.scenarios import FAULTS
from chunkwire.server.journal import Ended
from tests.server.peer import GatePacer, ask, body_of, connect, fetch, get, serving

TWO = b"d\r\nChunk 1 of 4\n\r\nd\r\nChunk 2 of 4\n\r\n"

# What `/fault/NAME?n=4` writes; written out, so that the table in the code is checked and not repeated.
BODIES = {
    "cut": TWO + b"10\r\nhalf of ",
    "early-end": TWO + b"0\r\n\r\n",
    "bad-size": TWO + b"zz\r\nnot hex\r\n0\r\n\r\n",
    "missing-crlf": TWO + b"5\r\nabcde5\r\nfghij\r\n0\r\n\r\n",
    "stall": TWO,
    "stall-in-size": TWO + b"1",
    "no-terminator": TWO,
    "giant-size": TWO + b"FFFFFFFFFFFFFFFF\r\nabcde",
    "reset": TWO,
    "cut-in-character": TWO + b'10\r\ndata: {"t":"gr\xc3',
    "cut-in-size": TWO + b"1",
    "cut-in-crlf": TWO + b"5\r\nabcde\r",
    "cut-in-last-chunk": TWO + b"0\r\n",
    "cut-in-trailers": TWO + b"0\r\nX-Checksum: abc\r\n",
    "reset-in-data": TWO + b"10\r\nhalf of ",
    "no-size": TWO + b"\r\nnot hex\r\n0\r\n\r\n",
    "negative-size": TWO + b"-7\r\nnot hex\r\n0\r\n\r\n",
    "prefixed-size": TWO + b"0x7\r\nnot hex\r\n0\r\n\r\n",
    "underscored-size": TWO + b"0_7\r\nnot hex\r\n0\r\n\r\n",
    "wrapped-size": TWO + b"10000000000000005\r\nabcde\r\n0\r\n\r\n",
    "long-data": TWO + b"5\r\nabcdefg\r\n0\r\n\r\n",
    "tiny": b"".join(b"1\r\n%c\r\n" % octet for n in (1, 2, 3, 4) for octet in b"Chunk %d of 4\n" % n) + b"0\r\n\r\n",
}
# What is broken off before the end of its head, as a whole.
HEADS = {"empty": b"", "cut-in-head": b"HTTP/1.1 200 OK\r\nContent-Type: text/ev"}


def verdict_of(body: bytes) -> str:
    """Return what a strict reader makes of a body."""
    try:
        chunkwire.decode(body)
    except chunkwire.FramingError as error:
        return str(error.rule)
    except chunkwire.IncompleteBody:
        return "incomplete"
    return "complete"


@pytest.mark.parametrize("name", [name for name in BODIES if not name.startswith("reset")])
async def test_a_fault_writes_its_octets_and_ends_with_fin(name: str) -> None:
    assert body_of(await fetch(f"/fault/{name}?n=4")) == BODIES[name]


async def test_reset_ends_with_a_reset() -> None:
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port, get("/fault/reset?n=4")) as client:
        for _ in range(2):
            pacer.open()
        await client.read_until(TWO)
        pacer.open()
        assert await client.read_reset() == b""
        assert await running.wait_ended() is Ended.RESET


@pytest.mark.parametrize("name", HEADS)
async def test_a_fault_in_the_head_ends_there(name: str) -> None:
    assert await fetch(f"/fault/{name}") == HEADS[name]


async def test_every_fault_is_documented_here() -> None:
    assert {*BODIES, *HEADS} == set(FAULTS)


@pytest.mark.parametrize("name", BODIES)
def test_a_fault_says_truly_whether_the_framing_is_complete(name: str) -> None:
    assert (verdict_of(BODIES[name]) == "complete") == FAULTS[name].is_framed


async def test_a_fault_can_be_played_at_once_or_after_everything() -> None:
    async with serving() as running:
        assert body_of(await running.get("/fault/cut?n=2&at=0")) == b"10\r\nhalf of "
        assert body_of(await running.get("/fault/no-terminator?n=1&at=1")) == b"d\r\nChunk 1 of 1\n\r\n"


async def test_a_stall_holds_for_its_duration() -> None:
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port) as client:
        await client.send(get("/fault/stall-in-size?n=2&at=0&interval=1s&duration=7s"))
        pacer.open()
        await client.read_until(b"\r\n\r\n1")
        pacer.open()
        assert await client.read_all() == b""
    assert pacer.moments == [1000.0, 1007.0]


async def test_a_stalled_client_that_half_closed_still_gets_the_fin(autojump_clock: trio.abc.Clock) -> None:
    assert body_of(await ask(get("/fault/stall?n=2&at=1&duration=1m"))) == b"d\r\nChunk 1 of 2\n\r\n"
