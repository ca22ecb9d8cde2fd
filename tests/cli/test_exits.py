"""Which error has which exit code."""

import argparse
import errno
from argparse import Namespace

import pytest

from chunkwire import FramingError, IncompleteBody, LocalError
from chunkwire.cli.exits import FRAMING_EXITS, ExitCode, exit_code_of, message_of
from chunkwire.client import Deadline, DialError, HeadError, IncompleteHead, MalformedBody, PeerGone, ResetBody
from chunkwire.net.listen import Address, ListenError
from chunkwire.record.values import FRAMING_VERDICTS, UNKNOWN
from chunkwire.wire.sse import EventTooLong

BARE_LF = FramingError("bare-lf", 1, b"\n", "RFC 9112 §2.2", "expected CRLF at 1, got LF")


@pytest.mark.parametrize(
    "error, code",
    [
        (LocalError("x"), 2),
        (FileNotFoundError(2, "No such file or directory", "x"), 2),
        (DialError("dns", "x"), 7),
        (DialError("refused", "x"), 7),
        (DialError("tls", "x"), 7),
        (DialError("timeout", "x"), 28),
        (Deadline("idle", 1.0), 28),
        (IncompleteBody(1, "chunk-data"), 18),
        (ResetBody(1, "the body"), 56),
        (BARE_LF, 56),
        (MalformedBody(BARE_LF), 56),
        (HeadError(400, "not-http", "x"), 56),
        (PeerGone("x"), 56),
        (IncompleteHead(b""), 52),
        (IncompleteHead(b"HTTP"), 56),
        (EventTooLong(1), 56),
        (ListenError("x"), 71),
        (KeyboardInterrupt(), 130),
        (MemoryError(), 2),
        (KeyError("x"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_has_its_exit_code(error: BaseException, code: int | None) -> None:
    assert exit_code_of(error) == code


def test_every_framing_verdict_has_an_exit_code() -> None:
    assert set(FRAMING_EXITS) == {*FRAMING_VERDICTS, UNKNOWN}


def test_the_codes_are_the_ones_that_scripts_rest_on() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 7, 18, 22, 28, 52, 56, 70, 71, 130, 143]


@pytest.mark.parametrize(
    "given, flag",
    [
        ({}, "-l"),
        ({"listen": ":80", "admin": None}, "-l"),
        ({"listen": ":80", "admin": ":81"}, "-l"),
        ({"listen": ":81", "admin": ":80", "control": None}, "--admin"),
        ({"listen": ":81", "admin": ":82", "control": "80"}, "--control"),
    ],
)
def test_an_address_that_is_taken_names_the_flag_that_takes_another(given: dict[str, str | None], flag: str) -> None:
    taken = ListenError.from_os(Address("127.0.0.1", 80), OSError(errno.EADDRINUSE, "Address already in use"))
    said = f"cannot listen on 127.0.0.1:80: address already in use; choose another with {flag}; port 0 takes a free one"
    assert message_of(taken, Namespace(**given)) == said


def test_a_unix_socket_that_is_taken_has_no_port_to_change() -> None:
    taken = ListenError.from_os(Address("/run/x", 0), OSError(errno.EADDRINUSE, "Address already in use"))
    said = "cannot listen on unix:/run/x: address already in use; choose another with -l"
    assert message_of(taken, Namespace(listen="unix:/run/x")) == said


def test_an_address_that_may_not_be_taken_names_no_flag() -> None:
    denied = ListenError.from_os(Address("127.0.0.1", 80), PermissionError(errno.EACCES, "Permission denied"))
    assert message_of(denied, Namespace()) == "cannot listen on 127.0.0.1:80: permission denied"


def test_a_message_is_one_line() -> None:
    missing = FileNotFoundError(2, "No such file or directory", "x")
    assert message_of(ValueError("a\n  b"), Namespace()) == "a b"
    assert message_of(ValueError(), Namespace()) == "ValueError"
    assert message_of(missing, Namespace()) == "x: no such file or directory"


def test_too_little_memory_is_no_bug_and_has_a_line() -> None:
    assert "not enough memory" in message_of(MemoryError(), argparse.Namespace())
