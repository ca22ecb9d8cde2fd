"""Read the request flags of client verbs: method, fields, body, TLS.

The rule here: a wrong flag is refused before a connection is opened.
"""

from __future__ import annotations

import argparse
import os
import ssl
import stat
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import trio

from chunkwire.cli import early_stdin
from chunkwire.client.request import Body, checked
from chunkwire.net.heads import Field
from chunkwire.net.tls import make_tls
from chunkwire.wire.errors import LocalError


@dataclass(frozen=True, slots=True)
class RequestFlags:
    """The values of `flags.add_request`, without --max-time; `tls` is None if no flag is about it."""

    method: str
    fields: tuple[Field, ...]
    body: Body
    tls: ssl.SSLContext | None


def read_request(options: argparse.Namespace) -> RequestFlags:
    """Return the values of the request flags.

    Raises:
        LocalError: a -H that is no field line, a -X that is no method, or a --cafile without certificates.
        OSError: a file of -d or --cafile that cannot be read.
    """
    is_asked = options.cafile is not None or options.insecure
    tls = make_tls(options.cafile, verify=not options.insecure) if is_asked else None
    body = read_body(options.data)
    method: str = options.method or ("GET" if body is None else "POST")
    checked(method, ())
    return RequestFlags(method, read_fields(options.header), body, tls)


def read_fields(lines: Sequence[str]) -> tuple[Field, ...]:
    """Return the field lines of -H.

    Raises:
        LocalError: one is no field line, or may not be set.
    """
    try:
        return checked("GET", map(_name_and_value, lines))[1]
    except LocalError as error:
        raise LocalError(f"-H: {error}") from error


def _name_and_value(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise LocalError(f'expected "Name: value", got {line!r}')
    return name, value.strip(" \t")


def read_body(data: str | None) -> Body:
    """Return the body that -d names: text, the octets of @FILE, or standard input as it comes."""
    if data is None:
        return None
    if data == "-":
        return Input(sys.stdin.fileno())
    if data.startswith("@"):
        with open(data[1:], "rb") as file:
            return file.read()
    return data.encode("utf-8", "surrogateescape")


class Input:
    """A descriptor read as octets arrive: a pipe, a terminal or a file. As a request body each read is one chunk."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._early = deque(early_stdin.stop_reading() if fd == early_stdin.STDIN else ())
        self.moment = 0.0  # of the latest read, on `time.monotonic`
        self.was_there_before = False  # the octets of the latest read were in the pipe before the program started
        self.is_file = stat.S_ISREG(os.fstat(fd).st_mode)  # a regular file, whose octets have no arrival times
        self._is_pollable = not self.is_file

    async def receive(self) -> bytes:
        """Return the next octets as soon as they come; `b""` at the end.

        Raises:
            OSError: it is a directory, or cannot be read.
        """
        if self._early:
            await trio.lowlevel.checkpoint()
            self.moment, octets, self.was_there_before = self._early.popleft()
            if not octets:
                self._early.append((self.moment, octets, False))  # later calls return the end again
            return octets
        if self._is_pollable:
            try:
                await trio.lowlevel.wait_readable(self._fd)
            except OSError:
                self._is_pollable = False  # /dev/null and its like are always readable, and epoll refuses them
        else:
            await trio.lowlevel.checkpoint()
        octets = os.read(self._fd, early_stdin.READ_OCTETS)
        self.moment, self.was_there_before = time.monotonic(), False
        return octets

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if octets := await self.receive():
            return octets
        raise StopAsyncIteration
