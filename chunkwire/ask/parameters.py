"""Read and check the parameters of a request to `/ask`.

The rule here: a parameter has the same name in the query and in the body of a POST; the value in the body wins. The
refusal of a wrong value names the parameter. A body is an HTML form, JSON, or plain text, which is the question. Its
Content-Type says which; but `curl -d` declares any body a form, so a "form" that cannot be one is JSON or plain text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chunkwire.ask.json_members import (
    MAX_BODY_OCTETS,
    MEMBERS,
    load_body,
    read_question,
    read_seconds,
    wrong,
    wrong_form,
)
from chunkwire.ask.session import SESSION_ID
from chunkwire.llm.question import Question
from chunkwire.server.query import Query, bad_value, shown
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest

PARAMETERS: Final = frozenset({"q", "stream", "format", "session", "max_time"})
"""Names in a query or an HTML form; a JSON body may also have `MEMBERS`."""

_FORM: Final = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class AskRequest:
    """One question, by any of the resources: `/ask`, its WebSocket, or `/v1/chat/completions`.

    Attributes:
        text: the parameter `q`; "" if `question` has messages.
        answer_form: sse, jsonl, json (one body), websocket or chat.
        question: model, tools and limits; messages only if there is no `q`.
        max_time: seconds for the whole answer.
    """

    text: str
    answer_form: str
    question: Question
    session: str = ""
    max_time: float = math.inf


async def read_request(request: IncomingRequest) -> AskRequest:
    """Return the parameters of a request.

    Raises:
        Refusal: 400 for a missing or wrong one; 413 for a body that is too long, 415 for one of another type.
    """
    values: dict[str, object] = dict(query_parameters(request.query))
    if request.head.method == b"POST":
        values |= await _read_body(request)
    for name in ("q", "format", "session"):
        if not isinstance(values.get(name, ""), str):
            raise wrong(name, "a text", values[name])
    text, wanted, session = (str(values.get(name, "")) for name in ("q", "format", "session"))
    question = read_question(values)
    if not text.strip() and not question.messages:
        raise Refusal(400, "parameter", "q: expected a question, got none")
    if question.messages and (text or session):
        raise wrong_form("messages", "neither q nor session together with it", "q" if text else "session")
    is_jsonl = wanted == "jsonl" or (not wanted and _accepts(request, b"application/x-ndjson"))
    if wanted not in ("", "sse", "jsonl"):
        raise bad_value("format", "sse or jsonl", wanted)
    is_whole = _is_whole(values.get("stream", ""))
    answer_form = "json" if is_whole else "jsonl" if is_jsonl else "sse"
    return AskRequest(text, answer_form, question, read_session(session), read_seconds(values.get("max_time")))


def read_session(value: str) -> str:
    """Return a session id, "" for none.

    Raises:
        Refusal: 400 for one out of the grammar.
    """
    if value and not SESSION_ID.fullmatch(value):
        raise bad_value("session", "1 to 64 letters, digits, or ._~-", value)
    return value


def _media_type(request: IncomingRequest) -> bytes:
    """Return the Content-Type of a request, lower case and without parameters; b"" for none."""
    return (request.head.get(b"content-type") or b"").partition(b";")[0].strip().lower()


def _is_whole(stream: object) -> bool:
    if isinstance(stream, bool):
        return not stream
    if not isinstance(stream, str) or stream not in ("", "true", "false"):
        raise wrong("stream", "true or false", stream)
    return stream == "false"


def query_parameters(query: Query) -> dict[str, str]:
    """Return the parameters in a query or an HTML form.

    Raises:
        Refusal: 400, `q` is no UTF-8, or a parameter is given twice.
    """
    found = {name: query.text(name) for name in PARAMETERS if query.values(name)}
    if "\ufffd" in found.get("q", ""):
        _text_of("q", query.octets("q"))  # raises if U+FFFD stands for octets that are no UTF-8
    return found


def _text_of(name: str, octets: bytes) -> str:
    """Return octets as text.

    Raises:
        Refusal: 400, they are no UTF-8.
    """
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(400, "parameter", f"{name}: expected UTF-8, got other octets at {error.start}") from error


async def _read_body(request: IncomingRequest) -> Mapping[str, object]:
    """Return the parameters in a body; none for an empty form or text.

    Raises:
        Refusal: as of `read_request`.
    """
    octets = await request.read_body(MAX_BODY_OCTETS)
    kind = _media_type(request)
    is_json = kind == b"application/json" or kind.endswith(b"+json")
    if is_json or (kind == _FORM and octets.lstrip()[:1] == b"{"):
        body = _known(load_body(octets), PARAMETERS | MEMBERS)
        return {name: value for name, value in body.items() if value is not None}
    if kind == _FORM and b"=" in octets:
        form = Query(octets)
        _known(dict.fromkeys(name for name, _ in form.pairs), PARAMETERS)
        return query_parameters(form)
    if kind not in (b"", _FORM) and not kind.startswith(b"text/"):
        got = shown(kind.decode("latin-1"))
        raise Refusal(
            415, "content-type", f"Content-Type: expected application/json, a form or text/plain, got {got!r}"
        )
    return {"q": _text_of("body", octets)} if octets else {}


def _known(values: Mapping[str, object], names: frozenset[str]) -> Mapping[str, object]:
    for name in values:
        if name not in names:
            raise Refusal(400, "unknown-parameter", f"{shown(name)}: not a parameter of /ask")
    return values


def wants_events(request: IncomingRequest) -> bool:
    """Say whether Accept names event streams, as a browser's EventSource does.

    Its page cannot read the status or body of an error response, only events of a 200.
    """
    return _accepts(request, b"text/event-stream")


def _accepts(request: IncomingRequest, content_type: bytes) -> bool:
    """Say whether Accept names a media type, whatever its weight."""
    items = (request.head.get(b"accept") or b"").split(b",")
    return any(item.partition(b";")[0].strip().lower() == content_type for item in items)


def refuse_foreign_page(request: IncomingRequest) -> None:
    """Refuse a request from a page of another origin, unless `--cors` allows that origin: each question costs tokens.

    CORS is not enough: a browser sends the request and only hides the response from the page. It does not apply to
    WebSockets (RFC 6455 §10.2). A request without Origin and `Sec-Fetch-Site` is taken for one of another program.

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
        raise Refusal(
            403, "origin", f"Origin: expected one that --cors allows, got {repr(shown(origin)) if origin else 'none'}"
        )
