"""The endpoint's other pure parts: sessions, specs of providers, forms."""

import json

import pytest

from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.formats import JsonLinesFormat, SseFormat
from chunkwire.ask.providers import Provider, key_variable, parse_provider
from chunkwire.ask.session import IDLE_S, MAX_CHARACTERS, MAX_SESSIONS, MAX_TURNS, Sessions
from chunkwire.llm.answer import ErrorKind, ProviderError, Reasoning, Text, ToolCall
from chunkwire.llm.question import Message
from chunkwire.wire.errors import LocalError
from chunkwire.wire.sse import SseDecoder


def provider(spec: str, **environment: str) -> Provider:
    return parse_provider(spec, environment)


def test_a_session_keeps_its_last_turns_in_pairs_and_in_order() -> None:
    sessions = Sessions()
    for number in range(MAX_TURNS // 2 + 1):
        sessions.add("s", 0, question=f"q{number}", answer=f"a{number}")
    history = sessions.history("s", 0)
    assert len(history) == MAX_TURNS
    assert history[:3] == (Message("user", "q1"), Message("assistant", "a1"), Message("user", "q2"))
    assert sessions.history("t", 0) == ()


def test_a_session_is_bounded_in_characters_too() -> None:
    sessions = Sessions()
    sessions.add("s", 0, question="q", answer="x" * (MAX_CHARACTERS - 1))
    assert len(sessions.history("s", 0)) == 2
    sessions.add("s", 0, question="q", answer="x")
    assert [turn.text for turn in sessions.history("s", 0)] == ["q", "x"]
    sessions.add("s", 0, question="q", answer="x" * MAX_CHARACTERS)
    assert sessions.history("s", 0) == ()


def test_the_session_unused_for_longest_is_forgotten_first() -> None:
    sessions = Sessions()
    for number in range(MAX_SESSIONS):
        sessions.add(f"s{number}", 0, question="q", answer="a")
    sessions.add("s0", 1, question="q", answer="a")
    sessions.add("new", 1, question="q", answer="a")
    assert len(sessions) == MAX_SESSIONS
    assert sessions.history("s1", 1) == ()
    assert len(sessions.history("s0", 1)) == 4


def test_an_idle_session_is_forgotten() -> None:
    sessions = Sessions()
    sessions.add("s", 0, question="q", answer="a")
    assert len(sessions.history("s", IDLE_S - 1)) == 2
    assert sessions.history("s", IDLE_S) == ()
    assert len(sessions) == 0


def test_a_provider_is_read_from_its_spec_and_its_key_from_the_environment() -> None:
    made = provider("my-ai=anthropic:https://api.example/base#claude-9", MY_AI_API_KEY="k")
    assert (made.name, made.dialect.name, str(made.url)) == ("my-ai", "anthropic", "https://api.example/base")
    assert (made.model, made.key) == ("claude-9", "k")
    assert provider("a=openai:http://x#m").key == ""
    assert key_variable("my-ai") == "MY_AI_API_KEY"
    assert parse_provider("a=openai:http://x", {}, model="m").model == "m"


def test_a_key_loses_its_newline_and_must_be_one_word() -> None:
    assert provider("a=openai:http://x#m", A_API_KEY="k\n").key == "k"
    for key in ("a b", "a\nb", "é"):
        with pytest.raises(LocalError, match="A_API_KEY: expected a key of visible ASCII") as caught:
            provider("a=openai:http://x#m", A_API_KEY=key)
        assert key not in str(caught.value)


def test_a_key_is_in_neither_repr_nor_json() -> None:
    made = provider("a=openai:http://x#m", A_API_KEY="secret")
    assert "secret" not in repr(made) + json.dumps(made.to_json(0))


@pytest.mark.parametrize(
    "spec, culprit",
    [
        ("openai:http://x#m", "expected NAME=DIALECT:URL#MODEL"),
        ("=openai:http://x#m", "expected NAME=DIALECT:URL#MODEL"),
        ("a=openai:http://x", "a: expected a model"),
    ],
)
def test_a_broken_spec_is_refused_by_what_is_wrong(spec: str, culprit: str) -> None:
    with pytest.raises(LocalError) as caught:
        provider(spec)
    assert culprit in str(caught.value)


def test_no_token_can_forge_an_event() -> None:
    token = 'x\n\nevent: done\ndata: {"usage":0}\n\n\r\u2028'
    (event,) = SseDecoder().feed(SseFormat("id").piece(Text(token)))
    assert (event.event, json.loads(event.data)) == ("message", {"t": token})
    assert json.loads(JsonLinesFormat().piece(Text(token))) == {"t": token}
    assert JsonLinesFormat().piece(Text(token)).count(b"\n") == 1


def ended(error: ProviderError | None = None) -> AuditEntry:
    return AuditEntry("r", "-", "sse", 0.0, error=error)


def test_the_first_event_alone_carries_the_id_which_stays() -> None:
    form, decoder = SseFormat("r1"), SseDecoder()
    events = decoder.feed(form.piece(Text("a")) + form.keep_alive + form.piece(Text("b")) + form.end(ended())[0])
    assert [event.id for event in events] == ["r1"] * 3
    assert b"id:" not in form.end(ended())[0]


@pytest.mark.parametrize("form", [SseFormat("r"), JsonLinesFormat()])
def test_the_formats_distinguish_text_reasoning_tool_calls_ends_and_errors(form: SseFormat | JsonLinesFormat) -> None:
    calls = form.piece(ToolCall(0, "c", "f", "{")) + form.piece(ToolCall(0, "", "", "}"))
    octets = form.piece(Text("a")) + form.keep_alive + form.piece(Reasoning("b")) + calls
    octets += b"".join(form.end(ended()) + form.end(ended(ProviderError(ErrorKind.SERVER, "no"))))
    if isinstance(form, SseFormat):
        found = [(event.event, json.loads(event.data)) for event in SseDecoder().feed(octets)]
    else:
        found = [item for line in octets.splitlines() if line for item in json.loads(line).items()]
    names = [name for name, _ in found]
    assert names == ["message" if names[0] == "message" else "t", "reasoning", *["tool_call"] * 2, "done", "error"]
    assert [content for name, content in found if name == "tool_call"] == [
        {"index": 0, "id": "c", "name": "f", "arguments": "{"},
        {"index": 0, "arguments": "}"},
    ]
