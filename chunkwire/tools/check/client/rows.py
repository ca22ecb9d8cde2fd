"""The rows of `check client`: one for each scenario, with its id and level.

The rule here: the scenarios are in a registry (`chunkwire.origin.scenarios`); this file gives each an id and a level.

- `must`: the document in the row's id requires it. RFC 9112 requires of a client to parse chunked, ignore extensions,
  parse sizes without overflow, record a message as incomplete (§8), and discard one with invalid framing (§6.3).
- `should`: a client may recover from an invalid construct (RFC 9110 §2.4), but here that changes the content.
- `seen`: a client may take the response or refuse it. Recovery leaves the content as it is; or the response is cut
  after the zero-sized chunk, with which a chunked body is complete (RFC 9112 §8); or only its content shows the cut.
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

_IDS_AND_LEVELS: Final[Mapping[str, tuple[str, Level]]] = {
    "content-length": ("9112/6.2/1", Level.MUST),
    "close-delimited": ("9112/6.3/1", Level.MUST),
    "event-per-chunk": ("9112/7.1/1", Level.MUST),
    "one-chunk": ("9112/7.1/2", Level.MUST),
    "one-write": ("9112/7.1/3", Level.MUST),
    "tiny": ("9112/7.1/4", Level.MUST),
    "octet-per-write": ("9112/7.1/5", Level.MUST),
    "across-events": ("9112/7.1/6", Level.MUST),
    "split-utf8": ("9112/7.1/7", Level.MUST),
    "upper-case-sizes": ("9112/7.1/8", Level.MUST),
    "padded-sizes": ("9112/7.1/9", Level.MUST),
    "pauses": ("9112/7.1/10", Level.MUST),
    "extensions": ("9112/7.1.1/1", Level.MUST),
    "trailers": ("9112/7.1.2/1", Level.MUST),
    "early-hints": ("9110/15.2/1", Level.MUST),
    "gzip": ("9110/8.4.1.3/1", Level.MUST),
    "split-blank-line": ("html/9.2.6/1", Level.MUST),
    "split-crlf": ("html/9.2.6/2", Level.MUST),
    "lone-cr": ("html/9.2.6/3", Level.MUST),
    "comments": ("html/9.2.6/4", Level.MUST),
    "two-lengths": ("9112/6.3/2", Level.MUST),
    "bad-length": ("9112/6.3/3", Level.MUST),
    "bad-size": ("9112/7.1/11", Level.MUST),
    "no-size": ("9112/7.1/12", Level.MUST),
    "negative-size": ("9112/7.1/13", Level.MUST),
    "giant-size": ("9112/7.1/14", Level.MUST),
    "wrapped-size": ("9112/7.1/15", Level.MUST),
    "missing-crlf": ("9112/7.1/16", Level.SHOULD),
    "long-data": ("9112/7.1/17", Level.SHOULD),
    "prefixed-size": ("9112/7.1/18", Level.SEEN),
    "underscored-size": ("9112/7.1/19", Level.SEEN),
    "cut-in-last-chunk": ("9112/7.1/20", Level.SEEN),
    "cut-in-trailers": ("9112/7.1.2/2", Level.SEEN),
    "cut": ("9112/8/1", Level.MUST),
    "cut-in-character": ("9112/8/2", Level.MUST),
    "cut-in-size": ("9112/8/3", Level.MUST),
    "cut-in-crlf": ("9112/8/4", Level.MUST),
    "no-terminator": ("9112/8/5", Level.MUST),
    "reset": ("9112/8/6", Level.MUST),
    "reset-in-data": ("9112/8/7", Level.MUST),
    "short-length": ("9112/8/8", Level.MUST),
    "reset-unframed": ("9112/8/9", Level.MUST),
    "empty": ("9112/8/10", Level.MUST),
    "cut-in-head": ("9112/8/11", Level.MUST),
    "stall": ("9112/8/12", Level.MUST),
    "stall-in-size": ("9112/8/13", Level.MUST),
    "early-end": ("content/1/1", Level.SEEN),
    "cut-gzip": ("content/1/2", Level.SEEN),
}


@dataclass(frozen=True, slots=True)
class ClientCase(RowCase):
    """A row and its scenario."""

    scenario: Scenario


def client_cases(form: str = SSE) -> tuple[ClientCase, ...]:
    """Return the rows with their scenarios; the content of the scenarios has this form, one of `FORMS`."""
    cases: list[ClientCase] = []
    events, content_type = content_of(form)
    for name, (row_id, level) in _IDS_AND_LEVELS.items():
        scenario = SCENARIOS[name]
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
