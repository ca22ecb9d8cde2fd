"""Which pages of other origins may read responses: none unless allowed, refusals too, preflights answered."""

import pytest

from chunkwire.server.settings import ServerSettings
from tests.server.peer import ask, get, serving

PAGE = b"Origin: https://app.example"
ALLOWED = b"Access-Control-Allow-Origin: "


@pytest.mark.parametrize(
    "cors, granted",
    [((), None), (("*",), b"*"), (("https://app.example",), b"https://app.example"), (("https://b.example",), None)],
)
@pytest.mark.parametrize("target, status", [("/stream-bytes/3", b"200"), ("/none", b"404"), ("/sse?count=x", b"400")])
async def test_a_page_may_read_what_its_origin_is_allowed(
    cors: tuple[str, ...], granted: bytes | None, target: str, status: bytes
) -> None:
    async with serving(settings=ServerSettings(cors=frozenset(cors))) as running:
        head = (await running.ask(get(target, PAGE, b"Connection: close"))).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 " + status)
    assert (ALLOWED in head) == (granted is not None)
    assert granted is None or ALLOWED + granted in head.split(b"\r\n")
    assert (b"Vary: Origin" in head) == bool(cors and "*" not in cors)


def preflight(*lines: bytes) -> bytes:
    """Return the OPTIONS that a browser sends before a POST of its page."""
    asked = (PAGE, b"Access-Control-Request-Method: POST", b"Connection: close", *lines)
    return get("/echo", *asked).replace(b"GET", b"OPTIONS", 1)


async def test_a_preflight_names_the_methods_and_the_fields_it_was_asked_for() -> None:
    async with serving(settings=ServerSettings(cors=frozenset("*"))) as running:
        answer = await running.ask(preflight(b"Access-Control-Request-Headers: authorization, x-a"))
    assert answer.startswith(b"HTTP/1.1 204")
    assert b"Access-Control-Allow-Methods: POST, PUT, PATCH, OPTIONS\r\n" in answer
    assert b"Access-Control-Allow-Headers: authorization, x-a\r\n" in answer


async def test_a_preflight_grants_no_names_that_are_no_tokens_and_nothing_where_nothing_is_allowed() -> None:
    async with serving(settings=ServerSettings(cors=frozenset("*"))) as running:
        assert b"Allow-Headers" not in await running.ask(preflight(b"Access-Control-Request-Headers: a b"))
    assert b"Access-Control" not in await ask(preflight(b"Access-Control-Request-Headers: a"))
