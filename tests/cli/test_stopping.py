"""SIGINT and SIGTERM: the first one cancels a trio program, the second one interrupts it, the third one kills it."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
import trio

from chunkwire.cli import start
from chunkwire.cli.exits import ExitCode
from chunkwire.cli.stopping import run_until_stopped
from tests.cli.test_terminal import terminal
from tests.patience import PATIENCE


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


@pytest.mark.parametrize("number, shown", [(signal.SIGINT, "\n"), (signal.SIGTERM, "")])
def test_an_interrupt_ends_the_line_on_which_the_terminal_shows_it(number: signal.Signals, shown: str) -> None:
    async def main() -> NoReturn:
        os.kill(os.getpid(), number)
        await trio.sleep_forever()

    with terminal() as stream:
        run_until_stopped(main)
    assert stream.getvalue() == shown


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

    with terminal() as stream, pytest.raises(SystemExit) as ended:
        run_until_stopped(main)
    assert ended.value.code == code
    assert stream.getvalue() == ("\n\n" if number == signal.SIGINT else "")
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


INTERRUPTED_IMPORT = """
import signal, sys, weakref
from chunkwire.cli.start import main

class Finder:
    def find_spec(self, name, path, target=None):
        if name == MODULE:
            held = Finder()
            kept = weakref.ref(held, lambda _: signal.raise_signal(signal.SIGINT))
            del held

sys.meta_path.insert(0, Finder())
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["chunkwire.cli.main", "chunkwire.cli.watch", "chunkwire.cli.watch_run"])
def test_an_interrupt_while_modules_are_loaded_ends_the_program(module: str, tmp_path: Path) -> None:
    """Fails where KeyboardInterrupt is raised: a callback of the import system prints a traceback and loses it."""
    (tmp_path / "whole").write_bytes(b"1\r\na\r\n0\r\n\r\n")
    words = [sys.executable, "-c", INTERRUPTED_IMPORT.replace("MODULE", repr(module)), "watch", str(tmp_path / "whole")]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, b"", b"")


def test_an_interrupt_while_modules_are_loaded_ends_the_line_of_the_terminal() -> None:
    outer, inner = os.openpty()
    words = [sys.executable, "-c", INTERRUPTED_IMPORT.replace("MODULE", "'chunkwire.cli.main'"), "watch"]
    assert subprocess.run(words, stderr=inner, timeout=PATIENCE).returncode == ExitCode.INTERRUPTED
    os.close(inner)
    assert os.read(outer, 100) == b"\r\n"
    os.close(outer)


def test_an_interrupt_raises_again_once_modules_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    before: list[object] = []
    monkeypatch.setattr(start, "_run", lambda: before.append(signal.getsignal(signal.SIGINT)))
    start.main()
    assert before != [signal.default_int_handler]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_outside_the_main_thread_is_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "_run", interrupted)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(start.main).result() == ExitCode.INTERRUPTED


def test_an_interrupt_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_run", lambda: signal.getsignal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert start.main() == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
