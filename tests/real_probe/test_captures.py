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
from chunkwire.tools.capture.exchanges import CapturedExchange
from chunkwire.tools.capture.load import load_exchanges
from tests.patience import PATIENCE
from tests.peers.command import Served, chunkwire, serving
from tests.peers.process import LOOPBACK, Reader, run, started
from tests.peers.programs import program
from tests.peers.servers import nginx

pytestmark = [
    pytest.mark.needs("tcpdump", "tshark", "editcap", "nginx", "curl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="who captures must be root"),
]


@contextmanager
def capturing(path: Path, *ports: int) -> Generator[None, None, None]:
    """Capture these ports of the loopback interface; all is in the file once the block is left."""
    filters = " or ".join(f"tcp port {port}" for port in ports)
    # Each packet takes a snap length of the buffer: by default (2 MiB, 256 KiB) a busy machine loses packets.
    words = [program("tcpdump"), "-i", "lo", "--immediate-mode", "-B", "65536", "-s", "70000"]
    words += ["-U", "-Z", "root", "-w", "-"]
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
                assert grown.wait_for(lambda: pair in held, PATIENCE)
        process.send_signal(signal.SIGINT)
        collector.join(PATIENCE)
    path.write_bytes(held)


def chunks_by_tshark(path: Path, port: int) -> list[int]:
    """Return the chunk sizes that tshark finds in what a server sends."""
    fields = ["-Y", f"http and tcp.srcport == {port}", "-T", "fields", "-e", "http.chunk_size"]
    said = run([program("tshark"), "-n", "-r", path, "-d", f"tcp.port=={port},http", *fields]).stdout.decode()
    return [int(size) for size in said.replace("\n", ",").split(",") if size]


CHAT = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"say something that takes a few frames"}]}'


@pytest.fixture(scope="module")
def captured(origin: Served, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """Return a capture of one answer of a language model at three hops, and their ports; the outermost one holds."""
    path = tmp_path_factory.mktemp("captures") / "lo.pcap"
    site = f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_http_version 1.1; proxy_buffering off; }}"
    with nginx(site) as inner, serving("forward", inner.url(""), "--mode", "coalesce=300ms") as outer:
        ports = [origin.port, inner.port, outer.port]
        with capturing(path, *ports):
            asked = ["-sN", "-o", "/dev/null", "--data-binary", CHAT.decode(), outer.url("/v1/chat/completions")]
            assert run([program("curl"), *asked]).returncode == 0
    return path, ports


def exchange_at(path: Path, port: int) -> CapturedExchange:
    return next(each for each in load_exchanges(path.read_bytes(), "lo") if each.hop.endswith(f":{port}"))


def test_the_hop_that_holds_an_answer_is_named_frame_by_frame(captured: tuple[Path, list[int]]) -> None:
    path, ports = captured
    result = chunkwire("probe", str(path))
    lines = result.stdout.decode().splitlines()
    assert result.returncode == 1
    assert f"127.0.0.1:{ports[-1]} is the first hop that holds the stream." in lines
    frames = sum(isinstance(each, FrameRecord) for each in exchange_at(path, ports[0]).records) - 1  # the last-chunk
    assert frames > 5
    assert sum(line.count("held ") for line in lines) == 3 * frames
    assert chunkwire("watch", str(path), "--list").stdout.decode().count("POST /v1/chat/completions") == 3


def test_tshark_sees_the_same_chunks_at_each_hop(captured: tuple[Path, list[int]]) -> None:
    path, ports = captured
    for port in ports:
        ours = [each.size for each in exchange_at(path, port).records if isinstance(each, FrameRecord)]
        assert ours == chunks_by_tshark(path, port)


@pytest.mark.parametrize("lost", ["a packet", "the ends of packets"])
def test_octets_that_a_capture_lacks_are_missing_and_no_cut_of_the_server(
    captured: tuple[Path, list[int]], tmp_path: Path, lost: str
) -> None:
    whole, ports = captured
    path = tmp_path / "lost.pcap"
    fields = ["-Y", f"tcp.srcport == {ports[0]} and tcp.len > 0", "-T", "fields", "-e", "frame.number"]
    numbers = run([program("tshark"), "-n", "-r", whole, *fields]).stdout.decode().split()
    cut, dropped = (["-s", "150"], []) if lost == "the ends of packets" else ([], [numbers[len(numbers) // 2]])
    assert run([program("editcap"), *cut, whole, path, *dropped]).returncode == 0
    end = exchange_at(path, ports[0]).end
    assert end is not None
    assert end.framing == "missing"
    said = chunkwire("probe", str(path)).stdout.decode()
    assert "CUT" not in said
    assert "held, or written so" not in said
    listed = chunkwire("watch", str(path), "--list").stdout.decode()
    assert "missing" in listed
    assert "cut" not in listed
