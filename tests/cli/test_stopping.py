"""SIGINT and SIGTERM: the first one cancels a trio program, the second one interrupts it, the third one kills it."""

import os
import signal
import subprocess
import sys
from typing import NoReturn

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


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number, code", [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)])
def test_a_second_signal_ends_a_shielded_program(number: signal.Signals, code: ExitCode) -> None:
    """Fails where the signal raises inside trio, which is what it interrupts here: TrioInternalError."""

    async def main() -> int:
        os.kill(os.getpid(), number)
        trio.lowlevel.current_trio_token().run_sync_soon(os.kill, os.getpid(), number)
        with trio.CancelScope(shield=True):
            await trio.sleep_forever()
        return ExitCode.OK

    with pytest.raises(SystemExit) as ended:
        run_until_stopped(main)
    assert ended.value.code == code
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_signal_is_the_exit_code_where_it_interrupts_a_cancelled_nursery() -> None:
    """Fails where only the group that reaches the scope is looked at: the scope raises what is left of it."""

    async def main() -> NoReturn:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever, name="sleeper")
            os.kill(os.getpid(), signal.SIGTERM)
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    trio.lowlevel.current_trio_token().run_sync_soon(os.kill, os.getpid(), signal.SIGTERM)
                    await trio.sleep_forever()

    with pytest.raises(SystemExit) as ended:
        run_until_stopped(main)
    assert ended.value.code == ExitCode.TERMINATED


WAITS_FOR_A_THREAD = """
import os, signal, threading, trio
from chunkwire.cli.stopping import run_until_stopped

def block(token):
    for _ in range(3):  # in the main thread, which handles each before the next one is sent
        token.run_sync_soon(os.kill, os.getpid(), signal.SIGTERM)
    threading.Event().wait()

run_until_stopped(lambda: trio.to_thread.run_sync(block, trio.lowlevel.current_trio_token()))
"""


def test_a_third_signal_ends_a_program_that_waits_for_a_thread() -> None:
    ended = subprocess.run([sys.executable, "-c", WAITS_FOR_A_THREAD], capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGTERM, b"")
