"""`chunkwire demo`: where it listens, what it shows, and what it says of the octets at its three places."""

import socket
from contextlib import ExitStack, suppress

import pytest
import trio

from chunkwire.cli.demo_run import DemoTrace, start_one, verdict
from chunkwire.cli.exits import ExitCode
from chunkwire.net.listen import Address, ListenError, bound_addresses, open_listeners
from chunkwire.record.values import EndRecord
from chunkwire.tools.paint import PLAIN
from chunkwire.wire.errors import leaf_errors
from tests.peers.command import chunkwire
from tests.peers.process import LOOPBACK, listening_socket


def test_with_its_usual_ports_in_use_it_ends_by_itself_with_equal_octets() -> None:
    with ExitStack() as held:
        taken = []
        for port in (8080, 8081):
            with suppress(OSError):  # another program has it, and may leave it before the demo asks
                held.enter_context(socket.create_server((LOOPBACK, port)))
                taken.append(f"port {port} is in use; the ".encode())
        result = chunkwire("demo", "-n", "3", "--interval", "5ms")
    assert result.returncode == ExitCode.OK, result
    assert all(line in result.stderr for line in taken)
    said = result.stdout.decode()
    rows = [line.split() for line in said.splitlines()[1:]]
    assert [row[:2] for row in rows if row[:1] == ["chunk"] and row[1].isdigit()][:3] == [
        ["chunk", "1"],
        ["chunk", "2"],
        ["chunk", "3"],
    ]
    hashes = [line.split()[-1] for line in said.splitlines() if "SHA-256" in line]
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]
    assert "equal: 3 chunks" in said


@pytest.mark.parametrize(
    "hashes, framing, word",
    [
        ("aaa", "complete", "equal"),
        ("aab", "complete", "different"),
        ("aba", "complete", "different"),
        ("aa", "complete", "undecided"),
        ("aaa", "cut", "incomplete"),
    ],
)
def test_octets_are_equal_if_all_three_places_had_all_of_them(hashes: str, framing: str, word: str) -> None:
    trace = DemoTrace()
    for point, sha256 in zip(("origin.sent", "gateway.sent", "client.received"), hashes, strict=False):
        trace.record(EndRecord(1, point, 0.0, framing, "unknown", 1, None, 1, 5, 15, sha256))
    assert verdict(trace, PLAIN)[-1].startswith(f"  {word}: ")
    assert (trace.fault is None) is (word == "equal")
    assert trace.ended.is_set() is (word != "undecided")


async def test_a_free_port_is_taken_where_the_usual_one_is_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    async def serve(where: Address, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        listeners = await open_listeners(where)
        task_status.started(bound_addresses(listeners))
        for listener in listeners:
            await listener.aclose()

    with listening_socket() as taken:
        port = taken.getsockname()[1]
        async with trio.open_nursery() as nursery:
            bound = await start_one(nursery, "origin", f"127.0.0.1:{port}", serve)
    assert bound.port not in (0, port)
    assert capsys.readouterr().err == f"chunkwire: port {port} is in use; the origin takes {bound.port}\n"


async def test_no_free_port_is_taken_where_the_usual_one_may_not_be_bound(capsys: pytest.CaptureFixture[str]) -> None:
    async def serve(_: Address, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        del task_status
        raise ListenError("permission denied")

    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await start_one(nursery, "page", "127.0.0.1:80", serve)
    assert [str(error) for error in leaf_errors(caught.value)] == ["permission denied"]
    assert capsys.readouterr().err == ""
