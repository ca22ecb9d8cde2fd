"""Ctrl-C and SIGTERM as the end of watching: what was seen is summed up, and the exit code says which it was.

The rule here: the first signal ends the watch in order, the second one at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType, TracebackType
from typing import Any

import trio
from trio.abc import Clock

from chunkwire.cli.exits import ExitCode

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class StopSignal:
    """Cancel what is inside at SIGINT or SIGTERM, and go on after it. In other threads than the main one: do nothing.

    Attributes:
        code: of the signal that came; OK while there was none.
    """

    def __init__(self) -> None:
        self.code = ExitCode.OK
        self._scope = trio.CancelScope()
        self._token = trio.lowlevel.current_trio_token()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _CODES}
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            return self._scope.__exit__(kind, error, trace)
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.code is not ExitCode.OK:
            raise KeyboardInterrupt
        self.code = _CODES[signal.Signals(number)]
        self._token.run_sync_soon(self._scope.cancel, idempotent=True)


def run_until_stopped(main: Callable[[], Awaitable[int]], *, clock: Clock | None = None) -> int:
    """Run a trio program to its end, or to SIGINT or SIGTERM; return its exit code, or that of the signal.

    The signal cancels the program: a KeyboardInterrupt that is raised while a nursery opens would break trio's state.
    """

    async def stoppable() -> int:
        with StopSignal() as stop:
            return await main()
        return stop.code

    return trio.run(stoppable, clock=clock)
