"""What a client records, and both of its verdicts."""

import gzip

import pytest

from chunkwire import ChunkwireError, client, encode_chunk
from chunkwire.client.completion import MAX_EXPANSION, Completion
from chunkwire.record.values import EndRecord, FrameRecord, HeadRecord, Record, RequestRecord
from chunkwire.wire.coding import PIECE_OCTETS
from tests.client.conftest import Answered
from tests.client.server import CHUNKED, EVENTS, LAST, Peer, scripted, sends

CHAT = b'data: {"object":"chat.completion.chunk","choices":[]}\n\n'


async def test_a_stream_is_recorded_from_request_to_end() -> None:
    records: list[Record] = []
    async with scripted(sends(CHUNKED + encode_chunk(b"a") + LAST)) as server:
        async with client.open("GET", server.url("/x"), record_to=records.append) as stream:
            await stream.drain()
    request, head, frame, last, end = records
    assert isinstance(request, RequestRecord)
    assert (request.point, request.target, request.t) == ("client.sent", "/x", 0.0)
    assert isinstance(head, HeadRecord)
    assert isinstance(frame, FrameRecord)
    assert isinstance(last, FrameRecord)
    assert (frame.line, frame.data, frame.read, last.size) == ("1", b"a", 1, 0)
    assert isinstance(end, EndRecord)
    assert (end.framing, end.chunks, end.wire_octets) == ("complete", 1, 11)


async def test_the_chunks_of_a_request_are_recorded_on_their_way_up() -> None:
    async def takes(peer: Peer) -> None:
        await peer.read_until(LAST)
        await peer.send(CHUNKED + LAST)

    records: list[Record] = []
    async with scripted(takes) as server:
        fields = [("Transfer-Encoding", "chunked")]
        async with client.open("POST", server.url(), fields=fields, body=b"hi", record_to=records.append) as stream:
            await stream.drain()
    sent = [record for record in records if isinstance(record, FrameRecord) and record.way == "request"]
    assert [(record.point, record.line, record.data) for record in sent] == [
        ("client.sent", "2", b"hi"),
        ("client.sent", "0", b""),
    ]


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 2"])
async def test_a_failure_before_the_head_has_its_end_in_the_recording(answered: Answered, octets: bytes) -> None:
    """Fails where the record repeats the hint for a person that the error of an empty answer has as a note."""
    records: list[Record] = []
    with pytest.raises(ChunkwireError) as caught:
        async with answered(octets, end="reset", record_to=records.append):
            pass  # never entered
    assert isinstance(records[-1], EndRecord)
    assert (records[-1].framing, records[-1].error) == ("reset", str(caught.value))
    assert hasattr(caught.value, "__notes__") is (octets == b"")


async def test_leaving_is_recorded() -> None:
    records: list[Record] = []
    async with scripted(sends(CHUNKED + encode_chunk(b"a"))) as server:
        async with client.open("GET", server.url(), record_to=records.append) as stream:
            await anext(stream.frames())
    assert [record.framing for record in records if isinstance(record, EndRecord)] == ["client-gone"]


@pytest.mark.parametrize(
    "content, is_complete, verdict",
    [
        (b"data: [DONE]\n\n", True, "empty"),
        (b"data: [DONE]\n\n", False, "empty"),
        (b"data: tick\n\ndata: [DONE]\n\n", True, "complete"),
        (b"data: tick\n\ndata: [DONE]\n\n", False, "complete"),
        (b"event: message_stop\ndata: {}\n\n", True, "empty"),
        (b"event: response.completed\ndata: {}\n\n", True, "empty"),
        (b"event: done\ndata: {}\n\n", True, "complete"),
        (b"event: done\ndata: {}\n", True, "unknown"),
        (b"event: error\ndata: {}\n\n", True, "incomplete"),
        (b'data: {"error":{}}\n\n', True, "incomplete"),
        (b'data: {"error":{}}\n\ndata: [DONE]\n\n', True, "incomplete"),
        (b"data: tick\n\n", True, "unknown"),
        (b"data: tick\n\n", False, "incomplete"),
        (CHAT, True, "incomplete"),
        (CHAT + b"data: [DONE]\n\n", True, "empty"),
        (b'event: message_start\ndata: {"type":"message_start"}\n\n', True, "incomplete"),
    ],
)
def test_the_application_ends_with_its_own_event(content: bytes, is_complete: bool, verdict: str) -> None:
    completion = Completion(is_event_stream=True)
    for octet in content:
        completion.feed(bytes([octet]))
    assert completion.verdict(is_complete=is_complete) == verdict


def test_a_body_that_is_no_event_stream_says_nothing_of_its_application() -> None:
    completion = Completion(is_event_stream=False)
    completion.feed(b"data: [DONE]\n\n")
    assert (completion.verdict(is_complete=False), completion.events) == ("unknown", None)


async def test_an_answer_can_be_whole_where_its_framing_is_cut() -> None:
    async with scripted(sends(EVENTS + encode_chunk(b"data: Hi\n\ndata: [DONE]\n\n"))) as server:
        async with client.open("GET", server.url()) as stream:
            with pytest.raises(ChunkwireError):
                await stream.drain()
    assert stream.verdict == client.BodyEnd("cut", "complete")


def test_a_stream_that_is_packed_too_well_is_not_judged() -> None:
    """Fails where all of it is read: 64 KiB of such a stream would stop every task for seconds."""
    event = b"data: x\n\n"
    completion = Completion(is_event_stream=True, coding="gzip")
    packed = gzip.compress(event * 2_000_000)
    completion.feed(packed)
    assert completion.events is not None
    assert completion.events * len(event) <= PIECE_OCTETS + MAX_EXPANSION * len(packed)
    assert completion.verdict(is_complete=True) == "unknown"
