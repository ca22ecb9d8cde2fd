"""The openai SDK: chat completions and responses, `.stream()` helpers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chunkwire.testing import BROKEN, LEGAL, Origin, Scenario, failing, status
from tests.sdk.wishes import CALL, FAST, PROMPT, SCHEMA, TOKENS

openai = pytest.importorskip("openai", reason="needs openai: pip install 'chunkwire[sdk]'")

CHAT: Any = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
ASKED: Any = {"model": "m", "input": PROMPT}
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
TOOLS: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}]
USAGE: Any = {"include_usage": True}


@contextmanager
def client(base: str, **options: Any) -> Iterator[Any]:
    with openai.OpenAI(**{"base_url": base, "api_key": "k", "max_retries": 0, **options}) as made:
        yield made


def mock(origin: Origin) -> Any:
    """Give a client of the origin's mock, which answers what it is asked."""
    return client(f"{origin.url}/v1", default_headers=FAST)


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_the_mock_is_at_a_base_url_with_and_without_its_version(origin: Origin) -> None:
    for base in (f"{origin.url}/v1", origin.url):
        with client(base, default_headers=FAST) as made:
            assert text_of(made.chat.completions.create(**CHAT, stream=True)) == PROMPT
            assert made.responses.create(**ASKED).output_text == PROMPT
            assert [model.id for model in made.models.list()] == ["mock-1"]


def test_a_path_that_is_not_mocked_is_an_error_of_the_form_that_the_sdk_reads(origin: Origin) -> None:
    with mock(origin) as made, pytest.raises(openai.NotFoundError) as caught:
        made.embeddings.create(model="m", input="x")
    assert caught.value.body["message"] == "no resource at /v1/embeddings; GET / lists what there is"


@pytest.mark.chunkwire(LEGAL)
def test_a_chat_streams_its_tokens_under_any_framing(origin: Origin, scenario: Scenario) -> None:
    with client(origin.openai(PROMPT, framing=scenario).url) as made:
        chunks = list(made.chat.completions.create(**CHAT, stream=True))
    assert [text for chunk in chunks if (text := chunk.choices[0].delta.content)] == TOKENS
    assert (chunks[0].choices[0].delta.role, chunks[-1].choices[0].finish_reason) == ("assistant", "stop")


@pytest.mark.chunkwire([each for each in BROKEN if not each.is_framed])
def test_a_chat_is_never_whole_that_broke_off(origin: Origin, scenario: Scenario) -> None:
    with client(origin.openai(PROMPT, framing=scenario).url) as made:
        with pytest.raises((openai.APIError, ValueError)):
            list(made.chat.completions.create(**CHAT, stream=True))


def test_a_chat_tells_its_usage_last_when_asked(origin: Origin) -> None:
    with client(origin.openai(PROMPT).url) as made:
        chunks = list(made.chat.completions.create(**CHAT, stream=True, stream_options=USAGE))
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens, chunks[-1].usage.total_tokens) == ([], 8, 16)
    assert {chunk.usage for chunk in chunks[:-1]} == {None}


def test_the_stream_helper_of_a_chat_gathers_text_and_usage(origin: Origin) -> None:
    with client(origin.openai(PROMPT).url) as made:
        with made.chat.completions.stream(**CHAT, stream_options=USAGE) as stream:
            deltas = [event.delta for event in stream if event.type == "content.delta"]
            final = stream.get_final_completion()
    assert [delta for delta in deltas if delta] == TOKENS
    assert (final.choices[0].message.content, final.usage.completion_tokens) == (PROMPT, 8)


def test_a_chat_calls_a_tool(origin: Origin) -> None:
    with mock(origin) as made:
        with made.chat.completions.stream(**CHAT, tools=CHAT_TOOLS) as stream:
            final = stream.get_final_completion().choices[0]
        (call,) = final.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", CALL)
        assert (final.finish_reason, call.id[:5]) == ("tool_calls", "call_")
        whole = made.chat.completions.create(**CHAT, tools=CHAT_TOOLS).choices[0]
        assert json.loads(whole.message.tool_calls[0].function.arguments) == CALL


def test_a_chat_may_come_in_one_body(origin: Origin) -> None:
    with mock(origin) as made:
        whole = made.chat.completions.create(**CHAT, max_tokens=2)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("Sag hallo", "length")
    assert whole.id.startswith("chatcmpl-")


@pytest.mark.chunkwire("event-per-chunk", "tiny", "one-chunk", "across-events")
def test_a_response_streams_its_tokens_under_any_framing(origin: Origin, scenario: Scenario) -> None:
    with client(origin.openai(PROMPT, framing=scenario).url) as made:
        events = list(made.responses.create(**ASKED, stream=True))
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == TOKENS
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


def test_the_stream_helper_of_a_response_gathers_text_and_usage(origin: Origin) -> None:
    with client(origin.openai(PROMPT).url) as made, made.responses.stream(**ASKED) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert deltas == TOKENS
    assert (final.output_text, final.usage.total_tokens, final.status) == (PROMPT, 16, "completed")


def test_a_response_calls_a_tool(origin: Origin) -> None:
    with mock(origin) as made, made.responses.stream(**ASKED, tools=TOOLS) as stream:
        pieces = [event.delta for event in stream if event.type == "response.function_call_arguments.delta"]
        (call,) = stream.get_final_response().output
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", CALL)
    assert "".join(pieces) == call.arguments


def test_a_response_may_come_in_one_body(origin: Origin) -> None:
    with mock(origin) as made:
        whole, short = made.responses.create(**ASKED), made.responses.create(**ASKED, max_output_tokens=1)
    assert (whole.output_text, whole.usage.output_tokens) == (PROMPT, 8)
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")


@pytest.mark.parametrize(
    "code, error",
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (503, "InternalServerError"),
    ],
)
def test_errors_before_the_stream_are_the_sdks_own(origin: Origin, code: int, error: str) -> None:
    with client(origin.openai([status(code), status(code)]).url) as made:
        with pytest.raises(getattr(openai, error), match=f"the test answers {code}"):
            made.chat.completions.create(**CHAT, stream=True)
        with pytest.raises(getattr(openai, error), match=f"the test answers {code}"):
            made.responses.create(**ASKED)


def test_an_error_in_mid_chat_is_raised_after_its_tokens(origin: Origin) -> None:
    with client(origin.openai([failing("overloaded", TOKENS[:2])]).url) as made:
        stream = made.chat.completions.create(**CHAT, stream=True)
        assert [next(stream).choices[0].delta.content for _ in range(3)] == ["", *TOKENS[:2]]
        with pytest.raises(openai.APIError, match="the test fails: overloaded") as caught:
            next(stream)
    assert caught.value.code == "server_is_overloaded"


def test_an_error_in_mid_response_is_an_event_and_a_failed_response(origin: Origin) -> None:
    with client(origin.openai([failing("server", TOKENS[:2])]).url) as made:
        events = list(made.responses.create(**ASKED, stream=True))
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1].response.error.message == "the test fails: server"


def test_each_word_is_there_before_the_next_is_sent(origin: Origin) -> None:
    run = origin.openai(by_hand=True)
    with client(run.url) as made:
        stream = made.chat.completions.create(**CHAT, stream=True)
        for word in TOKENS:
            run.send_event(word)
            while not (text := next(stream).choices[0].delta.content):
                pass  # the opening event has none
            assert text == word
        stream.close()
    run.wait_client_gone()


def test_azures_client_finds_its_deployment(origin: Origin) -> None:
    base = origin.openai(PROMPT).url
    with openai.AzureOpenAI(azure_endpoint=base, api_key="k", api_version="2024-10-21", max_retries=0) as made:
        chunks = list(made.chat.completions.create(**{**CHAT, "model": "my-gpt"}, stream=True))
    assert (text_of(chunks), chunks[0].model) == (PROMPT, "my-gpt")
