"""Responses as a test in Python asks for them: each function gives the members that the control path takes.

The rule here: names and types. What the members mean, and what is wrong with them, is for `steps`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TypedDict, Unpack

from chunkwire.origin.scenarios import Scenario
from chunkwire.testing.steps import Response
from chunkwire.wire.errors import LocalError


def status(
    code: int, *, retry_after: float | None = None, body: object = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with this status: the dialect's own error, or `body`: a text, or what becomes JSON."""
    return _members(status=code, retry_after=retry_after, body=body, headers=headers)


class After(TypedDict, total=False):
    """What comes before a fault: so many events, chunks, or octets of content; without any, half the events."""

    after_events: int | None
    after_frames: int | None
    after_octets: int | None


def cut(content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer whose connection is closed (FIN) after so many events, chunks, or octets; see `After`."""
    return fault("cut", content, **after)


def reset(content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer whose connection is reset (RST) there; see `After`."""
    return fault("reset", content, **after)


def stall(content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer that falls silent there, until the client leaves or the run ends; see `After`."""
    return fault("stall", content, **after)


def fault(name: str, content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer with a fault of `/fault/NAME` there; see `After`."""
    return _members(fault=name, content=content, **after)


def framed(content: Response, framing: Scenario | str) -> Response:
    """Return an answer whose events lie on the wire as a scenario says."""
    return _members(content=content, framing=str(framing))


def tool_call(name: str, /, **arguments: object) -> Response:
    """Return an answer of a language model that calls a tool."""
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


def failing(error: str, content: Response | None = None) -> Response:
    """Return an answer that ends in an error of the provider's, such as `overloaded`, in mid-stream."""
    return _members(error=error, content=content)


def octets(*writes: bytes, end: str = "close") -> Response:
    """Return a response from its status-line on, each write as it stands; `end` is close, reset, keep or hold."""
    return {"octets_b64": [as_base64(each, "octets") for each in writes], "end": end}


def as_base64(octets: bytes, what: str) -> str:
    """Return octets in base64.

    Raises:
        LocalError: they are a text, or none.
    """
    if not isinstance(octets, bytes | bytearray | memoryview):
        raise LocalError(f"{what}: expected octets (bytes), got {type(octets).__name__}")
    return base64.b64encode(octets).decode()


def by_hand() -> Response:
    """Return a response that the test writes."""
    return {"by_hand": True}


def _members(**members: object) -> Mapping[str, object]:
    return {name: value for name, value in members.items() if value is not None}
