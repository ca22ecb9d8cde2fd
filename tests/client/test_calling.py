"""What a caller may give and forget: bodies, fields, JSON, the loop that it runs on."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import pytest
import trio

from chunkwire import client
from chunkwire.wire.errors import LocalError
from tests.client.server import scripted, sends
from tests.patience import PATIENCE
from tests.peers.command import ROOT
from tests.server.peer import serving

README = ROOT.joinpath("README.md").read_text("utf-8")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"


async def echoed(**given: object) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the body that arrived, and the field lines that were sent with it."""
    async with serving() as running:
        url = f"http://127.0.0.1:{running.port}/echo"
        async with client.open("POST", url, **given) as stream:  # type: ignore[arg-type]
            return await stream.read(), {name.lower(): value for name, value in stream.request.fields}


async def test_a_text_is_sent_as_utf8() -> None:
    body, fields = await echoed(body="Grüße")
    assert (body, fields[b"content-length"]) == ("Grüße".encode(), b"7")


async def test_json_is_sent_with_its_type_and_keeps_another_one() -> None:
    body, fields = await echoed(json={"a": ["ü", None]})
    assert (json.loads(body), fields[b"content-type"]) == ({"a": ["ü", None]}, b"application/json")
    body, fields = await echoed(json=None, fields={"content-type": "application/x+json"})
    assert (body, fields[b"content-type"]) == (b"null", b"application/x+json")


@pytest.mark.parametrize("fields", [{"X-A": "1"}, {b"X-A": b"1"}, [("X-A", "1")], [["X-A", "1"]]])
async def test_fields_may_be_a_dict_or_pairs(fields: object) -> None:
    _, sent = await echoed(fields=fields, body=b"x")
    assert sent[b"x-a"] == b"1"


@pytest.mark.parametrize(
    "given, message",
    [
        ({"body": {"a": 1}}, "expected a body of bytes, str or an async iterable of bytes, got dict: json= takes it"),
        ({"body": 5}, "expected a body of bytes, str or an async iterable of bytes, got int"),
        ({"body": b"", "json": 1}, "expected body= or json=, got both"),
        (
            {"json": {1, 2}},
            "expected a value that JSON has a form for, got Object of type set is not",
        ),
        ({"json": float("nan")}, "expected a value that JSON has a form for"),
        ({"fields": "X-A: 1"}, "expected fields as pairs or in a dict, got str"),
        ({"fields": ["X-A: 1"]}, "expected a field as a pair of texts, (name, value), got 'X-A: 1'"),
        ({"fields": {"X-A": 1}}, "expected a field as a pair of texts, (name, value), got ('X-A', 1)"),
    ],
)
async def test_what_cannot_be_sent_is_refused_by_name(given: dict[str, object], message: str) -> None:
    with pytest.raises(LocalError) as caught:
        async with client.open("POST", "http://127.0.0.1:9/", **given):  # type: ignore[arg-type]
            pass  # never entered
    assert str(caught.value).startswith(message)


async def test_an_error_status_raises_and_its_body_can_be_read() -> None:
    async with scripted(sends(OK + b'{"a":1}'), sends(OK.replace(b"200 OK", b"404 Not Found") + b'{"b":2}')) as server:
        async with client.open("GET", server.url()) as stream:
            assert await stream.raise_for_status().json() == {"a": 1}
        async with client.open("GET", server.url()) as stream:
            with pytest.raises(client.StatusError, match=r"got 'HTTP/1\.1 404 Not Found'") as caught:
                stream.raise_for_status()
            assert (caught.value.status, await stream.json()) == (404, {"b": 2})


async def _open() -> None:
    async with client.open("GET", "http://127.0.0.1:9/"):
        pass  # never entered


def test_without_a_loop_the_message_names_trio_run() -> None:
    coroutine = _open()
    with pytest.raises(LocalError, match=r"got no event loop: call it from an async function that `trio.run\(main\)`"):
        coroutine.send(None)


def test_under_asyncio_the_message_names_the_ways() -> None:
    with pytest.raises(LocalError, match=r"got asyncio: await `asyncio\.to_thread"):
        asyncio.run(_open())


async def read_once(port: int) -> bytes:
    async with client.open("GET", f"http://127.0.0.1:{port}/stream-bytes/3?seed=1") as stream:
        return await stream.read()


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an origin that runs in another thread."""
    ready, ports, stop = threading.Event(), list[int](), list[trio.CancelScope]()
    token: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        token.append(trio.lowlevel.current_trio_token())
        async with serving() as running:
            with trio.CancelScope() as scope:
                ports.append(running.port)
                stop.append(scope)
                ready.set()
                await trio.sleep_forever()

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    ready.wait(PATIENCE)
    yield ports[0]
    token[0].run_sync_soon(stop[0].cancel)
    thread.join(PATIENCE)


def test_anyio_with_its_trio_backend_runs_the_client(port: int) -> None:
    assert len(anyio.run(read_once, port, backend="trio")) == 3


def test_the_program_of_the_readme_prints_an_answer(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"^```python\n([^`]*client\.tokens[^`]*)^```$", README, re.MULTILINE)
    exec(program.replace(":8081/", f":{port}/"), {})
    assert capsys.readouterr().out.startswith("Say\n hello\nstop Usage(prompt=2, completion=2")


def test_asyncio_runs_trio_in_a_thread(port: int) -> None:
    async def main() -> bytes:
        return await asyncio.to_thread(trio.run, read_once, port)

    assert len(asyncio.run(main())) == 3


def test_asyncio_runs_trio_as_its_guest(port: int) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bytes] = loop.create_future()
        trio.lowlevel.start_guest_run(
            partial(read_once, port),
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda outcome: done.set_result(outcome.unwrap()),
        )
        return await done

    assert len(asyncio.run(main())) == 3


@pytest.mark.parametrize(
    "given, line",
    [
        ({"retry": 3}, r"retry: expected a policy, such as client\.Retry\(attempts=3\), got 3"),
        ({"idle_timeout": None}, "idle_timeout: expected seconds, math.inf for none, got None"),
        ({"total_timeout": -1}, "total_timeout: expected seconds, .*, got -1"),
    ],
)
async def test_a_policy_that_is_wrong_is_one_line(given: dict[str, object], line: str) -> None:
    with pytest.raises(LocalError, match=f"^{line}$"):
        async with client.open("GET", ":1", **given):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize("url", [8081, None, b"http://127.0.0.1/"])
async def test_a_url_of_another_type_is_refused(url: Any) -> None:
    for opening in (client.open("GET", url), client.websocket(url)):
        with pytest.raises(LocalError, match=rf"expected a URL \(str\), got {type(url).__name__}"):
            async with opening:
                raise AssertionError("it was opened")
