"""A request that is refused before it is understood is shown as it was typed: log, journal, record."""

import json
import logging

import pytest

from chunkwire.net.unread import unread_request
from chunkwire.origin.scenarios import SCENARIOS
from chunkwire.record.values import RequestRecord
from chunkwire.server.access import log_text
from tests.server.peer import get, serving

REFUSED = {
    b"GET /a b HTTP/1.1\r\n\r\n": "GET /a b HTTP/1.1",
    b"hello\r\n\r\n": "hello",
    b"\x16\x03\x01\r\n": "\x16\x03\x01",
    b"GET /?key=sk-1&a=2 HTTP/9\r\n\r\n": "GET /?key=[redacted]&a=2 HTTP/9",
    b"GET /" + b"x" * 17000 + b"\r\n": "GET /" + "x" * 195,
}


@pytest.mark.parametrize("typed", REFUSED, ids=range(len(REFUSED)))
async def test_journal_and_record_show_what_was_typed(typed: bytes) -> None:
    async with serving(record=True) as running:
        await running.ask(typed)
        entry = json.loads((await running.journal())[0])
    assert (entry["method"], entry["target"]) == ("-", REFUSED[typed])
    first = running.records[0]
    assert isinstance(first, RequestRecord)
    assert (first.method, first.target) == ("-", REFUSED[typed])


async def test_the_access_line_shows_what_was_typed_escaped(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        await running.ask(b'GET /"\x1b[2J b\r\n\r\n')
    with caplog.at_level(logging.INFO, "chunkwire.access"):
        log_text(running.ended[0])
    assert r'"GET /\"\x1b[2J b" 400' in caplog.text


async def test_the_access_line_cuts_a_tls_hello_whose_name_it_has(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        await running.ask(b"\x16\x03\x01" + b"\x80" * 200)
    with caplog.at_level(logging.INFO, "chunkwire.access"):
        log_text(running.ended[0])
    assert caplog.text.count(r"\x80") == 13
    assert '"… 400' in caplog.text
    assert "TLS handshake" in caplog.text


async def test_the_access_line_counts_octets_in_place_of_a_response_as_they_were_on_the_wire(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as running:
        await running.ask(get("/scenario/cut"))
    with caplog.at_level(logging.INFO, "chunkwire.access"):
        log_text(running.ended[0])
    assert f" wire_octets={sum(len(write.octets) for write in SCENARIOS['cut'].writes)} " in caplog.text
    assert "chunks=" not in caplog.text


def test_a_request_of_which_nothing_came_is_shown_as_a_hyphen() -> None:
    assert unread_request(b"\r\n").start_line == b"-"
