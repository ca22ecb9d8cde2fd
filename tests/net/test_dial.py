"""Connections out: every way in which one can fail is one DialError with a kind and one line."""

import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from chunkwire.net.dial import DialError, dial
from tests.net.peer import read_exactly
from tests.patience import PATIENCE


@asynccontextmanager
async def listening(host: str = "127.0.0.1", *, backlog: int = 8) -> AsyncIterator[tuple[trio.SocketListener, int]]:
    """Give a listener on a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = trio.socket.socket(family)
    await sock.bind((host, 0))
    sock.listen(backlog)
    async with trio.SocketListener(sock) as listener:
        yield listener, sock.getsockname()[1]


async def dial_error(host: str, port: int, *, timeout: float = PATIENCE) -> DialError:
    with pytest.raises(DialError) as caught:
        await dial(host, port, timeout=timeout)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_address_of_either_family_is_dialled(host: str) -> None:
    async with listening(host) as (listener, port):
        client = await dial(host, port)
        server = await listener.accept()
        async with client.stream, server:
            await client.send_all(b"x")
            assert await read_exactly(server, 1) == b"x"
        assert client.peer == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        assert client.tls is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_name_is_dialled_whichever_of_its_addresses_answers(host: str) -> None:
    resolver = FixedResolver(["::1", "127.0.0.1"])
    trio.socket.set_custom_hostname_resolver(resolver)
    async with listening(host) as (listener, port):
        client = await dial("upstream.test", port)
        async with client.stream, await listener.accept():
            assert resolver.asked == ["upstream.test"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_a_port_where_nobody_listens_refuses(host: str, refusing_port: int) -> None:
    error = await dial_error(host, refusing_port)
    assert error.kind == "refused"
    assert f":{refusing_port} refused the connection" in str(error)


async def test_a_name_without_an_address_is_a_dns_error() -> None:
    error = await dial_error("nosuch.invalid", 80)
    assert error.kind == "dns"
    assert "no address for 'nosuch.invalid'" in str(error)


async def test_a_name_that_no_descriptor_is_left_to_look_up_is_no_dns_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where the resolver is believed, which then cannot read /etc/hosts and knows no name."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket, "socket", refuse)
    error = await dial_error("nosuch.invalid", 80)
    assert error.kind == "files"
    assert str(error) == "no descriptor or memory left for a connection to nosuch.invalid:80"


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".invalid"])
async def test_a_name_that_cannot_be_one_is_a_dns_error(host: str) -> None:
    assert (await dial_error(host, 80)).kind == "dns"


async def test_a_host_that_does_not_answer_times_out() -> None:
    """A listener whose queue is full drops each SYN, as a host behind a firewall does."""
    async with listening(backlog=0) as (_, port):
        async with connections_that_fill_the_queue(port):
            error = await dial_error("127.0.0.1", port, timeout=0.05)
    assert error.kind == "timeout"
    assert f"127.0.0.1:{port}" in str(error)


async def test_a_cancelled_dial_leaves_no_socket_behind() -> None:
    async with listening(backlog=0) as (_, port):
        async with connections_that_fill_the_queue(port):
            with trio.move_on_after(0.05) as scope:
                await dial("127.0.0.1", port)
    assert scope.cancelled_caught  # a socket that is left behind is a ResourceWarning, and so an error


@pytest.mark.parametrize(
    "number, kind",
    [
        (errno.EMFILE, "files"),
        (errno.ENFILE, "files"),
        (errno.ENETUNREACH, "unreachable"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.ECONNREFUSED, "refused"),
    ],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_error_of_the_system_has_its_kind(
    monkeypatch: pytest.MonkeyPatch, host: str, number: int, kind: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "Error connecting to ('127.0.0.1', 80)")

    monkeypatch.setattr(trio.socket, "socket", refuse)
    monkeypatch.setattr("trio._highlevel_open_tcp_stream.socket", refuse)
    error = await dial_error(host, 80)
    assert error.kind == kind
    assert kind != "unreachable" or str(error) == f"{host}:80 cannot be reached: {os.strerror(number)}"


async def test_a_unix_socket_on_a_system_that_has_none_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where trio's RuntimeError leaves `dial`."""
    monkeypatch.delattr(socket, "AF_UNIX")
    monkeypatch.setattr("trio._highlevel_open_unix_stream.has_unix", False)
    assert (await dial_error("/o.sock", 80)).kind == "unreachable"


class FixedResolver(trio.abc.HostnameResolver):
    """Every name has these addresses."""

    def __init__(self, hosts: list[str]) -> None:
        self._hosts = hosts
        self.asked: list[str] = []

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the interface's name
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        self.asked.append((host or b"").decode())
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in self._hosts]
        where = [(address, int(port or 0)) for address in self._hosts]
        return [(family, socket.SOCK_STREAM, 0, "", at) for family, at in zip(families, where, strict=True)]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise AssertionError("expected no question for a name")


@asynccontextmanager
async def connections_that_fill_the_queue(port: int) -> AsyncIterator[None]:
    """Hold as many connections as the kernel queues, and one whose SYN has been dropped."""
    held: list[socket.socket] = []
    try:
        while not held or is_connected(held[-1]):
            held.append(socket.socket())
            held[-1].setblocking(False)
            assert held[-1].connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
            await trio.testing.wait_all_tasks_blocked()
        yield
    finally:
        for sock in held:
            sock.close()


def is_connected(sock: socket.socket) -> bool:
    """Say whether a connection is made; on loopback the kernel has decided before connect() returns."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


async def test_a_full_backlog_of_a_unix_socket_refuses_the_connection(tmp_path: Path) -> None:
    """Fails where a socket without a peer is taken for a connection: nothing can be sent on it."""
    path = str(tmp_path / "o.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        first = await dial(path, 80)
        error = await dial_error(path, 80)
        assert (error.kind, str(error)) == ("refused", f"unix:{path} refused the connection: its backlog is full")
        await first.stream.aclose()
