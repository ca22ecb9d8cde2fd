"""An origin ends with its block, whatever ended that, and says in one line where it cannot be used."""

import asyncio
import http.client
import threading

import pytest
import trio

from chunkwire.testing import Origin, OriginRun, RunFailed, cut, stall
from chunkwire.testing.thread import TrioThread
from chunkwire.wire.errors import LocalError
from tests.testing.test_runs import fetch

ORIGIN_THREAD = "chunkwire origin"


def is_running() -> bool:
    return any(thread.name == ORIGIN_THREAD for thread in threading.enumerate())


def test_it_serves_runs_and_its_own_resources() -> None:
    with Origin() as origin:
        run = origin.sse("a")
        assert fetch(run.url) == b"data: a\n\n"
        assert fetch(f"{origin.url}/scenario/tiny").startswith(b"data: ")
        assert repr(run) == f"<sse run at {run.url}>"
    assert not is_running()


def leave(*, by: type[BaseException] | None = None) -> None:
    """Leave an origin whose runs nobody asked."""
    with Origin() as origin:
        origin.sse(["a"])
        origin.text([cut(after_octets=3)])
        if by is not None:
            raise by


def test_leaving_it_fails_the_test_with_what_was_not_asked_for() -> None:
    with pytest.raises(RunFailed) as caught:
        leave()
    assert str(caught.value).splitlines() == [
        "sse run: never asked for: response 1: 'a'",
        "text run: never asked for: response 1: a sample, cut after 3 octets",
    ]
    assert isinstance(caught.value, AssertionError)
    assert not is_running()


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_an_error_of_the_test_comes_out_with_a_note(error: type[BaseException]) -> None:
    with pytest.raises(error) as caught:
        leave(by=error)
    (note,) = caught.value.__notes__
    assert note.startswith("chunkwire: sse run: never asked for: response 1: 'a'\n")
    assert not is_running()


def test_it_ends_at_once_while_clients_wait_for_more() -> None:
    with Origin() as origin:
        stalled, by_hand = origin.sse([stall(after_events=1)]), origin.sse(by_hand=True)
        open_ones = [http.client.HTTPConnection(run.url.split("/")[2], timeout=30) for run in (stalled, by_hand)]
        for connection, run in zip(open_ones, (stalled, by_hand), strict=True):
            connection.request("GET", run.url)
            connection.getresponse()
    assert not is_running()
    for connection in open_ones:
        connection.close()


def test_a_run_after_its_end_and_one_before_its_start_are_one_line() -> None:
    closed = Origin()
    with pytest.raises(RuntimeError, match=r"^expected an origin that was entered: with Origin\(\) as origin$"):
        closed.sse("a")
    with closed:
        run = closed.sse(by_hand=True)
        fetch_head(run)
    for use in (lambda: closed.sse("a"), run.finish, run.wait_acked):
        with pytest.raises(LocalError, match=r"^the origin is closed"):
            use()
    with pytest.raises(RuntimeError, match=r"^expected an origin that was not entered before$"):
        closed.__enter__()


def fetch_head(run: OriginRun) -> None:
    connection = http.client.HTTPConnection(run.url.split("/")[2], timeout=30)
    connection.request("GET", run.url)
    connection.getresponse()
    connection.close()


@pytest.mark.parametrize("gateway", [True, "slice=1"])
def test_a_gateway_stands_before_it_where_that_is_asked_for(gateway: bool | str) -> None:
    with Origin(gateway=gateway) as origin:
        run = origin.text("Hello")
        assert fetch(run.url) == b"Hello"
        assert "via" in run.requests[0].headers


async def test_under_trio_it_is_entered_by_async_with() -> None:
    with pytest.raises(
        RuntimeError, match=r"^with Origin\(\) would block the running trio event loop; use `async with"
    ):
        Origin().__enter__()
    with pytest.raises(RunFailed):
        async with Origin() as origin:
            origin.sse("a")
    assert not is_running()


def test_under_asyncio_it_is_entered_by_async_with_too() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"^with Origin\(\) would block the running asyncio event loop; use"):
            Origin().__enter__()
        async with Origin() as origin:
            assert await asyncio.to_thread(fetch, origin.sse("a").url) == b"data: a\n\n"

    asyncio.run(main())
    assert not is_running()


def test_origins_in_several_threads_do_not_meet() -> None:
    seen: list[bytes] = []

    def use(text: str) -> None:
        with Origin() as origin:
            for _ in range(20):
                seen.append(fetch(origin.text(text * 1000).url))  # noqa: PERF401  several threads append

    threads = [threading.Thread(target=use, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted([letter.encode() * 1000 for letter in "abcd"] * 20)


async def test_under_trio_a_cancelled_block_ends_it() -> None:
    with trio.CancelScope() as scope:
        async with Origin() as origin:
            fetch_head(origin.sse(by_hand=True))
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert not is_running()


def test_a_thread_that_is_closed_as_it_starts_ends() -> None:
    for _ in range(20):
        thread = TrioThread(never_started, ORIGIN_THREAD)
        thread.start()
        thread.close()
    assert not is_running()


async def never_started(*, task_status: trio.TaskStatus[None]) -> None:
    await trio.sleep_forever()
