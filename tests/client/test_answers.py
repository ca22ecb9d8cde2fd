"""The answer of a language model through the client: what it yields, what it keeps, what it raises."""

import inspect
from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

from chunkwire import client
from chunkwire.client import AnswerFailed, Message, Question, Reasoning, Text, ToolCall, Usage
from chunkwire.client.answers import GRACE_S, StreamOptions, as_provider_error, build_request, parse_target
from chunkwire.client.opening import Retry
from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import Answer, ErrorKind, StopReason, WholeToolCall
from chunkwire.net.dial import DialError
from chunkwire.origin.scenarios.quirks import QUIRKS
from chunkwire.wire.encoder import encode_chunk, encode_last_chunk
from chunkwire.wire.errors import IncompleteBody, LocalError
from tests.client.server import EVENTS, Peer, notes_ending, scripted, sends
from tests.server.peer import serving

EVENT_STREAM = b"application/vnd.amazon.eventstream"


def quirk(name: str, *, last: bytes = encode_last_chunk()) -> bytes:
    return EVENTS + b"".join(encode_chunk(piece) for piece in QUIRKS[name].pieces) + last


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_text_is_asked_and_answered_in_every_dialect(name: str) -> None:
    async with serving() as running:
        async with client.tokens(f"{name}:http://127.0.0.1:{running.port}#m", "Say hello") as answer:
            pieces = [text async for text in answer.texts()]
    assert pieces == ["Say", " hello"]
    assert (answer.text, answer.reasoning, answer.tool_calls, answer.stop) == ("Say hello", "", (), StopReason.STOP)
    assert answer.usage == Usage(2, 2)
    assert (answer.model, bool(answer.id)) == (("", False) if name == "bedrock" else ("m", True))


async def test_a_list_of_messages_is_no_question_and_the_error_shows_one() -> None:
    question: Any = [{"role": "user", "content": "Hi"}]
    with pytest.raises(LocalError, match=r"^question: expected a text, or client\.Question\(.*, got list$"):
        async with client.tokens("openai:http://127.0.0.1:1/v1#m", question):
            pass


async def test_an_option_that_tokens_does_not_have_is_refused_by_its_name() -> None:
    wrong: dict[str, Any] = {"head_timout": 1.0}
    with pytest.raises(LocalError, match=r"^tokens\(\): .*, got 'head_timout'; did you mean head_timeout\?$"):
        async with client.tokens("openai:http://127.0.0.1:1/v1#m", "Hi", **wrong):
            pass  # never entered


def test_the_options_of_tokens_are_those_of_open() -> None:
    own = {"fields", "body", "json", "method", "url"}
    assert StreamOptions.__annotations__.keys() == inspect.signature(client.open).parameters.keys() - own


async def test_events_come_in_their_order_and_are_kept() -> None:
    async with scripted(sends(quirk("reasoning"))) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi") as answer:
            events = [event async for event in answer]
            assert [event async for event in answer] == []
    assert events[:2] == [Reasoning("Hm."), Text("Hello")]
    assert (answer.text, answer.reasoning) == ("Hello", "Hm.")


async def test_tool_calls_are_put_together() -> None:
    async with scripted(sends(quirk("tool-index-zero"))) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi") as answer:
            calls = [event async for event in answer if isinstance(event, ToolCall)]
    assert [call.index for call in calls] == [0, 1]
    assert answer.tool_calls == (
        WholeToolCall("call_1", "f", ('{"a":1}',)),
        WholeToolCall("call_2", "g", ('{"b":2}',)),
    )


async def test_the_time_that_a_caller_takes_is_no_part_of_the_grace(mock_clock: trio.testing.MockClock) -> None:
    asked = Question("m", (Message("user", "Hi"),))
    written = DIALECTS["bedrock"].write(Answer("", "", 0, ("Hi",), (), Usage(1, 2), StopReason.STOP), asked)
    *pieces, metadata = [piece.octets for piece in written]
    has_text, has_all = trio.Event(), trio.Event()

    async def script(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(EVENTS.replace(b"text/event-stream", EVENT_STREAM) + encode_chunk(b"".join(pieces)))
        await has_text.wait()
        await peer.send(encode_chunk(metadata) + encode_last_chunk())
        has_all.set()

    async with scripted(script) as server:
        async with client.tokens(f"bedrock:{server.url()}#m", "Hi") as answer:
            async for _ in answer.texts():
                has_text.set()
                await has_all.wait()
                mock_clock.jump(10 * GRACE_S)
    assert (answer.text, answer.usage) == ("Hi", Usage(1, 2))


async def test_a_question_may_have_turns_and_a_model_of_its_own() -> None:
    asked = Question("own", (Message("system", "Short."), Message("user", "One two three")), max_tokens=2)
    async with serving() as running:
        async with client.tokens(f"anthropic:http://127.0.0.1:{running.port}#m", asked) as answer:
            assert await answer.read() == "One two"
    assert (answer.model, answer.stop) == ("own", StopReason.LENGTH)


@pytest.mark.parametrize(
    "name, last, kind",
    [
        ("error-member", encode_last_chunk(), ErrorKind.OVERLOADED),
        ("clean-end-too-early", encode_last_chunk(), ErrorKind.INCOMPLETE),
        ("clean-end-too-early", b"", ErrorKind.INCOMPLETE),
        ("clean-end-too-early", b"zz\r\n", ErrorKind.BROKEN),
    ],
)
async def test_what_had_come_of_a_failed_answer_is_in_the_exception(name: str, last: bytes, kind: ErrorKind) -> None:
    async with scripted(sends(quirk(name, last=last))) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi") as answer:
            with pytest.raises(AnswerFailed) as caught:
                await answer.read()
    assert (caught.value.error.kind, caught.value.text) == (kind, "Hello")
    assert (caught.value.reasoning, caught.value.tool_calls, caught.value.usage, caught.value.stop) == (
        "",
        (),
        None,
        None,
    )
    assert str(caught.value).startswith(f"{kind.value}: ")


async def test_the_content_of_an_answer_is_kept_up_to_a_limit() -> None:
    octets = sum(map(len, QUIRKS["comments"].pieces))
    async with scripted(sends(quirk("comments")), sends(quirk("comments"))) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi", max_octets=octets) as answer:
            assert await answer.read() == "Hello"
        async with client.tokens(f"openai:{server.url()}#m", "Hi", max_octets=octets - 1) as answer:
            with pytest.raises(AnswerFailed, match=f"at most {octets - 1} octets, got more") as caught:
                await answer.read()
    assert caught.value.error.kind is ErrorKind.BROKEN


async def failure(url: str, **options: Any) -> AnswerFailed:
    """Return what an answer fails with before its stream begins."""
    with pytest.raises(AnswerFailed) as caught:
        async with client.tokens(f"openai:{url}#m", "Hi", **options):
            pass  # never entered
    return caught.value


async def test_an_answer_with_nothing_in_it_is_no_answer() -> None:
    async with scripted(sends(quirk("done-alone"))) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi") as answer:
            with pytest.raises(AnswerFailed, match="empty: expected text or a tool call"):
                await answer.read()


async def test_a_refusal_before_the_stream_says_its_reason_without_the_key() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: my-key-1","code":"invalid_api_key"}}'
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with scripted(sends(head + body)) as server:
        failed = await failure(server.url(), key="my-key-1")
    assert str(failed) == "wrong-key: Incorrect API key provided: [redacted]"
    assert failed.error.status == 401


async def test_the_key_is_in_no_message_about_a_head() -> None:
    async with scripted(sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: my-key-1\r\n\r\n")) as server:
        failed = await failure(server.url(), key="my-key-1")
    assert failed.error.kind is ErrorKind.BROKEN
    assert "my-key-1" not in str(failed)
    assert "[redacted]" in str(failed)


async def test_an_answer_ends_although_its_provider_sends_on() -> None:
    async def send_on(peer: Peer) -> None:
        await peer.read_head()
        await peer.send(quirk("comments", last=b""))
        with suppress(trio.BrokenResourceError):
            while True:
                await peer.send(encode_chunk(b": still here\n\n"))

    async with scripted(send_on) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi") as answer:
            assert await answer.read() == "Hello"


async def test_a_refusal_whose_body_is_cut_says_its_status() -> None:
    async with scripted(sends(b"HTTP/1.1 429 Too Many\r\nContent-Length: 9\r\n\r\n")) as server:
        failed = await failure(f"{server.url()}?x=1")
    assert (failed.error.kind, failed.error.status) == (ErrorKind.RATE_LIMIT, 429)


async def test_a_refusal_whose_body_stalls_keeps_its_status() -> None:
    async with scripted(notes_ending([], b"HTTP/1.1 429 Too Many\r\nContent-Length: 9\r\n\r\n")) as server:
        failed = await failure(server.url(), idle_timeout=0.05)
    assert (failed.error.kind, failed.error.status) == (ErrorKind.RATE_LIMIT, 429)


@pytest.mark.parametrize(
    "provider, sent",
    [
        ("gemini:http://h", b"/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("gemini:http://h/v1/models/m:streamGenerateContent", b"/v1/models/m:streamGenerateContent?alt=sse"),
        ("gemini:http://h/a/models/m:streamGenerateContent?key=k", b"/a/models/m:streamGenerateContent?alt=sse&key=k"),
        ("gemini:http://h/v1/models/m:streamGenerateContent?alt=json", b"/v1/models/m:streamGenerateContent?alt=json"),
        ("gemini:http://h/v1/models/m:generateContent", b"/v1/models/m:generateContent"),
        ("gemini:http://h/v1/chat/completions", b"/v1/chat/completions"),
        (
            "azure:http://h/openai/deployments/m/chat/completions",
            b"/openai/deployments/m/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure:http://h/openai/deployments/m/extensions/chat/completions?api-version=1&x=2",
            b"/openai/deployments/m/extensions/chat/completions?api-version=1&x=2",
        ),
        ("azure:http://h/openai/v1/chat/completions", b"/openai/v1/chat/completions"),
        ("openai:http://h/v1/chat/completions?x=1", b"/v1/chat/completions?x=1"),
        ("bedrock:http://h/model/m/converse-stream", b"/model/m/converse-stream"),
    ],
)
def test_a_url_that_names_all_of_the_path_keeps_the_query_of_that_path(provider: str, sent: bytes) -> None:
    dialect, url, _ = parse_target(provider)
    assert build_request(dialect, url, Question("m", (Message("user", "Hi"),)), "").target == sent


async def test_no_connection_is_the_same_exception(refusing_port: int) -> None:
    assert (await failure(f"http://127.0.0.1:{refusing_port}")).error.kind is ErrorKind.UNREACHABLE


def test_the_message_of_a_provider_error_names_no_flag_of_ours() -> None:
    error = DialError("tls", "TLS with h:443 failed")
    error.add_note("-k does not verify it")
    assert as_provider_error(error).message == "TLS with h:443 failed"


async def test_the_options_of_open_are_taken() -> None:
    limited = b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    retry = Retry(attempts=2, first=0.0, is_repeatable=True)
    async with scripted(sends(limited), sends(quirk("comments"))) as server:
        async with client.tokens(f"openai:{server.url()}#m", "Hi", retry=retry) as answer:
            assert await answer.read() == "Hello"


@pytest.mark.parametrize(
    "provider, message",
    [
        ("nobody:http://a#m", "expected DIALECT:URL#MODEL, the dialect one of azure, openai"),
        ("openai", "expected DIALECT:URL#MODEL"),
        ("openai:ftp://a#m", "expected http://"),
        ("openai:http://a", "expected a model: openai:http://a#MODEL, or one in the question"),
    ],
)
async def test_a_provider_that_is_none_is_refused(provider: str, message: str) -> None:
    with pytest.raises(LocalError) as caught:
        async with client.tokens(provider, "Hi"):
            pass  # never entered
    assert str(caught.value).startswith(message)


def test_an_incomplete_body_is_at_hand_where_streams_are_opened() -> None:
    assert client.IncompleteBody is IncompleteBody
