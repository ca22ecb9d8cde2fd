"""What a request to `/ask` asks for, read and checked.

The rule here: a question in the query of a GET or in the body of a POST, the same names in both; what is wrong is
refused by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chunkwire.ask.session import SESSION_ID
from chunkwire.llm.shape import load_object
from chunkwire.server.query import bad_value, shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest

MAX_QUESTION_OCTETS: Final = 1 << 20  # of a POST; a GET is bounded by its request line
PARAMETERS: Final = frozenset({"q", "stream", "format", "session"})


@dataclass(frozen=True, slots=True)
class Wish:
    """One question, and the form to answer in: sse, jsonl, or json for one body (`stream=false`)."""

    question: str
    form: str
    session: str = ""


async def read_wish(request: IncomingRequest) -> Wish:
    """Return what a request asks for.

    Raises:
        Refusal: 400, naming what is missing or wrong; 413 for a body that is too long.
    """
    values = {name: request.query.text(name) for name in PARAMETERS}
    if request.head.method == b"POST":
        values = {**values, **await _read_body(request)}
    question = values["q"]
    if not question.strip():
        raise Refusal(400, "parameter", "q: expected a question, got none")
    if values["stream"] not in ("", "true", "false"):
        raise bad_value("stream", "true or false", values["stream"])
    if values["format"] not in ("", "sse", "jsonl"):
        raise bad_value("format", "sse or jsonl", values["format"])
    is_jsonl = values["format"] == "jsonl" or (not values["format"] and _accepts(request, b"application/x-ndjson"))
    form = "json" if values["stream"] == "false" else "jsonl" if is_jsonl else "sse"
    return Wish(question, form, read_session(values["session"]))


def read_session(value: str) -> str:
    """Return a session id, "" for none.

    Raises:
        Refusal: 400 for one that cannot be.
    """
    if value and not SESSION_ID.fullmatch(value):
        raise bad_value("session", "1 to 64 letters, digits, or ._~-", value)
    return value


async def _read_body(request: IncomingRequest) -> dict[str, str]:
    """Return the parameters in a body: a JSON object of them, or a text that is the question."""
    octets = await request.read_body(MAX_QUESTION_OCTETS)
    content_type = (request.head.get(b"content-type") or b"").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        return {"q": octets.decode("utf-8", "replace")} if octets else {}
    try:
        body = load_object(octets)
    except ValueError as error:
        raise Refusal(400, "body", f"body: {error}") from error
    found: dict[str, str] = {}
    for name, value in body.items():
        if name not in PARAMETERS:
            raise Refusal(400, "unknown-parameter", f"{shown(name)}: not a parameter of /ask")
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str):
            raise bad_value(name, "a text", repr(value))
        found[name] = value
    return found


def wants_events(request: IncomingRequest) -> bool:
    """Say whether a client is made for event streams, as a browser's EventSource is: it cannot read a status."""
    return _accepts(request, b"text/event-stream")


def _accepts(request: IncomingRequest, content_type: bytes) -> bool:
    items = (request.head.get(b"accept") or b"").split(b",")
    return any(item.partition(b";")[0].strip().lower() == content_type for item in items)
