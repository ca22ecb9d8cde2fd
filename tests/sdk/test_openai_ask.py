"""The openai SDK in front of `chunkwire ask`: whoever answers behind it, its form comes back."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.peers.command import serving
from tests.sdk.wishes import PROMPT, SCHEMA, TOKENS

openai = pytest.importorskip("openai", reason="needs openai: pip install 'chunkwire[sdk]'")

HI: Any = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
USAGE: Any = {"include_usage": True}


@pytest.fixture(scope="module")
def made() -> Generator[Any, None, None]:
    """A client of an endpoint whose first provider is down, and whose second one speaks another dialect."""
    with (
        serving("serve", "--time-to-first-token", "0", "--inter-token-latency", "0") as model,
        serving("ask", "down=openai:http://127.0.0.1:1#m", f"up=anthropic:{model.url('')}#m") as served,
        openai.OpenAI(base_url=served.url("/v1"), api_key="k", max_retries=0) as client,
    ):
        yield client


def test_a_chat_streams_its_tokens_and_its_usage(made: Any) -> None:
    chunks = list(made.chat.completions.create(**HI, stream=True, stream_options=USAGE))
    assert [text for chunk in chunks[:-1] if (text := chunk.choices[0].delta.content)] == TOKENS
    assert (chunks[-2].choices[0].finish_reason, chunks[-1].usage.completion_tokens) == ("stop", len(TOKENS))


def test_its_base_url_may_lack_the_version(made: Any) -> None:
    other = made.with_options(base_url=str(made.base_url).removesuffix("v1/"))
    assert other.chat.completions.create(**HI).choices[0].message.content == PROMPT
    assert [model.id for model in other.models.list()] == ["m"]


def test_tools_stream_and_their_results_are_taken(made: Any) -> None:
    with made.chat.completions.stream(**HI, tools=TOOLS) as stream:
        events = {event.type for event in stream}
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls
    assert "tool_calls.function.arguments.done" in events
    assert call.function.name == "weather"
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    talk = [*HI["messages"], message.model_dump(exclude_none=True), result]
    answer = made.chat.completions.create(model="m", messages=talk, tools=TOOLS, tool_choice="none")
    assert answer.choices[0].message.content


def test_models_and_errors_are_those_of_the_form(made: Any) -> None:
    assert [model.id for model in made.models.list()] == ["m"]
    with pytest.raises(openai.BadRequestError, match="temperature: expected a number from 0 to 2") as caught:
        made.chat.completions.create(**HI, temperature=9)
    assert caught.value.param == "temperature"
