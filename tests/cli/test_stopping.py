"""Signals that end a program of trio's: it is cancelled, wherever it is."""

import os
import signal

import pytest
import trio

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.stopping import run_until_stopped


@pytest.mark.parametrize("number, code", [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)])
def test_a_signal_cancels_the_program_and_is_its_exit_code(number: signal.Signals, code: ExitCode) -> None:
    seen: list[type[BaseException]] = []

    async def main() -> int:
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        except BaseException as error:
            seen.append(type(error))
            raise

    assert run_until_stopped(main) == code
    assert seen == [trio.Cancelled]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_program_that_ends_by_itself_gives_its_own_exit_code() -> None:
    async def main() -> int:
        return ExitCode.FINDING

    assert run_until_stopped(main) == ExitCode.FINDING
