"""The anthropic SDK: messages and its `.stream()` helper, and Bedrock's InvokeModel."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chunkwire.testing import Origin, Scenario, cut, failing, status
from tests.sdk.wishes import CALL, FAST, FRAMINGS, PROMPT, SCHEMA, TOKENS

anthropic = pytest.importorskip("anthropic", reason="needs anthropic: pip install 'chunkwire[sdk]'")

ASKED: Any = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": PROMPT}]}
TOOLS: Any = [{"name": "weather", "input_schema": SCHEMA}]


@contextmanager
def client(base: str, **options: Any) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=base, api_key="k", max_retries=0, **options) as made:
        yield made


def test_a_base_url_with_the_version_is_refused_by_saying_so(origin: Origin) -> None:
    with client(f"{origin.url}/v1") as made, pytest.raises(anthropic.NotFoundError) as caught:
        made.messages.create(**ASKED)
    error = caught.value.body["error"]
    assert error["type"] == "not_found_error"
    assert error["message"].endswith("the SDK adds /v1 itself, so its base URL must not end in /v1")


@pytest.mark.chunkwire(FRAMINGS)
def test_a_message_streams_its_tokens_under_any_framing(origin: Origin, scenario: Scenario) -> None:
    with client(origin.anthropic(PROMPT, framing=scenario).url) as made:
        events = list(made.messages.create(**ASKED, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert [event.delta.text for event in events if event.type == "content_block_delta"] == TOKENS


def test_a_stream_that_is_cut_raises(origin: Origin) -> None:
    with client(origin.anthropic([cut(PROMPT)]).url) as made, made.messages.stream(**ASKED) as stream:
        with pytest.raises(Exception, match=r"(?i)peer closed connection|incomplete|connection error"):
            stream.get_final_message()


def test_the_stream_helper_gathers_text_and_usage(origin: Origin) -> None:
    with client(origin.anthropic(PROMPT).url) as made, made.messages.stream(**ASKED) as stream:
        assert list(stream.text_stream) == TOKENS
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 8, 8)


def test_a_message_calls_a_tool(origin: Origin) -> None:
    with client(origin.url, default_headers=FAST) as made:
        with made.messages.stream(**ASKED, tools=TOOLS) as stream:
            pieces = [event.partial_json for event in stream if event.type == "input_json"]
            final = stream.get_final_message()
        (block,) = final.content
        assert (block.name, block.input, block.id[:6]) == ("weather", CALL, "toolu_")
        assert (final.stop_reason, final.id[:4]) == ("tool_use", "msg_")
        assert len(pieces) > 1
        assert made.messages.create(**ASKED, tools=TOOLS).content[0].input == CALL


def test_a_message_may_come_in_one_body(origin: Origin) -> None:
    with client(origin.url, default_headers=FAST) as made:
        whole = made.messages.create(**{**ASKED, "max_tokens": 2})
    assert (whole.content[0].text, whole.stop_reason) == ("Sag hallo", "max_tokens")


def test_pings_are_skipped(origin: Origin) -> None:
    slow = {"x-chunkwire-ttft": "300ms", "x-chunkwire-keep-alive": "50ms"}
    with client(origin.url) as made, made.messages.stream(**ASKED, extra_headers=slow) as stream:
        assert stream.get_final_text() == PROMPT


@pytest.mark.parametrize(
    "code, error",
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (529, "APIStatusError"),
    ],
)
def test_errors_before_the_stream_are_the_sdks_own(origin: Origin, code: int, error: str) -> None:
    with client(origin.anthropic([status(code)]).url) as made:
        with pytest.raises(getattr(anthropic, error), match=f"the test answers {code}"):
            made.messages.create(**ASKED, stream=True)


def test_an_error_in_mid_stream_is_raised_after_its_tokens(origin: Origin) -> None:
    got: list[str] = []
    with client(origin.anthropic([failing("overloaded", TOKENS[:2])]).url) as made:
        with made.messages.stream(**ASKED) as stream:
            with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
                got.extend(stream.text_stream)
    assert got == TOKENS[:2]


def test_sampling_parameters_are_refused_as_by_the_latest_version(origin: Origin) -> None:
    extra = {"anthropic-version": "2026-10-21"}
    with client(origin.url) as made, pytest.raises(anthropic.BadRequestError, match="top_k: not supported"):
        made.messages.create(**ASKED, extra_body={"top_k": 1}, extra_headers=extra)


def test_anthropics_own_bedrock_client_reads_invoke_model(origin: Origin) -> None:
    pytest.importorskip("boto3", reason="needs boto3: pip install 'chunkwire[sdk]'")
    keys = {"aws_access_key": "AKID", "aws_secret_key": "s", "aws_region": "us-east-1"}
    with anthropic.AnthropicBedrock(base_url=origin.bedrock(PROMPT).url, max_retries=0, **keys) as made:
        with made.messages.stream(**ASKED) as stream:
            assert stream.get_final_text() == PROMPT
