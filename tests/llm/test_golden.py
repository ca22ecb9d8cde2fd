"""The streams as the providers' clients were seen to demand them: minimal ones are read, full ones are written."""

import json
from dataclasses import replace

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import StopReason, Usage
from chunkwire.llm.eventstream import BinaryMessage, MessageDecoder, encode_message
from chunkwire.wire.sse import SseDecoder, SseEvent
from tests.llm.answers import ASKED, CALLING, FAILING, HELLO, Told, read, told

SAID_HELLO = Told("Hello", (), Usage(1, 2), StopReason.STOP, None)

ANTHROPIC = b"""\
event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],\
"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}

event: message_stop
data: {"type":"message_stop"}

"""
OPENAI = b"""\
data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",\
"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"obfuscation":"aX3"}

data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"id":"c1","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}

data: [DONE]

"""
RESPONSES = b"""\
data: {"type":"response.created","response":{"id":"r"}}

data: {"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message",\
"role":"assistant","status":"in_progress","content":[]}}

data: {"type":"response.content_part.added","item_id":"msg_1","output_index":0,"content_index":0,\
"part":{"type":"output_text","text":"","annotations":[]}}

data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hello"}

data: {"type":"response.completed","response":{"id":"r","output":[],"usage":{"input_tokens":1,"output_tokens":2}}}

"""
GEMINI = b"""\
data: {"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"},"index":0}]}\r
\r
data: {"candidates":[{"content":{"parts":[{"text":"lo"}],"role":"model"},"index":0,"finishReason":"STOP"}],\
"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},"modelVersion":"m"}\r
\r
"""
BEDROCK = b"".join(
    encode_message({":event-type": name, ":message-type": "event"}, json.dumps(payload).encode())
    for name, payload in [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}, "p": "abcdef"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 5}}),
    ]
)


@pytest.mark.parametrize(
    "name, stream",
    [
        ("anthropic", ANTHROPIC),
        ("openai", OPENAI),
        ("azure", OPENAI),
        ("openai-responses", RESPONSES),
        ("gemini", GEMINI),
        ("bedrock", BEDROCK),
    ],
)
def test_the_providers_stream_is_read(name: str, stream: bytes) -> None:
    assert told(read(DIALECTS[name].reader(), stream)) == SAID_HELLO


def events(name: str, *, answer: object = HELLO) -> list[SseEvent]:
    octets = b"".join(piece.octets for piece in DIALECTS[name].write(answer, ASKED))  # type: ignore[arg-type]
    return SseDecoder().feed(octets)


def test_anthropic_is_written_in_its_full_order_with_every_event_named() -> None:
    expected = [event.event for event in SseDecoder().feed(ANTHROPIC)]
    written = events("anthropic")
    assert [event.event for event in written] == [*expected[:4], expected[3], *expected[4:]]
    assert [json.loads(event.data)["type"] for event in written] == [event.event for event in written]
    message = json.loads(written[0].data)["message"]
    assert message["content"] == []
    assert message["usage"] == {"input_tokens": 1, "output_tokens": 1}
    assert json.loads(written[-2].data)["usage"]["output_tokens"] == 2


def test_anthropics_tool_call_is_a_block_of_its_own_after_the_text() -> None:
    answer = replace(CALLING, text=("Hm",))
    blocks = [json.loads(event.data) for event in events("anthropic", answer=answer) if "content_block_" in event.event]
    assert [(block["type"].removeprefix("content_block_"), block["index"]) for block in blocks] == [
        ("start", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        *[("delta", 1)] * 3,
        ("stop", 1),
    ]
    assert blocks[3]["content_block"] == {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}


def test_openai_chat_is_written_without_event_types_and_ends_with_usage_then_done() -> None:
    written = events("openai")
    assert {event.event for event in written} == {"message"}
    assert written[-1].data == "[DONE]"
    chunks = [json.loads(event.data) for event in written[:-1]]
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["choices"] == []
    usage = chunks[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (1, 2, 3)
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 4
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_openai_chat_sends_no_usage_unless_asked() -> None:
    silent = replace(ASKED, wants_usage=False)
    octets = b"".join(piece.octets for piece in DIALECTS["openai"].write(HELLO, silent))
    assert b"usage" not in octets
    assert octets.endswith(b"data: [DONE]\n\n")


def test_openai_responses_are_written_in_their_full_order_and_numbered() -> None:
    written = [json.loads(event.data) for event in events("openai-responses")]
    assert [event["type"].removeprefix("response.") for event in written] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in written] == list(range(10))
    assert written[-1]["response"]["output"] == [written[-2]["item"]]
    assert written[-1]["response"]["usage"]["total_tokens"] == 3


def test_openai_responses_fail_with_an_error_event_and_then_response_failed() -> None:
    *_, error, failed = [json.loads(event.data) for event in events("openai-responses", answer=FAILING)]
    assert (error["type"], error["code"]) == ("error", "server_is_overloaded")
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"]["message"] == "Too many people ask."


def test_gemini_is_written_as_data_alone_and_its_last_words_end_it() -> None:
    octets = b"".join(piece.octets for piece in DIALECTS["gemini"].write(HELLO, ASKED))
    assert all(line.startswith(b"data: {") for line in octets.split(b"\n") if line)
    first, last = [json.loads(event.data) for event in SseDecoder().feed(octets)]
    assert "finishReason" not in first["candidates"][0]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert last["usageMetadata"]["totalTokenCount"] == 3


def test_gemini_without_alt_sse_is_one_json_array() -> None:
    asked = replace(ASKED, form="array")
    pieces = DIALECTS["gemini"].write(HELLO, asked)
    elements = json.loads(b"".join(piece.octets for piece in pieces))
    assert [element["candidates"][0]["content"]["parts"][0]["text"] for element in elements] == ["Hel", "lo"]
    assert DIALECTS["gemini"].stream_type(asked) == b"application/json"


def test_bedrock_is_written_in_its_full_order_one_message_a_piece() -> None:
    pieces = DIALECTS["bedrock"].write(HELLO, ASKED)
    found: list[BinaryMessage] = []
    MessageDecoder().feed(BEDROCK, found)
    names = [message.headers[":event-type"] for message in found]
    written: list[BinaryMessage] = []
    for piece in pieces:
        decoder = MessageDecoder()
        decoder.feed(piece.octets, written)
        assert decoder.is_between_messages
    assert [message.headers[":event-type"] for message in written] == names
    assert {message.headers[":content-type"] for message in written} == {"application/json"}


def test_bedrocks_error_is_an_exception_message() -> None:
    found: list[BinaryMessage] = []
    MessageDecoder().feed(DIALECTS["bedrock"].write(FAILING, ASKED)[-1].octets, found)
    assert found[0].headers[":message-type"] == "exception"
    assert found[0].headers[":exception-type"] == "serviceUnavailableException"
    assert json.loads(found[0].payload) == {"message": "Too many people ask."}
