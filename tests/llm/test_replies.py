"""Whole responses: answers in one JSON body, and errors before any stream."""

import json
import math
import re
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import ErrorKind, ProviderError
from chunkwire.llm.dialect import Dialect
from chunkwire.llm.openai import MAX_TOP_LOGPROBS, logprob
from tests.llm.answers import ASKED, CALL, CALLING, FAILING, HELLO

WHOLE = replace(ASKED, is_stream=False)
BOTH = replace(CALLING, text=("Hm",))
LATER = b"Wed, 21 Oct 2026 07:28:00 GMT"
dialects = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def body(name: str, answer: object = HELLO, form: str = "") -> dict[str, object]:
    reply = DIALECTS[name].write_whole(answer, replace(WHOLE, form=form))  # type: ignore[arg-type]
    assert reply.status == 200
    assert (b"content-type", b"application/json") in reply.fields
    found = json.loads(reply.body)
    assert isinstance(found, dict)
    return found


def test_a_chat_completion_is_written_whole() -> None:
    found = body("openai", BOTH)
    function = {"name": "weather", "arguments": '{"city":"Zürich"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    message = {"role": "assistant", "content": "Hm", "refusal": None, "tool_calls": [call]}
    assert found["choices"] == [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}]
    assert (found["object"], found["id"], found["created"]) == ("chat.completion", "id-1", 1_700_000_000)
    assert found["usage"] == {
        "prompt_tokens": 1,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens": 2,
        "completion_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 3,
    }


def test_a_response_is_written_whole() -> None:
    found = body("openai-responses", BOTH)
    output = found["output"]
    assert isinstance(output, list)
    assert [item["type"] for item in output] == ["message", "function_call"]
    assert output[0]["content"][0]["text"] == "Hm"
    assert (output[1]["call_id"], output[1]["arguments"]) == ("call_1", '{"city":"Zürich"}')
    assert found["status"] == "completed"


@pytest.mark.parametrize("name, form", [("anthropic", ""), ("bedrock", "invoke")])
def test_a_message_is_written_whole(name: str, form: str) -> None:
    found = body(name, BOTH, form)
    assert found["content"] == [
        {"type": "text", "text": "Hm"},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Zürich"}},
    ]
    assert (found["stop_reason"], found["usage"]) == ("tool_use", {"input_tokens": 1, "output_tokens": 2})


def test_generated_content_is_written_whole() -> None:
    found = body("gemini", BOTH)
    call = {"functionCall": {"id": "call_1", "name": "weather", "args": {"city": "Zürich"}}}
    content = {"parts": [{"text": "Hm"}, call], "role": "model"}
    assert found["candidates"] == [{"content": content, "index": 0, "finishReason": "STOP"}]


def test_an_answer_of_converse_is_written_whole() -> None:
    found = body("bedrock", BOTH)
    tool_use = {"toolUseId": "call_1", "name": "weather", "input": {"city": "Zürich"}}
    message = {"role": "assistant", "content": [{"text": "Hm"}, {"toolUse": tool_use}]}
    assert found["output"] == {"message": message}
    assert (found["stopReason"], found["metrics"]) == ("tool_use", {"latencyMs": 0})


@dialects
def test_a_call_without_arguments_has_an_empty_object(dialect: Dialect) -> None:
    bare = replace(CALLING, tool_calls=(replace(CALL, arguments=()),))
    body = dialect.write_whole(bare, WHOLE).body
    assert re.search(rb'"(arguments|input|args)":"?\{\}', body), body


@dialects
def test_an_answer_that_failed_is_an_error_response(dialect: Dialect) -> None:
    reply = dialect.write_whole(FAILING, WHOLE)
    assert reply.status in (503, 529)
    assert b"Too many people ask." in reply.body


@dialects
@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind is not ErrorKind.TOO_LARGE])
def test_an_error_response_is_read_as_it_was_written(dialect: Dialect, kind: ErrorKind) -> None:
    reply = dialect.write_error(ProviderError(kind, "no, since"))
    error = dialect.read_error(reply.status, reply.fields, reply.body)
    ours = kind in (
        ErrorKind.UNREACHABLE,
        ErrorKind.NOT_A_STREAM,
        ErrorKind.BROKEN,
        ErrorKind.INCOMPLETE,
        ErrorKind.EMPTY,
    )
    assert error == ProviderError(ErrorKind.SERVER if ours else kind, "no, since", reply.status)


@pytest.mark.parametrize(
    "name, wrong_key, overloaded",
    [("openai", 401, 503), ("azure", 401, 503), ("anthropic", 401, 529), ("gemini", 400, 503), ("bedrock", 403, 503)],
)
def test_an_error_has_each_providers_status(name: str, wrong_key: int, overloaded: int) -> None:
    for kind, status in ((ErrorKind.WRONG_KEY, wrong_key), (ErrorKind.OVERLOADED, overloaded)):
        assert DIALECTS[name].write_error(ProviderError(kind, "no")).status == status


@dialects
def test_a_status_that_was_chosen_is_kept(dialect: Dialect) -> None:
    assert dialect.write_error(ProviderError(ErrorKind.SERVER, "no", 502)).status == 502


@dialects
def test_retry_after_is_written_in_whole_seconds_rounded_up_and_read(dialect: Dialect) -> None:
    reply = dialect.write_error(ProviderError(ErrorKind.RATE_LIMIT, "slower", retry_after=1.2))
    assert (b"retry-after", b"2") in reply.fields
    assert dialect.read_error(reply.status, reply.fields, reply.body).retry_after == 2.0


@pytest.mark.parametrize(
    "fields, seconds",
    [
        (((b"Retry-After-Ms", b"250"), (b"Retry-After", b"9")), 0.25),
        (((b"retry-after", b" 7 "),), 7.0),
        (((b"retry-after-ms", b"12.5"),), 0.0125),
        (((b"retry-after", b"0.25"),), 0.25),
        (((b"retry-after", b"Wed, 21 Oct 2026 07:28:00 GMT"),), None),
        (((b"retry-after", LATER), (b"date", b"Wed, 21 Oct 2026 07:27:30 GMT")), 30.0),
        (((b"retry-after", LATER), (b"date", b"Wed, 21 Oct 2026 07:28:30 GMT")), 0.0),
        (((b"retry-after", b"1.2.3"),), None),
        (((b"retry-after", b"-1"),), None),
        ((), None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(
    fields: tuple[tuple[bytes, bytes], ...], seconds: float | None
) -> None:
    assert DIALECTS["openai"].read_error(429, fields, b"").retry_after == seconds


def test_a_date_to_retry_after_is_counted_from_the_moment_given_where_the_response_has_no_date() -> None:
    moment = parsedate_to_datetime(LATER.decode()).timestamp()
    assert DIALECTS["openai"].read_error(429, ((b"retry-after", LATER),), b"", moment - 5).retry_after == 5.0


@pytest.mark.parametrize(
    "status, kind",
    [
        (200, ErrorKind.NOT_A_STREAM),
        (302, ErrorKind.NOT_A_STREAM),
        (418, ErrorKind.BAD_REQUEST),
        (424, ErrorKind.SERVER),
        (502, ErrorKind.SERVER),
        (529, ErrorKind.OVERLOADED),
    ],
)
def test_any_status_has_a_meaning(status: int, kind: ErrorKind) -> None:
    error = DIALECTS["openai"].read_error(status, (), b"")
    assert (error.kind, error.message) == (kind, f"status {status} without a body")


def test_geminis_array_form_wraps_its_error() -> None:
    inner = DIALECTS["gemini"].write_error(ProviderError(ErrorKind.NOT_FOUND, "no model"))
    error = DIALECTS["gemini"].read_error(inner.status, inner.fields, b"[" + inner.body + b"\n]\n")
    assert error == ProviderError(ErrorKind.NOT_FOUND, "no model", 404)


def test_the_made_up_probabilities_of_a_token_and_its_alternatives_fall_and_add_up_to_less_than_one() -> None:
    found = [math.exp(logprob(rank)) for rank in range(MAX_TOP_LOGPROBS)]
    assert found == sorted(found, reverse=True)
    assert sum(found) < 1
