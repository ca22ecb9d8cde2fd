"""What a learner sees before the judgement: lines, however they were read, and after some seconds what is missing."""

import re
from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from chunkwire.lab.lessons import all_lessons, netcats
from chunkwire.lab.lessons.netcats import NetcatProgram
from chunkwire.lab.lessons.session import HINT_SECONDS, LAST_CHUNK, LessonSession
from chunkwire.lab.lessons.watched import WatchedConnection, WatchedLine, WatchedRead, lines_of

HEAD = b"GET /hello HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED_RESPONSE = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Watching:
    """A session of a lesson at one of its steps, and what it has said of one connection."""

    def __init__(self, number: int, step: int) -> None:
        self.hints: list[str] = []
        self.lines: list[WatchedLine] = []
        self.connection = WatchedConnection("origin")
        self.session = LessonSession(
            all_lessons()[number - 1],
            NetcatProgram(netcats.TALK, "nc"),
            report=lambda step, judgement: None,
            hint=lambda judgement: self.hints.append(judgement.sentence),
            watched=self._take,
        )
        self.session.step = step

    def _take(self, _: WatchedConnection, lines: Sequence[WatchedLine], __: str) -> None:
        self.lines += lines

    def come(self, octets: bytes) -> None:
        """Let octets of the learner come; to a learner who serves a request has come before."""
        if self.session.lesson.is_served_by_learner:
            self.connection.received = [WatchedRead(0.0, HEAD + b"\r\n")]
            self.connection.answered += [WatchedRead(1.0, octets)] if octets else []
        else:
            self.connection.received.append(WatchedRead(1.0, octets))
        self.session.judge_change(self.connection)


UNFINISHED = [
    # lesson, step, octets that have come, the end of the hint
    (1, 1, HEAD, "The head has not ended: an empty line ends it. Press Enter alone."),
    (1, 1, HEAD[:-2], "This line has not ended. Press Enter."),
    (1, 3, HEAD + b"\r\n" + HEAD, "an empty line ends it. Press Enter alone."),
    (4, 1, HEAD, "an empty line ends it. Press Enter alone."),
    (2, 3, POST, "a size line comes here, or 0 and an empty line."),
    (2, 3, POST + b"14", "This line has not ended. Press Enter."),
    (3, 2, POST + b"5\r\nhel", "3 of its 5 octets have come."),
    (3, 2, POST + b"5\r\nhello", "the line end after its data is missing."),
    (3, 2, POST + b"7\r\nhello\r\n", "7 of its 7 octets have come, and your line end counts as two of them (CR, LF)."),
    (3, 2, POST + b"5\r\nhello\r\n", "a size line comes here, or 0 and an empty line."),
    (3, 2, POST + b"5\r\nhello\r\n0\r\n", "an empty line ends it. Press Enter alone."),
    (3, 1, POST + b"5\r\nhello\r\n", "Leave now, without a 0 line."),
    (3, 1, POST + b"5\r\nhello\r\n0\r\n", "This time leave before the 0 line."),
    (8, 1, b"", "its first line is HTTP/1.1 200 OK"),
    (8, 1, CHUNKED_RESPONSE[:17], "The head has not ended: an empty line ends it. Press Enter alone."),
    (8, 1, CHUNKED_RESPONSE + b"5\r\nhello\r\n0\r\n", "an empty line ends it. Press Enter alone."),
    (8, 2, CHUNKED_RESPONSE + b"5\r\nhello\r\n", "Leave now, without a 0 line."),
]


@pytest.mark.parametrize("number, step, octets, said", UNFINISHED)
async def test_a_learner_who_waits_in_an_unfinished_state_is_told_once_what_is_missing(
    number: int, step: int, octets: bytes, said: str, autojump_clock: MockClock
) -> None:
    watching = Watching(number, step)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.session.watch_idleness, name="hints")
        watching.come(octets)
        await trio.sleep(HINT_SECONDS - 1)
        assert watching.hints == []
        await trio.sleep(2)
        assert [hint.endswith(said) for hint in watching.hints] == [True], watching.hints
        assert b"".join(line.octets for line in watching.lines) == octets
        watching.session.judge_change(watching.connection)  # such as an octet of the server's
        await trio.sleep(10 * HINT_SECONDS)
        assert len(watching.hints) == 1
        nursery.cancel_scope.cancel()


async def test_a_hint_comes_again_once_more_was_typed(autojump_clock: MockClock) -> None:
    watching = Watching(1, 3)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.session.watch_idleness, name="hints")
        watching.come(HEAD)
        await trio.sleep(2 * HINT_SECONDS)
        watching.come(b"\r\n" + HEAD)
        await trio.sleep(2 * HINT_SECONDS)
        assert len(watching.hints) == 2
        assert len(set(watching.hints)) == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "number, step, attempt, more, following",
    [
        (1, 1, b"GET /hello HTTP/1\r\n", b"Host: x\r\n\r\n", b"GET /hello HTTP/1.1\r\n"),
        (2, 3, POST + b"6\r\nhello\r\n", b"0\r\n\r\n", b"POST /echo HTTP/1.1\r\n"),
        (8, 1, b"HTTP 200 OK\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n"),
    ],
)
def test_a_next_attempt_on_a_judged_connection_is_told_to_connect_again(
    number: int, step: int, attempt: bytes, more: bytes, following: bytes
) -> None:
    watching = Watching(number, step)
    watching.come(attempt)
    watching.come(more)
    assert watching.hints == []
    for _ in range(2):
        watching.come(following)
    assert (
        watching.hints
        == ["What was typed on this connection is judged already. Leave (Ctrl-C), and connect again."] * 2
    )


@pytest.mark.parametrize("why, is_said", [(b"no such thing", True), (b"a size line, got the end of input", False)])
@pytest.mark.parametrize("number, step, octets", [(3, 1, POST), (3, 1, POST + b"5\r\nhel"), (10, 1, HEAD + b"\r\n")])
def test_a_refusal_of_the_server_is_said_unless_it_is_about_what_is_missing(
    number: int, step: int, octets: bytes, why: bytes, is_said: bool
) -> None:
    judge = all_lessons()[number - 1].steps[step - 1].judge
    assert judge is not None
    answer = WatchedRead(1.0, b"HTTP/1.1 417 Expectation Failed\r\n\r\n" + why + b"\nmore")
    connection = WatchedConnection("origin", received=[WatchedRead(0.0, octets.replace(b"/hello", b"/endless"))])
    for ended_at in (None, 2.0, 0.5):
        connection.answered = [answer]
        connection.client_end, connection.client_ended_at = ("fin" if ended_at else ""), ended_at
        judgement = judge(connection)
        is_refusal = judgement is not None and judgement.evidence == (why.decode(),)
        assert is_refusal is is_said, judgement


def test_the_next_step_is_not_done_on_the_connection_of_the_one_before() -> None:
    watching = Watching(1, 1)
    watching.connection.answered = [WatchedRead(1.0, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]
    watching.come(HEAD + b"\r\n")
    assert watching.session.step == 2
    watching.come(b"GET /hello HTTP/1.1\r\n\r\n")
    assert [hint.endswith("connect again.") for hint in watching.hints] == [True]


async def test_a_learner_gets_no_hint_before_the_first_octet(autojump_clock: MockClock) -> None:
    watching = Watching(1, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watching.session.watch_idleness, name="hints")
        watching.session.judge_change(watching.connection)
        await trio.sleep(10 * HINT_SECONDS)
        assert watching.hints == []
        nursery.cancel_scope.cancel()


def test_a_last_chunk_that_comes_in_pieces_is_shown_as_one() -> None:
    watching = Watching(3, 2)
    for octets in (POST, b"5", b"\r\n", b"hello\r\n", b"0", b"\r\n", b"X: y\r\n", b"\r", b"\n"):
        watching.come(octets)
    assert [(line.octets, line.note) for line in watching.lines[4:]] == [
        (b"5\r\n", ""),
        (b"hello\r\n", ""),
        (b"0\r\n", ""),
        (b"X: y\r\n", ""),
        (b"\r\n", LAST_CHUNK),
    ]


@pytest.mark.parametrize("number, note", [(4, ""), (7, "to origin")])
def test_the_first_line_says_which_place_was_asked_where_there_are_several(number: int, note: str) -> None:
    watching = Watching(number, 1)
    watching.come(HEAD)
    watching.come(b"\r\n")
    assert [line.note for line in watching.lines] == [note, "", ""]


def test_a_line_that_is_judged_before_its_end_is_shown_before_the_judgement() -> None:
    watching = Watching(1, 1)
    watching.come(b"GET /hello HTTP/1.1\r\n")
    watching.come(b"\x1b[D")
    assert [line.octets for line in watching.lines] == [b"GET /hello HTTP/1.1\r\n"]
    watching.come(b"\n")
    assert watching.lines[-1].octets == b"\x1b[D\n"


@given(st.lists(st.binary(min_size=1, max_size=6).map(lambda octets: octets.replace(b"a", b"\n")), max_size=8))
def test_lines_are_the_same_however_they_were_read(pieces: list[bytes]) -> None:
    reads = [WatchedRead(float(n), octets) for n, octets in enumerate(pieces)]
    whole = b"".join(pieces)
    assert [line.octets for line in lines_of(reads, 0, with_rest=True)] == re.findall(rb"[^\n]*\n|[^\n]+", whole)
    for start in range(len(whole) + 1):
        assert b"".join(line.octets for line in lines_of(reads, start, with_rest=True)) == whole[start:]
        known = b"".join(line.octets for line in lines_of(reads, start, with_rest=False))
        assert known == whole[start : max(start, whole.rfind(b"\n") + 1)]
