"""boto3 against the mock's binary event stream: its parser checks every CRC."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from chunkwire.testing import Origin, Scenario, failing, status
from tests.sdk.wishes import CALL, FRAMINGS, PROMPT, SCHEMA, TOKENS

boto3 = pytest.importorskip("boto3", reason="needs boto3: pip install 'chunkwire[sdk]'")

MODEL = "anthropic.claude-9:0"
ASKED: Any = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": PROMPT}]}]}
TOOLS: Any = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}
BODY = json.dumps(
    {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": [{"role": "user", "content": PROMPT}]}
)


@contextmanager
def client(base: str) -> Iterator[Any]:
    from botocore.config import Config

    made = boto3.client(
        "bedrock-runtime",
        endpoint_url=base,
        region_name="us-east-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="s",
        config=Config(retries={"max_attempts": 0}),
    )
    try:
        yield made
    finally:
        made.close()


@pytest.mark.chunkwire(FRAMINGS)
def test_converse_streams_its_tokens_under_any_framing(origin: Origin, scenario: Scenario) -> None:
    with client(origin.bedrock(PROMPT, framing=scenario).url) as made:
        events = list(made.converse_stream(**ASKED)["stream"])
    assert [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event] == TOKENS
    assert [next(iter(event)) for event in events[-3:]] == ["contentBlockStop", "messageStop", "metadata"]
    assert events[-2]["messageStop"]["stopReason"] == "end_turn"
    assert events[-1]["metadata"]["usage"] == {"inputTokens": 8, "outputTokens": 8, "totalTokens": 16}


def test_converse_calls_a_tool(origin: Origin) -> None:
    with client(origin.url) as made:
        events = list(made.converse_stream(**ASKED, toolConfig=TOOLS)["stream"])
        whole = made.converse(**ASKED, toolConfig=TOOLS)["output"]["message"]["content"][0]["toolUse"]
    start = next(event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event)
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert (start["name"], start["toolUseId"][:8]) == ("weather", "tooluse_")
    assert json.loads("".join(delta["toolUse"]["input"] for delta in deltas)) == CALL == whole["input"]


def test_converse_may_answer_in_one_body(origin: Origin) -> None:
    with client(origin.url) as made:
        whole = made.converse(**ASKED, inferenceConfig={"maxTokens": 2})
    assert whole["output"]["message"]["content"] == [{"text": "Sag hallo"}]
    assert whole["stopReason"] == "max_tokens"


def test_invoke_model_streams_anthropics_events(origin: Origin) -> None:
    with client(origin.bedrock([PROMPT, PROMPT]).url) as made:
        parts = list(made.invoke_model_with_response_stream(modelId=MODEL, body=BODY)["body"])
        whole = json.loads(made.invoke_model(modelId=MODEL, body=BODY)["body"].read())
    events = [json.loads(part["chunk"]["bytes"]) for part in parts]
    assert [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"] == TOKENS
    assert events[-1]["type"] == "message_stop"
    assert whole["content"] == [{"type": "text", "text": PROMPT}]


@pytest.mark.parametrize(
    "number, code",
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_errors_before_the_stream_have_their_names(origin: Origin, number: int, code: str) -> None:
    from botocore.exceptions import ClientError

    with client(origin.bedrock([status(number)]).url) as made:
        with pytest.raises(ClientError, match=f"the test answers {number}") as caught:
            made.converse_stream(**ASKED)
    assert caught.value.response["Error"]["Code"] == code


def test_an_error_in_mid_stream_is_raised_after_its_tokens(origin: Origin) -> None:
    from botocore.exceptions import EventStreamError

    run = origin.bedrock([failing("rate-limit", TOKENS[:2])])
    with client(run.url) as made, closing(made.converse_stream(**ASKED)["stream"]) as stream:
        events = iter(stream)
        assert "messageStart" in next(events)
        assert [next(events)["contentBlockDelta"]["delta"]["text"] for _ in range(2)] == TOKENS[:2]
        with pytest.raises(EventStreamError, match="throttlingException"):
            next(events)
