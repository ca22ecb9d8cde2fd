"""SIGINT (Ctrl-C) and SIGTERM: cancel a trio program, which may print what it has so far; the signal has an exit code.

The rule here: the first signal cancels. The second one raises KeyboardInterrupt, which also ends a shielded wait. The
third one has its default action, which also ends a process that waits for a thread.
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
from chunkwire.cli.terminal import end_interrupted_line
from chunkwire.wire.errors import leaf_errors

_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class StopSignal:
    """Cancel the block at the first SIGINT or SIGTERM, and continue after it. Outside the main thread it has no effect.

    Attributes:
        code: the exit code of the signal; OK where none came.

    Raises:
        SystemExit: with `code`, at the second signal.
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
            if (
                self.code
                and error is not None
                and any(isinstance(leaf, KeyboardInterrupt) for leaf in leaf_errors(error))
            ):
                if self.code is ExitCode.INTERRUPTED:
                    end_interrupted_line()
                raise SystemExit(self.code) from error

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.code is ExitCode.OK:
            self.code = _CODES[signal.Signals(number)]
            self._token.run_sync_soon(self._stop, idempotent=True)
        else:
            self._interrupt(frame)

    def _stop(self) -> None:
        if self.code is ExitCode.INTERRUPTED:
            end_interrupted_line()
        self._scope.cancel()

    def _interrupt(self, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt in the interrupted code, or in trio's main task if that code is trio's own.

        Raised inside trio it would leave trio's state inconsistent. trio.run installs the handler that decides.
        """
        for number in _CODES:
            signal.signal(number, signal.SIG_DFL)
        handler = self._before[signal.SIGINT]
        if not callable(handler):  # SIGINT was ignored when the process started, so trio installed none
            raise KeyboardInterrupt
        handler(signal.SIGINT, frame)


def run_until_stopped(main: Callable[[], Awaitable[int]], *, clock: Clock | None = None) -> int:
    """Run a trio program until it ends or a signal cancels it; return its exit code, or that of the signal."""

    async def stoppable() -> int:
        with StopSignal() as stop:
            return await main()
        return stop.code

    return trio.run(stoppable, clock=clock)
