"""A run's responses come in sequence, each as it was asked for, and its end tells what did not go as planned."""

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest

from chunkwire.client import open as open_stream
from chunkwire.testing import (
    LEGAL,
    QUIRKS,
    Origin,
    RunFailed,
    cut,
    failing,
    fault,
    framed,
    octets,
    reset,
    stall,
    status,
    tool_call,
)
from chunkwire.testing.runs import MAX_REQUESTS, RunRequest, ServedRun
from chunkwire.testing.steps import MODELS, read_steps
from chunkwire.wire.errors import ChunkwireError, IncompleteBody, LocalError

CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


def fetch(url: str, body: object = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as response:
        content: bytes = response.read()
    return content


def refusal(url: str, body: object = None) -> tuple[int, str | None, str]:
    """Return the status, Retry-After and text of a response that is an error."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(url, body)
    with caught.value as error:
        return error.code, error.headers["Retry-After"], error.read().decode()


async def read(url: str, body: object = None) -> bytes:
    """Read with our own client, which takes every legal framing and no broken one."""
    data = None if body is None else json.dumps(body).encode()
    async with open_stream("GET" if data is None else "POST", url, body=data) as stream:
        return await stream.read()


def deltas(stream: bytes) -> list[str]:
    lines = [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: {")]
    choices = [json.loads(line).get("choices") for line in lines]
    return [text for choice in choices if choice and (text := choice[0]["delta"].get("content"))]


def test_responses_come_in_sequence_and_requests_are_kept(origin: Origin) -> None:
    run = origin.openai([status(429, retry_after=0), cut(after_events=2), "Hello there"])
    assert refusal(f"{run.url}/v1/chat/completions", CHAT)[:2] == (429, "0")
    with pytest.raises(http.client.IncompleteRead) as partial:
        fetch(f"{run.url}/chat/completions", CHAT)
    assert partial.value.partial.count(b"data: ") == 2
    assert deltas(fetch(f"{run.url}/v1/chat/completions?a=1", CHAT)) == ["Hello", " there"]
    assert [str(each) for each in run.requests][2] == "POST /v1/chat/completions?a=1"
    assert run.requests[0].json() == CHAT
    assert run.requests[2].path == "/v1/chat/completions"
    headers = run.requests[2].headers
    assert headers["content-length"] == headers["Content-Length"] == headers.get("Content-Length")
    assert int(headers["content-length"]) == len(json.dumps(CHAT))
    assert ("Host" in headers, "X-Other" in headers, headers.get("X-Other", "-")) == (True, False, "-")
    with pytest.raises(KeyError, match="x-other"):
        headers["X-Other"]
    run.end()


@pytest.mark.parametrize(
    "kind, responses, content",
    [
        (
            "sse",
            [["a", {"data": {"b": 1}, "event": "x", "id": "7"}]],
            b'data: a\n\nevent: x\nid: 7\ndata: {"b": 1}\n\n',
        ),
        ("sse", "alone", b"data: alone\n\n"),
        ("ndjson", [[{"a": "ü"}, 2]], '{"a": "ü"}\n2\n'.encode()),
        ("text", [["Hel", "lo"]], b"Hello"),
        ("frames", {"content": "5@0,6:a=1@0,0@0", "text": "hello world"}, b"hello world"),
    ],
)
def test_each_kind_has_its_content(origin: Origin, kind: str, responses: Any, content: bytes) -> None:
    run = getattr(origin, kind)(responses)
    assert fetch(run.url) == content
    run.end()


@pytest.mark.parametrize("kind", ["openai", "sse", "ndjson", "text"])
def test_without_responses_there_is_one_sample(origin: Origin, kind: str) -> None:
    run = getattr(origin, kind)()
    path, body = ("/v1/chat/completions", CHAT) if kind == "openai" else ("", None)
    assert "世界" in fetch(run.url + path, body).decode()
    run.end()


@pytest.mark.parametrize(
    "response, got",
    [
        (cut("abcdef", after_octets=4), b"abcd"),
        (cut(["ab", "cd", "ef"], after_frames=1), b"ab"),
        (cut(["ab", "cd", "ef"], after_events=2), b"abcd"),
        ({"content": ["ab", "cd"], "framing": "one-chunk", "fault": "cut", "after_events": 1}, b"ab"),
        ({"content": ["ab", "cd"], "framing": "tiny", "fault": "cut", "after_frames": 3}, b"abc"),
        ({"content": ["ab", "cd"], "framing": "extensions", "fault": "no-terminator", "after_octets": 3}, b"abc"),
        (fault("bad-size", ["ab", "cd"], after_events=1), b"ab"),
        (cut(["ab", "cd"]), b"ab"),
    ],
)
async def test_events_frames_and_octets_are_counted_apart(origin: Origin, response: Any, got: bytes) -> None:
    run = origin.text([response])
    with pytest.raises(ChunkwireError) as caught:
        await read(run.url)
    assert getattr(caught.value, "received") == got  # noqa: B009  IncompleteBody and MalformedBody both have it
    run.end()


@pytest.mark.parametrize(
    "kind, response, line",
    [
        ("sse", cut(["a", "b"], after_events=3), "after_events: expected at most the 2 events of the answer, got 3"),
        (
            "text",
            stall(["ab", "c"], after_frames=3),
            "after_frames: expected at most the 2 frames of the answer, got 3",
        ),
        ("ndjson", reset([7], after_octets=3), "after_octets: expected at most the 2 octets of the answer, got 3"),
        ("websocket", cut(["a"], after_events=2), "after_events: expected at most the 1 events of the answer, got 2"),
        ("websocket", cut(after_events=3), "after_events: expected at most the 2 events of the answer, got 3"),
    ],
)
def test_a_fault_behind_the_end_of_an_answer_is_refused(origin: Origin, kind: str, response: Any, line: str) -> None:
    with pytest.raises(LocalError, match=f"^response 1: {line}$"):
        getattr(origin, kind)(response)


async def test_a_fault_at_the_end_of_an_answer_cuts_its_last_chunk_off(origin: Origin) -> None:
    run = origin.sse(cut(["a", "b"], after_events=2))
    with pytest.raises(IncompleteBody) as caught:
        await read(run.url)
    assert caught.value.received == b"data: a\n\ndata: b\n\n"
    run.end()


@pytest.mark.parametrize(
    "response, is_stream, line",
    [
        (cut("Hello", after_events=200), True, r"after_events: expected at most the \d events of the answer, got 200"),
        (cut("Hello", after_octets=9999), False, r"after_octets: expected fewer than the \d+ octets .*, got 9999"),
    ],
)
def test_a_fault_behind_the_end_of_a_models_answer_fails_the_run(
    origin: Origin, response: Any, is_stream: bool, line: str
) -> None:
    run = origin.openai("Hello", response)
    fetch(f"{run.url}/chat/completions", CHAT)
    code, _, text = refusal(f"{run.url}/chat/completions", {**CHAT, "stream": is_stream})
    assert code == 400
    assert re.search(
        f"^chunkwire: not expected by {run.served.id}: response 2: {line}$", json.loads(text)["error"]["message"]
    )
    with pytest.raises(RunFailed, match=rf"not expected: request 2: POST /chat/completions \(response 2: {line}\)$"):
        run.end()


def test_a_reset_response_resets_the_connection(origin: Origin) -> None:
    run = origin.sse([reset(["a", "b"], after_events=1)])
    with pytest.raises(ConnectionResetError):
        fetch(run.url)
    run.end()


def test_octets_are_a_response_from_its_status_line_on(origin: Origin) -> None:
    run = origin.text([octets(b"HTTP/1.1 200 OK\r\nConte", b"nt-Length: 2\r\n\r\nhi", end="keep")])
    assert fetch(run.url) == b"hi"
    run.end()


def test_a_model_may_call_a_tool_or_fail_in_mid_stream(origin: Origin) -> None:
    run = origin.openai([tool_call("weather", city="Paris"), failing("overloaded", "Hel")])
    assert b'"name":"weather"' in fetch(f"{run.url}/v1/chat/completions", CHAT)
    stream = fetch(f"{run.url}/v1/chat/completions", CHAT)
    assert deltas(stream) == ["Hel"]
    assert b'"error"' in stream
    run.end()


async def test_a_quirk_is_sent_as_its_row_has_it(origin: Origin) -> None:
    run = origin.openai([QUIRKS["no-done"], {"quirk": "cut-after-finish", "framing": "tiny"}])
    assert await read(f"{run.url}/chat/completions", CHAT) == QUIRKS["no-done"].content
    with pytest.raises(ChunkwireError) as caught:
        await read(f"{run.url}/chat/completions", CHAT)
    assert getattr(caught.value, "received") == QUIRKS["cut-after-finish"].content  # noqa: B009  as above
    run.end()


def test_a_request_that_wants_no_stream_gets_one_body(origin: Origin) -> None:
    run = origin.openai(["Hello", cut("Hello")])
    whole = json.loads(fetch(f"{run.url}/v1/chat/completions", {**CHAT, "stream": False}))
    assert whole["choices"][0]["message"]["content"] == "Hello"
    with pytest.raises(http.client.IncompleteRead):
        fetch(f"{run.url}/v1/chat/completions", {**CHAT, "stream": False})
    run.end()


def test_the_end_lists_what_was_never_asked_for_and_what_was_not_expected(origin: Origin) -> None:
    run = origin.openai(["one", cut("two", after_events=3)])
    fetch(f"{run.url}/v1/chat/completions", CHAT)
    assert refusal(f"{run.url}/v1/embeddings", CHAT)[0] == 400
    with pytest.raises(RunFailed) as caught:
        run.end()
    why = "expected POST to /chat/completions or /responses, below the run's URL"
    assert str(caught.value).splitlines() == [
        "openai run: never asked for: response 2: 'two', cut after 3 events",
        f"openai run: not expected: request 2: POST /v1/embeddings ({why})",
    ]


def test_a_request_that_was_not_expected_fails_the_run_however_many_came_before() -> None:
    run = ServedRun("sse", [], repeats=True)
    for _ in range(MAX_REQUESTS + 1):
        run.note(RunRequest("GET", "/", ()))
    assert (len(run.requests), run.failures()) == (MAX_REQUESTS, [])
    for _ in range(2):
        run.note(RunRequest("GET", "/more", (), note="all responses of the run were given (1)"))
    assert run.failures() == ["not expected: request 1002: GET /more (all responses of the run were given (1))"]


def test_the_path_of_a_request_for_the_base_url_with_a_query_is_a_slash(origin: Origin) -> None:
    run = origin.text(["a", "b"])
    fetch(f"{run.url}?x=1")
    fetch(f"{run.url}/?x=1")
    run.end()
    assert [(each.target, each.path) for each in run.requests] == [("/?x=1", "/")] * 2


def test_one_request_too_many_is_refused_with_a_status_that_nobody_repeats(origin: Origin) -> None:
    run = origin.sse(["only"])
    fetch(run.url)
    code, _, text = refusal(run.url)
    assert code == 400
    assert text.endswith("all responses of the run were given (1)\n")
    with pytest.raises(RunFailed, match="not expected: request 2: GET / "):
        run.end()


def test_runs_do_not_meet(origin: Origin) -> None:
    one, two = origin.sse("one"), origin.sse("two")
    assert (fetch(two.url), fetch(one.url)) == (b"data: two\n\n", b"data: one\n\n")
    one.end()
    two.end()
    assert refusal(one.url)[0] == 404


@pytest.mark.parametrize(
    "kind, responses, line",
    [
        ("sse", [{"framing": "split-utf"}], r"^response 1: no scenario 'split-utf'; did you mean split-utf8\?$"),
        ("sse", ["a", {"fault": "cutt"}], "^response 2: no scenario 'cutt'; did you mean cut"),
        ("sse", [{"after_events": 1}], "^response 1: expected a fault beside after_events$"),
        ("sse", [{"fault": "cut", "after_events": -1}], "after_events: expected a whole number, 0 or more, got -1"),
        ("sse", [{"fault": "cut", "after_events": 1, "after_octets": 1}], "expected one of after_events, after_frames"),
        ("sse", [{"fault": "empty"}], "the scenario empty is a framing of its own"),
        ("sse", [{"contents": "x"}], "expected one of content, .*, got 'contents'; did you mean content"),
        ("sse", [{7: "x"}], "expected one of content, .*, got 7"),
        ("sse", [[{"dat": "x"}]], "expected an event of data, event, id and retry, or of a comment"),
        ("sse", [[{"comment": "x", "data": "y"}]], "expected an event of data, event, id and retry, or of a comment"),
        ("sse", [failing("overloaded")], "expected no error in a run of sse"),
        ("sse", [{"text": "x"}], "expected no text in a run of sse"),
        ("frames", [cut("5@0")], "expected no fault in a run of frames"),
        ("frames", [LEGAL[0]], "expected no framing in a run of frames"),
        ("websocket", [framed("x", "tiny")], "expected no framing in a run of websocket"),
        ("websocket", [stall()], "expected cut or reset, after events, in a run of websocket, got stall"),
        ("websocket", [cut(after_octets=1)], "expected cut or reset, .* got cut after 1 octets"),
        ("sse", [["a\rb"]], "expected data without CR"),
        ("sse", [{"fault": "cut", "framing": "gzip"}], "expected a legal framing in chunks that keeps the content"),
        ("sse", [{"status": 200, "headers": {"Content-Length": "3"}}], "a field that does not frame the message"),
        ("sse", [{"status": 200, "headers": {"X": "a\nb"}}], "a value without control octets"),
        ("openai", [{"quirk": "no-don"}], "response 1: no quirk 'no-don'; did you mean no-done"),
        ("gemini", [{"quirk": "no-done"}], "expected a quirk of gemini, got no-done of openai, azure"),
        (
            "gemini",
            [QUIRKS["no-done"]],
            r"gemini, one of \[each for each in QUIRKS.values\(\) if 'gemini' in each.dialects",
        ),
        ("sse", [QUIRKS["no-done"]], "expected no quirk in a run of sse"),
        ("sse", [{"status": 99}], "expected a status from 200 to 599, got 99"),
        ("sse", [{"octets_b64": ["?"]}], "octets_b64: expected a list of texts in base64"),
        ("sse", [{"tool_calls": [1]}], "expected no tool_calls in a run of sse"),
        ("openai", [{"tool_calls": [1]}], "tool_calls: expected name and arguments, got 1"),
        ("openai", [{"error": "boom"}], "error: expected one of bad-request, .*, got 'boom'"),
        ("openai", [[1]], "expected a text or a list of texts, got 1"),
        ("ndjson", ["text"], "expected a list, got 'text'"),
        ("frames", ["5@x"], "plan: expected SIZE"),
        ("text", [b"octets"], "expected a list, got b'octets'"),
        ("ndjson", [[object()]], "response 1: Object of type object is not JSON serializable"),
        ("ndjson", [[float("nan")]], "response 1: Out of range float values"),
        ("sse", [[{"data": float("nan")}]], "response 1: Out of range float values"),
        ("sse", [{"status": 200, "body": [float("nan")]}], "response 1: Out of range float values"),
        ("openai", [{"tool_calls": [{"name": "f", "arguments": float("inf")}]}], "1: Out of range float values"),
        ("sse", [{"status": 200, "body": object()}], "response 1: Object of type object is not JSON serializable"),
        ("sse", [[{"retry": "7"}]], "response 1: retry: expected milliseconds, got '7'"),
        ("text", 7, "responses: expected a response, such as a text, or a list of them, got 7"),
        ("text", b"octets", "responses: expected a response, such as a text, or a list of them, got b'octets'"),
    ],
)
def test_a_response_that_is_wrong_is_one_line(origin: Origin, kind: str, responses: Any, line: str) -> None:
    with pytest.raises(LocalError, match=line) as caught:
        getattr(origin, kind)(responses)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", MODELS)
def test_the_quirks_that_name_a_kind_among_their_dialects_are_responses_of_its_runs(kind: str) -> None:
    """Fails where the choice that the message about a wrong quirk names is empty, or refused itself."""
    those = [each for each in QUIRKS.values() if kind in each.dialects]
    assert [str(step) for step in read_steps(those, kind)] == [f"quirk {each.name}" for each in those] != []


@pytest.mark.parametrize("kind", ["frames", "websocket"])
def test_a_run_without_framings_takes_none_for_all(origin: Origin, kind: str) -> None:
    with pytest.raises(LocalError, match=f"^framing: expected none in a run of {kind}$"):
        getattr(origin, kind)(framing="tiny")


@pytest.mark.parametrize("seconds, value", [(2, "2"), (0.5, "0.5"), (1 << 30, "1073741824")])
def test_retry_after_is_sent_in_digits(origin: Origin, seconds: float, value: str) -> None:
    run = origin.sse([status(503, retry_after=seconds)])
    assert refusal(run.url)[1] == value
    run.end()


def test_fields_of_a_status_replace_those_of_the_dialect(origin: Origin) -> None:
    run = origin.openai([status(503, retry_after=1, headers={"content-type": "text/html", "Retry-After": "9"})])
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(f"{run.url}/chat/completions", CHAT)
    with caught.value as error:
        found = [error.headers.get_all(name) for name in ("Content-Type", "Retry-After")]
    assert found == [["text/html"], ["9"]]
    run.end()


def test_the_framing_of_a_run_applies_to_answers_without_their_own(origin: Origin) -> None:
    run = origin.text(["a", framed("b", "padded-sizes"), status(204)], framing="content-length")
    assert [fetch(run.url) for _ in range(3)] == [b"a", b"b", b""]
    assert [str(step) for step in run.served.steps] == [
        "'a', framed as content-length",
        "'b', framed as padded-sizes",
        "status 204",
    ]
    run.end()
