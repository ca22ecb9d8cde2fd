"""Each row of the quirk table through the client's own judgement of a stream, which is what `watch` prints."""

import pytest

from chunkwire.client.completion import MAX_HELD_OCTETS, Completion
from chunkwire.llm.answer import ErrorKind
from chunkwire.net.heads import Request, Response
from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk

PATHS = {
    "openai": b"/v1/chat/completions",
    "azure": b"/openai/deployments/m/chat/completions",
    "openai-responses": b"/v1/responses",
    "anthropic": b"/v1/messages",
    "gemini": b"/v1beta/models/m:streamGenerateContent",
    "bedrock": b"/model/m/converse-stream",
}
quirks = pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
# Streams that do not show whose they are: without the path of the request, nothing is said of them.
NAMELESS = {
    "comments-alone",
    "html-page",
    "html-page-mislabelled",
    "plain-text",
    "error-json",
    "error-json-mislabelled",
    "error-json-success",
    "messages-error-json",
    "gemini-error-json",
    "converse-error-json",
    "converse-error-type",
    "error-dashscope",
    "field-names",
    "indented",
}


def verdict(quirk: Quirk, request: Request | None) -> str:
    completion = Completion.of(Response(200, b"OK", b"1.1", ((b"Content-Type", quirk.content_type),)), request)
    for piece in quirk.pieces:
        completion.feed(piece)
    return completion.verdict(is_complete=not quirk.is_cut)


def expected(quirk: Quirk) -> str:
    if quirk.said.error is None:
        return "complete"
    return "empty" if quirk.said.error is ErrorKind.EMPTY else "incomplete"


@quirks
def test_a_quirk_is_judged_as_its_row_says_where_the_path_names_the_dialect(quirk: Quirk) -> None:
    for dialect in quirk.dialects:
        assert verdict(quirk, Request(b"POST", PATHS[dialect], b"1.1", ())) == expected(quirk)


@quirks
def test_a_quirk_is_judged_by_what_it_shows_of_itself(quirk: Quirk) -> None:
    assert verdict(quirk, None) == ("unknown" if quirk.name in NAMELESS else expected(quirk))


def test_an_error_response_is_no_answer_to_be_judged() -> None:
    completion = Completion.of(Response(500, b"", b"1.1", ((b"Content-Type", b"application/json"),)), None)
    completion.feed(b'{"error":{"message":"no"}}')
    assert completion.verdict(is_complete=True) == "unknown"


@pytest.mark.parametrize("size, judged", [(MAX_HELD_OCTETS, "complete"), (MAX_HELD_OCTETS + 1, "unknown")])
def test_a_stream_must_show_its_dialect_within_a_limit(size: int, judged: str) -> None:
    body = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    completion = Completion.of(Response(200, b"OK", b"1.1", ((b"Content-Type", b"application/json"),)), None)
    completion.feed(b" " * (size - len(body)))
    completion.feed(body)
    assert completion.verdict(is_complete=True) == judged
