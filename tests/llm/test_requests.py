"""Requests to the providers: what is asked is understood, what they refuse is refused, what is built is understood."""

import json

import pytest

from chunkwire.llm import DIALECTS, route
from chunkwire.llm.answer import ErrorKind
from chunkwire.llm.question import Message, ModelRequest, Question, RequestRefused, Tool

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TALK = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "And?"))


def post(target: str, body: object, **fields: str) -> ModelRequest:
    lines = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in fields.items())
    return ModelRequest(b"POST", target.encode(), lines, json.dumps(body).encode())


def parse(request: ModelRequest) -> Question:
    dialect = route(request.path)
    assert dialect is not None
    return dialect.parse_request(request)


def messages_request(body: object, version: str = "2023-06-01") -> ModelRequest:
    return post("/v1/messages", body, anthropic_version=version)


@pytest.mark.parametrize(
    "path, name",
    [
        ("/v1/chat/completions", "openai"),
        ("/openai/deployments/gpt/chat/completions", "azure"),
        ("/openai/v1/chat/completions", "openai"),
        ("/v1/responses", "openai-responses"),
        ("/v1/messages", "anthropic"),
        ("/v1beta/models/gemini-3:streamGenerateContent", "gemini"),
        ("/v1/models/gemini-3:generateContent", "gemini"),
        ("/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", "gemini"),
        ("/model/anthropic.claude%3A0/converse-stream", "bedrock"),
        ("/model/m/converse", "bedrock"),
        ("/model/m/invoke-with-response-stream", "bedrock"),
        ("/model/m/invoke", "bedrock"),
        *(
            (path, None)
            for path in ("/", "/v1/models", "/v1/messages/batches", "/model/m/else", "/models/g:embedContent")
        ),
    ],
)
def test_a_path_names_its_dialect_and_another_path_none(path: str, name: str | None) -> None:
    assert route(path) is (None if name is None else DIALECTS[name])


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("base", [b"", b"/", b"/a/b", b"/a/b/"])
def test_what_is_built_is_understood(name: str, base: bytes, is_stream: bool) -> None:
    asked = Question("m/1:0 ü", TALK, is_stream=is_stream, max_tokens=7)
    dialect = DIALECTS[name]
    request = dialect.build_request(asked, base=base, key="k-1")
    assert request.target.startswith(b"/")
    assert b"//" not in request.target
    routed = route(request.path)
    assert routed is not None
    assert routed.name == name
    assert routed.parse_request(request) == asked
    assert routed.key_of(request) == "k-1"
    assert routed.key_of(dialect.build_request(asked)) is None
    amazon, others = b"application/vnd.amazon.eventstream", b"text/event-stream; charset=utf-8"
    assert routed.stream_type(asked) == (amazon if name == "bedrock" else others)


@pytest.mark.parametrize(
    "name, target",
    [
        ("openai", b"/v1/chat/completions"),
        ("openai-responses", b"/v1/responses"),
        ("anthropic", b"/v1/messages"),
        ("gemini", b"/v1beta/models/m:streamGenerateContent?alt=sse"),
        ("bedrock", b"/model/m/converse-stream"),
        ("azure", b"/openai/deployments/m/chat/completions?api-version=2024-10-21"),
    ],
)
def test_the_path_without_a_base_is_the_providers_own(name: str, target: bytes) -> None:
    assert DIALECTS[name].build_request(Question("m", TALK)).target == target


def test_a_chat_with_parts_tools_and_options_is_understood() -> None:
    user = {"role": "user", "content": [{"type": "text", "text": "Is it"}, {"type": "image_url"}, {"text": " wet?"}]}
    body = {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "developer", "content": "Short."}, user, {"role": "tool", "content": "yes"}],
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}, {"type": "custom"}],
    }
    turns = (Message("system", "Short."), Message("user", "Is it wet?"), Message("tool", "yes"))
    question = parse(post("/v1/chat/completions", body))
    assert question == Question("m", turns, (Tool("weather", SCHEMA),))
    assert question.prompt == "Is it wet?"
    assert parse(post("/v1/chat/completions", body | {"tool_choice": "none"})).tools == ()
    assert [parse(post("/v1/chat/completions", body | {"n": n})).choices for n in (1, 128)] == [1, 128]


def test_a_chat_stream_has_its_usage_only_when_asked() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    assert not parse(post("/v1/chat/completions", body | {"stream": True})).wants_usage
    assert parse(post("/v1/chat/completions", body)).wants_usage


def test_responses_take_a_text_or_items() -> None:
    assert parse(post("/v1/responses", {"model": "m", "input": "Hi"})).messages == (Message("user", "Hi"),)
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "wet"},
    ]
    tools = [{"type": "function", "name": "weather", "parameters": SCHEMA}, {"type": "web_search"}]
    body = {"model": "m", "input": items, "instructions": "Short.", "tools": tools}
    question = parse(post("/v1/responses", body))
    assert question.messages == (Message("system", "Short."), Message("user", "Hi"), Message("tool", "wet"))
    assert question.tools == (Tool("weather", SCHEMA),)


def test_anthropic_blocks_tool_results_and_tools_are_understood() -> None:
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "wet"}]}
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "Short."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, result],
        "tools": [{"name": "weather", "input_schema": SCHEMA}],
    }
    question = parse(messages_request(body))
    assert question.messages == (Message("system", "Short."), Message("user", "Hi"), Message("tool", ""))
    assert question.tools == (Tool("weather", SCHEMA),)
    assert not question.is_stream
    assert parse(messages_request(body | {"tool_choice": {"type": "none"}})).tools == ()


def test_gemini_without_alt_sse_asks_for_an_array() -> None:
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "tools": [{"functionDeclarations": [{"name": "f"}]}]}
    path = "/v1beta/models/g:streamGenerateContent"
    assert parse(post(path, body)).form == "array"
    question = parse(post(path + "?key=a%2Fb&alt=sse", body))
    assert (question.form, question.is_stream, question.tools) == ("", True, (Tool("f"),))
    forbidden = body | {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}
    assert parse(post(path, forbidden)).tools == ()
    assert DIALECTS["gemini"].key_of(post(path + "?key=a%2Fb&alt=sse", body)) == "a/b"


def test_gemini_takes_members_in_both_cases() -> None:
    tool = {"function_declarations": [{"name": "f", "parameters": {"properties": {"a_b": {"type": "STRING"}}}}]}
    config = {"max_output_tokens": 5, "thinkingConfig": {"include_thoughts": True}, "response_mime_type": "text/plain"}
    body = {"contents": [{"parts": [{"text": "Hi"}]}], "tools": [tool], "generation_config": config}
    question = parse(
        post("/v1beta/models/g:generateContent", body | {"system_instruction": {"parts": [{"text": "S"}]}})
    )
    assert (question.max_tokens, question.wants_reasoning, question.messages[0].text) == (5, True, "S")
    assert question.tools == (Tool("f", {"properties": {"a_b": {"type": "STRING"}}}),)


def test_bedrocks_invoke_speaks_anthropic() -> None:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}
    question = parse(post("/model/claude/invoke-with-response-stream", body))
    assert (question.model, question.form, question.is_stream) == ("claude", "invoke", True)
    assert not parse(post("/model/claude/invoke", body)).is_stream


def test_bedrocks_tools_and_results_are_understood() -> None:
    result = {"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "wet"}]}}]}
    spec = {"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}
    body = {"messages": [result], "system": [{"text": "Short."}], "toolConfig": {"tools": [spec]}}
    question = parse(post("/model/m/converse", body))
    assert question.messages == (Message("system", "Short."), Message("tool", ""))
    assert question.tools == (Tool("weather", SCHEMA),)


USER = [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    "request_, culprit",
    [
        (ModelRequest(b"POST", b"/v1/chat/completions", (), b"{"), "body: expected JSON, got '{'"),
        (ModelRequest(b"POST", b"/v1/chat/completions", (), b"\xff"), "body: expected JSON"),
        (post("/v1/chat/completions", [1]), "body: expected a JSON object"),
        (post("/v1/chat/completions", {"messages": USER}), "missing required parameter: 'model'"),
        (post("/v1/chat/completions", {"model": 5, "messages": USER}), "model: expected a text"),
        (post("/v1/chat/completions", {"model": "m"}), "missing required parameter: 'messages'"),
        (post("/v1/chat/completions", {"model": "m", "messages": []}), "messages: expected an array"),
        (post("/v1/chat/completions", {"model": "m", "messages": [{}]}), "messages[0].role"),
        (post("/v1/chat/completions", {"model": "m", "messages": USER, "stream": "yes"}), "stream: expected true"),
        (
            post("/v1/chat/completions", {"model": "m", "messages": USER, "n": 129}),
            "n: expected a whole number from 1",
        ),
        (post("/v1/responses", {"model": "m"}), "missing required parameter: 'input'"),
        (post("/v1/responses", {"model": "m", "input": [{"role": "x"}]}), "input[0].role"),
        (post("/v1/messages", {}), "anthropic-version: header is required"),
        (messages_request({"model": "m", "messages": USER}), "'max_tokens'"),
        (
            messages_request({"model": "m", "messages": USER, "max_tokens": 0}),
            "max_tokens: expected a whole number above 0",
        ),
        (messages_request({"model": "m", "messages": USER, "max_tokens": 1.5}), "max_tokens: expected a whole number"),
        (messages_request({"model": "m", "messages": USER, "max_tokens": True}), "max_tokens: expected a whole number"),
        (messages_request({"model": "m", "messages": [{"role": "tool"}], "max_tokens": 1}), "messages.0.role"),
        (post("/v1/models/g:generateContent", {}), "missing required parameter: 'contents'"),
        (post("/v1/models/g:generateContent", {"contents": [{"role": "x"}]}), "contents[0].role"),
        (post("/model/m/converse", {"messages": [{"role": "x"}]}), "messages.0.role"),
        (post("/model/titan/invoke", {"inputText": "a"}), "anthropic_version: required"),
    ],
)
def test_a_request_its_provider_refuses_is_refused_by_name(request_: ModelRequest, culprit: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        parse(request_)
    assert caught.value.error.kind is ErrorKind.BAD_REQUEST
    assert culprit in caught.value.error.message


@pytest.mark.parametrize("version, is_refused", [("2023-06-01", False), ("2026-10-20", False), ("2026-10-21", True)])
def test_anthropic_refuses_sampling_parameters_from_its_latest_version_on(version: str, is_refused: bool) -> None:
    request = messages_request({"model": "m", "max_tokens": 1, "messages": USER, "top_k": 1}, version)
    if is_refused:
        with pytest.raises(RequestRefused, match="top_k: not supported"):
            parse(request)
    else:
        assert parse(request).model == "m"


def test_a_lone_surrogate_in_a_prompt_is_replaced_so_that_it_can_be_echoed() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "a\ud800b"}]}
    assert parse(post("/v1/chat/completions", body)).prompt == "a\ufffdb"


def test_keys_are_found_where_each_provider_has_them() -> None:
    anthropic = DIALECTS["anthropic"]
    assert anthropic.key_of(post("/", {}, authorization="Bearer k")) == "k"
    assert anthropic.key_of(post("/", {}, x_api_key="k")) == "k"
    openai = DIALECTS["openai"]
    assert openai.key_of(post("/", {}, authorization="Bearer k", api_key="not this one")) == "k"
    assert openai.key_of(post("/", {}, api_key="k")) == "k"
    assert openai.key_of(post("/", {}, authorization="Basic k")) is None
    signed = "AWS4-HMAC-SHA256 Credential=AKID/20261101/us-east-1/bedrock/aws4_request, Signature=0"
    assert DIALECTS["bedrock"].key_of(post("/", {}, authorization=signed)) == "AKID"
    assert DIALECTS["bedrock"].key_of(post("/", {}, authorization="Basic k")) is None


def test_a_question_without_a_user_has_an_empty_prompt() -> None:
    assert Question("m", (Message("system", "x"),)).prompt == ""


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_more_alternatives_than_the_service_lists_are_refused(path: str) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "input": "Hi", "logprobs": True}
    asked["include"] = ["message.output_text.logprobs"]
    assert parse(post(path, {**asked, "top_logprobs": 20})).top_logprobs == 20
    for number in (21, -1, 10**15, "7"):
        with pytest.raises(RequestRefused, match="top_logprobs: expected a whole number from 0 to 20"):
            parse(post(path, {**asked, "top_logprobs": number}))
