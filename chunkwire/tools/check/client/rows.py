"""The rows of `check client`: one for each scenario, with its id and level.

The rule here: the scenarios are in a registry (`chunkwire.origin.scenarios`); this file gives each an id, and a level:

- `must`: the document in the row's id requires it. RFC 9112 requires of a client to parse chunked, ignore extensions,
  parse sizes without overflow, record a message as incomplete (§8), and discard one with invalid framing (§6.3).
- `should`: a client may recover from an invalid construct (RFC 9110 §2.4), but here that changes the content.
- `seen`: a client may take the response or refuse it, for the reason in `Scenario.http_allows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import Answer, StopReason, Usage
from chunkwire.llm.question import Message, Question
from chunkwire.origin.scenarios import EVENTS, SCENARIOS, Scenario
from chunkwire.tools.check.rows import CheckRow, Level, RowCase

SSE: Final = "sse"
FORMS: Final = (SSE, *DIALECTS)
"""The forms of the content: plain server-sent events, or the stream of a dialect of language models."""

WORDS: Final = ("Grüße", ", 世界", " 🌍", "!")
"""The text in the content of a scenario, in deltas; the same in every form, also in `EVENTS`."""

_IDS: Final[Mapping[str, str]] = {
    "content-length": "9112/6.2/1",
    "close-delimited": "9112/6.3/1",
    "event-per-chunk": "9112/7.1/1",
    "one-chunk": "9112/7.1/2",
    "one-write": "9112/7.1/3",
    "tiny": "9112/7.1/4",
    "octet-per-write": "9112/7.1/5",
    "across-events": "9112/7.1/6",
    "split-utf8": "9112/7.1/7",
    "upper-case-sizes": "9112/7.1/8",
    "padded-sizes": "9112/7.1/9",
    "pauses": "9112/7.1/10",
    "extensions": "9112/7.1.1/1",
    "trailers": "9112/7.1.2/1",
    "early-hints": "9110/15.2/1",
    "gzip": "9110/8.4.1.3/1",
    "split-blank-line": "html/9.2.6/1",
    "split-crlf": "html/9.2.6/2",
    "lone-cr": "html/9.2.6/3",
    "comments": "html/9.2.6/4",
    "two-lengths": "9112/6.3/2",
    "bad-length": "9112/6.3/3",
    "bad-size": "9112/7.1/11",
    "no-size": "9112/7.1/12",
    "negative-size": "9112/7.1/13",
    "giant-size": "9112/7.1/14",
    "wrapped-size": "9112/7.1/15",
    "missing-crlf": "9112/7.1/16",
    "long-data": "9112/7.1/17",
    "prefixed-size": "9112/7.1/18",
    "underscored-size": "9112/7.1/19",
    "cut-in-last-chunk": "9112/7.1/20",
    "cut-in-trailers": "9112/7.1.2/2",
    "cut": "9112/8/1",
    "cut-in-character": "9112/8/2",
    "cut-in-size": "9112/8/3",
    "cut-in-crlf": "9112/8/4",
    "no-terminator": "9112/8/5",
    "reset": "9112/8/6",
    "reset-in-data": "9112/8/7",
    "short-length": "9112/8/8",
    "reset-unframed": "9112/8/9",
    "empty": "9112/8/10",
    "cut-in-head": "9112/8/11",
    "stall": "9112/8/12",
    "stall-in-size": "9112/8/13",
    "early-end": "content/1/1",
    "cut-gzip": "content/1/2",
}
_SHOULD: Final = frozenset({"missing-crlf", "long-data"})


@dataclass(frozen=True, slots=True)
class ClientCase(RowCase):
    """A row and its scenario."""

    scenario: Scenario


def client_cases(form: str = SSE) -> tuple[ClientCase, ...]:
    """Return the rows with their scenarios; the content of the scenarios has this form, one of `FORMS`."""
    cases: list[ClientCase] = []
    events, content_type = content_of(form)
    for name, row_id in _IDS.items():
        scenario = SCENARIOS[name]
        level = Level.SEEN if scenario.http_allows else Level.SHOULD if name in _SHOULD else Level.MUST
        if form != SSE:
            scenario = scenario.of(events, content_type)
            # A client of a provider need not parse all that an event stream of HTML may contain.
            level = Level.SEEN if row_id.startswith("html/") else level
        verb = "takes" if scenario.is_legal else "refuses"
        row = CheckRow(row_id, level, f"{verb} {name}: {scenario.summary}", scenario.clause, name)
        cases.append(ClientCase(row, scenario))
    return tuple(cases)


def content_of(form: str) -> tuple[tuple[bytes, ...], bytes]:
    """Return the events of a form, and their media type."""
    if form == SSE:
        return EVENTS, b"text/event-stream"
    dialect = DIALECTS[form]
    question = Question("check", (Message("user", "Say hello"),))
    usage = Usage(2, len(WORDS))
    answer = Answer("check", "check", created=1, text=WORDS, usage=usage, stop=StopReason.STOP, latency_ms=1)
    pieces = dialect.write(answer, question)
    return tuple(piece.octets for piece in pieces), dialect.stream_type(question)
