"""TLS to a server: its certificate is checked against the roots and the name, and every failure is one line."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme

from chunkwire.client import open as client_open
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import DialError, dial
from chunkwire.net.tls import make_tls
from chunkwire.wire.errors import ChunkwireError, LocalError, describe_error
from tests.net.peer import GET, ok, read_exactly
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def cafile(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


def server_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1", "::1"))).configure_cert(context)
    return context


@asynccontextmanager
async def serving_tls(context: ssl.SSLContext, *, answer: bytes = b"") -> AsyncIterator[int]:
    """Give the port of a server that shakes hands, echoes what comes, or sends an answer and cuts the connection."""

    async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            while octets := await stream.receive_some():
                await stream.send_all(answer or octets)
                if answer:
                    await trio.aclose_forcefully(stream)
                    return
        except trio.BrokenResourceError:
            return  # the client refused us

    listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1", https_compatible=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, listeners, name="tls server")
        yield listeners[0].transport_listener.socket.getsockname()[1]  # type: ignore[attr-defined]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving_octets(octets: bytes) -> AsyncIterator[int]:
    """Give the port of a server that says this to whoever connects, in the clear, and ends."""

    async def handle(stream: trio.SocketStream) -> None:
        await stream.send_all(octets)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, handle, listeners, name="cleartext server")
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def tls_error(port: int, tls: ssl.SSLContext, *, host: str = "localhost") -> str:
    with pytest.raises(DialError) as caught:
        await dial(host, port, tls=tls)
    assert caught.value.kind == "tls"
    message = describe_error(caught.value)
    assert f"TLS with {host}:{port} failed: " in message
    assert "\n" not in message
    assert "('" not in message
    return message


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_server_with_a_good_certificate_is_dialled_by_name_and_by_address(
    authority: trustme.CA, cafile: str, host: str
) -> None:
    async with serving_tls(server_tls(authority)) as port:
        client = await dial(host, port, tls=make_tls(cafile))
        await client.send_all(b"hello")
        assert await read_exactly(client.stream, 5) == b"hello"
        assert client.tls is client.stream
        assert (client.fileno(), client.peer) == (client.tls.socket.fileno(), f"127.0.0.1:{port}")
        await client.close()


async def test_http_1_1_is_what_is_asked_for(authority: trustme.CA, cafile: str) -> None:
    context = server_tls(authority)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serving_tls(context) as port:
        client = await dial("localhost", port, tls=make_tls(cafile))
        assert client.tls is not None
        assert client.tls.ssl_object.selected_alpn_protocol() == "http/1.1"
        await client.close()


async def test_an_unknown_root_is_refused(authority: trustme.CA) -> None:
    async with serving_tls(server_tls(authority)) as port:
        message = await tls_error(port, make_tls())
    assert "certificate" in message
    assert message.endswith("; --cafile FILE trusts it, -k does not verify it")


async def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, cafile: str) -> None:
    async with serving_tls(server_tls(authority, "other.example")) as port:
        reason = (await tls_error(port, make_tls(cafile))).partition("failed: ")[2]
    assert "localhost" in reason
    assert reason.endswith("; -k does not verify it")  # its issuer is trusted already
    assert "--cafile" not in reason


async def test_nothing_is_checked_where_that_was_asked_for(authority: trustme.CA) -> None:
    async with serving_tls(server_tls(authority, "other.example")) as port:
        client = await dial("localhost", port, tls=make_tls(verify=False))
        await client.close()


@pytest.mark.parametrize("octets", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x16\x03\x01", b"220 hello\r\n"])
async def test_a_server_that_speaks_no_tls_is_refused(octets: bytes) -> None:
    async with serving_octets(octets) as port:
        assert (await tls_error(port, make_tls())).endswith("; http:// perhaps?")


async def test_a_handshake_that_is_not_answered_times_out() -> None:
    sock = trio.socket.socket()
    await sock.bind(("127.0.0.1", 0))
    sock.listen()
    with sock, pytest.raises(DialError) as caught:
        await dial("127.0.0.1", sock.getsockname()[1], tls=make_tls(), timeout=0.05)
    assert caught.value.kind == "timeout"
    assert describe_error(caught.value).endswith(" did not accept TLS within 0.05 s; http:// perhaps?")


@pytest.mark.parametrize("is_tls, hint", [(False, "; https:// perhaps?"), (True, "")])
async def test_a_server_that_ends_without_an_answer_may_want_tls(
    authority: trustme.CA, cafile: str, is_tls: bool, hint: str
) -> None:
    """Fails where a person who wrote http:// for a port that speaks TLS is left without a hint."""
    context = server_tls(authority)
    if is_tls:
        serving, scheme = serving_tls(context, answer=b"HTTP"), "https"
    else:
        serving, scheme = serving_octets(b""), "http"
    async with serving as port:
        with pytest.raises(ChunkwireError) as caught:
            async with client_open("GET", f"{scheme}://localhost:{port}/", tls=make_tls(cafile)):
                pass
    assert describe_error(caught.value).partition("; ")[2] == hint.removeprefix("; ")


async def test_a_connection_cut_without_close_notify_is_gone_not_ended(authority: trustme.CA, cafile: str) -> None:
    """Over TLS a FIN alone may be an attacker's: a body delimited by close must not end with it (RFC 9112 §9.8)."""
    async with serving_tls(server_tls(authority), answer=ok() + b"part") as port:
        client = await dial("localhost", port, tls=make_tls(cafile))
        await client.send_request(GET)
        assert (await client.receive_response()).status == 200
        assert await client.receive_some() == b"part"
        with trio.fail_after(PATIENCE), pytest.raises(PeerGone):
            await client.receive_some()
        client.reset()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_without_certificates_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LocalError) as caught:
        make_tls(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file_of_certificates(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="expected PEM certificates"):
        make_tls(str(tmp_path))


def test_name_and_roots_are_checked_by_default() -> None:
    checked, unchecked = make_tls(), make_tls(verify=False)
    assert (checked.check_hostname, checked.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert (unchecked.check_hostname, unchecked.verify_mode) == (False, ssl.CERT_NONE)
