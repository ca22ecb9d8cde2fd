"""What is no proof against a server: silence, a reset, an answer that may have other reasons."""

from dataclasses import replace

import pytest

from chunkwire.net.dial import parse_url
from chunkwire.net.heads import find_head_end
from chunkwire.tools.check.rows import RowOutcome
from chunkwire.tools.check.server import answers as reading
from chunkwire.tools.check.server.answers import AnswersParser, AnswersRead
from chunkwire.tools.check.server.baseline import CheckedServer
from chunkwire.tools.check.server.connections import judge_early, rule_half_close
from chunkwire.tools.check.server.rulings import (
    rule_as_usual,
    rule_broken,
    rule_legal,
    rule_refused,
    rule_second_answer,
)
from chunkwire.tools.check.server.talk import ServerTarget, Talk, TalkEnd
from chunkwire.wire.feed import Feed
from chunkwire.wire.frames import Event

PASS, FAIL = RowOutcome.PASS, RowOutcome.FAIL
OPEN, OTHER = RowOutcome.UNDECIDED, RowOutcome.NOT_APPLICABLE
DATA = b"hello"
TARGET = ServerTarget(parse_url("http://x/"), b"x", None, (), b"POST", DATA, 1.0)


def answer(status: int, content: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content)


def read_answers(received: bytes, *methods: bytes, is_closed: bool, step: int = 1 << 20) -> AnswersRead:
    parser = AnswersParser(methods)
    for start in range(0, len(received), step):
        parser.feed(received[start : start + step])
    if is_closed:
        parser.end()
    return parser.read()


def said(*answers: bytes, end: TalkEnd = TalkEnd.CLOSED, before_fin: int | None = None) -> Talk:
    received = b"".join(answers)
    read = read_answers(received, b"POST", is_closed=end is TalkEnd.CLOSED)
    return Talk(b"", received, read, end, before_fin)


def baseline(status: int = 200, *, gives_back: bool = True, is_early: bool = False) -> CheckedServer:
    posted = said(answer(status, DATA if gives_back else b""))
    half = posted if is_early else said(end=TalkEnd.OPEN)
    return CheckedServer(TARGET, said(answer(200)), posted, half, waits_for_body=not is_early)


OK, BAD = answer(200, DATA), answer(400)


@pytest.mark.parametrize(
    "talk, known, outcome",
    [
        (said(BAD), baseline(), PASS),
        (said(), baseline(), PASS),
        (said(end=TalkEnd.RESET), baseline(), PASS),
        (said(end=TalkEnd.OPEN), baseline(), OPEN),
        (said(OK), baseline(), FAIL),
        (said(OK), baseline(gives_back=False), OTHER),
        (said(OK), baseline(is_early=True), OTHER),
        (said(answer(200, b"other")), baseline(), OPEN),
        (said(answer(405)), baseline(405), OTHER),
        (said(OK, OK), baseline(gives_back=False), FAIL),
        (said(BAD, OK), baseline(), FAIL),
        (said(answer(405), OK), baseline(405), FAIL),
        (said(OK, answer(408)), baseline(gives_back=False), OTHER),
        (said(OK[:-1]), baseline(), PASS),
        (said(BAD, before_fin=0), baseline(), PASS),
        (said(OK, OK, before_fin=0), baseline(), OPEN),
        (said(b"nonsense"), baseline(), OPEN),
    ],
)
def test_a_broken_body_is_accepted_as_whole_only_where_the_answers_show_it(
    talk: Talk, known: CheckedServer, outcome: RowOutcome
) -> None:
    assert rule_broken(talk, known).outcome is outcome


@pytest.mark.parametrize(
    "talk, known, outcome",
    [
        (said(OK, OK), baseline(), PASS),
        (said(OK), baseline(), PASS),
        (said(answer(201, DATA), OK), baseline(), PASS),
        (said(BAD), baseline(), FAIL),
        (said(answer(503)), baseline(), OPEN),
        (said(answer(411)), baseline(), OTHER),
        (said(answer(405), OK), baseline(405, gives_back=False), OTHER),
        (said(answer(200, b"hell"), OK), baseline(), FAIL),
        (said(OK), baseline(is_early=True), OTHER),
        (said(), baseline(), FAIL),
        (said(end=TalkEnd.RESET), baseline(), OPEN),
        (said(OK, end=TalkEnd.OPEN), baseline(), OPEN),
        (said(OK, BAD), baseline(), FAIL),
        (said(OK, OK, OK), baseline(), FAIL),
    ],
)
def test_a_legal_body_is_refused_only_where_nothing_else_explains_it(
    talk: Talk, known: CheckedServer, outcome: RowOutcome
) -> None:
    assert rule_legal(talk, known).outcome is outcome


@pytest.mark.parametrize(
    "talk, usual, outcome",
    [
        (said(BAD), 200, PASS),
        (said(OK), 200, FAIL),
        (said(answer(404)), 200, FAIL),
        (said(answer(404)), 404, OTHER),
        (said(answer(429)), 200, OPEN),
        (said(), 200, FAIL),
        (said(end=TalkEnd.RESET), 200, OPEN),
        (said(BAD, OK), 200, FAIL),
    ],
)
def test_a_refusal_has_the_status_of_the_rfc_unless_all_requests_are_refused(
    talk: Talk, usual: int, outcome: RowOutcome
) -> None:
    assert rule_refused(talk, usual, must_close=True).outcome is outcome


def test_only_a_fin_without_an_answer_shows_that_a_half_closed_client_gets_none() -> None:
    talks = [said(OK, end=TalkEnd.RESET), said(), said(end=TalkEnd.RESET), said(end=TalkEnd.OPEN)]
    assert [rule_half_close(talk, baseline()).outcome for talk in talks] == [PASS, FAIL, OPEN, OPEN]


async def test_an_early_answer_is_shown_by_the_octets_of_half_a_body() -> None:
    server = baseline(is_early=True)
    ruling = await judge_early(replace(server, half=said(answer(204))))
    assert (ruling.outcome, ruling.why) == (PASS, "answers 204; closed")
    assert ruling.octets == said(answer(204)).octets
    assert (await judge_early(replace(server, posted=said(), half=None))).outcome is OPEN


async def test_a_silence_that_may_be_a_delay_of_the_server_proves_nothing() -> None:
    slow = replace(baseline(), waits_for_body=False)
    assert rule_broken(said(OK), slow).outcome is OTHER
    assert [(await judge_early(each)).outcome for each in (slow, baseline())] == [OPEN, FAIL]


def test_another_form_of_a_request_gets_the_usual_answer() -> None:
    outcomes = [rule_as_usual(said(answer(status)), baseline()).outcome for status in (200, 204, 404, 503)]
    assert outcomes == [PASS, PASS, FAIL, OPEN]


def test_a_response_that_cannot_be_read_ends_the_reading() -> None:
    assert rule_second_answer(said(OK, OK), baseline()).outcome is PASS
    read = read_answers(OK + b"HTTP/1.1 200 OK\nX: 1\r\n\r\n", is_closed=True)
    assert (len(read.finals), "LF alone" in read.trouble) == (1, True)


def test_interim_responses_stand_with_the_final_one_and_head_has_no_content() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    read = read_answers(interim + head + OK + interim, b"HEAD", is_closed=False)
    assert [(each.status, each.interim, each.content) for each in read.finals] == [(200, (100,), b""), (200, (), DATA)]
    assert read.interim == (100,)


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize(
    "received",
    [
        INTERIM + OK + CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + UNTIL_CLOSE + b"to the end",
        OK + CHUNKED + b"5\r\nhel",
        OK + CHUNKED + b"z\r\n" + OK,
        OK + b"nonsense",
        OK + b"HTT",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nwhatever",
    ],
)
def test_answers_are_the_same_in_single_octets_and_each_octet_is_parsed_once(
    received: bytes, is_closed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where what came is parsed again at each receive: hours for a server that sends single octets."""
    parsed = 0

    class CountingFeed(Feed):
        def take(self, octets: bytes, events: list[Event] | None = None) -> memoryview:
            nonlocal parsed
            parsed += len(octets)
            return super().take(octets, events)

    def find(buffer: bytearray, start: int) -> int | None:
        nonlocal parsed
        parsed += len(buffer) - start
        return find_head_end(buffer, start)

    whole = read_answers(received, is_closed=is_closed)
    monkeypatch.setattr(reading, "Feed", CountingFeed)
    monkeypatch.setattr(reading, "find_head_end", find)
    assert read_answers(received, is_closed=is_closed, step=1) == whole
    assert parsed <= len(received)
