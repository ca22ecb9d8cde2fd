"""A wrong value in a call of the testing API is one line that names it."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import pytest

from chunkwire.testing import Origin, RunFailed, waiting
from chunkwire.wire.errors import LocalError
from tests.testing.test_runs import fetch

# The calls are wrong on purpose, for a type checker too.
WRONG: list[tuple[Callable[[Any], object], str]] = [
    (
        lambda origin: origin.sse("a", framng="tiny"),
        r"sse\(\): expected one of framing, .*, got 'framng'; did you mean framing\?$",
    ),
    (lambda origin: origin.sse("a", repeats="x"), "repeats: expected true or false, got 'x'"),
    (lambda origin: origin.sse("a", framing=5), "framing: expected a scenario or its name as framing, got 5"),
    (lambda origin: origin.sse("a", 5), "response 2: expected a list, got 5"),
    (
        lambda origin: origin.sse([{"data": "a"}]),
        r"response 1: expected one of .*; one list is several responses, \[\[…\]\] is one whose content is a list$",
    ),
    (lambda origin: origin.ndjson([{"a": 1}]), r"response 1: .*; one list is several responses"),
    (lambda origin: origin.sse(by_hand=True).wait_request(timeout="5"), "timeout: expected seconds, above 0"),
    (lambda origin: origin.sse(by_hand=True).send_frame("text"), r"send_frame: expected octets \(bytes\), got str"),
    (
        lambda origin: origin.sse(by_hand=True).wait_message(),
        "wait_message: expected a run of websocket, got one of sse",
    ),
    (lambda origin: origin.websocket(by_hand=True).wait_message(0), "n: expected a whole number, 1 or more, got 0"),
    (lambda origin: origin.websocket("a").wait_message(), "wait_message: expected a response written by hand in this"),
    (lambda origin: origin.sse(waiting("a")), "response 1: expected no wait_messages in a run of sse"),
    (lambda origin: origin.websocket(waiting("a", messages=-1)), "response 1: wait_messages: expected a whole number"),
    (lambda origin: type(origin)(gateway="bufer"), r"gateway: expected exact, .*, got 'bufer'; did you mean buffer\?$"),
]


@pytest.fixture(scope="module")
def origin() -> Generator[Origin, None, None]:
    """An origin whose runs need not be asked for."""
    with Origin() as made:
        yield made
        with suppress(RunFailed):
            made.end()


@pytest.mark.parametrize("given", [("one", "two"), (["one", "two"],), (("one", "two"),)])
def test_several_responses_are_several_arguments_or_one_list(origin: Origin, given: tuple[Any, ...]) -> None:
    run = origin.text(*given)
    assert [fetch(run.url) for _ in range(2)] == [b"one", b"two"]


def test_a_list_among_several_arguments_is_one_response(origin: Origin) -> None:
    run = origin.text(["on", "e"], "two")
    assert [fetch(run.url) for _ in range(2)] == [b"one", b"two"]


@pytest.mark.parametrize(
    "name, line",
    [
        ("opnai", "'Origin' object .*'opnai'; did you mean openai"),
        ("claude", "'Origin' object has no attribute 'claude'; there are anthropic, bedrock, .*, openai, "),
    ],
)
def test_a_missing_attribute_is_answered_by_the_likely_one_or_by_all(origin: Origin, name: str, line: str) -> None:
    with pytest.raises(AttributeError, match=f"^{line}"):
        getattr(origin, name)
    with pytest.raises(AttributeError, match=r"'OriginRun' .*'request'; did you mean requests"):
        getattr(origin.sse(), "request")  # noqa: B009  mypy knows that it is not there


@pytest.mark.parametrize("wrong, line", WRONG)
def test_a_wrong_value_is_named_in_one_line(origin: Origin, wrong: Callable[[Any], object], line: str) -> None:
    with pytest.raises(LocalError, match=f"^{line}") as caught:
        wrong(origin)
    assert "\n" not in str(caught.value)
