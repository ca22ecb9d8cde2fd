"""Judge rows by the answers on a connection. Pure.

The rule here: prefers false negatives. A failure rests on octets that the server sent, or on its FIN; never on a reset,
which may have discarded an answer, and never on silence.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from chunkwire.tools.check.rows import RowOutcome, Ruling
from chunkwire.tools.check.server.baseline import CheckedServer
from chunkwire.tools.check.server.talk import Talk, TalkEnd

BAD_REQUEST: Final = frozenset({400})
DATA: Final = b"hel"
"""The first octets of the data of every broken body."""
OTHER_REASONS: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses that a correct request may get as well, from a server that is busy or limits its clients."""
NO_HALF_CLOSE: Final = "in TLS 1.2 a client cannot half-close and still read (RFC 5246 §7.2.1)"
LENGTH_REQUIRED: Final = 411  # RFC 9112 §6.3: a server may insist on Content-Length


def _rule_no_answer(talk: Talk) -> Ruling | None:
    """Return a ruling if a legal request got no answer that can be judged: to close without one is a failure."""
    if not talk.finals and talk.end is TalkEnd.CLOSED:
        return talk.unreadable or talk.failed("closed without an answer")
    return talk.unanswered


def is_alike(status: int, usual: int) -> bool:
    """Say whether two statuses are equal, or both a success."""
    return status == usual or status // 100 == usual // 100 == 2


def rule_as_usual(talk: Talk, server: CheckedServer, *, other: str = "the plain request") -> Ruling:
    """Judge a GET in another form, which must be answered like the one of the baseline.

    Args:
        other: what a report calls the one of the baseline.
    """
    if unanswered := _rule_no_answer(talk):
        return unanswered
    status, usual = talk.finals[0].status, server.get.status
    if not is_alike(status, usual):
        rule = talk.undecided if status in OTHER_REASONS else talk.failed
        return rule(f"answers {status}, and {usual} to {other}")
    return talk.passed(talk.how)


def rule_legal(talk: Talk, server: CheckedServer) -> Ruling:
    """Judge a legal request with the target's body, followed by a GET with `Connection: close`.

    If the resource gives bodies back, the answer must contain it.
    """
    assert server.post is not None
    if unanswered := _rule_no_answer(talk):
        return unanswered
    first = talk.finals[0]
    if first.status == LENGTH_REQUIRED != server.post.status:
        return talk.inapplicable("answers 411: this server wants a Content-Length")
    if not is_alike(first.status, server.post.status):
        rule = talk.undecided if first.status in OTHER_REASONS else talk.failed
        return rule(f"answers {first.status}, and {server.post.status} to the same body of known length")
    if server.gives_back and server.target.body not in first.content:
        return talk.failed("gives back another content than was sent")
    after = rule_second_answer(talk, server)
    if after.outcome is RowOutcome.PASS and not 200 <= server.post.status < 300:
        return talk.inapplicable(
            f"answers {first.status} to a {server.target.method.decode('ascii')} whatever its body is"
        )
    if after.outcome is RowOutcome.PASS and server.is_early and len(talk.finals) == 1:
        return talk.inapplicable(f"answers {first.status} before it has the body, and closes")
    return after


def rule_second_answer(talk: Talk, server: CheckedServer) -> Ruling:
    """Judge the answer to the second of two requests, the GET of the baseline; the first was answered well.

    A server may also close after its first answer.
    """
    if len(talk.finals) > 2:
        return talk.failed(f"{len(talk.finals)} answers to 2 requests: octets of the body were answered")
    if len(talk.finals) == 2:
        if talk.finals[1].status in (400, 501, 505) and talk.finals[1].status != server.get.status:
            return talk.failed(f"did not find where the second request begins: {talk.how}")
        return talk.passed(talk.how)
    if talk.end is TalkEnd.OPEN:
        return talk.undecided("the second request was not answered")
    return talk.passed(f"{talk.how} before the second request")


def rule_broken(talk: Talk, server: CheckedServer, *, is_cut: bool = False) -> Ruling:
    """Judge a request with a broken body, followed by a GET: it must get no success, and the GET no answer.

    Args:
        is_cut: our FIN cuts the body, and no GET follows.
    """
    if unreadable := talk.unreadable:
        return unreadable
    if talk.before_fin == 0 and not is_cut and talk.end is not TalkEnd.OPEN:
        # Another row judges whether it accepts a cut body as whole.
        is_refused = not talk.finals or (len(talk.finals) == 1 and talk.finals[0].status >= 400)
        rule = talk.passed if is_refused else talk.undecided
        return rule(f"waits for more of the body; after our FIN: {talk.how}")
    if len(talk.finals) > 1:
        first = talk.finals[0].status
        took = "accepted the body as whole" if first < 400 else "refused it"
        return talk.failed(f"{took} ({first}), and answered the request after it: {talk.finals[1].status}")
    if not talk.finals:
        if talk.end is TalkEnd.OPEN:
            return talk.undecided("no answer, and the connection stays open")
        return talk.passed(f"{talk.end.value} without an answer")
    return _rule_only_answer(talk, server)


def _rule_only_answer(talk: Talk, server: CheckedServer) -> Ruling:
    """Judge the one answer to a broken body; the request after it got none.

    A success proves that the body was accepted only if the resource gives back what it read: another one may answer
    without reading, and servers hold such an answer until they have dropped the body.
    """
    answer = talk.finals[0]
    if server.post is not None and answer.status == server.post.status >= 300:
        return talk.inapplicable(f"answers {answer.status}, as to a whole body, and not the request after it")
    if answer.status >= 400:
        return talk.passed(talk.how)
    if not answer.is_whole:
        is_cut = talk.end is not TalkEnd.OPEN
        return talk.passed(f"answers {answer.status}, and cuts it") if is_cut else talk.undecided(talk.how)
    if not server.gives_back or not server.waits_for_body:
        return talk.inapplicable(f"answers {answer.status} and not the request after it; it may not read the body")
    if DATA not in answer.content:
        return talk.undecided(f"answers {answer.status}, but not with what came of the body")
    return talk.failed(f"accepted the body as whole: {talk.how}")


def rule_refused(
    talk: Talk, usual: int, *, statuses: Collection[int] = BAD_REQUEST, must_close: bool = False
) -> Ruling:
    """Judge a request that must be answered with one of these statuses.

    Args:
        usual: the status of the same request without the fault.
        must_close: requests after it must not be answered.
    """
    if unreadable := talk.unreadable:
        return unreadable
    wanted = " or ".join(map(str, sorted(statuses)))
    if not talk.finals:
        if talk.end is TalkEnd.CLOSED and not talk.received:
            return talk.failed(f"closed without an answer, not {wanted}")
        return talk.undecided(talk.how)
    if must_close and len(talk.finals) > 1:
        return talk.failed(f"answered the request after it: {talk.how}")
    status = talk.finals[0].status
    if status in statuses:
        return talk.passed(talk.how)
    if status == usual >= 400:
        return talk.inapplicable(f"answers {status}, as to the same request without the fault")
    return (talk.undecided if status in OTHER_REASONS else talk.failed)(f"answers {status}, not {wanted}")


def rule_one_answer(talk: Talk, why: str) -> Ruling:
    """Judge a connection on which only the first request may be answered.

    Args:
        why: the reason for which the connection ends there, for the report.
    """
    if unreadable := talk.unreadable:
        return unreadable
    if len(talk.finals) > 1:
        return talk.failed(f"{why}, and answered the request after it: {talk.how}")
    if not talk.finals and talk.end is not TalkEnd.CLOSED:
        return talk.undecided(talk.how)
    if talk.end is TalkEnd.OPEN:
        return talk.undecided("left open, and the request after it got no answer")
    return talk.passed(talk.how)


def worst(rulings: list[Ruling]) -> Ruling:
    """Return one ruling for several variants of a row.

    The first failure; else the first undecided one; else the passes, joined; else all, joined.
    """
    for outcome in (RowOutcome.FAIL, RowOutcome.UNDECIDED):
        found = [ruling for ruling in rulings if ruling.outcome is outcome]
        if found:
            of = f" ({len(found)} of {len(rulings)} variants)" if len(rulings) > 1 else ""
            return replace(found[0], why=found[0].why + of)
    kept = [ruling for ruling in rulings if ruling.outcome is RowOutcome.PASS] or rulings
    return replace(kept[0], why="; or: ".join(dict.fromkeys(ruling.why for ruling in kept)))
