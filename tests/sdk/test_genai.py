"""Google's SDK: it takes nothing in a stream but data, so the mock sends nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chunkwire.testing import Origin, Scenario, failing, status
from tests.sdk.wishes import CALL, FAST, FRAMINGS, PROMPT, SCHEMA, TOKENS

genai = pytest.importorskip("google.genai", reason="needs google-genai: pip install 'chunkwire[sdk]'")


@contextmanager
def client(base: str, headers: dict[str, str] | None = None, **options: Any) -> Iterator[Any]:
    made = genai.Client(api_key="k", http_options={"base_url": base, "headers": headers or {}, **options})
    try:
        yield made.models
    finally:
        made.close()


def asked(**config: Any) -> dict[str, Any]:
    return {"model": "gemini-m", "contents": PROMPT, "config": config}


def tools() -> list[Any]:
    return [{"function_declarations": [{"name": "weather", "parameters": SCHEMA}]}]


@pytest.mark.chunkwire(FRAMINGS)
def test_an_answer_streams_its_tokens_under_any_framing(origin: Origin, scenario: Scenario) -> None:
    with client(origin.gemini(PROMPT, framing=scenario).url) as models:
        chunks = list(models.generate_content_stream(**asked()))
    assert [chunk.text for chunk in chunks] == TOKENS
    assert chunks[-1].candidates[0].finish_reason == "STOP"
    assert chunks[-1].usage_metadata.total_token_count == 16
    assert {chunk.model_version for chunk in chunks} == {"gemini-m"}


def test_a_base_url_with_the_version_is_refused_by_saying_so(origin: Origin) -> None:
    with client(f"{origin.url}/v1beta") as models, pytest.raises(genai.errors.ClientError) as caught:
        models.generate_content(**asked())
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    assert "itself, so its base URL must not end in /v1beta" in str(caught.value)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_both_versions_of_the_path_are_there(origin: Origin, version: str) -> None:
    with client(origin.gemini(PROMPT).url, api_version=version) as models:
        assert "".join(chunk.text for chunk in models.generate_content_stream(**asked())) == PROMPT


def test_an_answer_calls_a_tool(origin: Origin) -> None:
    with client(origin.url, FAST) as models:
        (chunk,) = models.generate_content_stream(**asked(tools=tools()))
        (call,) = chunk.function_calls
        assert (call.name, call.args) == ("weather", CALL)
        (whole,) = models.generate_content(**asked(tools=tools())).function_calls
        assert whole.args == CALL


def test_an_answer_may_come_in_one_body(origin: Origin) -> None:
    with client(origin.url, FAST) as models:
        whole = models.generate_content(**asked(max_output_tokens=2))
    assert (whole.text, whole.candidates[0].finish_reason) == ("Sag hallo", "MAX_TOKENS")


@pytest.mark.parametrize(
    "response, before, error, code",
    [
        (status(400), [], "ClientError", 400),
        (status(404), [], "ClientError", 404),
        (status(429), [], "ClientError", 429),
        (status(503), [], "ServerError", 503),
        (failing("overloaded", TOKENS[:2]), TOKENS[:2], "ServerError", 503),
    ],
)
def test_errors_are_the_sdks_own_before_the_stream_and_in_it(
    origin: Origin, response: Any, before: list[str], error: str, code: int
) -> None:
    from google.genai import errors

    with client(origin.gemini([response]).url) as models:
        chunks = models.generate_content_stream(**asked())
        assert [next(chunks).text for _ in before] == before
        with pytest.raises(getattr(errors, error), match=r"the test (answers|fails)") as caught:
            next(chunks)
    assert caught.value.code == code
