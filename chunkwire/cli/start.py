"""The entry point of the command line: what must happen before anything slow is loaded.

The rule here: the imports at the top are of modules that the interpreter has loaded already. Until `main` is called,
Ctrl-C prints a traceback.
"""

import _signal  # type: ignore[import-not-found]  # `signal` loads enum
import os
import sys

INTERRUPTED = 130  # as in `chunkwire.cli.exits`, which takes longer to load


def main() -> int:
    """Run the command line and return its exit code; see `chunkwire.cli.main`."""
    exit_at_interrupt()
    try:
        return _run()
    except KeyboardInterrupt:  # outside the main thread, where `exit_at_interrupt` has no effect
        return INTERRUPTED
    finally:
        raise_at_interrupt()


def exit_at_interrupt() -> None:
    """Let SIGINT end the process at once, while modules are being loaded; until `raise_at_interrupt`.

    A KeyboardInterrupt raised there can be lost: the import system has callbacks of weak references, and what they
    raise is printed and ignored. A SIGINT that is ignored stays ignored.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        try:
            _signal.signal(_signal.SIGINT, _exit)
        except ValueError:  # not in the main thread
            return


def raise_at_interrupt() -> None:
    """Let SIGINT raise KeyboardInterrupt again, if `exit_at_interrupt` has changed that: trio.run relies on it."""
    if _signal.getsignal(_signal.SIGINT) is _exit:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _exit(_number: int, _frame: object) -> None:
    if os.isatty(2):
        os.write(2, b"\n")  # the terminal has shown ^C
    os._exit(INTERRUPTED)  # nothing has been printed yet


def _run() -> int:
    _open_closed_streams()
    # The encoding of standard output may be ASCII or Latin-1: other characters are escaped, as on standard error.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    words = sys.argv[1:]
    if watches_stdin(words):
        from chunkwire.cli import early_stdin

        early_stdin.start_reading()
    from chunkwire.cli.main import main as run
    from chunkwire.cli.terminal import drop_unwritable_messages

    drop_unwritable_messages()
    return run(when_loaded=raise_at_interrupt)


def watches_stdin(words: list[str]) -> bool:
    """Say whether a command line is `watch` with the word `-`; no other verb takes what has been read early."""
    verb = next((word for word in words if not word.startswith("-")), "")
    return verb == "watch" and "-" in words


def _open_closed_streams() -> None:
    """Open the null device for each standard stream that is closed: else the next socket would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
