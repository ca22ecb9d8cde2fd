"""What makes a run no stream to judge: another answer, an old one, a broken one.

The rule here: pure, one run at a time. The verdict does not name a hop; None means that the run can be judged.
"""

from __future__ import annotations

from typing import Final

from chunkwire.tools.paint import number
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.verdict import NO_PROBE_EVENT, NO_QUERY, HopVerdict, Kind
from chunkwire.wire.abnf import number_of

IDLE_SECONDS: Final = 0.5
"""A cut after so much silence is called an idle cut: the pauses of a probe are a tenth of it."""

BROKEN: Final = frozenset({"cut", "reset", "malformed"})
"""How a body ends that was not complete, where the end was not ours."""

# Fields by which Cloudflare and AWS WAF mark a page that asks whether the client is a human.
_CHALLENGES: Final = ("cf-mitigated", "x-amzn-waf-action")


def defect_of(run: Run, inner: Run | None) -> HopVerdict | None:
    """Return what is wrong with a response before its timing is looked at; None where nothing is.

    Args:
        inner: a run of a hop further in, to compare with; None where there is none.
    """
    if run.head is None:
        if run.pieces or is_left(run):
            return None  # a bare body, as `curl --raw` prints it; or a hop that holds the head as well
        if run.end is not None and run.end.framing == "timeout":
            reason = f"connected, request sent, no head within {run.end.t:.1f} s: it may wait for content"
            return HopVerdict(kind=Kind.UNREACHABLE, reason=reason)
        error = run.end.error if run.end is not None else None
        return HopVerdict(kind=Kind.UNREACHABLE, reason=error or "no response")
    if run.status != 200:
        return _not_the_stream(run, run.head.status_line.partition(" ")[2])
    return _not_ours(run, inner) or _from_another_run(run) or _cut(run)


def is_left(run: Run) -> bool:
    """Say whether we left a stream that had not ended, after frames enough for an order."""
    return run.is_ordered and run.end is not None and run.end.framing == "stopped"


def first_frames(run: Run) -> str:
    """Return what was seen of a stream that we left, as the end of a half line."""
    return f"its first {number(run.acks[-1].n, 'frame')}, its end not awaited"


def _not_the_stream(run: Run, what: str) -> HopVerdict:
    media = f", {run.media_type}" if run.media_type else ""
    where = f", to {run.response_field('location')}" if run.response_field("location") else ""
    challenge = ", a challenge page" if any(run.response_field(name) == "challenge" for name in _CHALLENGES) else ""
    status = run.response_field("proxy-status")  # RFC 9209
    blames = f", Proxy-Status: {status}" if status else ""
    if "incremental_refused" in blames:
        blames += ", as RFC 10036 asks of a hop that will not stream"
    said = f", which says: {run.page}" if run.page and run.page not in what and not blames else ""
    return HopVerdict(kind=Kind.NOT_THE_STREAM, reason=f"{what}{media}{where}{challenge}{blames}{said}")


def _not_ours(run: Run, inner: Run | None) -> HopVerdict | None:
    if run.is_stamped or not run.is_whole or not run.pieces:
        return None
    if any(run.response_field(name) == "challenge" for name in _CHALLENGES):
        return _not_the_stream(run, "200")
    if run.asked.get("nonce") is not None or (inner is not None and inner.is_stamped):
        return _not_the_stream(run, NO_PROBE_EVENT)
    if inner is not None and inner.media_type != run.media_type:
        return _not_the_stream(run, f"{inner.media_type or 'no type'} at the hop before")
    return None


def _from_another_run(run: Run) -> HopVerdict | None:
    asked, age = run.asked.get("nonce"), run.response_field("age").strip()
    nonces = {stamp.nonce for stamp in run.stamps if stamp.nonce}
    if asked is not None and nonces and asked not in nonces:
        if all(nonce.startswith("~") for nonce in nonces) and not number_of(age):
            return HopVerdict(kind=Kind.NOT_THE_STREAM, reason=NO_QUERY)
        return HopVerdict(kind=Kind.CACHED, reason="its nonce is that of another run")
    if number_of(age):
        return HopVerdict(kind=Kind.CACHED, reason=f"Age: {age}")
    return None


def _cut(run: Run) -> HopVerdict | None:
    of = next((stamp.of for stamp in run.stamps if stamp.of is not None), None)
    last = max((stamp.n for stamp in run.stamps if stamp.n is not None), default=None)
    missing = run.is_whole and of is not None and last is not None and last < of
    if run.end is None or not (run.end.framing in BROKEN or (missing and run.end.framing == "complete")):
        return None
    silence = run.end.t - (run.pieces[-1].t if run.pieces else run.head.t if run.head is not None else 0.0)
    came = f"{last} of {number(of, 'event')}" if of is not None and last is not None else number(run.octets, "octet")
    ended = {"cut": "", "complete": ", its framing complete"}.get(run.end.framing, f", {run.end.framing}")
    if silence >= IDLE_SECONDS and run.end.framing != "malformed":
        return HopVerdict(kind=Kind.IDLE_CUT, seconds=silence, details=(f"{came} came{ended}",))
    return HopVerdict(kind=Kind.CUT, reason=f"{came} came{ended}")
