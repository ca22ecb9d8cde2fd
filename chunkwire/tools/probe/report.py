"""One page about a probe, for the ticket of whoever runs the hop: what was asked, what came when, what to change.

The rule here: self-contained, and safe to send: no credentials (records have none, and fields of the request that look
like one are blanked), everything from a peer escaped, nothing fetched from anywhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Final

from chunkwire.record.values import TextFields
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.fixes import fixes_for
from chunkwire.tools.probe.holding import holds_of
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.probe.verdict import HopVerdict
from chunkwire.tools.probe.view import conclusion, evidence_lines, spoiler, table
from chunkwire.tools.probe.why import Finding

_SECRET: Final = re.compile(r"auth|token|key|secret|cookie|session|signature|credential|password", re.IGNORECASE)
_BLANKED: Final = "[redacted]"
_MAX_EVENTS: Final = 60
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "pre{background:#f4f4f4;padding:1em;overflow-x:auto}h2{margin-top:2em}"
)


def report(hops: Sequence[Hop], verdicts: Sequence[HopVerdict], findings: Sequence[Finding], *, made: str) -> str:
    """Return the page as Markdown.

    Args:
        made: when and by what, one line.
    """
    return "\n".join(_parts(hops, verdicts, findings, made=made)) + "\n"


def to_html(markdown: str) -> str:
    """Return the page as HTML: headings, paragraphs, and blocks as they stand."""
    body: list[str] = []
    in_block = False
    for line in markdown.splitlines():
        if line.startswith("```"):
            in_block = not in_block
            body.append("<pre>" if in_block else "</pre>")
        elif in_block:
            body.append(html.escape(line))
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            body.append(f"<h{level}>{html.escape(line[level:].strip())}</h{level}>")
        elif line:
            body.append(f"<p>{html.escape(line)}</p>")
    title = html.escape(markdown.splitlines()[0].lstrip("# "))
    head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"{head}\n<body>\n" + "\n".join(body) + "\n</body></html>\n"


def _parts(
    hops: Sequence[Hop], verdicts: Sequence[HopVerdict], findings: Sequence[Finding], *, made: str
) -> Iterator[str]:
    blamed, sentence = spoiler(verdicts)
    yield f"# {blamed.hop} {sentence}" if blamed is not None else "# A stream, hop by hop"
    yield f"\n{made}. Each hop was asked for the same stream, from the inside out; each event carries the moment"
    yield "at which it was due and the moment at which the origin wrote it. A hold is how much later than that it"
    yield "arrived, against the least delayed event of its stream: neither another clock nor a long way counts."
    yield "\n```"
    yield from table(verdicts)
    yield from conclusion(verdicts)
    yield "```"
    for verdict in [each for each in (blamed,) if each is not None]:
        yield from _changes(verdict)
    if findings:
        yield "\n## What was tried\n\n```"
        width = max(len(finding.change) for finding in findings)
        yield from (f"{finding.change:<{width}}  {finding.outcome}" for finding in findings)
        yield "```"
    for hop, verdict in zip(hops, verdicts, strict=True):
        yield from _hop(hop, verdict)


def _changes(verdict: HopVerdict) -> Iterator[str]:
    fixes = fixes_for(verdict)
    if fixes:
        yield "\n## What frees it\n"
    for fix in fixes:
        software = f"{fix.software} ({fix.versions})" if fix.software else "any software"
        basis = f"shown by chunkwire's test {fix.proof}" if fix.proof else f"read in: {fix.source}"
        yield f"- `{fix.change}`: {software}; to be made by {fix.whose.value}; checked {fix.checked}; {basis}"


def _hop(hop: Hop, verdict: HopVerdict) -> Iterator[str]:
    yield f"\n## {hop.name}: {verdict.line}\n"
    yield from (f"- {line}" for line in evidence_lines(verdict))
    if not hop.runs:
        return
    run = hop.runs[0]
    yield "\n```"
    yield from _heads(run)
    yield "```\n\n```"
    yield from _arrivals(run)
    yield "```"


def _heads(run: Run) -> Iterator[str]:
    if run.request is not None:
        yield f"> {run.request.method} {run.request.target} HTTP/1.1"
        yield from _fields(">", run.request.fields)
    if run.head is not None:
        yield f"< {run.head.status_line}"
        yield from _fields("<", run.head.fields)


def _fields(mark: str, fields: TextFields) -> Iterator[str]:
    for name, value in fields:
        yield f"{mark} {name}: {_BLANKED if _SECRET.search(name) else value}"


def _arrivals(run: Run) -> Iterator[str]:
    yield "event   written ms   arrived ms      held ms   read"
    holds = holds_of(run) if run.is_stamped else []
    for number, unit in enumerate(run.units[:_MAX_EVENTS], 1):
        if unit.stamp is None:
            yield f"{number:5}            -   {unit.t * 1000:10.1f}            -   {unit.read:4}"
            continue
        written = (unit.stamp.actual_ns - run.stamps[0].actual_ns) / 1e6
        yield f"{number:5}   {written:10.1f}   {unit.t * 1000:10.1f}   {holds[number - 1] * 1000:10.1f}   {unit.read:4}"
    if len(run.units) > _MAX_EVENTS:
        yield f"and {len(run.units) - _MAX_EVENTS} more"
