"""What a learner meets who writes a chunked body by hand and gets a size wrong: an answer that says so, everywhere."""

import json
import logging

import pytest
import trio

import chunkwire
from chunkwire.server.access import log_text
from chunkwire.wire.errors import BARE_LF_HINT
from chunkwire.wire.mistakes import SIZE_COUNTS
from tests.client.test_capture import POST, read
from tests.server.peer import ask, body_of, connect, get, post, serving, status_of

SAID = f"the size line said 4, which is wrong, or the CRLF is missing; {SIZE_COUNTS}\n"
BEFORE = f"; the chunk before said 8, which may be wrong: {SIZE_COUNTS}\n"
BARE = f"or the CR is missing; {SIZE_COUNTS}\n"
WRONG = {
    "size too small": (b"4\r\nhello\r\n0\r\n\r\n", SAID),
    "in hex, with an extension": (b"0A;a=1\r\n0123456789AB\r\n", "the size line said 0A (hex for 10), which is wrong"),
    "size one too large": (b"6\r\nhello\r\n0\r\n\r\n", "the size line said 6, which is wrong, or the CR is missing"),
    "size too large": (
        b"f\r\nhello\r\n0\r\n\r\n",
        f"the size line said f (hex for 15), 12 of 15 octets came; the size may be wrong: {SIZE_COUNTS}\n",
    ),
    "LF alone after the data": (b"5\r\nhello\n0\r\n\r\n", BARE),
    "LF alone in a size line": (b"5\nhello\n0\n\n", BARE_LF_HINT),
    "no size": (b"hello\r\n", "expected a chunk-size in hex digits at "),
    "size that counts the line end": (b"7\r\nhello\r\n", f"the size line said 7; the size may be wrong: {SIZE_COUNTS}"),
    "no last-chunk": (b"5\r\nhel", "the size line said 5, 3 of 5 octets came"),
}
FIRST = b"2\r\nok\r\n"


@pytest.mark.parametrize("name", WRONG)
async def test_a_mistake_in_the_first_chunk_is_answered_400(name: str) -> None:
    body, said = WRONG[name]
    answer = await ask(post("/echo", body))
    assert (status_of(answer), said in body_of(answer).decode()) == (400, True), answer


@pytest.mark.parametrize("name", WRONG)
async def test_a_later_mistake_is_reported_in_one_chunk_and_cut(name: str) -> None:
    body, said = WRONG[name]
    echoed = body_of(await ask(post("/echo", FIRST + body)))
    assert echoed.startswith(FIRST)
    with pytest.raises(chunkwire.IncompleteBody):
        chunkwire.decode(echoed)
    size, text = echoed.removeprefix(FIRST).split(b"\r\n", 1)
    assert int(size, 16) == len(text.removesuffix(b"\r\n"))
    assert said in text.decode()


async def test_a_size_that_takes_the_end_as_data_is_doubted() -> None:
    """Its chunk is whole, so it is sent back before the mistake shows."""
    echoed = body_of(await ask(post("/echo", b"8\r\nhello\r\n0\r\n\r\n")))
    assert echoed.startswith(b"8\r\nhello\r\n0\r\n")
    assert BEFORE.encode() in echoed


@pytest.mark.parametrize("name", WRONG)
async def test_a_capture_names_the_same_mistake_in_the_same_words(name: str) -> None:
    said, *more = body_of(await ask(post("/echo", WRONG[name][0]))).decode().splitlines()
    error = read(POST + WRONG[name][0]).last.error
    assert f"request body: {error}" == ". ".join([said, *more])


async def test_the_access_line_and_the_journal_say_it_too(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as running:
        await running.ask(post("/echo", FIRST + WRONG["size too small"][0]))
        entry = json.loads((await running.journal())[0])
    with caplog.at_level(logging.INFO, "chunkwire.access"):
        log_text(running.ended[0])
    assert SAID.rstrip() in caplog.text
    assert SAID.rstrip() in entry["detail"]


@pytest.mark.parametrize("target, begun", [("/echo?head=now", b""), ("/echo", b"5\r\nhel")])
async def test_a_client_that_waits_for_the_head_gets_it(
    target: str, begun: bytes, autojump_clock: trio.abc.Clock
) -> None:
    async with serving() as running, connect(running.port, post(target, begun)) as client:
        await client.read_until(b"\r\n\r\n")
        await client.send(b"5\r\nhello\r\n"[len(begun) :])
        await client.read_until(b"5\r\nhello\r\n")


async def test_head_takes_only_now() -> None:
    answer = await ask(get("/echo?head=later").replace(b"GET", b"POST", 1))
    assert (status_of(answer), b"head: expected now" in answer) == (400, True)
