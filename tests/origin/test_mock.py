"""The mock of language models on a real socket: its answers, its pace, its framing, and what it is told to break."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
import trio

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import Answer, AnswerEvent, ErrorKind, ProviderError, StopReason
from chunkwire.llm.question import Message, Question, Tool
from chunkwire.origin.mock.composition import compose
from chunkwire.origin.mock.resources import mock_resources
from chunkwire.origin.mock.settings import MockSettings, WordSource
from chunkwire.origin.settings import OriginSettings
from chunkwire.server.journal import Ended
from chunkwire.wire.frames import Chunk
from chunkwire.wire.reader import FrameReader
from tests.llm.answers import read, started, told
from tests.server.peer import GatePacer, LeapPacer, Running, ask, body_of, connect, serving, status_of

PROMPT = "Say hello to the whole world"
WORDS = ["Say", " hello", " to", " the", " whole", " world"]
ASKED = Question("m", (Message("user", PROMPT),))
dialects = pytest.mark.parametrize("name", DIALECTS)


def posted(target: str, body: bytes, *lines: str, version: str = "1.1") -> bytes:
    head = [f"POST {target} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def asking(name: str, *lines: str, question: Question = ASKED, version: str = "1.1") -> bytes:
    """Return the request that a client of a dialect sends, with a key, and these lines."""
    request = DIALECTS[name].build_request(question, key="k")
    fields = [f"{key.decode()}: {value.decode()}" for key, value in request.fields]
    return posted(request.target.decode(), request.body, *fields, *lines, version=version)


def frames_of(response: bytes) -> tuple[list[bytes], bool]:
    """Return the data of each chunk, and whether the framing is complete."""
    reader = FrameReader()
    data = [frame.data for frame in reader.feed(body_of(response)) if isinstance(frame, Chunk)]
    return data, reader.is_complete


def events_of(name: str, response: bytes) -> list[AnswerEvent]:
    assert status_of(response) == 200, response
    return read(DIALECTS[name].reader(), b"".join(frames_of(response)[0]))


async def asked(running: Running, name: str, *lines: str, question: Question = ASKED) -> bytes:
    return await running.ask(asking(name, *lines, question=question))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_path_is_404_in_the_form_of_the_provider(method: str) -> None:
    answer = await ask(f"{method} /v1/files/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert status_of(answer) == 404
    assert json.loads(body_of(answer))["error"]["message"].startswith("no resource at /v1/files/f; ")


@dialects
async def test_every_dialect_echoes_the_prompt_a_token_and_a_frame_an_event(name: str) -> None:
    async with serving() as running:
        response = await asked(running, name)
    frames, is_complete = frames_of(response)
    answer = told(events_of(name, response))
    assert is_complete
    assert (answer.text, answer.stop, answer.error) == (PROMPT, StopReason.STOP, None)
    assert answer.usage is not None
    assert (answer.usage.prompt, answer.usage.completion) == (6, 6)
    assert len(frames) == len(DIALECTS[name].write(Answer("", "", 0, tuple(WORDS)), ASKED))


@dialects
async def test_the_answer_is_named_as_the_provider_names_its_own(name: str) -> None:
    async with serving() as running:
        response = await asked(running, name, question=replace(ASKED, model="m-7"))
    (start,) = started(events_of(name, response))
    assert start.id.startswith(DIALECTS[name].id_prefix)
    assert start.model == ("" if name == "bedrock" else "m-7")
    assert DIALECTS[name].request_id_field + b": req_" in response


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_name_that_utf8_cannot_write_is_sent_back_as_an_escape(stream: str) -> None:
    body = b'{"model":"\\ud800\xc3\xa9","stream":%b,"messages":[{"role":"user","content":"hi"}]}' % stream.encode()
    response = await ask(posted("/v1/chat/completions", body))
    assert status_of(response) == 200
    assert b'"model":"\\ud800\xc3\xa9"' in response


async def test_tokens_come_at_their_planned_moments() -> None:
    pacer = LeapPacer()
    async with serving(pacer=pacer) as running:
        await asked(running, "openai", "X-Chunkwire-TTFT: 300ms", "x-chunkwire-itl: 50ms")
    moments = [round(moment - 1000, 6) for moment in pacer.moments]
    opening, first, *rest = moments
    assert opening == first == 0.3
    assert rest[:5] == [0.35, 0.4, 0.45, 0.5, 0.55]
    assert set(rest[5:]) == {0.55}


async def test_each_token_is_on_the_wire_before_the_next_is_due() -> None:
    """A barrier, not a stopwatch: fails where frames are gathered."""
    pacer = GatePacer()
    async with serving(pacer=pacer) as running, connect(running.port, asking("openai")) as client:
        for word in ["", *WORDS]:
            await pacer.waiting.acquire()
            pacer.open()
            assert json.dumps(word).encode() in await client.read_until(b"\n\n\r\n")


async def test_jitter_and_latin_are_drawn_from_the_seed() -> None:
    lines = ("x-chunkwire-seed: 7", "x-chunkwire-jitter: 0.5", "x-chunkwire-answer: lorem", "x-chunkwire-tokens: 9")
    runs = []
    for _ in range(2):
        pacer = LeapPacer()
        async with serving(pacer=pacer) as running:
            runs.append((told(events_of("openai", await asked(running, "openai", *lines))).text, pacer.moments))
    assert runs[0] == runs[1]
    text, moments = runs[0]
    assert text.startswith("Lorem ipsum dolor sit amet")
    assert len(text.split()) == 9
    assert all(0.1 <= moment - 1000 <= 0.3 for moment in moments[:1])
    assert len({round(b - a, 4) for a, b in pairwise(moments)}) > 3


@pytest.mark.parametrize(
    "line, text",
    [
        ("x-chunkwire-text: Grüße!", "Grüße!"),
        ("x-chunkwire-tokens: 2", "Say hello"),
        ("x-chunkwire-tokens: 7", PROMPT + " Say"),
        ("x-chunkwire-tokens: 0", ""),
    ],
)
async def test_the_text_is_the_one_that_a_header_asks_for(line: str, text: str) -> None:
    async with serving() as running:
        assert told(events_of("anthropic", await asked(running, "anthropic", line))).text == text


async def frames_with(framing: str, name: str = "openai") -> list[bytes]:
    async with serving() as running:
        response = await asked(running, name, f"x-chunkwire-framing: {framing}", "x-chunkwire-seed: 1")
    frames, is_complete = frames_of(response)
    assert is_complete
    assert told(events_of(name, response)).text == PROMPT
    return frames


async def test_events_can_be_joined_into_a_frame_and_split_over_frames() -> None:
    events = await frames_with("event")
    assert all(frame.count(b"\n\n") == 1 for frame in events)
    whole = b"".join(events)
    joined = await frames_with("join=4")
    assert joined == [b"".join(events[start : start + 4]) for start in range(0, len(events), 4)]
    octets = await frames_with("split=1")
    assert octets == [bytes([octet]) for octet in whole]
    assert b"".join(await frames_with("split=7")) == whole
    scattered = await frames_with("split=random")
    assert b"".join(scattered) == whole
    assert len(events) < len(scattered) <= 4 * len(events)


async def test_a_binary_message_can_straddle_frames() -> None:
    assert max(map(len, await frames_with("split=5", "bedrock"))) == 5


@pytest.mark.parametrize(
    "fault, is_framed, is_whole, ended",
    [
        ("no-terminator", False, True, Ended.CUT),
        ("no-terminator=4", False, False, Ended.CUT),
        ("cut=4", False, False, Ended.CUT),
        ("early-end=4", True, False, Ended.COMPLETE),
        ("reset=4", False, False, Ended.RESET),
    ],
)
@dialects
async def test_a_fault_ends_the_framing_and_the_answer_independently(
    name: str, fault: str, is_framed: bool, is_whole: bool, ended: Ended
) -> None:
    async with serving() as running, connect(running.port) as client:
        await client.send(asking(name, f"x-chunkwire-fault: {fault}", "Connection: close"))
        response = await (client.read_reset() if fault.startswith("reset") else client.read_all())
        assert await running.wait_ended() is ended
    reader = DIALECTS[name].reader()
    data, is_complete = frames_of(response)
    reader.feed(b"".join(data))
    reader.end_of_input(None if is_complete else ProviderError(ErrorKind.INCOMPLETE, "cut"))
    has_terminal = is_whole and DIALECTS[name].interpreter.terminal != ""
    assert (is_complete, reader.is_complete) == (is_framed, has_terminal)


@dialects
@pytest.mark.parametrize("wish, kind", [("overloaded", ErrorKind.OVERLOADED), ("429", ErrorKind.RATE_LIMIT)])
async def test_an_error_before_the_stream_has_the_providers_form(name: str, wish: str, kind: ErrorKind) -> None:
    async with serving() as running:
        response = await asked(running, name, f"x-chunkwire-error: {wish}")
    head = response.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    fields = tuple((key, value) for key, _, value in (line.partition(b": ") for line in head))
    error = DIALECTS[name].read_error(status_of(response), fields, body_of(response))
    assert error.kind is kind
    assert "the mock is set to" in error.message


@dialects
async def test_an_error_in_mid_stream_comes_after_the_given_number_of_tokens(name: str) -> None:
    async with serving() as running:
        response = await asked(running, name, "x-chunkwire-error: overloaded@2")
    answer = told(events_of(name, response))
    assert answer.text == "Say hello"
    assert answer.error == (ErrorKind.OVERLOADED, "the mock is set to fail: overloaded")


async def test_keep_alives_fill_the_silence_where_the_dialect_has_them() -> None:
    lines = ("x-chunkwire-ttft: 1s", "x-chunkwire-keep-alive: 300ms")
    async with serving() as running:
        for name, count in (("openai", 3), ("gemini", 0)):
            response = await asked(running, name, *lines)
            assert response.count(DIALECTS["openai"].keep_alive or b"") == count


@pytest.mark.parametrize(
    "line, message",
    [
        ("x-chunkwire-ttft: soon", "x-chunkwire-ttft: expected a duration such as 250ms"),
        ("x-chunkwire-ttft: 2h", "at most 3600s"),
        ("x-chunkwire-jitter: 1.5", "x-chunkwire-jitter: expected a number from 0 to 1"),
        ("x-chunkwire-seed: -1", "x-chunkwire-seed: expected a whole number"),
        ("x-chunkwire-tokens: 100001", "expected at most 100000 tokens, got 100001"),
        ("x-chunkwire-framing: join=0", "expected event, join=N, split=N or split=random, got 'join=0'"),
        ("x-chunkwire-answer: @/etc/passwd", "expected echo or lorem"),
        ("x-chunkwire-fault: tiny", "no scenario 'tiny'; there are "),
        ("x-chunkwire-fault: cut=x", "expected cut=N"),
        ("x-chunkwire-error: 200", "expected a status from 400 to 599"),
        ("x-chunkwire-error: 429@x", "expected 429@N"),
        ("x-chunkwire-wish: 1", "x-chunkwire-wish: expected one of x-chunkwire-ttft"),
        ("x-chunkwire-quirks: no-done", "did you mean x-chunkwire-quirk?"),
    ],
)
async def test_a_broken_header_of_the_mock_is_refused_by_its_name(line: str, message: str) -> None:
    async with serving() as running:
        response = await asked(running, "openai", line)
    assert status_of(response) == 400
    assert message in json.loads(body_of(response))["error"]["message"]


@pytest.mark.parametrize("jitter", ["0", "1", ".5", "1."])
async def test_a_fraction_may_be_written_in_any_way(jitter: str) -> None:
    async with serving() as running:
        assert status_of(await asked(running, "openai", f"x-chunkwire-jitter: {jitter}")) == 200


@dialects
async def test_a_wrong_key_and_an_unknown_model_are_refused(name: str) -> None:
    mock = MockSettings(keys=frozenset({"right"}), models=frozenset({"m"}))
    async with serving(mock=mock) as running:
        error = DIALECTS[name].read_error(0, (), body_of(await asked(running, name)))
        assert error.message == "expected an API key that this mock knows, got another"
        mock_open = replace(mock, keys=frozenset({"k"}))
    async with serving(mock=mock_open) as running:
        assert status_of(await asked(running, name)) == 200
        unknown = await asked(running, name, question=replace(ASKED, model="m-8"))
        assert (status_of(unknown), b"'m-8' does not exist" in unknown) == (404, True)


@pytest.mark.parametrize("lines", [["x-chunkwire-ttft: 11s"], ["x-chunkwire-quirk: usage-null", "x-chunkwire-itl: 9s"]])
async def test_an_answer_that_would_last_too_long_is_refused(lines: list[str]) -> None:
    async with serving(settings=OriginSettings(max_duration=10)) as running:
        response = await asked(running, "openai", *lines)
    assert (status_of(response), b"expected an answer of at most 10s" in response) == (400, True)


async def test_a_share_of_requests_fails_in_every_way() -> None:
    mock = MockSettings(failures=1.0, source=WordSource.TEXT, text="one two three four five six")
    statuses, verdicts = set(), set()
    async with serving(mock=mock) as running:
        for seed in range(40):
            async with connect(running.port) as client:
                await client.send(asking("openai", f"x-chunkwire-seed: {seed}", "Connection: close"))
                try:
                    response = await client.read_all()
                except trio.BrokenResourceError:
                    response = bytes(client.received)
            statuses.add(status_of(response))
            verdicts.add(await running.wait_ended())
    assert statuses == {200, 429, 500, 503}
    assert verdicts == {Ended.COMPLETE, Ended.CUT, Ended.RESET}


async def test_to_http_1_0_the_stream_is_its_events_and_faults_are_refused() -> None:
    async with serving() as running:
        plain = await running.ask(asking("openai", version="1.0"))
        refused = await running.ask(asking("openai", "x-chunkwire-fault: cut", version="1.0"))
    assert body_of(plain).endswith(b"data: [DONE]\n\n")
    assert status_of(refused) == 400


async def test_every_example_of_the_list_streams_or_answers() -> None:
    async with serving() as running:
        for resource in mock_resources():
            if not resource.example:  # any other path
                continue
            found = re.fullmatch(r"(?:-d '([^']*)' )?(?:-H '([^']*)' )?'\{origin\}(.*)'", resource.example)
            assert found is not None
            fields = [found[2]] if found[2] else []
            asked = (
                posted(found[3], found[1].encode(), *fields)
                if found[1]
                else f"GET {found[3]} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            response = await running.ask(asked)
            assert status_of(response) == 200, response
            said = b"Say" in response or b"okens" in response or b"odel" in response
            assert said or "invoke-with" in resource.path  # which wraps its JSON in base64


def test_a_schema_that_contains_itself_ends_in_null() -> None:
    schema: dict[str, object] = {}
    schema |= {"type": "object", "properties": {"again": schema}}
    question = replace(ASKED, tools=(Tool("t", schema),))
    answer = compose(question, MockSettings(), DIALECTS["openai"], chance=Random(1), created=0)
    assert '"again":null' in "".join(answer.tool_calls[0].arguments)


def test_a_question_without_the_tool_that_it_names_is_answered_in_words() -> None:
    question = replace(ASKED, tools=(Tool("t"),), named_tool="z")
    answer = compose(question, MockSettings(), DIALECTS["openai"], chance=Random(1), created=0)
    assert (answer.tool_calls, "".join(answer.text), answer.stop) == ((), PROMPT, StopReason.STOP)
