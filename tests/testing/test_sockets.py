"""The WebSockets of a run, and what a run makes of requests that ask for something else."""

import gzip
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import trio
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from chunkwire.testing import Origin, OriginRun, RunFailed, cut, reset
from chunkwire.wire.errors import LocalError
from tests.origin.websocket import Peer, socket
from tests.patience import PATIENCE
from tests.testing.test_runs import CHAT, fetch


@asynccontextmanager
async def opened(run: OriginRun) -> AsyncIterator[Peer]:
    where = urlsplit(run.ws_url)
    async with socket(where.port or 0, where.path) as peer:
        yield peer


async def test_messages_are_sent_and_those_that_come_are_kept(origin: Origin) -> None:
    run = origin.websocket(by_hand=True)
    async with opened(run) as client:
        await client.send(TextMessage("hello"))
        await client.send(BytesMessage(b"\xff"))
        run.send_event("Grüße")
        run.send_frame(b"\x00")
        assert [await client.next(), await client.next()] == [TextMessage("Grüße"), BytesMessage(b"\x00")]
        await client.send(CloseConnection(1000))
        await run.wait_client_gone_async()
        assert await client.next() == CloseConnection(1000, "")
        with trio.fail_after(PATIENCE):
            assert await client.client.stream.receive_some() == b""  # the server closes the connection
    assert run.requests[0].messages == ["hello", b"\xff"]
    assert run.requests[0].as_message()["messages"] == ["hello", {"octets_b64": "/w=="}]
    run.end()


async def test_planned_messages_end_in_a_close_frame(origin: Origin) -> None:
    run = origin.websocket([["one", "two"]])
    async with opened(run) as client:
        events = [await client.next() for _ in range(3)]
        assert events == [TextMessage("one"), TextMessage("two"), CloseConnection(1000, "")]
    run.end()


async def test_a_cut_has_no_close_frame(origin: Origin) -> None:
    run = origin.websocket([cut(["one", "two"], after_events=1), reset(["one"], after_events=0)])
    async with opened(run) as client:
        assert [await client.next(), await client.next()] == [TextMessage("one"), CloseConnection(1006)]
    async with opened(run) as client:
        with pytest.raises(trio.BrokenResourceError):
            await client.next()
    run.end()


def test_without_wsproto_no_run_begins(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LocalError, match=r"^a run of WebSockets needs the package wsproto: pip install wsproto$"):
        origin.websocket("a")


def test_a_request_that_is_no_handshake_is_refused(origin: Origin) -> None:
    run = origin.websocket([["one"]])
    with pytest.raises(urllib.error.HTTPError, match="426") as caught:
        fetch(run.url)
    caught.value.close()


def test_the_last_response_repeats_where_that_is_asked_for(origin: Origin) -> None:
    run = origin.text(["a", "b"], repeats=True)
    assert [fetch(run.url) for _ in range(4)] == [b"a", b"b", b"b", b"b"]
    run.end()
    unasked = origin.text(["a"], repeats=True)
    with pytest.raises(RunFailed, match="never asked for: response 1: 'a'"):
        unasked.end()


@pytest.mark.parametrize("responses", [[], [{"by_hand": True}]])
def test_what_cannot_repeat_is_one_line(origin: Origin, responses: list[object]) -> None:
    with pytest.raises(LocalError, match=r"^repeats: expected a last response that is not written by hand$"):
        origin.text(responses, repeats=True)


@pytest.mark.parametrize("accepted, is_coded", [("gzip", True), ("gzip;q=0", False)])
def test_gzip_is_sent_only_where_the_request_accepts_it(origin: Origin, accepted: str, is_coded: bool) -> None:
    run = origin.text("Hello", framing="gzip")
    request = urllib.request.Request(run.url, headers={"Accept-Encoding": accepted})
    with urllib.request.urlopen(request, timeout=30) as response:
        content = response.read()
        assert (response.headers["Content-Encoding"] == "gzip") == is_coded
    assert (gzip.decompress(content) if is_coded else content) == b"Hello"
    run.end()


def test_a_framing_holds_for_an_answer_in_one_body_too(origin: Origin) -> None:
    run = origin.openai("Grüße", framing="tiny")
    whole = fetch(f"{run.url}/v1/chat/completions", {**CHAT, "stream": False})
    assert json.loads(whole)["choices"][0]["message"]["content"] == "Grüße"
    run.end()
