"""Providers that fail: before the first token the next is asked, after it the caller is told; and breakers remember."""

import json
from typing import Any

import pytest
import trio

from chunkwire.ask.attempt import Patience
from chunkwire.llm.answer import ErrorKind
from chunkwire.origin.mock.settings import MockSettings, WordSource, parse_failure, parse_fault
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from tests.ask.endpoint import DONE, FAST, Asked, Fake, asking, chat, delta, error_of, events_of, last_of, text_of
from tests.patience import PATIENCE
from tests.server.peer import LeapPacer, body_of, connect, get, status_of


def failing(what: str, **more: Any) -> MockSettings:
    return MockSettings(0, 0, failure=parse_failure(what), **more)


def faulty(what: str) -> MockSettings:
    return MockSettings(0, 0, fault=parse_fault(what))


async def html(_: IncomingRequest, response: Responder) -> None:
    await response.fixed(200, ((b"Content-Type", b"text/html"),), b"<!DOCTYPE html><h1>Sign in</h1>")


NOBODY = 1  # the port of tcpmux, where nothing has listened for decades

FAILURES: list[Any] = [
    pytest.param(Fake(failing("503")), ErrorKind.OVERLOADED, 503, id="503"),
    pytest.param(Fake(failing("500")), ErrorKind.SERVER, 502, id="500"),
    pytest.param(Fake(failing("wrong-key")), ErrorKind.WRONG_KEY, 502, id="wrong key"),
    pytest.param(Fake(failing("not-found")), ErrorKind.NOT_FOUND, 502, id="unknown model"),
    pytest.param(Fake(failing("429")), ErrorKind.RATE_LIMIT, 429, id="429"),
    pytest.param(Fake(port=NOBODY), ErrorKind.UNREACHABLE, 502, id="down"),
    pytest.param(Fake(faulty("empty")), ErrorKind.UNREACHABLE, 502, id="no response"),
    pytest.param(Fake(responder=html), ErrorKind.NOT_A_STREAM, 502, id="html with 200"),
    pytest.param(Fake(responder=chat(b'data: {"choices":[{"del\n\n')), ErrorKind.BROKEN, 502, id="broken JSON"),
    pytest.param(Fake(responder=chat(b'data: {"choices":[{"del')), ErrorKind.INCOMPLETE, 502, id="half an event"),
    pytest.param(Fake(faulty("early-end=1")), ErrorKind.INCOMPLETE, 502, id="no terminal event"),
    pytest.param(Fake(faulty("cut=1")), ErrorKind.INCOMPLETE, 502, id="cut"),
    pytest.param(Fake(faulty("reset=1")), ErrorKind.INCOMPLETE, 502, id="reset"),
    pytest.param(Fake(faulty("bad-size=1")), ErrorKind.BROKEN, 502, id="broken framing"),
]


@pytest.mark.parametrize("fake, kind, status", FAILURES)
async def test_a_failure_before_the_first_token_has_a_status_unless_the_next_provider_answers(
    fake: Fake, kind: ErrorKind, status: int
) -> None:
    async with asking(fake) as asked:
        refused = await asked.ask("Say hello")
    error = error_of(refused)
    assert (status_of(refused), error["kind"], error["provider"]) == (status, kind.value, "a")
    assert asked.audit[0]["ended"] == "error"
    assert asked.audit[0]["error"] == {"kind": error["kind"], "message": error["message"]}
    async with asking(fake, Fake(dialect="anthropic")) as asked:
        response = await asked.ask("Say hello")
    assert (text_of(events_of(response)), last_of(response)[1]["provider"]) == ("Say hello", "b")
    attempts = [(attempt["provider"], attempt.get("error")) for attempt in asked.audit[0]["attempts"]]
    assert attempts == [("a", kind.value), ("b", None)]


async def test_a_provider_that_sends_no_token_in_time_is_a_504() -> None:
    async with asking(
        Fake(responder=chat(b": still here\n\n", is_endless=True)),
        patience=Patience(first_token_timeout=0.1, attempts=1),
    ) as asked:
        response = await asked.ask("hi")
    assert (status_of(response), error_of(response)["kind"]) == (504, "timeout")


@pytest.mark.parametrize(
    "fake, kind",
    [
        (Fake(failing("overloaded@2")), "overloaded"),
        (Fake(faulty("early-end=3")), "incomplete"),
        (Fake(faulty("cut=3")), "incomplete"),
        (Fake(faulty("reset=3")), "incomplete"),
        (Fake(responder=chat(delta("Say"), delta(" hello"), b"data: oops\n\n")), "broken"),
    ],
)
async def test_after_the_first_token_there_is_no_failover_and_the_error_is_an_event(fake: Fake, kind: str) -> None:
    async with asking(fake, Fake()) as asked:
        response = await asked.ask("Say hello again")
        whole = await asked.ask("Say hello again", "&stream=false")
        assert (await asked.providers())[1]["asked"] == 0
    events = events_of(response)
    assert text_of(events) == "Say hello"
    assert (events[-1].event, json.loads(events[-1].data)["kind"]) == ("error", kind)
    assert json.loads(events[-1].data)["provider"] == "a"
    assert (status_of(whole) >= 500, json.loads(body_of(whole))["text"]) == (True, "Say hello")
    assert [line["ended"] for line in asked.audit] == ["error", "error"]


async def test_a_terminal_event_completes_an_answer_whose_framing_is_cut() -> None:
    async with asking(Fake(faulty("no-terminator"))) as asked:
        assert last_of(await asked.ask("Say hello"))[0] == "done"


async def test_an_answer_ends_at_its_terminal_event_though_the_provider_stays_connected() -> None:
    async with asking(Fake(responder=chat(delta("hi") + DONE, is_endless=True))) as asked:
        assert last_of(await asked.ask("x"))[0] == "done"


async def test_a_bad_request_is_not_retried_at_another_provider() -> None:
    async with asking(Fake(failing("400")), Fake()) as asked:
        response = await asked.ask("hi")
        told = await asked.providers()
    assert (status_of(response), error_of(response)["kind"]) == (400, "bad-request")
    assert [(provider["asked"], provider["failures_in_a_row"]) for provider in told] == [(1, 0), (0, 0)]


async def test_a_provider_is_asked_again_before_the_next_where_that_may_help() -> None:
    patience = Patience(attempts=3, backoff=(0.0, 0.0))
    async with asking(Fake(failing("503")), Fake(failing("wrong-key")), Fake(), patience=patience) as asked:
        await asked.ask("hi")
    assert [attempt["provider"] for attempt in asked.audit[0]["attempts"]] == ["a", "a", "a", "b", "c"]


async def test_a_breaker_opens_after_failures_in_a_row_and_its_provider_is_skipped() -> None:
    async with asking(Fake(failing("503"), failures=2), Fake()) as asked:
        for _ in range(3):
            await asked.ask("hi")
        first, second = await asked.providers()
    assert (first["state"], first["asked"], first["failed"]) == ("open", 2, 2)
    assert 0 < first["next_trial_in_s"] <= 1000
    assert (second["state"], second["answered"], second["tokens"]) == ("closed", 3, 3)
    assert [attempt["error"] for attempt in asked.audit[2]["attempts"] if "error" in attempt] == ["skipped"]


async def test_a_503_of_open_breakers_has_a_retry_after() -> None:
    async with asking(Fake(failing("503"), failures=1), Fake(failing("503"), failures=1, cooldown=7)) as asked:
        await asked.ask("hi")
        response = await asked.ask("hi")
    assert status_of(response) == 503
    assert b"Retry-After: 7\r\n" in response
    assert "breaker" in error_of(response)["message"]


async def ask_or_leave(asked: Asked, number: int, responses: list[bytes]) -> None:
    """Ask, and leave every fourth time after a few octets."""
    if number % 4:
        responses.append(await asked.ask("hi"))
        return
    async with connect(asked.running.port, get("/ask?q=hi")) as client:
        await client.stream.receive_some(number + 1)
        client.reset()


async def test_every_answer_is_whole_or_clearly_failed_while_providers_fail_and_callers_leave_at_random() -> None:
    flaky = MockSettings(0, 0, failures=0.3, source=WordSource.TEXT, text="one two three four five six")
    fakes = (Fake(flaky, failures=3, cooldown=0.0), Fake(flaky, dialect="anthropic", failures=3, cooldown=0.0))
    responses: list[bytes] = []
    async with asking(*fakes, patience=Patience(attempts=2, backoff=(0.0, 0.01))) as asked:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for number in range(200):
                    nursery.start_soon(ask_or_leave, asked, number, responses, name=f"question {number}")
            while any(running.origin.metrics.streams_open for running in (asked.running, *asked.behind)):
                await trio.lowlevel.checkpoint()
        told = await asked.providers()
    kinds = [last_of(response)[0] if status_of(response) == 200 else "error" for response in responses]
    assert {*kinds} == {"done", "error"}
    assert all(text_of(events_of(r)) == flaky.text for r, kind in zip(responses, kinds, strict=True) if kind == "done")
    assert (len(asked.audit), {line["ended"] for line in asked.audit}) == (200, {"complete", "error", "client-gone"})
    assert [(one["streams"], one["waiting"]) for one in told] == [(0, 0)] * 2


async def test_keep_alives_of_a_provider_are_no_first_token() -> None:
    mock = MockSettings(time_to_first_token=50.0, inter_token_latency=0.0, keep_alive=1.0)
    async with asking(Fake(mock, pacer=LeapPacer())) as asked:
        assert text_of(events_of(await asked.ask("Say hello"))) == "Say hello"
    assert FAST.keep_alive == 0
