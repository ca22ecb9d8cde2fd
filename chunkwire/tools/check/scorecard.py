"""A scorecard: the results of all rows, as JSON and as JUnit XML.

The rule here: pure. `view` makes the text for terminals, `page` the HTML page.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree

from chunkwire.tools.check.rows import CheckRow, Level, RowOutcome, RowResult, Shown
from chunkwire.tools.paint import number

_NOT_XML = re.compile(r"[^\t\n\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")  # Char, XML 1.0 §2.2


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The results of one run.

    Attributes:
        kind: client, server or proxy.
        target: the command or the URL.
        started: with its time zone.
        versions: names and versions of the programs involved, as far as known.
        is_whole: False if the run was stopped before its last row.
    """

    kind: str
    target: str
    results: tuple[RowResult, ...]
    started: datetime
    versions: tuple[tuple[str, str], ...] = ()
    is_whole: bool = True

    def count(self, outcome: RowOutcome, *levels: Level) -> int:
        """Return the number of rows with this outcome; only of these levels, if any are given."""
        return sum(r.outcome is outcome and (not levels or r.row.level in levels) for r in self.results)

    def has_failed(self, *, is_strict: bool = False) -> bool:
        """Say whether a `must` row failed; if strict, also a `should` row. A `seen` row never counts."""
        levels = (Level.MUST, Level.SHOULD) if is_strict else (Level.MUST,)
        return self.count(RowOutcome.FAIL, *levels) > 0

    @property
    def is_decided(self) -> bool:
        """Say whether at least one row passed or failed."""
        return any(r.outcome in (RowOutcome.PASS, RowOutcome.FAIL) for r in self.results)

    @property
    def summary(self) -> str:
        """The counts in one line: failures by level first."""
        failed = [
            f"{count} {level.value} failed"
            for level in (Level.MUST, Level.SHOULD)
            if (count := self.count(RowOutcome.FAIL, level))
        ]
        ruled = [result for result in self.results if result.row.level is not Level.SEEN]
        counts = Counter(result.outcome.value for result in ruled)
        counts.update({"only seen": len(self.results) - len(ruled)})
        words = {"pass": "passed"}
        others = [
            f"{counts[key]} {words.get(key, key)}"
            for key in ("pass", "undecided", "not applicable", "only seen")
            if counts[key]
        ]
        return f"{number(len(self.results), 'row')}: " + (", ".join([*failed, *others]) or "none was run")


def to_json(card: Scorecard) -> str:
    """Return the scorecard as one JSON object."""
    rows = [
        {
            "id": result.row.id,
            "name": result.row.name,
            "level": result.row.level.value,
            "title": result.row.title,
            "clause": result.row.clause,
            "outcome": result.outcome.value,
            "why": result.why,
            "octets": [_shown_json(shown) for shown in result.octets],
        }
        for result in card.results
    ]
    return json.dumps(
        {
            "v": 1,
            "check": card.kind,
            "target": card.target,
            "started": card.started.isoformat(),
            "versions": dict(card.versions),
            "complete": card.is_whole,
            "rows": rows,
        },
        indent=1,
    )


def _shown_json(shown: Shown) -> dict[str, str]:
    """Return octets as `data`, or as `data_b64` if they are not UTF-8, as in the wire record."""
    try:
        return {"label": shown.label, "data": shown.octets.decode("utf-8")}
    except UnicodeDecodeError:
        return {"label": shown.label, "data_b64": base64.b64encode(shown.octets).decode("ascii")}


def to_junit(card: Scorecard, *, is_strict: bool = False) -> str:
    """Return the scorecard as JUnit XML: a test case for each row, skipped if it neither passed nor failed the run."""
    levels = (Level.MUST, Level.SHOULD) if is_strict else (Level.MUST,)
    suite = ElementTree.Element("testsuite", name=f"chunkwire check {card.kind}", timestamp=card.started.isoformat())
    failures = skipped = 0
    for result in card.results:
        name = f"{result.row.id} {result.row.title}"
        case = ElementTree.SubElement(suite, "testcase", classname=f"check.{card.kind}", name=_xml(name))
        text = "\n".join([f"{result.row.level.value}, {clause_of(result.row)}", *map(as_text, result.octets)])
        is_failure = result.outcome is RowOutcome.FAIL and result.row.level in levels
        if is_failure:
            failures += 1
            ElementTree.SubElement(case, "failure", message=_xml(result.why)).text = _xml(text)
        elif result.outcome is not RowOutcome.PASS:
            skipped += 1
            word = f"{result.row.level.value} {result.outcome.value}: {result.why}"
            ElementTree.SubElement(case, "skipped", message=_xml(word))
    suite.attrib.update(tests=str(len(card.results)), failures=str(failures), errors="0", skipped=str(skipped))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def clause_of(row: CheckRow) -> str:
    """Return the section of a rule: `RFC 9112 §7.1`, `WHATWG HTML §9.2.6`."""
    return f"RFC {row.clause}" if row.clause[:1].isdigit() else row.clause


def as_text(shown: Shown) -> str:
    r"""Return labelled octets as ASCII, one line for each line on the wire, with CR and LF escaped."""
    text = shown.octets.decode("latin-1")
    lines = [line.encode("unicode_escape").decode("ascii") for line in re.findall(r"[^\n]*\n|[^\n]+", text)] or [
        "(nothing)"
    ]
    return "\n".join([f"{shown.label}:", *(f"  {line}" for line in lines)])


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)
