"""Many questions at once: trials of breakers, limits, queues, the budget of retries, and the metrics of all these."""

import pytest
import trio
import trio.testing

from chunkwire.ask.attempt import Patience
from chunkwire.ask.counts import AskMetrics
from chunkwire.ask.overload import RETRY_FLOOR
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, Responder
from tests.ask.endpoint import DONE, Fake, Script, Step, asking, chat, delta, error_of, last_of
from tests.patience import PATIENCE
from tests.server.peer import status_of


class Held:
    """A provider whose answers end when the test says so."""

    def __init__(self, *before: Step) -> None:
        self.asked = trio.Semaphore(0)
        self.first = trio.Semaphore(0)
        self.last = trio.Semaphore(0)
        self._before = list(before)

    async def __call__(self, request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1 << 20)
        if self._before:
            status, body = self._before.pop(0)
            await response.fixed(status, (), body)
            return
        self.asked.release()
        await self.first.acquire()
        async with response.chunked(fields=(EVENT_STREAM,)) as body:
            await body.send_chunk(delta("hi"))
            await self.last.acquire()
            await body.send_chunk(DONE)


async def test_the_first_token_of_a_trial_admits_all_waiters() -> None:
    held = Held((503, b"not yet"))
    async with asking(Fake(responder=held, failures=1, cooldown=0.0)) as asked, trio.open_nursery() as nursery:
        assert status_of(await asked.ask("hi")) == 503
        assert (await asked.providers())[0]["state"] == "half-open"
        answers: list[bytes] = []

        async def one() -> None:
            answers.append(await asked.ask("hi"))

        for number in range(4):
            nursery.start_soon(one, name=f"question {number}")
        with trio.fail_after(PATIENCE):
            await held.asked.acquire()
            while (await asked.providers())[0]["waiting"] < 3:
                await trio.lowlevel.checkpoint()
            held.first.release()  # the trial's answer goes on; nobody waits for its end
            for _ in range(3):
                await held.asked.acquire()
        for _ in range(4):
            held.first.release()
            held.last.release()
    assert [last_of(answer)[0] for answer in answers] == ["done"] * 4


@pytest.mark.parametrize("waiting", [0, 1])
async def test_a_question_to_a_full_provider_queues_and_is_503_beyond_the_queue(waiting: int) -> None:
    held = Held()
    async with asking(Fake(responder=held, most=1, most_waiting=waiting)) as asked, trio.open_nursery() as nursery:
        nursery.start_soon(asked.ask, "one", name="one")
        with trio.fail_after(PATIENCE):
            await held.asked.acquire()
        for _ in range(waiting):
            nursery.start_soon(asked.ask, "two", name="two")
        while (await asked.providers())[0]["waiting"] < waiting:
            await trio.lowlevel.checkpoint()
        refused = await asked.ask("three")
        for _ in range(2):
            held.first.release()
            held.last.release()
    assert (status_of(refused), b"Retry-After" in refused) == (503, False)
    assert "room for one more answer" in error_of(refused)["message"]


async def test_a_full_provider_gives_its_questions_to_the_next() -> None:
    held = Held()
    async with asking(Fake(responder=held, most=1), Fake()) as asked, trio.open_nursery() as nursery:
        nursery.start_soon(asked.ask, "one", name="one")
        with trio.fail_after(PATIENCE):
            await held.asked.acquire()
        assert last_of(await asked.ask("two"))[1]["provider"] == "b"
        held.first.release()
        held.last.release()


async def test_waiting_for_a_full_provider_has_a_timeout() -> None:
    held = Held()
    patience = Patience(attempts=1, queue_timeout=0.05)
    async with asking(Fake(responder=held, most=1), patience=patience) as asked, trio.open_nursery() as nursery:
        nursery.start_soon(asked.ask, "one", name="one")
        with trio.fail_after(PATIENCE):
            await held.asked.acquire()
        assert status_of(await asked.ask("two")) == 503
        held.first.release()
        held.last.release()


async def test_a_budget_limits_the_retries_of_all_questions(mock_clock: trio.testing.MockClock) -> None:
    """The clock stands still, so that the budget regains nothing while the questions are asked."""
    script = Script((500, b"{}"))
    patience = Patience(attempts=5, backoff=(0.0, 0.0))
    async with asking(Fake(responder=script, failures=1000), patience=patience, share=0.2) as asked:
        for _ in range(40):
            await asked.ask("hi")
        text = AskMetrics(asked.answers.relay).to_text()
    most = 40 + RETRY_FLOOR + 40 * 0.2
    assert 50 <= len(script.bodies) <= most
    assert "chunkwire_ask_retries_refused_total" in text


async def test_the_metrics_count_providers_retries_and_the_length_of_broken_answers() -> None:
    async with asking(Fake(responder=chat(delta("a"), delta("b"))), Fake()) as asked:
        await asked.ask("hi")
        lines = AskMetrics(asked.answers.relay).to_text().splitlines()
    for line in (
        'chunkwire_ask_streams{provider="a"} 0',
        'chunkwire_ask_failed_total{provider="a"} 1',
        'chunkwire_ask_asked_total{provider="b"} 0',
        'chunkwire_ask_broken_after_pieces_bucket{server="ask",le="1"} 0',
        'chunkwire_ask_broken_after_pieces_bucket{server="ask",le="3"} 1',
        "chunkwire_ask_retries_total 0",
    ):
        assert line in lines
