"""A run of trio on a separate thread, and calls into it from other threads, asyncio and trio.

The rule here: threads and futures, no HTTP. A call becomes a task in that run and a `concurrent.futures.Future` for the
caller: threads block on it, asyncio and trio await it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import trio

from chunkwire.net.triosleep import SleeperClock
from chunkwire.wire.errors import LocalError

T = TypeVar("T")
Future = concurrent.futures.Future

_CLOSED: Final = "the origin is closed"


class TrioThread:
    """Runs `main` on a thread until it is closed.

    Args:
        main: an async function that is started by `nursery.start`; the future of `start` has the value that it reports.
    """

    def __init__(self, main: Callable[..., Awaitable[object]], name: str) -> None:
        self._main = main
        self._name = name
        self._token: trio.lowlevel.TrioToken | None = None
        self._nursery: trio.Nursery | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def start(self) -> Future[Any]:
        """Start the thread; the future has the value that `main` reports as started, or its error.

        Raises:
            RuntimeError: it was started before.
        """
        if self._thread is not None:
            raise RuntimeError("expected an origin that was not entered before")
        started: Future[Any] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name=self._name, daemon=True)
        self._thread.start()
        return started

    def _run(self, started: Future[Any]) -> None:
        try:
            trio.run(self._run_main, started, clock=SleeperClock())
        except BaseException as error:  # noqa: BLE001  it is raised where somebody waits
            _settle(started, error=error)

    async def _run_main(self, started: Future[Any]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self._nursery:
            if self._is_closed:  # `close` was called before the nursery existed
                self._nursery.cancel_scope.cancel()
            try:
                value = await self._nursery.start(self._main, name=self._name)
            except Exception as error:  # noqa: BLE001  reported without the nursery's exception group
                _settle(started, error=error)
                return
            _settle(started, value)

    def post(self, function: Callable[[], object]) -> None:
        """Run a function in trio's thread soon, after those posted before.

        Raises:
            LocalError: the thread has ended, or trio does not run in it yet.
        """
        try:
            if self._token is None:
                raise trio.RunFinishedError
            self._token.run_sync_soon(function)
        except trio.RunFinishedError as error:
            raise LocalError(_CLOSED) from error

    def call(self, function: Callable[[], Awaitable[T]]) -> Future[T]:
        """Run an async function in the trio run; cancelling the future cancels it.

        Raises:
            LocalError: as `post`.
        """
        future: Future[T] = Future()
        scope = trio.CancelScope()

        async def run() -> None:
            try:
                with scope:
                    _settle(future, await function())
            except Exception as error:  # noqa: BLE001  it is raised where somebody waits
                _settle(future, error=error)
            finally:
                _settle(future, error=LocalError(_CLOSED))

        def begin() -> None:
            try:
                assert self._nursery is not None
                self._nursery.start_soon(run, name="call")
            except RuntimeError:  # the nursery is closed
                _settle(future, error=LocalError(_CLOSED))

        self.post(begin)
        future.add_done_callback(lambda done: self._cancel(scope) if done.cancelled() else None)
        return future

    def close(self) -> None:
        """Cancel everything in the trio run, and wait for its end; idempotent."""
        self._is_closed = True
        if self._nursery is not None:
            self._cancel(self._nursery.cancel_scope)
        if self._thread is not None:
            self._thread.join()

    def _cancel(self, scope: trio.CancelScope) -> None:
        try:
            self.post(scope.cancel)
        except LocalError:
            pass  # the thread has ended


def _settle(future: Future[T], value: T | None = None, *, error: BaseException | None = None) -> None:
    """Set the value or error of a future unless it is done or cancelled; from any thread."""
    try:
        future.set_result(value) if error is None else future.set_exception(error)  # type: ignore[arg-type]
    except concurrent.futures.InvalidStateError:
        pass  # it is done already


def refuse_in_loop(what: str, twin: str) -> None:
    """Refuse a blocking call inside a running event loop.

    Raises:
        RuntimeError: one line that names the loop and the async call to use.
    """
    loop = None
    if trio.lowlevel.in_trio_run():
        loop = "trio"
    elif "asyncio" in sys.modules and asyncio._get_running_loop() is not None:
        loop = "asyncio"
    if loop is not None:
        raise RuntimeError(f"{what} would block the running {loop} event loop; use `{twin}`")


async def awaited(future: Future[T]) -> T:
    """Wait for a future in asyncio or in trio.

    Cancellation: cancels the future.
    """
    if not trio.lowlevel.in_trio_run():
        return await asyncio.wrap_future(future)
    done, token = trio.Event(), trio.lowlevel.current_trio_token()

    def wake(_: object) -> None:
        try:
            token.run_sync_soon(done.set)
        except trio.RunFinishedError:
            pass  # that trio run has ended

    future.add_done_callback(wake)
    try:
        await done.wait()
    finally:
        future.cancel()  # has no effect if it is done
    return future.result()
