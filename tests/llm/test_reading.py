"""What a reader does with a stream that is not as it should be: it says so, once, and never raises."""

import json
import sys
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import (
    ErrorKind,
    ProviderError,
    Reasoning,
    Started,
    Stop,
    StopReason,
    Text,
    ToolCall,
    Usage,
    WholeToolCall,
    whole_calls,
)
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.elements import ElementDecoder
from chunkwire.llm.eventstream import encode_message
from chunkwire.wire.sse import encode_event
from tests.llm.answers import ASKED, HELLO, expected, read, told

PAGE = b"<!DOCTYPE html>\n<html><body><h1>Gateway time-out: come back</h1></body></html>\n"
dialects = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
sse_dialects = pytest.mark.parametrize("name", [name for name in DIALECTS if name != "bedrock"])


def data(payload: object, event: str | None = None) -> bytes:
    return encode_event(json.dumps(payload), event)


def frame(name: str, payload: object) -> bytes:
    return encode_message({":event-type": name, ":message-type": "event"}, json.dumps(payload).encode())


@dialects
def test_an_html_page_in_place_of_a_stream_is_named(dialect: Dialect) -> None:
    for cuts in (range(0), range(len(PAGE))):
        (error,) = read(dialect.reader(), PAGE, cuts)
        assert isinstance(error, ProviderError)
        assert error.kind is ErrorKind.NOT_A_STREAM
        assert error.message == "expected a stream, got a page of HTML: 'Gateway time-out: come back'"


@dialects
@pytest.mark.parametrize(
    "body, kind, message",
    [
        (b'{"error":{"message":"no"}}', ErrorKind.SERVER, "no"),
        (b'{"error":{"code":429,"message":"later"}}', ErrorKind.RATE_LIMIT, "later"),
        (b'[{"error":{"code":503,"message":"later"}}]', ErrorKind.OVERLOADED, "later"),
        (b'{"detail":"Not today."}', ErrorKind.SERVER, "Not today."),
        (b'{"hello":"world"}', ErrorKind.NOT_A_STREAM, 'expected an answer, got \'{"hello":"world"}\''),
    ],
)
def test_a_json_body_in_place_of_a_stream_says_its_error(
    dialect: Dialect, body: bytes, kind: ErrorKind, message: str
) -> None:
    for cuts in (range(0), range(len(body))):
        (error,) = read(dialect.reader(), body, cuts)
        assert isinstance(error, ProviderError)
        assert (error.kind, error.message) == (kind, message)


@sse_dialects
@pytest.mark.parametrize("half, is_inside", [(b'data: {"a', True), (b"event: x\ndata: {\n", True), (b"id: 1", False)])
def test_half_an_event_is_an_event_stream_all_the_same(name: str, half: bytes, is_inside: bool) -> None:
    (error,) = read(DIALECTS[name].reader(), half)
    assert isinstance(error, ProviderError)
    assert (error.kind, "in the middle of event 1" in error.message) == (ErrorKind.INCOMPLETE, is_inside)


@sse_dialects
@pytest.mark.parametrize("broken", ['{"choices":[{"delta"', "hello", "5", "[1]", "[" * 100_000])
def test_an_event_that_is_no_json_object_ends_the_reading_and_is_numbered(name: str, broken: str) -> None:
    reader = DIALECTS[name].reader()
    first = DIALECTS[name].write(HELLO, ASKED)[0].octets
    *before, error = reader.feed(b": a comment is no event\n\n" + first + encode_event(broken) + first)
    assert isinstance(error, ProviderError)
    assert error.kind is ErrorKind.BROKEN
    assert error.message.startswith("event 2: expected ")
    assert len(error.message) < 250
    assert before == DIALECTS[name].reader().feed(first)
    assert reader.feed(first) == []
    assert reader.end_of_input() == []


@sse_dialects
def test_an_event_without_end_is_broken_and_what_came_before_is_kept(name: str) -> None:
    reader = DIALECTS[name].reader()
    pieces = [piece.octets for piece in DIALECTS[name].write(HELLO, ASKED) if piece.is_token]
    events = reader.feed(pieces[0] + b"data: " + b"x" * (17 * 1024 * 1024))
    assert [event for event in events if isinstance(event, Text)] == [Text("Hel")]
    assert isinstance(events[-1], ProviderError)
    assert events[-1].kind is ErrorKind.BROKEN


@dialects
def test_unknown_events_between_the_known_are_ignored(dialect: Dialect) -> None:
    unknown = frame("surprise", {"a": 1}) if dialect.name == "bedrock" else data({"type": "surprise"}, "surprise")
    octets = unknown.join(piece.octets for piece in dialect.write(HELLO, ASKED))
    assert told(read(dialect.reader(), octets)) == expected(HELLO)


KNOWN = (
    "type choices delta content tool_calls function index usage error message code response item candidates parts text "
    "functionCall args usageMetadata content_block partial_json start toolUse details finish_reason bytes"
)
TYPES = (
    "message_start content_block_start content_block_delta message_delta error response.created response.completed "
    "response.failed response.output_item.added response.output_text.delta messageStart contentBlockStart "
    "contentBlockDelta messageStop metadata chunk"
)
known = st.sampled_from(KNOWN.split())
types = st.sampled_from(TYPES.split())
json_soup = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "text", "tool_use", "STOP", "error", "x\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(known, inner, max_size=5),
    max_leaves=12,
)


@given(st.dictionaries(known, json_soup, max_size=6), types, st.sampled_from(sorted(DIALECTS)))
def test_json_of_any_shape_raises_nothing(payload: dict[str, object], kind: str, name: str) -> None:
    payload["type"] = kind
    text = json.dumps(payload)
    octets = frame(kind, payload) if name == "bedrock" else encode_event(text)
    events = read(DIALECTS[name].reader(), octets)
    for event in events:
        assert not isinstance(event, Text) or event.text.encode()


@given(st.binary(max_size=200), st.sampled_from(sorted(DIALECTS)))
def test_any_octets_raise_nothing_and_lack_something(octets: bytes, name: str) -> None:
    assert isinstance(read(DIALECTS[name].reader(), octets)[-1], ProviderError)


@given(
    st.lists(st.dictionaries(st.text(max_size=4), json_soup, max_size=3), max_size=4),
    st.booleans(),
    st.sampled_from([None, 2]),
    st.lists(st.integers(0, 400), max_size=5),
)
def test_objects_are_found_in_an_array_and_in_a_row_however_they_are_cut(
    values: list[object], is_array: bool, indent: int | None, cuts: list[int]
) -> None:
    texts = [json.dumps(value, indent=indent) for value in values]
    body = ("[" + ",\r\n".join(texts) + "]" if is_array else "\n".join(texts)).encode()
    decoder, found, start = ElementDecoder(), list[bytes](), 0
    for end in [*sorted(min(cut, len(body)) for cut in cuts), len(body)]:
        decoder.feed(body[start:end], found)
        start = max(start, end)
    assert [json.loads(each) for each in found] == values
    assert decoder.is_between


def test_an_object_has_a_limit_and_what_stands_between_objects_is_json() -> None:
    found: list[bytes] = []
    ElementDecoder(max_octets=8).feed(b'{"a":12}', found)
    ElementDecoder(max_octets=8).feed(b'{"a":123', found)
    for long in (b'{"a":1234', b'{"a":123}'):
        with pytest.raises(ValueError, match="at most 8 octets"):
            ElementDecoder(max_octets=8).feed(long, found)
    with pytest.raises(ValueError, match="expected a JSON object, got 'x'"):
        ElementDecoder().feed(b'{"b":1} x', found)
    assert found == [b'{"a":12}', b'{"b":1}']


@pytest.mark.parametrize("rest", [b"x", b"\ndata: [DONE]\n\n"])
def test_what_follows_a_whole_answer_in_one_object_does_not_count_however_it_is_cut(rest: bytes) -> None:
    body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}' + rest
    for cuts in (range(0), range(len(body))):
        assert read(DIALECTS["openai"].reader(), body, cuts)[1:] == [Text("Hi"), Stop(StopReason.STOP)]
    half = b'[{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]} x'
    assert isinstance(read(DIALECTS["gemini"].reader(), half)[-1], ProviderError)


def test_azures_first_chunk_of_filter_results_starts_nothing() -> None:
    reader = DIALECTS["azure"].reader()
    assert reader.feed(data({"id": "", "model": "", "choices": [], "prompt_filter_results": []})) == []
    assert reader.feed(data({"id": "c", "model": "m", "choices": [{"delta": {}}]})) == [Started("c", "m")]


SLOW = {"code": "slow_down", "message": "later"}
UNMODELLED = {":message-type": "error", ":error-code": "InternalError", ":error-message": "An internal error"}


@pytest.mark.parametrize(
    "name, octets, kind, message",
    [
        ("openai", data({"error": {"message": "boom", "type": "server_error", "code": None}}), "server", "boom"),
        ("openai", data({"error": {"message": "slow", "code": "rate_limit_exceeded"}}), "rate-limit", "slow"),
        ("openai", data({"error": {"code": 503, "message": "later"}}), "overloaded", "later"),
        ("openai", data({"error": {"code": 429, "message": "later"}}), "rate-limit", "later"),
        ("openai", data({"error": {"type": "strange"}}), "server", "strange"),
        ("openai", data({"error": {}}), "server", "the provider gave no reason"),
        ("openai", data({"error": "plain words"}), "server", "plain words"),
        ("openai-responses", data({"type": "error", **SLOW, "param": None}), "overloaded", "later"),
        ("openai-responses", data({"type": "error", "error": {"type": "x", **SLOW}}), "overloaded", "later"),
        ("openai-responses", data({"type": "response.failed", "response": {"error": SLOW}}), "overloaded", "later"),
        ("anthropic", data({"type": "error"}), "server", "the provider gave no reason"),
        ("bedrock", encode_message(UNMODELLED, b""), "server", "An internal error"),
    ],
)
def test_an_error_in_a_stream_is_read_in_each_of_its_shapes(name: str, octets: bytes, kind: str, message: str) -> None:
    (event,) = DIALECTS[name].reader().feed(octets)
    assert isinstance(event, ProviderError)
    assert (event.kind, event.message) == (kind, message)


def test_text_of_the_first_choice_alone_is_read_and_text_that_opens_a_block() -> None:
    choices = [{"index": 1, "delta": {"content": "B"}}, {"index": 0, "delta": {"content": "A"}}]
    assert DIALECTS["openai"].reader().feed(data({"choices": choices}))[1:] == [Text("A")]
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}}
    assert DIALECTS["anthropic"].reader().feed(data(block)) == [Text("Hi")]


def test_responses_that_were_cut_short_by_a_limit_are_complete() -> None:
    response = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    reader = DIALECTS["openai-responses"].reader()
    assert reader.feed(data({"type": "response.incomplete", "response": response}))[1:] == [Stop(StopReason.LENGTH)]
    assert reader.is_complete


def test_geminis_blocked_prompt_and_thoughts_are_read() -> None:
    blocked = DIALECTS["gemini"].reader()
    assert blocked.feed(data({"promptFeedback": {"blockReason": "SAFETY"}}))[1:] == [Stop(StopReason.FILTER)]
    assert blocked.end_of_input() == []
    assert blocked.is_complete
    parts = [{"text": "hm", "thought": True}, {"text": "Yes"}, {"functionCall": {"name": "f"}}]
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 3}
    payload = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": usage}
    assert DIALECTS["gemini"].reader().feed(data(payload))[1:] == [
        Reasoning("hm"),
        Text("Yes"),
        ToolCall(0, "", "f", "{}"),
        Usage(1, 5, reasoning=3),
        Stop(StopReason.TOOL_CALLS),
    ]


def test_anthropics_later_input_count_replaces_the_first() -> None:
    reader = DIALECTS["anthropic"].reader()
    reader.feed(data({"type": "message_start", "message": {"usage": {"input_tokens": 5}}}))
    assert reader.feed(data({"type": "message_delta", "usage": {"output_tokens": 2}})) == [Usage(5, 2)]
    later = {"type": "message_delta", "usage": {"input_tokens": 7, "output_tokens": 2}}
    assert reader.feed(data(later)) == [Usage(7, 2)]


def test_a_tool_call_that_begins_twice_has_its_id_and_name_once() -> None:
    deltas = [ToolCall(0, "", "f", ""), ToolCall(0, "t1", "f", "{"), ToolCall(0, "t1", "f", "}")]
    assert whole_calls(deltas) == (WholeToolCall("t1", "f", ("", "{", "}")),)


def test_more_tool_calls_than_anybody_allows_are_broken() -> None:
    blocks = [{"type": "content_block_start", "index": n, "content_block": {"type": "tool_use"}} for n in range(1025)]
    *calls, error = DIALECTS["anthropic"].reader().feed(b"".join(data(block) for block in blocks))
    assert len(calls) == 1024
    assert isinstance(error, ProviderError)
    assert "at most 1024 tool calls" in error.message


def test_a_payload_of_bedrock_that_is_no_json_is_broken() -> None:
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
    for octets in (encode_message(headers, b"{"), frame("chunk", {"bytes": "?"}), frame("chunk", {"bytes": "Zm9v"})):
        reader = DIALECTS["bedrock"].reader()
        (event,) = reader.feed(octets)
        assert isinstance(event, ProviderError)
        assert event.kind is ErrorKind.BROKEN
        assert event.message.startswith("message 1: ")
        assert reader.feed(octets) == []


def test_bedrocks_metadata_cut_off_leaves_the_answer_complete() -> None:
    octets = b"".join(piece.octets for piece in DIALECTS["bedrock"].write(HELLO, ASKED))
    reader = DIALECTS["bedrock"].reader()
    assert told(reader.feed(octets[:-5])) == replace(expected(HELLO), usage=None)
    assert reader.end_of_input() == []


def test_an_event_of_nothing_but_wrappers_is_read_in_linear_time() -> None:
    """Taking off one `data:` at a time would copy the rest each time: some minutes for this event."""
    (error,) = read(DIALECTS["openai"].reader(), b"data: " + b"data:" * 1_000_000 + b"x\n\n", range(0))
    assert isinstance(error, ProviderError)
    assert error.kind is ErrorKind.BROKEN
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    assert Text("a") in read(DIALECTS["openai"].reader(), b"data: data: data:" + data(chunk)[6:], range(0))


def test_blocks_of_one_answer_are_bounded() -> None:
    block = {"type": "content_block_start", "content_block": {"type": "text"}}
    octets = b"".join(data({**block, "index": n}, "content_block_start") for n in range(5000))
    error = read(DIALECTS["anthropic"].reader(), octets, range(0))[-1]
    assert isinstance(error, ProviderError)
    assert "expected at most 4096 blocks" in error.message


def test_the_arguments_of_geminis_calls_are_not_kept() -> None:
    reader = DIALECTS["gemini"].reader()
    tracemalloc.start()
    try:
        for number in range(20):
            call = {"id": "a", "name": "f", "args": {"q": f"{number}" + "x" * 1_000_000}}
            reader.feed(data({"candidates": [{"content": {"parts": [{"functionCall": call}]}}]}))
        assert tracemalloc.get_traced_memory()[0] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["output_text", "reasoning_summary_text"])
@pytest.mark.parametrize("count, is_refused", [(4096, False), (4097, True)])
def test_items_of_one_answer_are_bounded(kind: str, count: int, is_refused: bool) -> None:
    name = f"response.{kind}.delta"
    octets = b"".join(data({"type": name, "output_index": n, "delta": "a"}, name) for n in range(count))
    last = read(DIALECTS["openai-responses"].reader(), octets, range(0))[count - 1]
    if is_refused:
        assert isinstance(last, ProviderError)
        assert last.message.endswith("expected at most 4096 items, got more")
    else:
        assert last in (Text("a"), Reasoning("a"))


def test_json_that_can_be_read_and_not_written_again_is_an_error() -> None:
    for depth in range(100, sys.getrecursionlimit()):
        arguments = '{"a":' * depth + "1" + "}" * depth
        call = f'{{"index":0,"id":"c","function":{{"name":"f","arguments":{arguments}}}}}'
        octets = f'data: {{"choices":[{{"index":0,"delta":{{"tool_calls":[{call}]}}}}]}}\n\n'.encode()
        assert isinstance(DIALECTS["openai"].reader().feed(octets)[-1], ToolCall | ProviderError)
