"""Captures that tcpdump takes on loopback: the hop that holds is named frame by frame; tshark sees the same chunks."""

import os
import signal
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chunkwire.record.values import FrameRecord
from chunkwire.tools.capture.load import load_exchanges
from tests.peers.command import Served, chunkwire, serving
from tests.peers.process import LOOPBACK, WITHIN, Reader, run, started
from tests.peers.programs import program
from tests.peers.servers import nginx

pytestmark = [
    pytest.mark.needs("tcpdump", "tshark", "nginx", "curl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="who captures must be root"),
]


@contextmanager
def capturing(path: Path, *ports: int) -> Generator[None, None, None]:
    """Capture these ports of the loopback interface; all is in the file once the block is left."""
    filters = " or ".join(f"tcp port {port}" for port in ports)
    words = [program("tcpdump"), "-i", "lo", "--immediate-mode", "-U", "-Z", "root", "-w", "-"]
    held, grown = bytearray(), threading.Condition()
    with started([*words, filters]) as process:
        reader = Reader(process.stderr, whose="tcpdump")
        while "listening on" not in reader.line():
            pass

        def collect() -> None:
            assert process.stdout is not None
            while octets := process.stdout.read(65536):
                with grown:
                    held.extend(octets)
                    grown.notify_all()

        collector = threading.Thread(target=collect, name="packets")
        collector.start()
        yield
        with socket.create_connection((LOOPBACK, ports[-1])) as mark:  # a packet behind all others
            pair = struct.pack("!HH", mark.getsockname()[1], ports[-1])
            with grown:
                assert grown.wait_for(lambda: pair in held, WITHIN)
        process.send_signal(signal.SIGINT)
        collector.join(WITHIN)
    path.write_bytes(held)


def chunks_by_tshark(path: Path, port: int) -> list[int]:
    """Return the chunk sizes that tshark finds in what a server sends."""
    fields = ["-Y", f"http and tcp.srcport == {port}", "-T", "fields", "-e", "http.chunk_size"]
    said = run([program("tshark"), "-n", "-r", path, "-d", f"tcp.port=={port},http", *fields]).stdout.decode()
    return [int(size) for size in said.replace("\n", ",").split(",") if size]


def test_three_hops_in_one_capture_name_the_one_that_holds(origin: Served, tmp_path: Path) -> None:
    path = tmp_path / "lo.pcap"
    with (
        serving("forward", origin.url("")) as gateway,
        nginx(f"location / {{ proxy_pass http://127.0.0.1:{gateway.port}; }}") as holding,
        capturing(path, origin.port, gateway.port, holding.port),
    ):
        url = holding.url("/probe?n=12&interval=30ms&nonce=captured")
        assert run([program("curl"), "-sN", "-o", "/dev/null", url]).returncode == 0
    result = chunkwire("probe", str(path))
    lines = result.stdout.decode().splitlines()
    assert result.returncode == 1
    assert f"127.0.0.1:{holding.port} is the first hop that holds the stream." in lines
    assert sum("held " in line for line in lines) == 12
    listed = chunkwire("watch", str(path), "--list").stdout.decode()
    assert listed.count("GET /probe?n=12") == 3
    exchange = next(each for each in load_exchanges(path.read_bytes(), "lo") if each.hop.endswith(f":{origin.port}"))
    ours = [record.size for record in exchange.records if isinstance(record, FrameRecord)]
    assert ours == chunks_by_tshark(path, origin.port)
