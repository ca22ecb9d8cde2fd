"""The gate of a pull request: an nginx that is made to hold fails it, with README's own flags."""

import re
from pathlib import Path

import pytest
import trustme

from tests.peers.command import ROOT, Served, chunkwire
from tests.peers.servers import nginx

pytestmark = pytest.mark.needs("nginx")


def gate_flags(junit: Path) -> list[str]:
    """Return the flags of the probe in README's workflow."""
    workflow = ROOT.joinpath("README.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    assert len(workflow.splitlines()) <= 12
    found = re.search(r"chunkwire probe :8081/probe :80/probe (.*)", workflow)
    assert found is not None
    return found[1].replace("streams.xml", str(junit)).split()


@pytest.mark.parametrize("directive, code", [("proxy_buffering off;", 0), ("", 1)])
def test_a_change_that_makes_nginx_hold_fails(origin: Served, tmp_path: Path, directive: str, code: int) -> None:
    junit = tmp_path / "streams.xml"
    with nginx(f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; {directive} }}") as server:
        result = chunkwire("probe", origin.url("/probe"), server.url("/probe"), *gate_flags(junit))
    said = result.stdout.decode()
    assert result.returncode == code
    assert said.splitlines()[-1].startswith("probe: passed: " if not code else "probe: failed: ")
    assert ("::error title=" in said) == bool(code)
    assert f'failures="{code}" errors="0"' in junit.read_text()
    assert ("try: proxy_buffering off;" in said) == bool(code)


def test_a_hop_that_answers_nothing_beside_its_stream_is_undecided(origin: Served) -> None:
    asked = "/probe?n=8&interval=20ms"
    deny = "location /probe/ { return 403; }"
    with nginx(f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_buffering off; }} {deny}") as server:
        result = chunkwire("probe", server.url(asked), "--gate", "--patience", "1s")
    assert result.returncode == 28
    assert b"probe: undecided: " in result.stdout


def test_a_hop_that_treats_clients_differently_is_a_finding(origin: Served) -> None:
    gzip = "gzip on; gzip_proxied any; gzip_types text/event-stream; proxy_http_version 1.1;"
    with nginx(f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; {gzip} }}") as server:
        result = chunkwire("probe", server.url("/probe"), "--as", "browser,curl")
    said = result.stdout.decode()
    assert result.returncode == 1
    assert "127.0.0.1:" in said
    assert f"127.0.0.1:{server.port} treats clients differently: to browser: COMPRESSED (gzip)" in said
    assert "to curl: streams" in said


def test_a_coding_that_browsers_get_and_that_is_not_decoded_is_reported(origin: Served, tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    site = f"ssl_certificate {pem}; ssl_certificate_key {pem}; proxy_buffering off;"
    site += f" location / {{ proxy_pass http://127.0.0.1:{origin.port}; }}"
    with nginx(
        f"{site} add_header Content-Encoding $coding;",
        http="map $http_accept_encoding $coding { ~br br; }",
        listen="ssl",
    ) as server:
        result = chunkwire("probe", f"https://127.0.0.1:{server.port}/probe", "-k")
    assert result.returncode == 0, result
    assert b"asked without br, which is not decoded here and which browsers get" in result.stdout


def test_a_hop_that_offers_http_2_to_browsers_is_reported(origin: Served, tmp_path: Path) -> None:
    pem = tmp_path / "both.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    certificate = f"ssl_certificate {pem}; ssl_certificate_key {pem};"
    site = f"{certificate} location / {{ proxy_pass http://127.0.0.1:{origin.port}; }}"
    for listen, is_said in (("ssl http2", True), ("ssl", False)):
        with nginx(f"{site} proxy_buffering off;", listen=listen) as server:
            result = chunkwire("probe", f"https://127.0.0.1:{server.port}/probe", "-k")
        assert result.returncode == 0
        assert (b"asked over HTTP/1.1, where browsers get HTTP/2" in result.stdout) is is_said
