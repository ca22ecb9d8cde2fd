"""Streams of octets that a test writes down, from an origin that all tests of a file share."""

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from chunkwire import client
from chunkwire.testing import Origin, octets

Answered = Callable[..., AbstractAsyncContextManager[client.Stream]]


@pytest.fixture(scope="module")
def origin() -> Generator[Origin, None, None]:
    with Origin() as made:
        yield made


@pytest.fixture
def answered(origin: Origin) -> Answered:
    """Open a stream whose response is these octets, a write each, and then ends so; `options` are the client's."""

    @asynccontextmanager
    async def open_stream(*writes: bytes, end: str = "close", **options: Any) -> AsyncIterator[client.Stream]:
        run = origin.text([octets(*writes, end=end)])
        async with client.open("GET", run.url, **options) as stream:
            yield stream

    return open_stream
