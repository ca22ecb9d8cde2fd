"""What a request to `/ask` asks for, read and checked.

The rule here: a question in the query of a GET or in the body of a POST, the same names in both; what is wrong is
refused by its name. A body is what its Content-Type says: a form, JSON, or a text that is the question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chunkwire.ask.members import ASKING, MAX_BODY_OCTETS, load_body, read_question, read_seconds, wrong
from chunkwire.ask.session import SESSION_ID
from chunkwire.llm.question import Question
from chunkwire.server.query import Query, bad_value, shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest

PARAMETERS: Final = frozenset({"q", "stream", "format", "session", "max_time"})
"""Of the query of a GET, and of a form; JSON has `ASKING` too."""

_FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Wish:
    """One question, and the form to answer in: sse, jsonl, or json for one body (`stream=false`).

    Attributes:
        text: what is asked, where it came as `q`.
        question: how to ask; it has messages where they came in place of `q`.
        max_time: seconds for the whole answer.
    """

    text: str
    form: str
    question: Question
    session: str = ""
    max_time: float = math.inf


async def read_wish(request: IncomingRequest) -> Wish:
    """Return what a request asks for.

    Raises:
        Refusal: 400, naming what is missing or wrong; 413 for a body that is too long, 415 for one of another type.
    """
    values: dict[str, object] = dict(_parameters(request.query))
    if request.head.method == b"POST":
        values |= await _read_body(request)
    for name in ("q", "format", "session"):
        if not isinstance(values.get(name, ""), str):
            raise wrong(name, "a text", values[name])
    text, form, session = (str(values.get(name, "")) for name in ("q", "format", "session"))
    question = read_question(values)
    if not text.strip() and not question.messages:
        raise Refusal(400, "parameter", "q: expected a question, got none")
    if question.messages and (text or session):
        raise bad_value("messages", "neither q nor session beside them", "q" if text else "session")
    is_jsonl = form == "jsonl" or (not form and _accepts(request, b"application/x-ndjson"))
    if form not in ("", "sse", "jsonl"):
        raise bad_value("format", "sse or jsonl", form)
    is_whole = _is_whole(values.get("stream", ""))
    form = "json" if is_whole else "jsonl" if is_jsonl else "sse"
    return Wish(text, form, question, read_session(session), read_seconds(values.get("max_time")))


def read_session(value: str) -> str:
    """Return a session id, "" for none.

    Raises:
        Refusal: 400 for one that cannot be.
    """
    if value and not SESSION_ID.fullmatch(value):
        raise bad_value("session", "1 to 64 letters, digits, or ._~-", value)
    return value


def media_type(request: IncomingRequest) -> bytes:
    """Return the type of a request's body, lower case and without parameters; b"" where nothing says it."""
    return (request.head.get(b"content-type") or b"").partition(b";")[0].strip().lower()


def _is_whole(stream: object) -> bool:
    if isinstance(stream, bool):
        return not stream
    if not isinstance(stream, str) or stream not in ("", "true", "false"):
        raise wrong("stream", "true or false", stream)
    return stream == "false"


def _parameters(query: Query) -> dict[str, str]:
    """Return the parameters of a query or a form, those that are there.

    Raises:
        Refusal: 400, one is no UTF-8, or stands there twice.
    """
    found = {name: query.text(name) for name in PARAMETERS if query.values(name)}
    if "\ufffd" in found.get("q", ""):
        text_of("q", query.octets("q"))
    return found


def text_of(name: str, octets: bytes) -> str:
    """Return octets as text.

    Raises:
        Refusal: 400, they are no UTF-8.
    """
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, "parameter", f"{name}: expected UTF-8, got other octets at {error.start}") from error


async def _read_body(request: IncomingRequest) -> Mapping[str, object]:
    """Return the parameters in a body: of a JSON object, of a form, or a text that is the question."""
    octets = await request.read_body(MAX_BODY_OCTETS)
    kind = media_type(request)
    is_json = kind == b"application/json" or kind.endswith(b"+json")
    if is_json or (kind == _FORM and octets.lstrip()[:1] == b"{"):  # curl -d '{…}' says that it is a form
        body = _known(load_body(octets), PARAMETERS | ASKING)
        return {name: value for name, value in body.items() if value is not None}
    if kind == _FORM and b"=" in octets:
        form = Query(octets)
        return _parameters_of(form)
    if kind not in (b"", _FORM) and not kind.startswith(b"text/"):
        got = shown(kind.decode("latin-1"))
        raise Refusal(
            415, "content-type", f"Content-Type: expected application/json, a form or text/plain, got {got!r}"
        )
    return {"q": text_of("body", octets)} if octets else {}


def _parameters_of(form: Query) -> Mapping[str, object]:
    """Return the parameters of a form, where it has no others."""
    _known(dict.fromkeys(name for name, _ in form.pairs), PARAMETERS)
    return _parameters(form)


def _known(values: Mapping[str, object], names: frozenset[str]) -> Mapping[str, object]:
    for name in values:
        if name not in names:
            raise Refusal(400, "unknown-parameter", f"{shown(name)}: not a parameter of /ask")
    return values


def wants_events(request: IncomingRequest) -> bool:
    """Say whether a client is made for event streams, as a browser's EventSource is: it cannot read a status."""
    return _accepts(request, b"text/event-stream")


def _accepts(request: IncomingRequest, content_type: bytes) -> bool:
    items = (request.head.get(b"accept") or b"").split(b",")
    return any(item.partition(b";")[0].strip().lower() == content_type for item in items)


def refuse_foreign_page(request: IncomingRequest) -> None:
    """Refuse a page that may not ask: it would spend the owner's tokens, even if it cannot read them.

    A browser names the page's origin, or that it is another one (Fetch Metadata, `Sec-Fetch-Site`); no other client
    does, and a WebSocket is not held to CORS at all (RFC 6455 §10.2).

    Raises:
        Refusal: 403.
    """
    head = request.head
    origin = (head.get(b"origin") or b"").decode("latin-1")
    is_own = origin.partition("://")[2].encode("latin-1") == head.get(b"host")
    allowed = request.settings.cors
    is_allowed = "*" in allowed or origin in allowed or (is_own and origin != "")
    is_foreign = origin != "" or (head.get(b"sec-fetch-site") or b"") in (b"cross-site", b"same-site")
    if is_foreign and not is_allowed:
        raise Refusal(403, "origin", f"Origin: expected one that --cors allows, got {shown(origin) or 'none'!r}")
