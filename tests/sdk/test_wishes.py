"""What the SDKs make of reasoning, refusals, structure, chosen tools, choices, lists and counts; relayed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.peers.command import serving
from tests.sdk.wishes import PROMPT, SCHEMA, TOKENS

openai = pytest.importorskip("openai", reason="needs openai: pip install 'chunkwire[sdk]'")
anthropic = pytest.importorskip("anthropic", reason="needs anthropic: pip install 'chunkwire[sdk]'")
genai = pytest.importorskip("google.genai", reason="needs google-genai: pip install 'chunkwire[sdk]'")
boto3 = pytest.importorskip("boto3", reason="needs boto3: pip install 'chunkwire[sdk]'")
pydantic = pytest.importorskip("pydantic")

USER: Any = [{"role": "user", "content": PROMPT}]
STRICT = {**SCHEMA, "additionalProperties": False}


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """Where the SDK is pointed, without a path: a gateway before mocks that answer at once."""
    with serving("serve", "--time-to-first-token", "0", "--inter-token-latency", "0") as model:
        with serving("forward", model.url("")) as gateway:
            yield gateway.url("")


@contextmanager
def chat(base: str) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0) as made:
        yield made


@contextmanager
def claude(base: str) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=base, api_key="k", max_retries=0) as made:
        yield made


def gemini(base: str) -> Any:
    return genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=base))


def bedrock(base: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=base,
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )


def functions(*names: str) -> list[Any]:
    return [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in names]


def test_openai_parses_a_structured_answer_and_is_told_of_a_refusal(base: str) -> None:
    city = pydantic.create_model("City", city=(str, ...))
    with chat(base) as made:
        parsed = made.chat.completions.parse(model="m", messages=USER, response_format=city)
        assert parsed.choices[0].message.parsed.city == PROMPT
        assert made.responses.parse(model="m", input=PROMPT, text_format=city).output_parsed.city == PROMPT
        refused = {"x-chunkwire-refusal": "I cannot."}
        with made.chat.completions.stream(model="m", messages=USER, extra_headers=refused) as stream:
            deltas = [event.delta for event in stream if event.type == "refusal.delta"]
            assert stream.get_final_completion().choices[0].message.refusal == "I cannot."
        assert "".join(deltas) == "I cannot."


def test_openai_has_choices_and_the_probabilities_of_tokens(base: str) -> None:
    with chat(base) as made:
        asked: Any = {"model": "m", "messages": USER, "n": 2, "logprobs": True, "top_logprobs": 3}
        whole = made.chat.completions.create(**asked)
        with made.chat.completions.stream(**asked) as stream:
            streamed = stream.get_final_completion()
    for completion in (whole, streamed):
        assert [choice.message.content for choice in completion.choices] == [PROMPT, PROMPT]
        assert [each.token for each in completion.choices[1].logprobs.content] == TOKENS
        assert len(completion.choices[0].logprobs.content[0].top_logprobs) == 3
    assert whole.usage.completion_tokens == 2 * len(TOKENS)
    include: Any = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    with chat(base) as made:
        (message,) = made.responses.create(model="m", input=PROMPT, **include).output
    assert [each.token for each in message.content[0].logprobs] == TOKENS


def test_openai_calls_the_tool_that_was_chosen_and_several_at_once(base: str) -> None:
    chosen: Any = {"type": "function", "function": {"name": "b"}}
    both: Any = [{"role": "user", "content": "Use b and a"}]
    with chat(base) as made:
        one = made.chat.completions.create(model="m", messages=USER, tools=functions("a", "b"), tool_choice=chosen)
        with made.chat.completions.stream(model="m", messages=both, tools=functions("a", "b")) as stream:
            two = stream.get_final_completion()
    assert [call.function.name for call in one.choices[0].message.tool_calls] == ["b"]
    calls = two.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("b", {"city": "Use b and a"}),
        ("a", {"city": "Use b and a"}),
    ]


def test_openai_responses_have_a_summary_of_the_reasoning(base: str) -> None:
    with chat(base) as made, made.responses.stream(model="m", input=PROMPT, reasoning={"summary": "auto"}) as stream:
        thoughts = [event.delta for event in stream if event.type == "response.reasoning_summary_text.delta"]
        final = stream.get_final_response()
    assert "".join(thoughts) == f"They ask: {PROMPT}"
    assert [item.type for item in final.output] == ["reasoning", "message"]
    assert (final.output_text, final.usage.output_tokens_details.reasoning_tokens) == (PROMPT, 10)


def test_models_are_listed(base: str) -> None:
    with chat(base) as made:
        assert [model.id for model in made.models.list()] == ["mock-1"]
        assert made.models.retrieve("m").id == "m"
    with claude(base) as made:
        assert [model.id for model in made.models.list()] == ["mock-1"]
    google = gemini(base)  # it closes its connections when nobody holds it
    assert [model.name for model in google.models.list()] == ["models/mock-1"]


def test_tokens_are_counted(base: str) -> None:
    with claude(base) as made:
        assert made.messages.count_tokens(model="m", messages=USER).input_tokens == 8
    google = gemini(base)
    assert google.models.count_tokens(model="m", contents=PROMPT).total_tokens == 8


def test_anthropic_answers_in_the_structure_that_is_asked_for(base: str) -> None:
    structure = {"output_config": {"format": {"type": "json_schema", "schema": STRICT}}}
    with claude(base) as made:
        answer = made.messages.create(model="m", max_tokens=99, messages=USER, extra_body=structure)
    assert json.loads(answer.content[0].text) == {"city": PROMPT}


def test_anthropic_thinks_and_then_calls_the_tool_that_was_chosen(base: str) -> None:
    tools: Any = [{"name": name, "input_schema": SCHEMA} for name in ("a", "b")]
    asked: Any = {"model": "m", "max_tokens": 4096, "messages": USER, "thinking": {"type": "adaptive"}}
    with claude(base) as made:
        with made.messages.stream(**asked) as stream:
            thoughts = "".join(event.thinking for event in stream if event.type == "thinking")
            final = stream.get_final_message()
        chosen = made.messages.create(**asked, tools=tools, tool_choice={"type": "tool", "name": "b"})
    assert thoughts == f"They ask: {PROMPT}"
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].signature
    assert [block.type for block in chosen.content] == ["thinking", "tool_use"]
    assert chosen.content[1].name == "b"


def test_gemini_has_thoughts_structure_and_the_tool_that_was_chosen(base: str) -> None:
    types, made = genai.types, gemini(base)
    thinking = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    parts = [
        part
        for event in made.models.generate_content_stream(model="m", contents=PROMPT, config=thinking)
        for part in event.candidates[0].content.parts
    ]
    assert "".join(part.text for part in parts if part.thought) == f"They ask: {PROMPT}"
    assert "".join(part.text for part in parts if not part.thought) == PROMPT
    config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=STRICT)
    assert json.loads(made.models.generate_content(model="m", contents=PROMPT, config=config).text) == {"city": PROMPT}
    declared = [types.FunctionDeclaration(name=name, parameters_json_schema=SCHEMA) for name in ("a", "b")]
    calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["b"])
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=declared)],
        tool_config=types.ToolConfig(function_calling_config=calling),
    )
    (call,) = made.models.generate_content(model="m", contents=PROMPT, config=config).function_calls
    assert (call.name, call.args) == ("b", {"city": PROMPT})


def test_gemini_has_the_probabilities_of_tokens(base: str) -> None:
    made = gemini(base)
    config = genai.types.GenerateContentConfig(response_logprobs=True, logprobs=3, candidate_count=2)
    whole = made.models.generate_content(model="m", contents=PROMPT, config=config).candidates
    events = list(made.models.generate_content_stream(model="m", contents=PROMPT, config=config))
    steps = [step for event in events for step in event.candidates[1].logprobs_result.chosen_candidates]
    assert [step.token for step in steps] == TOKENS
    assert [step.token for step in whole[1].logprobs_result.chosen_candidates] == TOKENS
    assert [len(top.candidates) for top in whole[0].logprobs_result.top_candidates] == [3] * len(TOKENS)
    assert whole[0].avg_logprobs == events[-1].candidates[0].avg_logprobs == steps[0].log_probability
    for wrong in (21, -1):
        config = genai.types.GenerateContentConfig(response_logprobs=True, logprobs=wrong)
        with pytest.raises(genai.errors.ClientError, match="INVALID_ARGUMENT"):
            made.models.generate_content(model="m", contents=PROMPT, config=config)


def test_bedrock_has_structure_and_fields_of_the_models_own(base: str) -> None:
    made = bedrock(base)
    schema = {"jsonSchema": {"schema": json.dumps(STRICT), "name": "city"}}
    asked: Any = {
        "modelId": "m",
        "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": schema}},
        "additionalModelResponseFieldPaths": ["/stop_sequence", "/usage/input_tokens", "/logprobs"],
    }
    events = list(made.converse_stream(**asked)["stream"])
    whole = made.converse(**asked)
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert (
        json.loads("".join(deltas)) == json.loads(whole["output"]["message"]["content"][0]["text"]) == {"city": PROMPT}
    )
    fields = {"stop_sequence": None, "usage": {"input_tokens": 8}}
    assert whole["additionalModelResponseFields"] == fields
    assert events[-2]["messageStop"]["additionalModelResponseFields"] == fields


@pytest.mark.parametrize("name", ["n", "logprobs"])
def test_bedrock_and_anthropic_refuse_several_answers_and_probabilities(base: str, name: str) -> None:
    made, words = bedrock(base), f"{name}: Extra inputs are not permitted"
    messages: Any = [{"role": "user", "content": [{"text": PROMPT}]}]
    with pytest.raises(made.exceptions.ValidationException, match=f"following errors: {words}"):
        made.converse(modelId="m", messages=messages, additionalModelRequestFields={name: 2})
    assert made.converse(modelId="m", messages=messages, additionalModelRequestFields={"top_k": 2})["stopReason"]
    with claude(base) as other, pytest.raises(anthropic.BadRequestError, match=words):
        other.messages.create(model="m", max_tokens=9, messages=USER, extra_body={name: 2})


def test_bedrock_reasons_and_calls_the_tool_that_was_chosen(base: str) -> None:
    made = bedrock(base)
    asked: Any = {"modelId": "m", "messages": [{"role": "user", "content": [{"text": PROMPT}]}]}
    thinking: Any = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}
    deltas = [
        event["contentBlockDelta"]["delta"]
        for event in made.converse_stream(**asked, **thinking)["stream"]
        if "contentBlockDelta" in event
    ]
    thoughts = "".join(delta["reasoningContent"].get("text", "") for delta in deltas if "reasoningContent" in delta)
    assert thoughts == f"They ask: {PROMPT}"
    assert "".join(delta["text"] for delta in deltas if "text" in delta) == PROMPT
    tools = [{"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}} for name in ("a", "b")]
    config: Any = {"tools": tools, "toolChoice": {"tool": {"name": "b"}}}
    (block,) = made.converse(**asked, toolConfig=config)["output"]["message"]["content"]
    assert (block["toolUse"]["name"], block["toolUse"]["input"]) == ("b", {"city": PROMPT})
