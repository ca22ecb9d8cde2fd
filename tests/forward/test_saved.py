"""What a gateway records: what came and what went, and what it answered itself; `watch` reads the recording."""

import json
from pathlib import Path

import pytest
import trio

from chunkwire.forward.tap import RECEIVED, SENT
from chunkwire.record.values import EndRecord, FrameRecord, HeadRecord, RequestRecord
from tests.forward.test_modes import settings_of
from tests.forward.wire import END, TEXT, answer, body_of, chunked, forwarding, get
from tests.patience import PATIENCE
from tests.peers.command import chunkwire, serving


def test_a_gateway_records_what_it_received_and_what_it_sent(tmp_path: Path) -> None:
    saved = tmp_path / "gateway.jsonl"
    with serving("serve") as origin, serving("forward", origin.url(""), "--save", str(saved)) as gateway:
        assert chunkwire("watch", "-q", gateway.url("/frames?plan=5@0,6:a=1@10,0@20")).returncode == 0
    records = [json.loads(line) for line in saved.read_text().splitlines()]
    frames = [record for record in records if record["kind"] == "frame"]
    for point in (RECEIVED, SENT):
        assert [frame["line"] for frame in frames if frame["point"] == point] == ["5", "6;a=1", "0"]
    ends = [record for record in records if record["kind"] == "end" and record["way"] == "response"]
    assert sorted(end["point"] for end in ends) == [RECEIVED, SENT]
    assert len({end["sha256"] for end in ends}) == 1
    assert chunkwire("watch", str(saved)).returncode == 0


async def test_records_of_one_exchange_have_one_stream_number_and_the_next_has_another() -> None:
    async with forwarding(record=True) as gateway:
        for number in (1, 2):
            await gateway.relay(get(), answer(b"Content-Length: 0"))
            await gateway.wait_ended()
            assert {record.stream for record in gateway.records} == {number}
            gateway.records.clear()


async def test_what_a_mode_keeps_for_later_is_no_write_in_the_records() -> None:
    def frames(point: str) -> list[FrameRecord]:
        return [each for each in gateway.records if isinstance(each, FrameRecord) and each.point == point]

    async with forwarding(settings=settings_of("buffer"), record=True) as gateway:
        async with gateway.exchange(get(), chunked(TEXT)) as (client, upstream):
            with trio.fail_after(PATIENCE):
                while not frames(RECEIVED):
                    await trio.lowlevel.checkpoint()
            await upstream.send(END)
            await client.read_until(END)
    assert [frame.read for frame in frames(RECEIVED)] == [1, 2]
    assert {frame.read for frame in frames(SENT)} == {1}


@pytest.mark.parametrize(
    "typed, method, target, status",
    [
        (b"hello there\r\n\r\n", "-", "hello there", 400),
        (b"HEAD / HTTP/1.1\r\n\r\n", "-", "HEAD / HTTP/1.1", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "CONNECT", "a:1", 501),
        (get(b"Incremental: ?1", target=b"/x"), "GET", "/x", 501),
        (get(target=b"/y"), "GET", "/y", 502),
    ],
)
async def test_a_request_that_the_gateway_answers_itself_is_recorded_too(
    typed: bytes, method: str, target: str, status: int
) -> None:
    async with forwarding(settings=settings_of("buffer"), record=True) as gateway:
        gateway.listeners[0].socket.close()
        content = body_of(await gateway.ask(typed))
        await gateway.wait_ended()
    [request] = [each for each in gateway.records if isinstance(each, RequestRecord) and each.point == RECEIVED]
    [head] = [each for each in gateway.records if isinstance(each, HeadRecord)]
    [end] = [each for each in gateway.records if isinstance(each, EndRecord) and each.point == SENT]
    has_response_end = any(isinstance(each, EndRecord) and each.point == RECEIVED for each in gateway.records)
    assert has_response_end is (status == 502)  # nothing is asked of the upstream for the others
    assert (request.method, request.target) == (method, target)
    assert head.status_line.split()[1] == str(status)
    assert (end.framing, end.octets) == ("complete", len(content))
