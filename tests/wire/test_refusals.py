"""Each rule the scanner refuses by: the broken body, what the error says, and beside it the nearest legal body."""

import pytest

from chunkwire.wire.errors import FramingError, Rule, quoted
from chunkwire.wire.limits import Limits
from chunkwire.wire.scanner import ChunkedScanner
from tests.wire.relay import refusal, relay

END = b"0\r\n\r\n"

# (broken, rule, offset of the refused octet, the twin that differs as little as can be)
TWINS = [
    (b"5\nhello\r\n" + END, Rule.BARE_LF, 1, b"5\r\nhello\r\n" + END),
    (b"5;a=b\nhello\r\n" + END, Rule.BARE_LF, 5, b"5;a=b\r\nhello\r\n" + END),
    (b"5\r\nhello\n" + END, Rule.BARE_LF, 8, b"5\r\nhello\r\n" + END),
    (b"0\r\nA: b\n\r\n", Rule.BARE_LF, 7, b"0\r\nA: b\r\n\r\n"),
    (b"0\r\n\n", Rule.BARE_LF, 3, b"0\r\n\r\n"),
    (b"\n" + END, Rule.BARE_LF, 0, END),
    (b"5\rhello\r\n" + END, Rule.BARE_CR, 2, b"5\r\nhello\r\n" + END),
    (b"5\r\nhello\r0\r\n\r\n", Rule.BARE_CR, 9, b"5\r\nhello\r\n0\r\n\r\n"),
    (b"0\r\nA: b\rC: d\r\n\r\n", Rule.BARE_CR, 8, b"0\r\nA: b\r\nC: d\r\n\r\n"),
    (b"0\r\n\r\r\n", Rule.BARE_CR, 4, b"0\r\n\r\n"),
    (b"5 \r\nhello\r\n" + END, Rule.BAD_WHITESPACE, 1, b"5\r\nhello\r\n" + END),
    (b"5; a\r\nhello\r\n" + END, Rule.BAD_WHITESPACE, 2, b"5;a\r\nhello\r\n" + END),
    (b"0x5\r\nhello\r\n" + END, Rule.CHUNK_SIZE, 1, b"05\r\nhello\r\n" + END),
    (b" 5\r\nhello\r\n" + END, Rule.CHUNK_SIZE, 0, b"5\r\nhello\r\n" + END),
    (b"5\r\nhello\r\n\r\n", Rule.CHUNK_SIZE, 10, b"5\r\nhello\r\n0\r\n\r\n"),
    (b"5;\r\nhello\r\n" + END, Rule.CHUNK_EXT, 2, b"5;a\r\nhello\r\n" + END),
    (b'5;a="b"c\r\nhello\r\n' + END, Rule.CHUNK_EXT, 7, b'5;a="b";c\r\nhello\r\n' + END),
    (b'5;a="\r\n"\r\nhello\r\n' + END, Rule.CHUNK_EXT, 5, b'5;a="\t"\r\nhello\r\n' + END),
    (b"5\r\nhelloXX" + END, Rule.CHUNK_DATA_END, 8, b"5\r\nhello\r\n" + END),
    (b"4\r\nhello\r\n" + END, Rule.CHUNK_DATA_END, 7, b"5\r\nhello\r\n" + END),
    (b"0\r\nA b\r\n\r\n", Rule.TRAILER_FIELD, 4, b"0\r\nA:b\r\n\r\n"),
    (b"0\r\nA: b\r\n c\r\n\r\n", Rule.TRAILER_FIELD, 9, b"0\r\nA: b\r\nc:\r\n\r\n"),
    (b"0\r\nA: \x7f\r\n\r\n", Rule.TRAILER_FIELD, 6, b"0\r\nA: \x80\r\n\r\n"),
    (b"0\r\nHost: a\r\n\r\n", Rule.TRAILER_FORBIDDEN, 3, b"0\r\nHosts: a\r\n\r\n"),
    (b"0\r\nContent_Length: 5\r\n\r\n", Rule.TRAILER_FORBIDDEN, 3, b"0\r\nContent_Lengths: 5\r\n\r\n"),
]


@pytest.mark.parametrize("broken, rule, offset, twin", TWINS, ids=[repr(row[0]) for row in TWINS])
def test_broken_body_is_refused_with_rule_and_offset_and_its_twin_taken(
    broken: bytes, rule: Rule, offset: int, twin: bytes
) -> None:
    error = refusal(broken)
    assert (error.rule, error.offset, error.section) == (rule, offset, rule.section)
    assert broken[offset:].startswith(error.octets)
    assert relay(twin).sent == twin


LIMITS = Limits(max_size_digits=3, max_chunk_size=255, max_ext_octets=8, max_trailer_octets=24, max_trailer_fields=3)

# (rule, a body at the limit, the same with one more, offset of the refused octet)
AT_LIMIT = [
    (Rule.CHUNK_SIZE_DIGITS, b"005\r\nhello\r\n" + END, b"0005\r\nhello\r\n" + END, 3),
    (Rule.CHUNK_SIZE_VALUE, b"ff\r\n" + bytes(255) + b"\r\n" + END, b"100\r\n" + bytes(256) + b"\r\n" + END, 0),
    (Rule.CHUNK_EXT_OCTETS, b"5;aaaaaaa\r\nhello\r\n" + END, b"5;aaaaaaaa\r\nhello\r\n" + END, 9),
    (Rule.TRAILER_OCTETS, b"0\r\nA: 45678901\r\nB: 678901\r\n\r\n", b"0\r\nA: 45678901\r\nB: 6789012\r\n\r\n", 27),
    (Rule.TRAILER_FIELDS, b"0\r\n" + b"A:\r\n" * 3 + b"\r\n", b"0\r\n" + b"A:\r\n" * 4 + b"\r\n", 15),
]


@pytest.mark.parametrize("rule, at_limit, over, offset", AT_LIMIT, ids=[row[0] for row in AT_LIMIT])
def test_limit_allows_n_and_refuses_n_plus_1(rule: Rule, at_limit: bytes, over: bytes, offset: int) -> None:
    assert relay(at_limit, scanner=ChunkedScanner(LIMITS)).sent == at_limit
    error = refusal(over, ChunkedScanner(LIMITS))
    assert (error.rule, error.offset) == (rule, offset)


def test_overhead_allows_n_and_refuses_n_plus_1() -> None:
    limits = Limits(max_overhead=20)
    # The line of 24 octets, its CRLF and that of the data, less 16, less twice one octet of data: 10.
    costs_ten, costs_eleven = b"1;" + b"a" * 22 + b"\r\nd\r\n", b"1;" + b"a" * 23 + b"\r\nd\r\n"
    assert relay(costs_ten * 2 + END, scanner=ChunkedScanner(limits)).verdict == "accept"
    error = refusal(costs_ten + costs_eleven, ChunkedScanner(limits))
    assert (error.rule, error.offset) == (Rule.OVERHEAD, len(costs_ten))


def test_overhead_is_repaid_by_plain_chunks() -> None:
    costs_twenty = b"1;" + b"a" * 32 + b"\r\nd\r\n"
    repays_twenty = b"8\r\n12345678\r\n"  # 1 + 4 - 16 - 2 * 8 = -27, but never below 0
    body = costs_twenty + b"1\r\nd\r\n" + repays_twenty + repays_twenty + costs_twenty + END
    assert relay(body, scanner=ChunkedScanner(Limits(max_overhead=20))).verdict == "accept"


def test_overhead_of_the_last_chunk_counts() -> None:
    limits = Limits(max_overhead=20)
    assert relay(b"0;" + b"a" * 30 + b"\r\n\r\n", scanner=ChunkedScanner(limits)).verdict == "accept"
    assert refusal(b"0;" + b"a" * 31 + b"\r\n\r\n", ChunkedScanner(limits)).rule == Rule.OVERHEAD


def test_field_that_connection_names_is_refused_as_a_trailer() -> None:
    # RFC 9110 §7.6.1: the head said Connection: X-Sum, and what a gateway must drop a verbatim one must refuse.
    body = b"0\r\nx-sum: 1\r\n\r\n"
    assert relay(body).verdict == "accept"
    assert refusal(body, ChunkedScanner(forbidden=frozenset((b"x-sum",)))).rule == Rule.TRAILER_FORBIDDEN


@pytest.mark.parametrize("named", [b"X-Sum", b"x_sum"])
def test_named_field_is_known_in_any_case_and_with_underscores(named: bytes) -> None:
    scanner = ChunkedScanner(forbidden=[named])
    assert refusal(b"0\r\nX-sum: 1\r\n\r\n", scanner).rule == Rule.TRAILER_FORBIDDEN


def test_message_says_expected_got_and_where() -> None:
    error = refusal(b"5\r\nhello\r\n4\r\nabcdXX0\r\n\r\n")
    wrong = "the size line said 4, which is wrong, or the CRLF is missing"
    assert str(error) == error.message == f'expected CRLF after chunk-data at 17, got "XX": {wrong}'


@pytest.mark.parametrize(
    "body, text",
    [
        (b"6\r\nhello\r\n", r'got "\n": the size line said 6, which is wrong, or the CR is missing'),
        (b"9\r\nhello\r\n0\r\n", r'got "\n": the size line said 9, which is wrong, or the CR is missing'),
        (
            b"11\r\nhello world\r\n0\r\n\r\n",
            "the size line said 11 (hex for 17), which is wrong, or the CR is missing",
        ),
        (b"5;\r\nhello\r\n", r'expected chunk-ext (;name or ;name=value) at 2, got "\r\n"'),
        (b"5;a b\r\n", 'expected chunk-ext (;name or ;name=value) or CRLF at 3, got " b"'),
    ],
)
def test_what_was_expected_is_not_what_came(body: bytes, text: str) -> None:
    assert str(refusal(body)).endswith(text)


@pytest.mark.parametrize(
    "octets, text",
    [
        (b"XX", '"XX"'),
        (b"\r\n\t\0\x7f\xff", r'"\r\n\t\x00\x7f\xff"'),
        (b'"\\"', r'"\"\\\""'),
        (b"", '""'),
        (b"a" * 64, '"' + "a" * 64 + '"'),
        (b"a" * 65, '"' + "a" * 64 + '"…'),
    ],
)
def test_octets_are_quoted_as_text_with_escapes(octets: bytes, text: str) -> None:
    assert quoted(octets) == text


@pytest.mark.parametrize(
    "body, message",
    [
        (b"5\r\nhello\r\r\n", r'expected the LF of the CRLF after chunk-data at 9, got "\r"'),
        (b"5\r\r\n", r'expected the LF of the CRLF that ends a size line at 2, got "\r"'),
        (b"5\n", r'''expected ';' or CRLF after chunk-size at 1, got "\n"'''),
        (b"0\r\nX: 1\r\r\n", r'expected the LF of the CRLF that ends a field-line at 8, got "\r"'),
    ],
)
def test_a_line_end_that_differs_is_shown_escaped(body: bytes, message: str) -> None:
    assert str(refusal(body)) == message


def test_message_shows_what_spoke_another_protocol() -> None:
    assert refusal(b"HTTP/1.1 200 OK\r\n").octets == b"HTTP/1.1 200 OK"


def test_every_rule_has_its_test() -> None:
    tested = {row[1] for row in TWINS} | {row[0] for row in AT_LIMIT} | {Rule.OVERHEAD}
    assert tested == set(Rule)


def test_error_takes_no_rule_that_is_not_listed() -> None:
    with pytest.raises(ValueError, match="no-such-rule"):
        FramingError("no-such-rule", 0, b"x", "RFC 9112 §7.1", "expected …")
