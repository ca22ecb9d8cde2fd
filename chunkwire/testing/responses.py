"""Functions that describe responses in Python; each returns the JSON members of the control path.

The rule here: only names and types; `steps` interprets the members and reports errors.
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
    """Return a response with this status, and as its body `body`, a text or a JSON value.

    Args:
        retry_after: seconds; the value of Retry-After.
        body: None sends the dialect's error, for a status of 400 or more in a run of language models; else nothing.
    """
    return _members(status=code, retry_after=retry_after, body=body, headers=headers)


class After(TypedDict, total=False):
    """How many events, chunks, or octets of content come before a fault: one of them; by default half the events.

    An answer that has fewer is refused. One in a single JSON body, for a request without `stream`, is cut after octets:
    by default half of them.
    """

    after_events: int | None
    after_frames: int | None
    after_octets: int | None


def cut(content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer that is cut by closing the connection (FIN); see `After`."""
    return fault("cut", content, **after)


def reset(content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer that is cut by a reset (RST); see `After`."""
    return fault("reset", content, **after)


def stall(content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer that stalls until the client leaves, at most an hour; see `After`."""
    return fault("stall", content, **after)


def fault(name: str, content: Response | None = None, **after: Unpack[After]) -> Response:
    """Return an answer with a fault of `/fault/NAME`; see `After`."""
    return _members(fault=name, content=content, **after)


def framed(content: Response, framing: Scenario | str) -> Response:
    """Return an answer with the framing of a scenario."""
    return _members(content=content, framing=str(framing))


def tool_call(name: str, /, **arguments: object) -> Response:
    """Return an answer of a language model that calls a tool."""
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


def failing(error: str, content: Response | None = None) -> Response:
    """Return an answer that a provider's error, such as `overloaded`, ends in mid-stream."""
    return _members(error=error, content=content)


def waiting(content: Response | None = None, *, messages: int = 1) -> Response:
    """Return the messages of a WebSocket whose client speaks first: they are sent once it has sent so many."""
    return _members(wait_messages=messages, content=content)


def octets(*writes: bytes, end: str = "close") -> Response:
    """Return a response as octets, from the status-line on, in these writes; `end` is close, reset, keep or hold."""
    return {"octets_b64": [as_base64(each, "octets") for each in writes], "end": end}


def as_base64(octets: bytes, what: str) -> str:
    """Return octets in base64.

    Raises:
        LocalError: they are no octets.
    """
    if not isinstance(octets, bytes | bytearray | memoryview):
        raise LocalError(f"{what}: expected octets (bytes), got {type(octets).__name__}")
    return base64.b64encode(octets).decode()


def by_hand() -> Response:
    """Return a response that the test writes."""
    return {"by_hand": True}


def _members(**members: object) -> Mapping[str, object]:
    return {name: value for name, value in members.items() if value is not None}
