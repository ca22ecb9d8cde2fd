"""Frames released by the test: each is with the client before the next is sent, and the client's leaving is seen."""

import asyncio
import http.client
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import Text
from chunkwire.llm.question import Message, Question
from chunkwire.origin.scenarios import Ending
from chunkwire.testing import Origin, OriginRun, RunFailed, by_hand, octets, stall, status
from chunkwire.testing.runs import ServedRun
from chunkwire.testing.steps import Octets
from chunkwire.wire.errors import LocalError
from tests.peers.plain import Wire, dialled
from tests.testing.test_runs import refusal


def end_unasked(run: OriginRun) -> None:
    with pytest.raises(RunFailed, match="never asked for: response 1: "):
        run.end()


@contextmanager
def asking(run: OriginRun) -> Generator[Wire, None, None]:
    """Give a client of a run, which has the head of its response."""
    url = urlsplit(run.url)
    with dialled(url.port or 80, f"GET {url.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) as peer:
        peer.read_head()
        yield peer
        peer.close()


def test_each_frame_is_there_before_the_next_is_sent(origin: Origin) -> None:
    run = origin.text(by_hand=True)
    with asking(run) as peer:
        run.send_event("Grüße")
        peer.reader.until("7\r\nGrüße\r\n".encode())
        run.send_frame(b"ab", ext=b';t="\xe9"')
        peer.reader.until(b'2;t="\xe9"\r\nab\r\n')
        run.send_octets(b"ffff\r\npart")
        peer.reader.until(b"ffff\r\npart")
        run.cut()
        assert peer.read_rest() == (b"", False)
    run.end()


def test_what_is_sent_before_the_request_comes_with_it(origin: Origin) -> None:
    run = origin.sse(by_hand=True)
    run.send_event("one")
    run.send_event({"event": "two", "data": [2]})
    run.finish()
    with asking(run) as peer:
        assert peer.reader.until(b"0\r\n\r\n") == b"b\r\ndata: one\n\n\r\n16\r\nevent: two\ndata: [2]\n\n\r\n0\r\n\r\n"


def test_a_reset_by_hand_resets_the_connection(origin: Origin) -> None:
    run = origin.sse(by_hand=True)
    with asking(run) as peer:
        run.reset()
        assert peer.read_rest() == (b"", True)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_a_dialect_by_hand_opens_goes_on_and_closes(origin: Origin, name: str) -> None:
    dialect = DIALECTS[name]
    run = getattr(origin, "openai" if name == "azure" else name.partition("-")[0])(by_hand=True)
    asked = dialect.build_request(Question("m", (Message("user", "Hi"),)), base=b"")
    host, _, base = run.url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    fields = {key.decode(): value.decode() for key, value in asked.fields}
    connection.request("POST", f"/{base}{asked.target.decode()}", asked.body, fields)
    response, reader, seen = connection.getresponse(), dialect.reader(), list[str]()
    for word in ("Grü", "ße"):
        run.send_event(word)
        while len(seen) == 0 or seen[-1] != word:
            seen += [event.text for event in reader.feed(response.read1(1)) if isinstance(event, Text)]
    run.finish()
    reader.feed(response.read())
    connection.close()
    assert (seen, reader.end_of_input(), reader.is_complete) == (["Grü", "ße"], [], True)
    run.end()


def test_a_response_by_hand_stands_among_others(origin: Origin) -> None:
    run = origin.sse([status(503), by_hand(), by_hand()])
    assert refusal(run.url)[0] == 503
    for text in ("one", "two"):
        with asking(run) as peer:
            run.send_event(text)
            run.finish()
            assert text.encode() in peer.reader.until(b"0\r\n\r\n")
    run.end()


@pytest.mark.parametrize("leaving", ["close", "reset"])
def test_the_clients_leaving_is_seen(origin: Origin, leaving: str) -> None:
    run = origin.sse(by_hand=True)
    with asking(run) as peer:
        run.wait_request()
        if leaving == "reset":
            peer.reset()
    run.wait_client_gone()
    run.send_event("nobody is there")
    run.end()


def test_the_kernel_reports_what_has_arrived(origin: Origin) -> None:
    run = origin.text(by_hand=True)
    with asking(run) as peer:
        run.send_event("x" * 10_000)
        run.wait_acked()
        assert len(peer.reader.until(b"x\r\n")) > 10_000
        run.send_octets(b"f" * (64 << 20))  # more than both kernels hold for a client that does not read
        with pytest.raises(RunFailed, match=r"^wait_acked: .* after 0\.05 s$"):
            run.wait_acked(timeout=0.05)


@pytest.mark.parametrize("wait", ["wait_request", "wait_acked"])
def test_a_wait_without_a_request_fails_in_one_line(origin: Origin, wait: str) -> None:
    run = origin.sse(by_hand=True)
    with pytest.raises(RunFailed, match=rf"^{wait}: no request came within 0\.01 s$"):
        getattr(run, wait)(timeout=0.01)
    end_unasked(run)


def test_a_client_that_stays_fails_the_wait_for_its_leaving(origin: Origin) -> None:
    run = origin.sse(by_hand=True)
    with asking(run):
        with pytest.raises(RunFailed, match=r"^wait_client_gone: the client has not left within 0\.01 s$"):
            run.wait_client_gone(timeout=0.01)
        with pytest.raises(LocalError, match=r"^timeout: expected seconds, above 0 and at most 60, got 0$"):
            run.wait_client_gone(timeout=0)


def test_ending_a_run_cuts_what_it_left_open(origin: Origin) -> None:
    run = origin.sse(by_hand=True)
    with asking(run) as peer:
        run.end()
        assert peer.read_rest() == (b"", False)


@pytest.mark.parametrize(
    "act, line",
    [
        (lambda run: run.send_event(7), "send_event: expected a text, got 7"),
        (lambda run: run.send_octets("text"), r"send_octets: expected octets \(bytes\), got str"),
        (lambda run: run.send_frame(b"a", ";ext"), r"ext: expected octets \(bytes\), got str"),
        (lambda run: run.send_frame(b""), "expected"),
        (lambda run: run.send_frame(b"a", b"no-semicolon"), "ext"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(origin: Origin, act: Any, line: str) -> None:
    run = origin.text(by_hand=True)
    with pytest.raises(LocalError, match=line):
        act(run)
    run.cut()
    with pytest.raises(LocalError, match=r"^send_event: every response by hand of this run has its end already$"):
        run.send_event("late")
    end_unasked(run)


def test_a_departure_is_waited_for_during_a_stall_too(origin: Origin) -> None:
    run = origin.text(stall("abcd", after_octets=2))
    with pytest.raises(RunFailed, match=r"^wait_client_gone: no request came"):
        run.wait_client_gone(timeout=0.01)
    with asking(run):
        with pytest.raises(RunFailed, match=r"^wait_client_gone: the client has not left"):
            run.wait_client_gone(timeout=0.01)
    run.wait_client_gone()


async def test_each_wait_is_about_the_next_stall_also_if_its_client_has_left_before() -> None:
    run = ServedRun("text", [Octets((b"",), Ending.HOLD)] * 2, repeats=False)
    run.stalls[0].gone.set()
    await run.wait({"do": "wait_client_gone"})
    with pytest.raises(RunFailed, match="no request came"):
        await run.wait({"do": "wait_client_gone", "timeout": 0.01})
    run.stalls[1].gone.set()
    for _ in range(2):  # the second is beyond the last stall: about that one
        await run.wait({"do": "wait_client_gone"})


async def test_waits_at_the_same_time_are_about_different_stalls() -> None:
    run = ServedRun("text", [Octets((b"",), Ending.HOLD)] * 2, repeats=False)
    met: list[int] = []

    async def wait(number: int) -> None:
        await run.wait({"do": "wait_request"})
        met.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(2):
            nursery.start_soon(wait, number, name="wait")
            await trio.testing.wait_all_tasks_blocked()
        for number, stalled in run.stalls.items():
            stalled.asked.set()
            await trio.testing.wait_all_tasks_blocked()
            assert met == [0, 1][: number + 1]


def test_octets_that_end_in_silence_are_a_stall(origin: Origin) -> None:
    run = origin.text(octets(b"HTTP/1.1 200 OK\r\n\r\nhalf", end="hold"))
    with asking(run):
        run.wait_request()
    run.wait_client_gone()
    run.end()


def test_only_a_run_with_a_response_by_hand_can_be_written(origin: Origin) -> None:
    run = origin.text("a")
    with pytest.raises(LocalError, match=r"^finish: expected a response written by hand in this run, it has none$"):
        run.finish()
    end_unasked(run)
    with pytest.raises(ValueError, match="either responses or by_hand=True"):
        origin.text("a", by_hand=True)


WAITS = ("wait_request", "wait_client_gone", "wait_acked")


@pytest.mark.parametrize("wait", WAITS)
async def test_under_trio_a_blocking_wait_names_its_twin_and_the_twin_waits(origin: Origin, wait: str) -> None:
    run = origin.sse(by_hand=True)
    line = rf"^{wait}\(\) would block the running trio event loop; use `await run\.{wait}_async\(\)`$"
    with pytest.raises(RuntimeError, match=line):
        getattr(run, wait)()
    await trio.to_thread.run_sync(leave_after_head, run)
    await getattr(run, f"{wait}_async")()


@pytest.mark.parametrize("wait", WAITS)
def test_under_asyncio_a_blocking_wait_names_its_twin_too(origin: Origin, wait: str) -> None:
    run = origin.sse(by_hand=True)

    async def main() -> None:
        line = rf"^{wait}\(\) would block the running asyncio event loop; use `await run\.{wait}_async\(\)`$"
        with pytest.raises(RuntimeError, match=line):
            getattr(run, wait)()
        await asyncio.to_thread(leave_after_head, run)
        await getattr(run, f"{wait}_async")()

    asyncio.run(main())


def leave_after_head(run: OriginRun) -> None:
    with asking(run):
        """It leaves at once."""


async def test_a_wait_that_is_cancelled_is_over(origin: Origin, autojump_clock: trio.abc.Clock) -> None:
    run = origin.sse(by_hand=True)
    with trio.move_on_after(1) as scope:
        await run.wait_client_gone_async(timeout=60)
    assert scope.cancelled_caught

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run.wait_client_gone_async(timeout=60), 0.01)

    await trio.to_thread.run_sync(asyncio.run, main())
    end_unasked(run)
