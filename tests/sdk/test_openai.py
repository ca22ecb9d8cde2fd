"""The openai SDK: chat completions and responses, `.stream()` helpers, sync and async under trio."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tests.sdk.wishes import CALL, FRAMINGS, PROMPT, SCHEMA, TOKENS, failing, faulty, framed

openai = pytest.importorskip("openai", reason="needs openai: pip install 'chunkwire[sdk]'")

MESSAGES: Any = [{"role": "user", "content": PROMPT}]
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
TOOLS: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
USAGE: Any = {"include_usage": True}


@contextmanager
def client(base: str, **options: Any) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0, **options) as made:
        yield made


@asynccontextmanager
async def async_client(base: str) -> AsyncIterator[Any]:
    async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_chat_streams_its_tokens_under_any_framing(base: str, framing: str) -> None:
    with client(base) as made:
        stream = made.chat.completions.create(model="m", messages=MESSAGES, stream=True, extra_headers=framed(framing))
        chunks = list(stream)
    assert [text for chunk in chunks if (text := chunk.choices[0].delta.content)] == TOKENS
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[0].id.startswith("chatcmpl-")


def test_a_chat_tells_its_usage_last_when_asked(base: str) -> None:
    with client(base) as made:
        chunks = list(made.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=USAGE))
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens, chunks[-1].usage.total_tokens) == ([], 8, 16)
    assert {chunk.usage for chunk in chunks[:-1]} == {None}


def test_the_stream_helper_of_a_chat_gathers_text_and_usage(base: str) -> None:
    with (
        client(base) as made,
        made.chat.completions.stream(model="m", messages=MESSAGES, stream_options=USAGE) as stream,
    ):
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert [delta for delta in deltas if delta] == TOKENS
    assert final.choices[0].message.content == PROMPT
    assert final.usage.completion_tokens == 8


def test_a_chat_calls_a_tool(base: str) -> None:
    with client(base) as made:
        with made.chat.completions.stream(model="m", messages=MESSAGES, tools=CHAT_TOOLS) as stream:
            final = stream.get_final_completion().choices[0]
        (call,) = final.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", CALL)
        assert (final.finish_reason, call.id[:5]) == ("tool_calls", "call_")
        whole = made.chat.completions.create(model="m", messages=MESSAGES, tools=CHAT_TOOLS).choices[0]
        assert json.loads(whole.message.tool_calls[0].function.arguments) == CALL


def test_a_chat_in_one_body(base: str) -> None:
    with client(base) as made:
        whole = made.chat.completions.create(model="m", messages=MESSAGES, max_tokens=2)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("Sag hallo", "length")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_response_streams_its_tokens_under_any_framing(base: str, framing: str) -> None:
    with client(base) as made:
        events = list(made.responses.create(model="m", input=PROMPT, stream=True, extra_headers=framed(framing)))
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == TOKENS
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


def test_the_stream_helper_of_a_response_gathers_text_and_usage(base: str) -> None:
    with client(base) as made, made.responses.stream(model="m", input=PROMPT) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert deltas == TOKENS
    assert (final.output_text, final.usage.total_tokens, final.status) == (PROMPT, 16, "completed")


def test_a_response_calls_a_tool(base: str) -> None:
    with client(base) as made, made.responses.stream(model="m", input=PROMPT, tools=TOOLS) as stream:
        pieces = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        (call,) = stream.get_final_response().output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", CALL)
    assert "".join(pieces) == call.arguments


def test_a_response_in_one_body(base: str) -> None:
    with client(base) as made:
        whole = made.responses.create(model="m", input=PROMPT)
        short = made.responses.create(model="m", input=PROMPT, max_output_tokens=1)
    assert (whole.output_text, whole.usage.output_tokens) == (PROMPT, 8)
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@pytest.mark.parametrize(
    "what, error",
    [
        ("400", "BadRequestError"),
        ("wrong-key", "AuthenticationError"),
        ("forbidden", "PermissionDeniedError"),
        ("not-found", "NotFoundError"),
        ("rate-limit", "RateLimitError"),
        ("503", "InternalServerError"),
    ],
)
def test_errors_before_the_stream_are_the_sdks_own(base: str, what: str, error: str) -> None:
    with client(base) as made:
        with pytest.raises(getattr(openai, error), match="the mock is set to"):
            made.chat.completions.create(model="m", messages=MESSAGES, stream=True, extra_headers=failing(what))
        with pytest.raises(getattr(openai, error), match="the mock is set to"):
            made.responses.create(model="m", input=PROMPT, extra_headers=failing(what))


def test_an_error_in_mid_chat_is_raised_after_its_tokens(base: str) -> None:
    with client(base) as made:
        extra = failing("overloaded@2")
        stream = made.chat.completions.create(model="m", messages=MESSAGES, stream=True, extra_headers=extra)
        assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", *TOKENS[:2]]
        with pytest.raises(openai.APIError, match="the mock is set to fail: overloaded") as caught:
            next(stream)
    assert caught.value.code == "server_is_overloaded"


def test_an_error_in_mid_response_is_an_event_and_a_failed_response(base: str) -> None:
    with client(base) as made:
        extra = failing("server@2")
        events = list(made.responses.create(model="m", input=PROMPT, stream=True, extra_headers=extra))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1].response.error.message == "the mock is set to fail: server"


def test_a_stream_that_is_cut_is_a_connection_error(base: str) -> None:
    with client(base) as made:
        extra = faulty("cut=3")
        stream = made.chat.completions.create(model="m", messages=MESSAGES, stream=True, extra_headers=extra)
        with pytest.raises(openai.APIConnectionError):
            list(stream)


def test_a_terminal_event_without_a_last_chunk_is_enough_for_a_chat(base: str) -> None:
    with client(base) as made:
        extra = faulty("no-terminator")
        stream = made.chat.completions.create(model="m", messages=MESSAGES, stream=True, extra_headers=extra)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == PROMPT


def test_the_sdk_asks_again_after_a_503_and_its_retry_after(base: str) -> None:
    wishes = {**failing("503"), "x-chunkwire-retry-after": "0"}
    with openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=1) as made:
        with pytest.raises(openai.InternalServerError) as caught:
            made.chat.completions.create(model="m", messages=MESSAGES, extra_headers=wishes)
    assert caught.value.response.headers["retry-after"] == "0"
    assert caught.value.request.headers["x-stainless-retry-count"] == "1"


# The SDK leaves its own async generators half-way at [DONE], for the garbage collector, and trio says so.
leaves_generators = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@leaves_generators
async def test_under_trio_a_chat_streams(base: str) -> None:
    async with async_client(base) as made:
        stream = await made.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert [text async for chunk in stream if (text := chunk.choices[0].delta.content)] == TOKENS


@leaves_generators
async def test_under_trio_the_stream_helpers_work(base: str) -> None:
    async with async_client(base) as made:
        async with made.chat.completions.stream(model="m", messages=MESSAGES) as stream:
            assert (await stream.get_final_completion()).choices[0].message.content == PROMPT
        async with made.responses.stream(model="m", input=PROMPT) as stream:
            assert (await stream.get_final_response()).output_text == PROMPT


def test_azures_client_finds_its_deployment(base: str) -> None:
    with openai.AzureOpenAI(azure_endpoint=base, api_key="k", api_version="2024-10-21", max_retries=0) as made:
        stream = made.chat.completions.create(model="my-gpt", messages=MESSAGES, stream=True)
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == PROMPT
    assert chunks[0].model == "my-gpt"
