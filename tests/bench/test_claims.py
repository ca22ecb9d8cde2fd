"""The experiments on what bench claims, on a small scale; the arithmetic of their comparison."""

import os

import pytest
import trio

from bench import claims, hour
from bench.peers.holding_gateway import HOLD_SECONDS, HoldRarely
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event
from chunkwire.wire.scanner import ChunkedScanner


def events_of(octets: bytes) -> list[Event]:
    events: list[Event] = []
    Feed(ChunkedScanner()).take(octets, events)
    return events


@pytest.mark.needs("tcpdump", "gcc")
@pytest.mark.skipif(os.geteuid() != 0, reason="who captures must be root")
def test_bench_and_a_reader_in_c_have_the_arrivals_of_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    """That they agree within 10 µs is measured by `bench.claims` itself: here the machine may be busy."""
    claims.main(["agree", "--streams", "1", "--machine", "idle", "--seconds", "1"])
    rows = [row.partition("capture") for row in capsys.readouterr().out.splitlines()[1:]]
    assert [" ".join(name.split()[3:]) for name, _, _ in rows] == ["bench -", "C reader -"]
    assert all(int(figures.split()[0]) > 0 for _, _, figures in rows)


@pytest.mark.needs("tcpdump", "tshark", "nginx", "openssl")
@pytest.mark.skipif(os.geteuid() != 0, reason="who captures must be root")
@pytest.mark.parametrize("ends_tls", ["serve", "nginx"])
def test_bench_over_tls_has_the_arrivals_of_a_capture(ends_tls: str, capsys: pytest.CaptureFixture[str]) -> None:
    claims.main(["agree", "--tls", ends_tls, "--streams", "1", "--machine", "idle", "--seconds", "1"])
    _, row = capsys.readouterr().out.splitlines()
    name, _, figures = row.partition("capture")
    assert name.endswith("bench - ")
    assert int(figures.split()[0]) > 0


def test_a_moment_at_which_two_frames_were_written_is_left_out() -> None:
    assert claims.unique([(1, 10), (2, 20), (1, 11)]) == {2: 20}


@pytest.mark.parametrize("every, is_held", [(1, True), (0, False)])
async def test_the_holding_gateway_holds_a_frame_for_a_millisecond(
    every: int, is_held: bool, autojump_clock: trio.testing.MockClock
) -> None:
    frame, shape = encode_chunk(b"x"), HoldRarely(every)
    assert shape.feed(events_of(frame)) == (b"" if is_held else frame)
    assert shape.due == (trio.current_time() + HOLD_SECONDS if is_held else None)
    assert shape.flush() == (frame if is_held else b"")
    last = encode_last_chunk()
    assert shape.feed(events_of(frame + last)) == frame + last


def test_an_hour_of_the_meter_is_fed_and_its_memory_printed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--streams", "10", "--seconds", "60", "--limit"]
    assert hour.main([*words, "10000"]) == 0
    assert "12000 samples" in capsys.readouterr().out
    assert hour.main([*words, "1"]) == 1
