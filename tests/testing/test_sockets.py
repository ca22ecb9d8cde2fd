"""The WebSockets of a run, and what a run makes of requests that ask for something else."""

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
import trio
import trio.testing
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from chunkwire.testing import Origin, OriginRun, RunFailed, cut, reset, waiting
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


def test_a_client_that_speaks_first_is_waited_for(origin: Origin) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="needs websockets: pip install 'chunkwire[sdk]'")
    run = origin.websocket(by_hand=True)
    with client.connect(run.ws_url) as connection:
        connection.send("hello")
        assert run.wait_message() == "hello"
        run.send_event("what more?")
        assert connection.recv() == "what more?"
        connection.send(b"\xff")
        assert run.wait_message(2) == b"\xff"
        run.finish()
        assert list(connection) == []
    assert run.wait_message() == "hello"
    assert run.requests[0].messages == ["hello", b"\xff"]
    run.end()


async def test_a_wait_for_a_message_returns_when_it_comes(origin: Origin) -> None:
    run = origin.websocket(by_hand=True)
    with pytest.raises(RuntimeError, match=r"use `await run\.wait_message_async\(\)`$"):
        run.wait_message()
    with pytest.raises(RunFailed, match=r"^wait_message: no request came within 0\.01 s$"):
        await run.wait_message_async(timeout=0.01)
    came: list[str | bytes] = []

    async def wait() -> None:
        came.append(await run.wait_message_async())

    async with opened(run) as client, trio.open_nursery() as nursery:
        await run.wait_request_async()
        with pytest.raises(RunFailed, match=r"^wait_message: the client has sent 0 messages within 0\.01 s$"):
            await run.wait_message_async(timeout=0.01)
        nursery.start_soon(wait, name="wait")
        await trio.testing.wait_all_tasks_blocked()
        await client.send(TextMessage("hel", message_finished=False))
        await client.send(TextMessage("lo"))
    assert came == ["hello"]


@pytest.mark.parametrize("leaving", ["close", "fin", "reset", "cut by us", "end of the run"])
async def test_a_wait_for_a_message_fails_once_none_can_come(origin: Origin, leaving: str) -> None:
    run = origin.websocket(by_hand=True)
    async with opened(run) as client:
        await client.send(TextMessage("hello"))
        await run.wait_message_async()
        match leaving:
            case "close":
                await client.send(CloseConnection(1000))
            case "fin":
                await client.client.stream.send_eof()
            case "reset":
                client.client.reset()
            case "cut by us":
                run.cut()
            case _:
                run.end()
        line = r"^wait_message: expected message 2, the WebSocket ended after 1 of the client's$"
        with trio.fail_after(PATIENCE), pytest.raises(RunFailed, match=line):
            await run.wait_message_async(2, timeout=60)
        assert await run.wait_message_async() == "hello"


async def test_a_message_after_our_close_frame_is_kept(origin: Origin) -> None:
    run = origin.websocket(by_hand=True)
    async with opened(run) as client:
        run.finish()
        with trio.fail_after(PATIENCE):
            assert await client.client.stream.receive_some(4) == b"\x88\x02\x03\xe8"  # unknown to client.frames
        await client.send(TextMessage("late"))
        assert await run.wait_message_async() == "late"
        await client.send(CloseConnection(1000))
        with trio.fail_after(PATIENCE):
            assert await client.client.stream.receive_some() == b""
    assert run.requests[0].messages == ["late"]
    run.end()


async def test_a_planned_answer_waits_for_the_clients_messages(origin: Origin) -> None:
    run = origin.websocket(waiting(["one"], messages=2))
    async with opened(run) as client:
        await client.send(TextMessage("hello"))
        await client.send(Ping(b"?"))
        assert await client.next() == Pong(b"?")  # nothing was sent before it
        await client.send(TextMessage("go on"))
        assert [await client.next(), await client.next()] == [TextMessage("one"), CloseConnection(1000, "")]
    assert run.requests[0].messages == ["hello", "go on"]
    run.end()


async def test_a_client_that_leaves_before_it_has_spoken_gets_no_planned_answer(origin: Origin) -> None:
    run = origin.websocket(waiting(["one"]))
    async with opened(run) as client:
        await client.send(CloseConnection(1000))
        assert await client.next() == CloseConnection(1000, "")
        with trio.fail_after(PATIENCE):
            assert await client.client.stream.receive_some() == b""
    run.end()


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_request_for_no_websocket_is_not_expected_and_leaves_the_response(origin: Origin, by_hand: bool) -> None:
    run = origin.websocket(by_hand=True) if by_hand else origin.websocket(["a"])
    with pytest.raises(urllib.error.HTTPError, match="426") as caught:
        fetch(run.url)
    caught.value.close()
    line = r"GET /, which was not expected: .*: expected Upgrade: websocket and Connection: Upgrade$"
    if by_hand:
        with pytest.raises(RunFailed, match=rf"^wait_message: no request came within 0\.01 s but {line}"):
            run.wait_message(timeout=0.01)
    with pytest.raises(RunFailed, match=r"never asked for: response 1: (?s:.*)not expected: request 1: GET / \(/run-"):
        run.end()


def test_without_wsproto_no_run_begins(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LocalError, match=r"^a run of WebSockets needs the package wsproto: pip install wsproto$"):
        origin.websocket("a")


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
