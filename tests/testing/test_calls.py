"""A wrong call of the testing API is one line, which names the function and what it takes."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import pytest

import chunkwire.testing
from chunkwire.testing import (
    Origin,
    RunFailed,
    by_hand,
    cut,
    failing,
    fault,
    framed,
    octets,
    reset,
    stall,
    status,
    tool_call,
)
from chunkwire.wire.errors import LocalError

# The calls are wrong on purpose, for a type checker too.
ANY: Any = chunkwire.testing
WRONG: list[tuple[Callable[[Any], object], str]] = [
    (
        lambda origin: origin.openai("one", "two"),
        "openai: too many positional arguments; it takes responses, .*: several responses are one list, such as",
    ),
    (
        lambda origin: origin.sse("a", framng="tiny"),
        "sse: got an unexpected keyword argument 'framng'; it takes responses, framing, .*; did you mean framing?",
    ),
    (lambda origin: origin.sse("a", by_hand=1), "by_hand: expected True or False, got 1"),
    (lambda origin: origin.sse("a", repeats="x"), "repeats: expected true or false, got 'x'"),
    (lambda origin: origin.sse("a", framing=5), "framing: expected a scenario or its name as framing, got 5"),
    (lambda origin: origin.sse(5), "responses: expected a response, such as a text, or a list of them, got 5"),
    (lambda origin: origin.end(5), "end: expected a list of runs, got 5"),
    (lambda origin: origin.sse(by_hand=True).wait_request(5), "wait_request: too many positional arguments; it takes"),
    (lambda origin: origin.sse(by_hand=True).wait_request(timeout="5"), "timeout: expected seconds, above 0"),
    (lambda origin: origin.sse(by_hand=True).send_frame("text"), r"send_frame: expected octets \(bytes\), got str"),
    (lambda origin: origin.sse(by_hand=True).finish(1), "finish: too many positional arguments; it takes none"),
    (lambda _: ANY.Origin("buffer"), "Origin: too many positional arguments; it takes gateway"),
    (
        lambda _: Origin(gateway="bufer"),
        r"gateway: expected exact, reframe, buffer, .*, got 'bufer'; did you mean buffer\?$",
    ),
    (lambda _: ANY.Origin(gateway=5), "gateway: expected True, False or a mode such as 'buffer', got 5"),
    (lambda _: ANY.cut("a", 2), "cut: too many positional arguments; it takes content, after_events, after_frames, "),
    (lambda _: ANY.reset(after_event=2), "reset: got an unexpected .*; did you mean after_events?"),
    (lambda _: ANY.stall(after=2), "stall: got an unexpected keyword argument 'after'; it takes content, "),
    (lambda _: ANY.fault(), "fault: missing a required argument: 'name'; it takes name, content, "),
    (lambda _: ANY.framed("a"), "framed: missing a required argument: 'framing'; it takes content, framing"),
    (lambda _: ANY.status(), "status: missing a required argument: 'code'; it takes code, retry_after, "),
    (lambda _: ANY.failing(), "failing: missing a required argument: 'error'"),
    (lambda _: ANY.tool_call(), "tool_call: missing a required "),
    (lambda _: ANY.tool_call("f", {}), r"tool_call: too many positional arguments; it takes name, \*\*arguments$"),
    (lambda _: ANY.octets(end="close", ends=1), "octets: got an unexpected keyword argument 'ends'; .* mean end?"),
    (lambda _: ANY.by_hand(True), "by_hand: too many positional arguments; it takes none"),
]


@pytest.fixture(scope="module")
def origin() -> Generator[Origin, None, None]:
    """An origin whose runs need not be asked for."""
    with Origin() as made:
        yield made
        with suppress(RunFailed):
            made.end()


@pytest.mark.parametrize("wrong, line", WRONG)
def test_a_wrong_call_says_what_the_function_takes(origin: Origin, wrong: Callable[[Any], object], line: str) -> None:
    with pytest.raises(LocalError, match=f"^{line}") as caught:
        wrong(origin)
    assert "\n" not in str(caught.value)


def test_every_function_is_tried() -> None:
    functions = (by_hand, cut, failing, fault, framed, octets, reset, stall, status, tool_call)
    names = {name for name in chunkwire.testing.__all__ if name.islower()}
    assert names == {function.__name__ for function in functions}
    assert names <= {line.partition(":")[0] for _, line in WRONG}


def test_right_calls_are_as_before() -> None:
    assert cut("a", after_events=2) == {"fault": "cut", "content": "a", "after_events": 2}
    assert tool_call("f", x=1) == {"tool_calls": [{"name": "f", "arguments": {"x": 1}}]}
    assert octets(b"a", b"b", end="keep") == {"octets_b64": ["YQ==", "Yg=="], "end": "keep"}


def test_an_unknown_attribute_suggests_the_nearest(origin: Origin) -> None:
    made: Any = origin
    with pytest.raises(AttributeError, match=r"^Origin has no attribute 'opnai'; did you mean openai\?$"):
        made.opnai("a")
    run: Any = origin.sse([])
    with pytest.raises(AttributeError, match=r"^OriginRun has no attribute 'send_evnt'; did you mean send_event"):
        run.send_evnt("a")
    with pytest.raises(AttributeError, match=r"has no attribute 'stal'; did you mean stall\?$"):
        ANY.stal()
