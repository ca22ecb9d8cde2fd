"""`watch -` behind nc and curl, and in front of servers that speak something else."""

import pytest

from tests.peers.command import Served, chunkwire
from tests.peers.process import LOOPBACK, free_port, run, started, wait_listening
from tests.peers.programs import program
from tests.peers.readers import curl
from tests.real.test_keyboard import GENERATE, nc

TWO = GENERATE.replace(b"Connection: close\r\n", b"") + GENERATE


def watched(octets: bytes, *words: str) -> tuple[int, str, str]:
    result = chunkwire("watch", "-", *words, octets=octets)
    return result.returncode, result.stdout.decode(), result.stderr.decode()


@pytest.mark.needs("nc")
def test_two_pipelined_requests_of_nc_give_two_responses(origin: Served) -> None:
    code, out, err = watched(nc(origin.port, TWO))
    assert (code, err.count("< HTTP/1.1 200 OK"), err.count("* complete: 3 chunks")) == (0, 2, 2)
    assert "* response 2" in err
    assert (out.count("Chunk "), out.count("last-chunk")) == (6, 2)


@pytest.mark.needs("curl")
def test_two_urls_of_curl_raw_give_two_bodies_with_and_without_heads(origin: Served) -> None:
    urls = [origin.url("/generate?n=2&interval=1ms"), origin.url("/generate?n=3&interval=1ms")]
    for flags in (["--raw"], ["--raw", "-i"]):
        code, out, err = watched(curl(*flags, *urls)[1])
        assert code == 0, err
        assert ("* complete: 2 chunks" in err, "* complete: 3 chunks" in err) == (True, True)
        assert (out.count("Chunk "), out.count("last-chunk")) == (5, 2)


@pytest.mark.needs("curl")
def test_the_error_for_curl_i_without_raw_names_the_flag(origin: Served) -> None:
    code, _, err = watched(curl("-i", origin.url("/generate?n=2&interval=1ms"))[1])
    assert (code, "--raw" in err) == (56, True)


@pytest.mark.needs("curl")
def test_a_100_continue_stands_before_its_response(origin: Served) -> None:
    _, said = curl("-i", "--raw", "-H", "Expect: 100-continue", "-d", "hello", origin.url("/echo"))
    code, _, err = watched(said)
    assert (code, "< HTTP/1.1 100" in err, "< HTTP/1.1 200 OK" in err) == (0, True, True), err


@pytest.mark.needs("openssl")
def test_a_tls_server_without_http_1_1_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, port = tmp_path_factory.mktemp("tls"), free_port()
    openssl, key, cert = program("openssl"), str(folder / "key.pem"), str(folder / "cert.pem")
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", cert]
    assert run([openssl, *new]).returncode == 0
    serve = ["s_server", "-accept", f"{LOOPBACK}:{port}", "-alpn", "h2", "-quiet", "-key", key, "-cert", cert]
    with started([openssl, *serve]) as process:
        wait_listening(port, process)
        result = chunkwire("watch", "-k", f"https://{LOOPBACK}:{port}/")
    assert (result.returncode, b"no http/1.1 there (ALPN)" in result.stderr) == (7, True), result


def test_a_server_without_tls_is_named(origin: Served) -> None:
    result = chunkwire("watch", "-k", origin.url("/").replace("http:", "https:"))
    assert (result.returncode, b"no TLS; http:// perhaps?" in result.stderr) == (7, True), result
