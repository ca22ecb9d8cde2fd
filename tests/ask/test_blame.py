"""Who is at fault decides what follows: for the breaker, for the next provider, for the caller, for the audit."""

import json
import math

import pytest
import trio

from chunkwire.ask.answering import AskSettings
from chunkwire.ask.attempt import Patience
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from tests.ask.endpoint import DONE, Fake, Script, asking, chat, delta, error_of, events_of, last_of, text_of
from tests.server.peer import TrioPacer, connect, get, serving, status_of

LATER = b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'


@pytest.mark.parametrize("value, most", [(b"100", 100.0), (b"99.5", 99.5)])
async def test_a_retry_after_of_a_response_is_the_time_that_its_breaker_is_open(value: bytes, most: float) -> None:
    script = Script((429, LATER, (b"Retry-After", value)))
    async with asking(Fake(responder=script, cooldown=1000.0)) as asked:
        response = await asked.ask("hi")
        (told,) = await asked.providers()
        refused = await asked.ask("hi")
    assert (status_of(response), error_of(response)["retry_after_s"]) == (429, most)
    assert 0 < told["next_trial_in_s"] <= most
    wait = error_of(refused)["retry_after_s"]
    assert (status_of(refused), b"Retry-After: %d\r\n" % math.ceil(wait) in refused) == (503, True)
    assert 0 < wait <= most


FILTERED = b'{"error": {"message": "content management policy", "type": null, "code": "content_filter"}}'


@pytest.mark.parametrize(
    "status, body", [(400, FILTERED), (400, b'{"error": "no such thing"}'), (422, b'{"detail": "no"}')]
)
async def test_bad_requests_do_not_open_the_breaker(status: int, body: bytes) -> None:
    script = Script((status, body))
    async with asking(Fake(responder=script, failures=1), patience=Patience(attempts=3)) as asked:
        for _ in range(3):
            assert status_of(await asked.ask("hi")) == 400
        (told,) = await asked.providers()
    assert (told["asked"], told["failed"], told["state"]) == (3, 0, "closed")


@pytest.mark.parametrize("how", ["cut", "never ends"])
async def test_the_status_of_an_error_counts_though_its_body_breaks_off(
    how: str, autojump_clock: trio.testing.MockClock
) -> None:
    async def breaks_off(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1 << 20)
        async with response.chunked(429) as body:
            await body.send_chunk(LATER)
            if how == "never ends":
                await trio.sleep_forever()
            body.cut()

    async with asking(Fake(responder=breaks_off)) as asked:
        response = await asked.ask("hi")
    assert (status_of(response), error_of(response)["kind"]) == (429, "rate-limit")
    assert "slow down" in error_of(response)["message"]


def unknown(name: str) -> bytes:
    detail = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}]
    return json.dumps({"detail": detail}).encode()


@pytest.mark.parametrize(
    "body", [unknown("stream_options"), b'{"error": {"message": "Unknown argument: stream_options"}}']
)
async def test_a_refused_option_is_left_out_asked_again_and_remembered(body: bytes) -> None:
    script = Script((422, body), (delta("hi"), DONE))
    async with asking(Fake(responder=script), Fake()) as asked:
        for _ in range(2):
            assert last_of(await asked.ask("hi"))[1]["provider"] == "a"
        (told, other) = await asked.providers()
    assert ["stream_options" in body for body in script.bodies] == [True, False, False]
    assert (told["leaves_out"], told["state"], other["asked"]) == (["stream_options"], "closed", 0)
    assert [attempt.get("error") for attempt in asked.audit[0]["attempts"]] == ["bad-request", None]


async def test_the_limit_of_tokens_gets_its_older_name() -> None:
    script = Script((400, unknown("max_completion_tokens")), (delta("hi"), DONE))
    async with asking(Fake(responder=script), settings=AskSettings(max_tokens=7)) as asked:
        assert status_of(await asked.ask("hi")) == 200
    assert (script.bodies[0]["max_completion_tokens"], script.bodies[1]["max_tokens"]) == (7, 7)
    assert "max_completion_tokens" not in script.bodies[1]


@pytest.mark.parametrize(
    "message, status, asked_for",
    [("Unsupported parameter: temperature", 200, [True, False]), ("temperature: expected at most 1", 400, [True])],
)
async def test_a_parameter_that_a_provider_does_not_know_is_dropped_and_one_with_a_bad_value_is_not(
    message: str, status: int, asked_for: list[bool]
) -> None:
    refusal = json.dumps({"error": {"message": message, "param": "temperature"}}).encode()
    script = Script((400, refusal), (delta("hi"), DONE))
    async with asking(Fake(responder=script)) as asked:
        response = await asked.post("/ask", {"q": "hi", "temperature": 1.5}, b"Content-Type: application/json")
    assert status_of(response) == status
    assert ["temperature" in body for body in script.bodies] == asked_for


WHOLE = {"object": "chat.completion", "choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]}


async def test_a_provider_that_cannot_stream_is_asked_for_one_body() -> None:
    refusal = b'{"error": {"message": "streaming is not supported by this model", "param": "stream"}}'
    script = Script((400, refusal), (200, json.dumps(WHOLE).encode()))
    async with asking(Fake(responder=script)) as asked:
        for _ in range(2):
            assert text_of(events_of(await asked.ask("hi"))) == "all at once"
        assert (await asked.providers())[0]["leaves_out"] == ["stream"]
    assert [body.get("stream") for body in script.bodies] == [True, None, None]


@pytest.mark.parametrize(
    "body", [b'{"error": {"message": "bad key sk-secret-12345678"}}', b"<h1>key=sk-secret-12345678</h1>"]
)
async def test_a_key_in_an_error_reaches_neither_caller_nor_audit(body: bytes) -> None:
    mid = b'data: {"error": {"message": "key sk-secret-12345678 and my-key-of-b"}}\n\n'
    providers = (
        Fake(responder=Script((401, body)), key="sk-secret-12345678"),
        Fake(responder=chat(mid), key="my-key-of-b"),
    )
    async with asking(*providers) as asked:
        response = await asked.ask("hi")
        told = json.dumps(asked.audit).encode() + response
    assert status_of(response) >= 400
    assert b"sk-secret" not in told
    assert b"my-key-of-b" not in told
    assert b"[redacted]" in told


async def test_the_audit_has_attempts_that_were_cancelled_with_their_tokens() -> None:
    endless = chat(delta("a") + delta("b"), is_endless=True)
    async with asking(Fake(responder=endless)) as asked, connect(asked.running.port, get("/ask?q=x")) as client:
        await client.read_until(b'{"t":"b"}')
        client.reset()
        await asked.running.wait_ended()
    (attempt,) = asked.audit[0]["attempts"]
    assert (asked.audit[0]["ended"], attempt["error"], attempt["tokens"]) == ("client-gone", "cancelled", 2)


@pytest.mark.parametrize(
    "path, target",
    [
        ("?api-version=2030-01-01", b"/openai/deployments/m-a/chat/completions?api-version=2030-01-01"),
        ("/openai/v1/chat/completions?api-version=preview", b"/openai/v1/chat/completions?api-version=preview"),
        ("/openai/deployments/d/chat/completions", b"/openai/deployments/d/chat/completions?api-version=2024-10-21"),
        ("/proxy?x=1", b"/proxy/openai/deployments/m-a/chat/completions?api-version=2024-10-21&x=1"),
    ],
)
async def test_azures_version_and_path_are_free_to_set(path: str, target: bytes) -> None:
    script = Script((delta("hi"), DONE))
    resources = Resource("/{a}/{b}/chat/completions", script, methods=("POST",), parameters=None)
    long = Resource("/{a}/{b}/{c}/chat/completions", script, methods=("POST",), parameters=None)
    longer = Resource("/{a}/{b}/{c}/{d}/chat/completions", script, methods=("POST",), parameters=None)
    async with serving(resources, long, longer, pacer=TrioPacer()) as azure:
        async with asking(Fake(dialect="azure", port=azure.port, path=path, key="k")) as asked:
            assert status_of(await asked.ask("hi")) == 200, script.targets
            assert (await asked.providers())[0]["url"].endswith(path.partition("?")[0] or "/")
    assert script.targets == [target]


async def test_connections_to_a_provider_are_used_again() -> None:
    async with asking(Fake()) as asked:
        for _ in range(3):
            assert last_of(await asked.ask("hi"))[0] == "done"
        peers = {entry.peer for entry in asked.behind[0].ended}
    assert (len(asked.behind[0].ended), len(peers)) == (3, 1)
