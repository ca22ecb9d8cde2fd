"""What a person may type wrong, each beside its nearest right form: the sentence, and the octet under the caret."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.judgement import CARET_COLUMNS, Judgement, with_caret
from chunkwire.lab.lessons.reading import read_request, read_response
from chunkwire.lab.lessons.typed import size_mistake
from chunkwire.lab.lessons.watched import Ending, WatchedConnection, WatchedRead

CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CODED = b"Transfer-Encoding: chunked\r\n"

REQUESTS = [
    # octets, the first wrong one, a word of the sentence
    (b"\r\nGET / HTTP/1.1\r\n", 0, "first line is empty"),
    (b"get / HTTP/1.1\r\n", 0, "case-sensitive"),
    (b"G ET / HTTP/1.1\r\n", 0, "begins with a method"),
    (b"GET\r\n", 3, "one space"),
    (b"GET  / HTTP/1.1\r\n", 4, "not two"),
    (b"GET hello HTTP/1.1\r\n", 4, "slash"),
    (b"GET /\r\n", 5, "too early"),
    (b"GET /  HTTP/1.1\r\n", 6, "not two"),
    (b"GET / http/1.1\r\n", 6, "in capitals"),
    (b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\n", 14, "came as text"),
    (b"GET /\\nHost: x\n", 5, "came as text"),
    (b"GET / HTTP/1.0\r\n", 13, "has no chunks"),
    (b"GET / HTTP/2\r\n", 11, "HTTP/1.1"),
    (b"GET / HTTP/1.1 \r\n", 14, "nothing follows"),
    (b"GET / HTTP/1.1\r\nHost x\r\n", 20, "colon is missing"),
    (b"GET / HTTP/1.1\r\nHost x:80\r\n", 20, "colon is missing"),
    (b"GET / HTTP/1.1\r\nTransfer Encoding: chunked\r\n", 24, "There is a space in this field's name"),
    (b"GET / HTTP/1.1\r\nHo(st: x\r\n", 18, "There is ( in this field's name"),
    (b"GET / HTTP/1.1\r\n5\r\n", 16, "looks like a size line"),
    (b"GET / HTTP/1.1\r\n5h\r\n", 18, "colon is missing"),
    (b"GET / HTTP/1.1\r\nHost : x\r\n", 20, "no space"),
    (b"GET / HTTP/1.1\r\n Host: x\r\n", 16, "begins with a space"),
    (b"GET / HTTP/1.1\r\n\r\n", 17, "needs a Host line"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 25, "two Host lines"),
    (b"GET / HTTP/1.1\r\nHost: x\n\n", 23, "end the same way"),
    (b"GET / HTTP/1.1\nHost: x\n\r\n", 24, "end the same way"),
    (b"GET /\x1b[D HTTP/1.1\r\n", 5, "arrow key"),
    (b"GET / HTTP/1.1\r\n\xff\xf4\xff\xfd\x06\r\n", 16, "telnet"),
    (b"GET /caf\xc3\xa9 HTTP/1.1\r\n", 8, "c3"),
    (b"\x16\x03\x01\x02\x00\x01", 0, "TLS"),
    (CHUNKED.replace(b"chunked", b"gzip") + b"5\r\n", 30, "only transfer coding"),
    (CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n", 58, "Leave Content-Length out"),
]
BODIES = [
    # octets of the body, the first wrong one in it, a word of the sentence
    (b"5\nhello\r\n", 1, "LF alone"),
    (b"5\r\nhello\n", 8, "LF alone"),
    (b" 5\r\nhello\r\n", 0, "no space"),
    (b"5 \r\nhello\r\n", 1, "no space"),
    (b"hello\r\n", 0, "hex digits"),
    (b"4\r\nhello\r\n", 7, "size line says 4; the data up to its line end has 5 octets."),
    (b"4\r\nhello\r\n\r\n", 7, "size line says 4; the data up to its line end has 5 octets."),
    (b"5\r\nhello0\r\n", 8, "has 6 octets. Or the line end before the 0 is missing."),
    (b"5\r\nhello0\r\n\r\n", 8, "has 6 octets. Or the line end before the 0 is missing."),
    (b"\r\n5\r\nhello\r\n", 0, "This line is empty. Here a chunk begins"),
    (b"5\r\nhello\r\n\r\n", 10, "This line is empty. Here a chunk begins"),
    (b"5\\r\\nhello", 1, "came as text"),
    (b"5\r\n\r\nhello\r\n0\r\n\r\n", 8, "here an empty line follows it"),
    (b"5\r\n\r\nhell\r\n0\r\n\r\n", 8, "has 6 octets"),
    (b"4\r\nhello", 7, "size line says 4; after so many octets more data comes"),
    (b"6\r\nhello\r\n0\r\n\r\n", 9, "size line says 6; the data up to its line end has 5 octets."),
    (
        b"10\r\n0123456789abcdefg\r\n",
        20,
        "10, which is hex for 16; the data up to its line end has 17 octets: 11 in hex",
    ),
    (b"7\r\nhello\r\n0\r\n\r\n", 10, "has 5 octets. The line end (CR, LF) is not counted."),
    (
        b'e\r\n{"n":1}\r\n{"n":2}\r\n0\r\n',
        17,
        "e, which is hex for 14; the data up to its line end has 16 octets: 10 in",
    ),
    (b"0x5\r\nhello\r\n", 1, "No 0x stands in front"),
    (b"5\r\nhello\r\n0\r\n5\r\n", 14, "After the 0 line"),
    (b"5\r\nhello\r\n\xff\xf4\xff\xfd\x06", 10, "telnet"),
    (b"5\r\nhello\r\n\x1b[A", 10, "arrow key"),
]
RESPONSES = [
    (b"\r\nHTTP/1.1 200 OK\r\n", 0, "first line is empty"),
    (b"200 OK\r\n", 0, "begins with the version"),
    (b"HTTP/1.0 200 OK\r\n", 7, "begins with the version"),
    (b"HTTP/1.1 OK\r\n", 8, "three digits"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding chunked\r\n", 34, "colon is missing"),
]


@pytest.mark.parametrize("octets, at, said", REQUESTS)
def test_the_first_wrong_octet_of_a_request_is_named(octets: bytes, at: int, said: str) -> None:
    mistake = read_request(octets).mistake
    assert mistake is not None
    assert (mistake.at, said in mistake.sentence) == (at, True), mistake


@pytest.mark.parametrize("octets, at, said", BODIES)
def test_the_first_wrong_octet_of_a_body_is_named(octets: bytes, at: int, said: str) -> None:
    mistake = read_request(CHUNKED + octets).mistake
    assert mistake is not None
    assert (mistake.at, said in mistake.sentence) == (len(CHUNKED) + at, True), mistake


@pytest.mark.parametrize(
    "body, at",
    [
        (b"5\r\nHello\r\n0\r\n\r\n", 3),
        (b"2;x=1\r\nhe\r\n3\r\nlLo\r\n0\r\n\r\n", 7 + 2 + 2 + 3 + 1),
        (b"4\r\nhell\r\n0\r\n\r\n", 9),
        (b"6\r\nhello!\r\n0\r\n\r\n", 8),
    ],
)
def test_the_caret_stands_under_the_first_octet_of_data_that_is_not_the_wanted_one(body: bytes, at: int) -> None:
    assert read_request(CHUNKED + body).differs_at(b"hello") == len(CHUNKED) + at


@pytest.mark.parametrize(
    "body, is_said",
    [
        (b"6\r\nhello\r\n0\r\n\r\n", True),
        (b"7\r\nhello\r\n0\r\n\r\n", True),
        (b"9\r\nhello\r\n0\r\n\r\n", False),
        (b"11\r\nhello world\r\n0\r\n\r\n", False),
    ],
)
def test_the_line_end_is_named_where_the_size_may_count_it(body: bytes, is_said: bool) -> None:
    """Fails where a decimal size, which takes the 0 line too, is said to count the line end."""
    mistake = read_request(CHUNKED + body).mistake
    assert mistake is not None
    assert mistake.sentence.endswith("is not counted.") is is_said


@pytest.mark.parametrize("size, is_said", [(b"a", True), (b"5", False)])
def test_a_size_that_takes_the_0_line_is_named_where_a_size_line_is_missing(size: bytes, is_said: bool) -> None:
    message = read_request(CHUNKED + size + b"\r\nhello\r\n" + (b"0\r\n\r\n" if is_said else b""))
    assert (message.missing, message.took_the_end) == ("a size line", is_said)
    assert ("the data includes your 0 line" in message.hint) is is_said


@pytest.mark.parametrize("body, is_advised", [(b"5\nhello\n", True), (b"5\r\nhello\n", False)])
def test_the_flag_of_nc_is_named_where_no_line_of_the_body_ends_in_crlf(body: bytes, is_advised: bool) -> None:
    mistake = read_request(CHUNKED + body).mistake
    assert mistake is not None
    assert ("-C" in mistake.sentence) is is_advised


@pytest.mark.parametrize("body", [b"5 \r\nhello\r\n", b"5\nhello\n", b"5\r\nhello\n", b"6\r\nhello\r\n"])
def test_what_curl_forgives_is_said_to_the_server_alone(body: bytes) -> None:
    served = read_response(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body).mistake
    sent = read_request(CHUNKED + body).mistake
    assert served is not None
    assert sent is not None
    assert (
        served.sentence
        == f"{sent.sentence} curl forgives it; RFC 9112 does not allow it, and strict clients refuse it."
    )


@pytest.mark.parametrize("octets, at, said", RESPONSES)
def test_the_first_wrong_octet_of_a_response_is_named(octets: bytes, at: int, said: str) -> None:
    mistake = read_response(octets).mistake
    assert mistake is not None
    assert (mistake.at, said in mistake.sentence) == (at, True), mistake


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\nHost:x\n\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nX-Accent: caf\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        CHUNKED + b"5;a=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
        CHUNKED + b"000A\r\n0123456789\r\n0\r\n\r\n",
    ],
)
def test_what_is_right_is_complete_and_has_no_mistake(octets: bytes) -> None:
    message = read_request(octets)
    assert message.mistake is None
    assert message.is_complete
    assert message.ends_at == len(octets)
    for end in range(len(octets)):  # nothing is wrong with its beginning, and it is not complete
        assert read_request(octets[:end]).mistake is None, octets[:end]
        assert not read_request(octets[:end]).is_complete, octets[:end]


@pytest.mark.parametrize("octets, at, said", REQUESTS)
def test_a_mistake_stays_the_same_however_it_arrives(octets: bytes, at: int, said: str) -> None:
    found = [read_request(octets[:end]).mistake for end in range(len(octets) + 1)]
    places = {mistake.at for mistake in found if mistake is not None}
    assert places == {at}


@pytest.mark.parametrize(
    "octets, at, lines",
    [
        (b"", 0, ("", "^")),
        (b"ab\r\n", 1, ("ab\\r\\n", " ^")),
        (b"ab\r\ncd", 4, ("cd", "^")),
        (b"ab\r\n", 4, ("ab\\r\\n", "      ^")),
        ("é!\r\n".encode(), 2, ("\\xc3\\xa9!\\r\\n", "        ^")),
        (b"a" * 200, 199, ("…" + "a" * (CARET_COLUMNS - 1), " " * (CARET_COLUMNS - 1) + "^")),
        (b"a" * 200, 0, ("a" * (CARET_COLUMNS - 1) + "…", "^")),
    ],
)
def test_the_caret_stands_under_its_octet_in_a_line_that_fits(octets: bytes, at: int, lines: tuple[str, str]) -> None:
    assert with_caret(octets, at) == lines
    assert all(len(line) <= CARET_COLUMNS for line in lines)


@pytest.mark.parametrize(
    "field, said", [(b"", "has no body at all"), (b"Content-Length: 5\r\n", "A body with Content-Length has no chunks")]
)
def test_a_head_that_declares_no_chunks_is_wrong(field: bytes, said: str) -> None:
    connection = WatchedConnection("origin", received=[WatchedRead(0.0, CHUNKED.replace(CODED, field) + b"5\r\n")])
    judge = all_lessons()[2].steps[0].judge
    assert judge is not None
    judgement = judge(connection)
    assert judgement is not None
    assert (judgement.is_right, said in judgement.sentence) == (False, True)
    assert judgement.octets[judgement.at :].startswith(field or b"\n5")


@pytest.mark.parametrize("step, end", [(0, b""), (1, b"0\r\n\r\n")], ids=["unfinished", "whole"])
def test_a_refusal_is_read_once_the_first_line_of_its_body_is_whole(step: int, end: bytes) -> None:
    """Fails where a response whose head comes before its body has no reason, or is an answer."""
    judge = all_lessons()[2].steps[step].judge
    assert judge is not None
    connection = WatchedConnection("origin", received=[WatchedRead(0.0, CHUNKED + b"5\r\nhello\r\n" + end)])
    connection.answered = [WatchedRead(0.1, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\n")]
    for octets, is_refused in ((b"", False), (b"not ", False), (b"here, why\n", True)):
        connection.answered.append(WatchedRead(0.2, octets))
        found = judge(connection)
        assert (found is not None and found.evidence == ("not here, why",)) is is_refused
        assert is_refused or found is None


@pytest.mark.parametrize(
    "size, said",
    [
        (b"12;a", "Sizes are hex: 12 means 18 octets."),
        (b"0" * 16 + b"c", "1 to 16 hex digits: c"),
        (b"5 ;a", "1 to 16"),
    ],
)
def test_a_size_line_with_a_wrong_size_is_explained(size: bytes, said: str) -> None:
    found = size_mistake(read_request(CHUNKED + size + b"\r\nhello, world\r\n"), b"hello, world")
    assert found is not None
    assert said in found.sentence


def judged(lesson: int, step: int, body: bytes) -> Judgement:
    """Return what a step says of a chunked body, sent or served by a learner who has left then."""
    judge = all_lessons()[lesson - 1].steps[step - 1].judge
    head = CHUNKED if lesson == 3 else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    reads = [WatchedRead(0.0, head + body)]
    connection = WatchedConnection("origin", is_over=True)
    connection.received, connection.answered = (reads, []) if lesson == 3 else ([], reads)
    assert judge is not None
    found = judge(connection)
    assert found is not None
    return found


@pytest.mark.parametrize("lesson, step", [(3, 1), (8, 2)])
@pytest.mark.parametrize(
    "end, said",
    [
        (b"0\r\n\r\n", "You ended the body here."),
        (b"0\r\n", "only the empty line after it is missing"),
        (b"00;a=1\r\nX: y\r\n", "only the empty line after it is missing"),
        (b"0", "only the end of that line is missing"),
        (b"0\r", "only the end of that line is missing"),
    ],
)
def test_a_0_line_is_not_left_out_where_only_its_end_is_missing(lesson: int, step: int, end: bytes, said: str) -> None:
    found = judged(lesson, step, b"5\r\nhello\r\n" + end)
    assert (found.is_right, said in found.sentence) == (False, True), found
    assert found.octets[found.at :] == end


@pytest.mark.parametrize("lesson, step", [(3, 1), (8, 2)])
@pytest.mark.parametrize("end", [b"", b"0a", b"0a\r\nwor"])
def test_a_body_without_a_0_line_is_left_so(lesson: int, step: int, end: bytes) -> None:
    found = judged(lesson, step, b"5\r\nhello\r\n" + end)
    count = 5 + len(end.partition(b"\n")[2])
    assert found.is_right
    assert lesson == 8 or f"The server has {count} octets" in found.sentence


def test_a_server_that_leaves_too_early_is_told_what_is_missing() -> None:
    for end, missing in ((b"", "the next size line, or the 0 line"), (b"0\r\n", "the empty line after the 0 line")):
        found = judged(8, 1, b"5\r\nhello\r\n" + end)
        assert found.sentence.startswith(f"The body is not finished: {missing}")


@pytest.mark.parametrize(
    "octets, said",
    [
        (b"HTTP/1.1 OK", "three digits"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding chunked", "the colon is missing"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", "only transfer coding"),
        (b"HTTP/1.", "the end of the line is missing"),
        (b"HTTP/1.1 200 OK\r", "the end of the line is missing"),
        (b"HTTP/1.1 200 OK\r\n", "the empty line that ends the head is missing"),
    ],
)
def test_what_is_wrong_in_an_unfinished_head_is_said_before_what_is_missing(octets: bytes, said: str) -> None:
    judge = all_lessons()[7].steps[0].judge
    assert judge is not None
    found = judge(WatchedConnection("relay", answered=[WatchedRead(0.0, octets)], is_over=True))
    assert found is not None
    assert said in found.sentence


JUDGES = [step.judge for lesson in all_lessons() for step in lesson.steps if step.judge is not None]
PIECES = [
    b"GET ",
    b"POST ",
    b"/hello",
    b"/echo",
    b"/endless",
    b" HTTP/1.1",
    b"HTTP/1.1 200 OK",
    b"\r\n",
    b"\n",
    b"Host: x\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"14\r\nhello, chunked world\r\n",
    b"f" * 17 + b"\r\n",
    b"5;a=1\r\ncaf\xc3\xa9\r\n",
    b"5\r\nhello\r\n",
    b'10\r\n{"n":1}\r\n{"n":2}\r\n',
    b"0\r\n",
    b"0\r\n\r\n",
    b"\xff\xf4",
    b"\x1b[D",
    b"\x00",
]
OCTETS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=12)
ENDS: st.SearchStrategy[Ending] = st.sampled_from(["", "fin", "reset"])


@settings(max_examples=25)
@given(OCTETS, OCTETS, ENDS, ENDS, st.integers(0, 3))
def test_no_judge_fails_whatever_is_sent_and_what_is_wrong_lies_in_it(
    sent: list[bytes], answered: list[bytes], client_end: Ending, server_end: Ending, fin_writes: int
) -> None:
    for judge in JUDGES:
        connection = WatchedConnection("origin")
        for n in range(max(len(sent), len(answered)) + 1):
            connection.received = [WatchedRead(t / 10, octets) for t, octets in enumerate(sent[:n]) if octets]
            connection.answered = [WatchedRead(t / 10, octets) for t, octets in enumerate(answered[:n]) if octets]
            check_judgement(judge(connection))
        connection.client_end, connection.server_end = client_end, server_end
        connection.client_ended_at = 0.5 if client_end else None
        connection.writes_after_fin = fin_writes
        check_judgement(judge(connection))
        connection.is_over = True
        judgement = judge(connection)
        check_judgement(judgement)
        assert judgement is not None  # nothing more will come, so there is something to say


def check_judgement(judgement: Judgement | None) -> None:
    if judgement is not None:
        assert judgement.sentence
        assert judgement.at is None or 0 <= judgement.at <= len(judgement.octets)
        assert all(len(line) <= CARET_COLUMNS for line in judgement.caret_lines())
        assert json.dumps(judgement.to_json())


@settings(max_examples=25)
@given(st.text(max_size=20))
def test_no_answer_is_taken_without_a_look(given_answer: str) -> None:
    for lesson in all_lessons():
        for step in lesson.steps:
            if step.answer_judge is not None:
                assert not step.answer_judge(given_answer, ()).is_right
