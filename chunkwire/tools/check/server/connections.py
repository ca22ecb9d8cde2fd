"""Rows about connections: where requests begin and end, the order of answers, Expect, HEAD, HTTP/1.0, closing.

The rule here: the number of answers and their statuses show which requests a server answered. In a row on Expect or
on early answers we send only a part of a request first: an answer that comes then did not wait for the rest. A
`judge_` function sends requests; a `rule_` function judges the octets of one connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import trio

from chunkwire.tools.check.rows import CheckRow, Ruling, must, seen, should
from chunkwire.tools.check.server.baseline import SOON_SHARE, CheckedServer, with_length
from chunkwire.tools.check.server.bodies import chunks
from chunkwire.tools.check.server.cases import ServerCase, case_of_each
from chunkwire.tools.check.server.rulings import rule_one_answer, rule_second_answer, worst
from chunkwire.tools.check.server.talk import ServerTarget, Talk, TalkEnd, conversing, talk

_ABSENT: Final = b"/chunkwire-check-no-such-resource"


def body_like_request(row: CheckRow, method: bytes | None = None) -> ServerCase:
    """Return a case of requests whose body is itself a request: one has Content-Length, one is chunked.

    Args:
        method: None for the target's method.
    """

    def requests(target: ServerTarget) -> Iterable[bytes]:
        inner, asked = target.request(), method or target.method
        yield target.request(b"Content-Length: %d\r\n" % len(inner), inner, method=asked)
        yield target.request(b"Transfer-Encoding: chunked\r\n", chunks(inner), method=asked)

    def rule(said: Talk, server: CheckedServer) -> Ruling:
        return said.unanswered or rule_second_answer(said, server)

    return case_of_each(row, requests, rule, method=method)


async def judge_order(server: CheckedServer) -> Ruling:
    """Send three requests in one write; the status of the second answer differs from the others.

    Answers to only the first one or two are in order: a server may close before the end.
    """
    target, usual = server.target, server.get.status
    alone = await talk(target, target.request(b"Connection: close\r\n", target=_ABSENT))
    if unanswered := alone.unanswered:
        return unanswered
    absent = alone.finals[0].status
    if absent == usual:
        return alone.inapplicable(f"answers {usual} to a target that it does not have, too")
    said = await talk(
        target,
        target.request(target=_ABSENT) + target.request() + target.request(b"Connection: close\r\n", target=_ABSENT),
    )
    if unreadable := said.unreadable:
        return unreadable
    came = [answer.status for answer in said.finals]
    wanted = [absent, usual, absent]
    if came and came == wanted[: len(came)]:
        return said.passed(said.how)
    is_disordered = sorted(came) == sorted(wanted)
    return said.failed(f"answers {came}, not {wanted}") if is_disordered else said.undecided(said.how)


async def judge_close(server: CheckedServer) -> Ruling:
    """Send a request with `Connection: close`, followed by another one."""
    said = await talk(server.target, server.target.closing() + server.target.closing())
    return rule_one_answer(said, "the request said close")


async def judge_old_version(server: CheckedServer) -> Ruling:
    """Send an HTTP/1.0 request without keep-alive, followed by another one."""
    said = await talk(server.target, server.target.request(version=b"1.0") + server.target.closing())
    return rule_one_answer(said, "the request was HTTP/1.0 without keep-alive")


async def judge_no_coding_to_old(server: CheckedServer) -> Ruling:
    """Send HTTP/1.0 requests, whose answers must not be chunked."""
    rulings = []
    target = server.target
    for request, method in (
        (target.request(version=b"1.0"), b"GET"),
        (with_length(target, version=b"1.0"), target.method),
    ):
        said = await talk(target, request, methods=(method,))
        # Searched in the octets, as an HTTP/1.0 response with it is no legal head.
        if b"\r\ntransfer-encoding:" in said.received.partition(b"\r\n\r\n")[0].lower():
            rulings.append(said.failed("answers HTTP/1.0 with Transfer-Encoding"))
        elif not said.finals:
            rulings.append(said.unreadable or said.undecided(said.how))
        else:
            rulings.append(said.passed("answers without Transfer-Encoding"))
    return worst(rulings)


async def judge_own_messages(server: CheckedServer) -> Ruling:
    """Judge the answers to plain requests: legal HTTP, framed by one field, without octets after them."""
    return worst([_judge_messages(server.asked), _judge_messages(server.posted)])


def _judge_messages(said: Talk) -> Ruling:
    if said.answers.trouble:
        return said.failed(said.answers.trouble)
    if len(said.finals) > 1:
        return said.failed(f"{len(said.finals)} answers to one request")
    if not said.finals:
        return said.undecided(said.how)
    if said.finals[0].is_whole:
        return said.passed("whole, by its own framing")
    if said.end is TalkEnd.CLOSED:
        return said.failed("closed before the end that its framing promised")
    return said.undecided(f"its end did not come; {said.end.value}")


async def judge_head(server: CheckedServer) -> Ruling:
    """Send HEAD followed by a GET: content would come where the second answer must begin."""
    target = server.target
    said = await talk(target, target.request(method=b"HEAD"), target.closing(), methods=(b"HEAD", b"GET"))
    if said.answers.trouble and said.finals:
        return said.failed(f"sends content: {said.answers.trouble}")
    return said.unanswered or said.passed(said.how)


async def judge_expect(server: CheckedServer) -> Ruling:
    """Send a head with Expect, and its body after a 1xx or a timeout, but not after a final answer."""
    target = server.target
    request = with_length(target, b"Expect: 100-continue\r\nConnection: close\r\n")
    head, body = request[: len(request) - len(target.body)], target.body
    async with conversing(target, (target.method,)) as conversation:
        await conversation.send(head)
        came = await conversation.wait(lambda answers: bool(answers.interim or answers.finals))
        began, is_soon = trio.current_time(), False
        if not conversation.answers.finals:
            await conversation.send(body)
            answered = await conversation.wait(lambda answers: bool(answers.finals))
            is_soon = answered and trio.current_time() - began < target.patience * SOON_SHARE
        said = await conversation.wait_end()
    if unreadable := said.unreadable:
        return unreadable
    if came:
        interim = said.finals[0].interim if said.finals else said.answers.interim
        return said.passed(f"answers {' and '.join(map(str, interim)) or said.statuses} before the body came")
    if is_soon:
        return said.failed(f"answers {said.statuses}, but only when the body had come")
    return said.undecided(said.how)


async def judge_expect_in_old(server: CheckedServer) -> Ruling:
    """Send Expect in HTTP/1.0: no 1xx may come."""
    target = server.target
    request = with_length(target, b"Expect: 100-continue\r\n", version=b"1.0")
    said = await talk(target, request, methods=(target.method,))
    interim = [status for answer in said.finals for status in answer.interim] + list(said.answers.interim)
    if interim:
        return said.failed(f"answers HTTP/1.0 with {interim[0]}")
    return said.unanswered or said.passed(said.how)


async def judge_upgrade_in_old(server: CheckedServer) -> Ruling:
    """Send Upgrade in HTTP/1.0, where it must be ignored."""
    target = server.target
    lines = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    said = await talk(target, target.request(lines, version=b"1.0"))
    if any(answer.status == 101 for answer in said.finals):
        return said.failed("switches protocols for HTTP/1.0")
    return said.unanswered or said.passed(said.how)


async def judge_date(server: CheckedServer) -> Ruling:
    """Judge whether the answer to GET has Date."""
    said, answer = server.asked, server.get
    if not 200 <= answer.status < 500:
        return said.inapplicable(f"answers {answer.status}")
    return said.passed("has Date") if answer.head.get(b"date") else said.failed("has no Date")


def rule_half_close(said: Talk, _: CheckedServer) -> Ruling:
    """Judge the answer to a request that our FIN follows directly; without a whole answer, only a FIN is a failure."""
    if said.finals and said.finals[0].is_whole:
        return said.passed(said.how)
    return said.failed(said.how) if said.end is TalkEnd.CLOSED else said.undecided(said.how)


async def judge_early(server: CheckedServer) -> Ruling:
    """Report whether the server answers a request of which it has only half of the body."""
    if server.half is None:
        return server.posted.undecided(server.posted.how)
    if server.is_early:
        return server.half.passed(server.half.how)
    if not server.waits_for_body:
        return server.half.undecided("no answer to half of a body, and none soon after the rest")
    return server.half.failed("reads the body first")


CONNECTIONS: Final = (
    body_like_request(must("9112/9.3/1", "does not answer octets of a body as a request")),
    *(
        body_like_request(
            must(f"9112/9.3/{n}", f"does not answer octets of the body of {name} as a request"), name.encode()
        )
        for n, name in enumerate(("GET", "HEAD", "OPTIONS", "DELETE"), 2)
    ),
    ServerCase(should("9112/9.3/6", "closes after HTTP/1.0 without keep-alive"), judge_old_version),
    ServerCase(must("9112/9.3.2/1", "answers pipelined requests in their order"), judge_order),
    ServerCase(must("9112/9.6/1", "answers no request after one with Connection: close"), judge_close),
    case_of_each(
        seen("9112/9.6/2", "answers a client that has closed its own side"),
        lambda target: [target.request()],
        rule_half_close,
        method=b"GET",
        is_followed=False,
        fin=True,
    ),
    ServerCase(must("9112/6.1/5", "sends no Transfer-Encoding to HTTP/1.0"), judge_no_coding_to_old),
    ServerCase(must("9112/6.3/5", "sends answers that are legal HTTP, and ends them"), judge_own_messages),
    ServerCase(must("9110/9.3.2/1", "sends no content to HEAD"), judge_head),
    ServerCase(must("9110/10.1.1/1", "answers Expect: 100-continue before the body comes"), judge_expect),
    ServerCase(must("9110/10.1.1/2", "ignores Expect: 100-continue in HTTP/1.0"), judge_expect_in_old),
    ServerCase(must("9110/7.8/1", "ignores Upgrade in HTTP/1.0"), judge_upgrade_in_old),
    ServerCase(should("9110/6.6.1/1", "sends Date"), judge_date),
    ServerCase(seen("9112/9.3/7", "answers before a body has come"), judge_early),
)
