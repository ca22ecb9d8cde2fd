"""Wrong use of the server by a program: one plain line that says what was expected, before an octet leaves."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial, wraps
from typing import Any
from unittest.mock import call

import pytest
import trio
import trio.testing

import chunkwire.server
from chunkwire.net.connection import Connection
from chunkwire.server import (
    ChunkedBody,
    Drain,
    Ended,
    IncomingRequest,
    ListenError,
    LocalError,
    PeerGone,
    Refusal,
    Resource,
    Responder,
    SendTimeout,
    serve,
)
from chunkwire.server.routes import ResponderFunction, list_text
from chunkwire.wire.errors import FramingError
from tests.server.peer import body_of, connect, fetch, get, resource, serving, status_of


async def answer(_: IncomingRequest, response: Responder) -> None:
    await response.text(200, "ok")


def test_every_declared_name_is_there() -> None:
    for name in chunkwire.server.__all__:
        assert getattr(chunkwire.server, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(chunkwire.server, "nothing")  # noqa: B009  mypy knows that it is not there


WRONG = (
    "countdown",
    "",
    "//x y",
    "/x?n=1",
    "/x#y",
    "/{",
    "/{n}}",
    "/{1n}",
    "/{n}/{n}",
    "/{n*}",
    "/a/{n*}/b",
    "/{n}/{n*}",
    7,
)


@pytest.mark.parametrize("path", WRONG)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(LocalError, match="expected"):
        Resource(path, answer)


LEGAL = ("/", "/x", "/x/", "/{n}", "/a/{n}.{ext}", "/ü", "/v1/m/{model}:generate", "/a+b(c)", "/a/{rest*}")


@pytest.mark.parametrize("path", LEGAL)
async def test_a_path_like_it_is_served(path: str) -> None:
    target = path.replace("{", "").replace("}", "").replace("ü", "%C3%BC")
    assert status_of(await fetch(target, Resource(path, answer))) == 200


def test_a_resource_is_listed_without_the_lines_that_it_lacks() -> None:
    """Fails where a command without an address is listed."""
    assert list_text((Resource("/x", answer),), "http://h").endswith("\n\nGET /x\n")
    whole = Resource("/x", answer, "what it is", "'{origin}/x?n=1'", parameters=frozenset({"n"}))
    shown = "GET /x\n    what it is\n    parameters: n\n    curl -sN 'http://h/x?n=1'\n"
    assert list_text((whole,), "http://h").endswith(shown)


def test_a_long_summary_is_listed_in_lines_of_whole_words() -> None:
    names = frozenset(f"parameter-{number}" for number in range(10, 20))
    lines = list_text((Resource("/x", answer, "word " * 30, parameters=names),), "http://h").splitlines()[3:]
    assert max(map(len, lines)) <= 80
    assert " ".join(line.strip() for line in lines) == f"{'word ' * 30}parameters: {', '.join(sorted(names))}"
    assert [len(line) - len(line.lstrip()) for line in lines] == [4, 8, 8, 4, 8, 8]


LONG = "-i -d '{\"a b\": 1}' -H 'A: b' '{origin}/x?n=1&m=2&parameter-number-3=a-long-value'"


@pytest.mark.parametrize("example", [LONG, f"--raw {LONG} -o -", "'{origin}/x?" + "a" * 80 + "'"])
def test_a_long_command_is_listed_in_lines_that_a_shell_reads_as_one(example: str) -> None:
    lines = list_text((Resource("/x", answer, "what it is", example),), "http://h").splitlines()[4:]
    assert all(len(line) <= 80 or len(shlex.split(line.strip(" \\"))) == 1 for line in lines), lines
    assert shlex.split(" ".join(line.removesuffix("\\") for line in lines)) == [
        "curl",
        "-sN",
        *shlex.split(example.replace("{origin}", "http://h")),
    ]
    assert not any(line.endswith((" -d \\", " -H \\", " -o \\")) for line in lines)


@pytest.mark.parametrize("rest", ["", "b", "b/c%2fd/", "../x"])
async def test_a_placeholder_with_an_asterisk_stands_for_the_rest(rest: str) -> None:
    async def echo(request: IncomingRequest, response: Responder) -> None:
        await response.text(200, request.captures["rest"])

    async with serving(Resource("/a/{rest*}", echo)) as running:
        assert (await running.get(f"/a/{rest}")).endswith(b"\r\n\r\n" + rest.replace("%2f", "/").encode())


async def one_argument(request: IncomingRequest) -> None:
    """Has nothing to answer with."""


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"responder": "answer"}, "expected an async function .* as the responder, got 'answer'"),
        ({"responder": one_argument}, r"expected a responder that takes \(request, response\), got \(request: "),
        ({"path": "/x/<n>"}, "expected a path like"),
        ({"methods": "GET"}, r"expected methods as in \('GET', 'POST'\), got 'GET'"),
        ({"methods": ("get",)}, "expected methods"),
        ({"methods": ()}, "expected methods"),
        ({"parameters": "n"}, "expected parameters"),
        ({"parameters": ["n"]}, "expected parameters"),
    ],
)
def test_what_makes_no_resource_is_refused_by_its_path(wrong: dict[str, object], says: str) -> None:
    make: Callable[..., Resource] = Resource
    with pytest.raises(LocalError, match=f"^(/x: )?{says}"):
        make(**{"path": "/x", "responder": answer, **wrong})


@pytest.mark.parametrize(
    "address, resources, says",
    [
        ("localhost", [], "expected HOST:PORT, :PORT, PORT"),
        (":66000", [], "0 to 65535"),
        (8081, [], r"expected an address such as ':8081', got 8081 \(int\)"),
        (":0", Resource("/x", answer), "expected a list of resources, got a single one"),
        (":0", [("/x", answer)], "expected a Resource, got tuple"),
        (":0", [Resource("/x", answer), Resource("/x", answer)], "got two at /x"),
        (":0", [Resource("/x/{a}", answer), Resource("/x/{b}", answer)], "got two at /x/{b}"),
    ],
)
async def test_what_cannot_be_served_is_one_line(address: str, resources: list[Resource], says: str) -> None:
    with pytest.raises(LocalError, match=says):
        await serve(address, resources)


def test_an_option_that_run_does_not_have_is_refused_by_the_name_of_run() -> None:
    wrong: dict[str, Any] = {"setings": None}
    with pytest.raises(
        LocalError, match=r"^run\(\): expected one of settings, .* got 'setings'; did you mean settings\?$"
    ):
        chunkwire.server.run(":0", [], **wrong)


async def test_an_admin_address_in_use_leaves_neither_bound() -> None:
    taken = trio.socket.socket()
    with taken:
        await taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError, match="address already in use"):
            await serve(":0", [], admin=f":{taken.getsockname()[1]}")


async def test_an_address_is_text_and_a_drain_ends_the_server() -> None:
    drain = Drain()
    async with trio.open_nursery() as nursery:
        [bound] = await nursery.start(partial(serve, ":0", [Resource("/x", answer)], drain=drain))
        async with connect(bound.port, get("/x")) as client:
            await client.read_until(b"ok")
        drain.start()


RESPONSES: dict[str, tuple[Callable[..., Awaitable[object]], str]] = {
    "nothing": (
        lambda response: response.pacer.wait_until(0),
        "expected a response from the responder of /x, got none; is an await missing?",
    ),
    "status": (lambda response: response.text(100, "x"), "the status of a final response, 200 to 999, got 100"),
    "octets": (lambda response: response.text(200, b"x"), "expected a text (str), got bytes"),
    "text": (lambda response: response.fixed(200, body="x"), "octets (bytes), got str"),
    "field": (lambda response: response.fixed(200, [("A", "b")]), "as a pair of octet strings"),
    "a bug": (lambda response: response.nothing, "AttributeError: 'Responder' object has no attribute 'nothing'"),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_wrong_response_is_a_500_and_a_line_in_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    respond, says = RESPONSES[name]

    async def responder(_: IncomingRequest, response: Responder) -> None:
        await respond(response)

    assert status_of(await fetch("/x", resource(responder))) == 500
    assert says in caplog.records[0].getMessage()
    assert "GET /x HTTP/1.1: the responder failed" in caplog.records[0].getMessage()


async def test_text_for_chunk_data_is_refused_before_an_octet_leaves(caplog: pytest.LogCaptureFixture) -> None:
    async def responder(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk("text")  # type: ignore[arg-type]

    assert body_of(await fetch("/x", resource(responder))) == b""
    assert "expected chunk-data in octets (bytes), got str" in caplog.text


async def yields(_: IncomingRequest, response: Responder) -> AsyncIterator[bytes]:
    yield b"x"


def plain(_: IncomingRequest, response: Responder) -> None:
    """Return nothing to wait for."""


class Answering:
    """Answers where it is called."""

    async def __call__(self, _: IncomingRequest, response: Responder) -> None:
        await answer(_, response)


@wraps(answer)
def decorated(_: IncomingRequest, response: Responder) -> Awaitable[None]:
    return answer(_, response)


@wraps(plain)
async def made_async(_: IncomingRequest, response: Responder) -> None:
    await answer(_, response)


@wraps(one_argument)
async def filled_in(request: IncomingRequest, response: Responder) -> None:
    await one_argument(request)
    await answer(request, response)


class Everything(Answering):
    """Has an attribute of every name, as a proxy of another object may."""

    def __getattr__(self, name: str) -> object:
        return self


@pytest.mark.parametrize("wrong", [yields, plain, partial(plain), Answering, call])
def test_a_responder_that_is_no_async_function_is_refused(wrong: Any) -> None:
    """Fails where it is found out by the first request, with a 500."""
    with pytest.raises(
        LocalError, match=r"^/x: expected an async function \(async def, no yield\) as the responder, got "
    ):
        Resource("/x", wrong)


@pytest.mark.parametrize(
    "right",
    [
        Answering(),
        Answering().__call__,
        partial(answer),
        partial(Answering()),
        decorated,
        partial(decorated),
        made_async,
        filled_in,
        Everything(),
    ],
)
async def test_one_that_comes_to_an_async_function_is_served(right: ResponderFunction) -> None:
    assert status_of(await fetch("/x", resource(right))) == 200


FORGETFUL: dict[str, Callable[[ChunkedBody], object]] = {
    "all of them": lambda body: [body.send_chunk(b"x"), body.send_chunk(b"y")],
    "octets": lambda body: body.send_octets(b"1\r\nx\r\n"),
    "octets to the end": lambda body: body.send_octets(b"0\r\n\r\n"),
    "the end": lambda body: body.finish([(b"X-T", b"1")]),
}


@pytest.mark.filterwarnings("ignore:coroutine 'ChunkedBody:RuntimeWarning")
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("name", FORGETFUL)
async def test_a_stream_with_a_write_that_was_not_awaited_is_not_complete(
    name: str, version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails where its last-chunk is sent, so that a client takes what is missing for nothing."""

    async def forgets(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk(b"first")
            FORGETFUL[name](body)
            if name == "octets to the end":
                body.mark_complete()

    async with serving(resource(forgets)) as running:
        async with connect(running.port, b"GET /x HTTP/%b\r\nHost: x\r\n\r\n" % version) as client:
            got = await (client.read_reset() if version == b"1.0" else client.read_all())
        assert await running.wait_ended() is Ended.ERROR
    assert version == b"1.0" or body_of(got) == b"5\r\nfirst\r\n"
    (record,) = caplog.records
    assert "expected `await` before each write of a body, as in `await body.send_chunk(…)`, got " in record.getMessage()


async def test_a_write_that_a_task_starts_or_a_scope_cancels_is_not_taken_for_a_forgotten_one() -> None:
    async def writes(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(body.send_chunk, b"task", name="write")
            with trio.CancelScope() as scope:
                scope.cancel()
                await body.send_chunk(b"cancelled")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(body.send_chunk, b"cancelled before its first step", name="write")
                nursery.cancel_scope.cancel()

    assert (await fetch("/x", resource(writes))).endswith(b"\r\n\r\n4\r\ntask\r\n0\r\n\r\n")


@pytest.mark.filterwarnings("ignore:coroutine .*wait_until:RuntimeWarning")
@pytest.mark.parametrize("is_awaited", [True, False])
async def test_a_stream_whose_last_wait_was_not_awaited_is_not_complete(
    is_awaited: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def waits(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.wait_until(0.1)
            wait = body.wait_until(0.2)
            if is_awaited:
                await wait
            await body.send_chunk(b"x")

    got = body_of(await fetch("/x", resource(waits)))
    assert got == b"1\r\nx\r\n" + b"0\r\n\r\n" * is_awaited
    assert ("expected `await` before `body.wait_until(…)`" in caplog.text) is not is_awaited


async def test_a_refusal_is_the_answer_that_it_says() -> None:
    async def refuses(_: IncomingRequest, response: Responder) -> None:
        raise Refusal(402, "no-money", "expected money, got none")

    response = await fetch("/x", resource(refuses))
    assert (status_of(response), body_of(response)) == (402, b"expected money, got none\n")


@pytest.mark.parametrize(
    "error",
    [
        PeerGone("the upstream left", Connection(trio.testing.memory_stream_pair()[0])),
        FramingError("chunk-size", 0, b"x", "RFC 9112 §7.1", "expected a chunk-size"),
        SendTimeout("the upstream took nothing"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_of_another_connection_is_not_blamed_on_the_client(error: Exception) -> None:
    """Fails where a responder that asks somebody else leaves its client without an answer, or with a 400."""

    async def asks_another(_: IncomingRequest, response: Responder) -> None:
        raise error

    async with serving(resource(asks_another)) as running:
        assert status_of(await running.get("/x")) == 500
        assert await running.wait_ended() is Ended.ERROR


async def test_a_refusal_after_the_head_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def late(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk(b"x")
            raise Refusal(418, "teapot", "no coffee")

    await fetch("/", Resource("/", late))
    assert caplog.messages == ["GET / HTTP/1.1: refused after its head, so the response is cut: no coffee"]


async def test_the_traceback_in_the_log_is_that_of_the_responder(caplog: pytest.LogCaptureFixture) -> None:
    async def texts(_: IncomingRequest, response: Responder) -> None:
        async with response.chunked() as body:
            await body.send_chunk("text")  # type: ignore[arg-type]

    await fetch("/", Resource("/", texts))
    assert caplog.text.count("  File ") == 1
    assert "in texts" in caplog.text


def test_a_server_outside_of_trio_is_one_line() -> None:
    with pytest.raises(LocalError, match=r"^expected to be called inside of trio, got asyncio: "):
        asyncio.run(serve(":0", []))
