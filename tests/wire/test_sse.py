"""Event streams as WHATWG HTML §9.2 has them: its own examples, the ends of lines, and what is refused."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.wire.errors import LocalError
from chunkwire.wire.sse import (
    EventTooLong,
    SseComment,
    SseDecoder,
    SseEvent,
    encode_comment,
    encode_event,
)


def decode(octets: bytes) -> list[SseEvent]:
    return SseDecoder().feed(octets)


def datas(octets: bytes) -> list[str]:
    return [event.data for event in decode(octets)]


def test_the_standards_stock_ticker_is_one_event_of_three_lines() -> None:
    assert decode(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [SseEvent("message", "YHOO\n+2\n10")]


def test_the_standards_four_blocks_give_a_comment_and_three_events() -> None:
    stream = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert SseDecoder().feed_all(stream) == [
        SseComment(" test stream"),
        SseEvent("message", "first event", "1"),
        SseEvent("message", "second event", ""),
        SseEvent("message", " third event", ""),
    ]
    assert datas(stream) == ["first event", "second event", " third event"]


def test_the_standards_empty_data_lines_fire_two_events_and_the_cut_block_none() -> None:
    assert datas(b"data\n\ndata\ndata\n\ndata:") == ["", "\n"]


def test_the_standards_two_ways_to_write_test_are_the_same() -> None:
    assert datas(b"data:test\n\ndata: test\n\n") == ["test", "test"]


def test_the_standards_event_types_reach_the_event() -> None:
    stream = b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\nevent: add\ndata: 113411\n\n"
    assert [(event.event, event.data) for event in decode(stream)] == [
        ("add", "73857293"),
        ("remove", "2153"),
        ("add", "113411"),
    ]


@pytest.mark.parametrize("eol", [b"\n", b"\r", b"\r\n"])
def test_each_end_of_line_ends_a_line(eol: bytes) -> None:
    stream = b"event: a\ndata: 1\ndata: 2\n\ndata: 3\n\n".replace(b"\n", eol)
    assert decode(stream) == [SseEvent("a", "1\n2"), SseEvent("message", "3")]


def test_crlf_cut_between_two_reads_is_one_end_of_line() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 1\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: 2\r") == []
    assert decoder.feed(b"\n\r\n") == [SseEvent("message", "1\n2")]


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_what_unicode_calls_a_line_break_is_data(separator: str) -> None:
    assert datas(f"data: a{separator}b\n\n".encode()) == [f"a{separator}b"]


def test_a_bom_is_dropped_at_the_start_only() -> None:
    bom = b"\xef\xbb\xbf"
    assert datas(bom + b"data: 1\n\n" + bom + b"data: 2\n\ndata: 3\n\n") == ["1", "3"]


def test_a_second_bom_belongs_to_the_field_name() -> None:
    assert datas(b"\xef\xbb\xbf" * 2 + b"data: 1\n\n") == []


def test_octets_that_are_not_utf_8_are_replaced() -> None:
    assert datas(b"data: a\xff\xe2\x82b\xe2\n\n") == ["a��b�"]


def test_a_character_cut_anywhere_arrives_whole() -> None:
    decoder = SseDecoder()
    found = [event for octet in "data: 🚂é\n\n".encode() for event in decoder.feed(bytes([octet]))]
    assert found == [SseEvent("message", "🚂é")]


def test_an_event_without_data_is_dropped_and_its_type_forgotten() -> None:
    assert decode(b"event: lost\n\ndata: 1\n\n") == [SseEvent("message", "1")]


def test_an_event_without_data_sets_the_last_event_id_all_the_same() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"id: 7\n\n") == []
    assert decoder.last_event_id == "7"
    assert decoder.feed(b"data: x\n\n") == [SseEvent("message", "x", "7")]


def test_an_id_counts_only_when_its_event_is_dispatched() -> None:
    decoder = SseDecoder()
    decoder.feed(b"id: 1\ndata: x\n\nid: 2\ndata: cut")
    assert decoder.last_event_id == "1"


def test_an_id_with_nul_is_ignored() -> None:
    assert [event.id for event in decode(b"id: 1\ndata\n\nid: 2\x00\ndata\n\nid: 3\ndata\n\n")] == ["1", "1", "3"]


@pytest.mark.parametrize(
    "value", [b"-5", b"+5", b" 5", b"5 ", b"1_0", b"", b"0x1", "٥".encode(), b"1" * 16, b"9" * 9999]
)
def test_retry_that_is_not_a_credible_number_of_ascii_digits_is_ignored(value: bytes) -> None:
    decoder = SseDecoder()
    assert [event.retry for event in decoder.feed(b"retry: " + value + b"\ndata\n\n")] == [None]
    assert decoder.retry is None


@pytest.mark.parametrize("value, retry", [(b"0", 0), (b"5", 5), (b"0005", 5), (b"1" * 15, int("1" * 15))])
def test_retry_of_ascii_digits_is_milliseconds(value: bytes, retry: int) -> None:
    decoder = SseDecoder()
    events = decoder.feed(b"retry:" + value + b"\ndata\n\ndata\n\n")
    assert [event.retry for event in events] == [retry, None]
    assert decoder.retry == retry


def test_field_names_are_exact_and_unknown_ones_ignored() -> None:
    assert decode(b"Data: 1\ndata : 2\n data: 3\nfoo: 4\nfoo\ndata: 5\n\n") == [SseEvent("message", "5")]


def test_only_one_space_after_the_colon_is_taken_away() -> None:
    assert datas(b"data:\ta\ndata:  b\ndata::c\n\n") == ["\ta\n b\n:c"]


def test_an_empty_event_type_is_message() -> None:
    assert decode(b"event: a\nevent:\ndata: 1\n\n") == [SseEvent("message", "1")]


def test_an_event_has_begun_with_its_first_octet_and_is_over_with_its_empty_line() -> None:
    decoder = SseDecoder()
    claims = []
    for octets in (b"", b"ev", b"ent: a\n", b"data: 1\n", b"\n", b"\n", b": comment", b"\n"):
        decoder.feed(octets)
        claims.append(decoder.is_in_event)
    assert claims == [False, True, True, True, False, False, True, False]


def test_an_event_of_exactly_the_limit_is_given() -> None:
    assert SseDecoder(max_event_octets=10).feed(b"data: 1234\n\n") == [SseEvent("message", "1234")]


@pytest.mark.parametrize("stream", [b"data: 12345\n\n", b"data: 12345", b": 123456789", b"data: 12\ndata: 34\n\n"])
def test_an_event_over_the_limit_is_refused_for_good(stream: bytes) -> None:
    decoder = SseDecoder(max_event_octets=10)
    with pytest.raises(EventTooLong, match="at most 10 octets"):
        decoder.feed(stream)
    with pytest.raises(EventTooLong):
        decoder.feed(b"\n\ndata: 1\n\n")


@pytest.mark.parametrize("stream", [b"data: 12345", b"data: 12\ndata: 34\n"])
def test_no_part_of_an_event_over_the_limit_can_be_asked_for(stream: bytes) -> None:
    decoder = SseDecoder(max_event_octets=10)
    with pytest.raises(EventTooLong):
        decoder.feed(stream)
    assert decoder.end_of_input() == []


def test_what_came_before_an_event_over_the_limit_is_on_the_error() -> None:
    with pytest.raises(EventTooLong) as caught:
        SseDecoder(max_event_octets=10).feed(b"data: 1\n\n: hi\ndata: 12345\n\n")
    assert caught.value.received == (SseEvent("message", "1"), SseComment(" hi"))


def test_comments_without_end_hold_nothing() -> None:
    decoder = SseDecoder(max_event_octets=10)
    assert len(decoder.feed_all(b": ping\n" * 1000)) == 1000
    assert not decoder.is_in_event


def test_an_event_is_written_with_its_fields_before_its_data() -> None:
    octets = encode_event("hello\nworld", "token", id="7", retry=1500)
    assert octets == b"event: token\nid: 7\nretry: 1500\ndata: hello\ndata: world\n\n"


def test_an_event_without_data_sets_only_the_reconnection_time() -> None:
    decoder = SseDecoder()
    assert decoder.feed(encode_event(None, retry=10)) == []
    assert decoder.retry == 10


def test_a_comment_is_written_with_a_blank_line() -> None:
    assert encode_comment("ping") == b": ping\n\n"
    assert encode_comment() == b": \n\n"


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", "\n", "\r"])
def test_a_line_break_in_a_single_line_value_is_refused(text: str) -> None:
    writers: list[Callable[[], bytes]] = [
        lambda: encode_event("x", text),
        lambda: encode_event("x", id=text),
        lambda: encode_comment(text),
    ]
    for write in writers:
        with pytest.raises(LocalError, match="expected one line"):
            write()


@pytest.mark.parametrize("data", ["a\rb", "a\r\nevent: forged"])
def test_cr_in_data_is_refused_since_it_would_arrive_as_lf(data: str) -> None:
    with pytest.raises(LocalError, match="without CR"):
        encode_event(data)


def test_nul_in_an_id_is_refused_and_in_data_it_is_carried() -> None:
    with pytest.raises(LocalError, match="without NUL"):
        encode_event("x", id="a\0")
    assert datas(encode_event("a\0b")) == ["a\0b"]


@pytest.mark.parametrize("retry", [0, 10**15 - 1])
def test_a_retry_at_each_end_of_its_range_is_written(retry: int) -> None:
    assert encode_event("x", retry=retry) == b"retry: %d\ndata: x\n\n" % retry


@pytest.mark.parametrize("retry", [-1, 10**15])
def test_a_retry_that_readers_ignore_is_refused(retry: int) -> None:
    with pytest.raises(LocalError, match=f"0 or more, at most 15 digits, got {retry}"):
        encode_event("x", retry=retry)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(LocalError, match="lone surrogate"):
        encode_event("a\ud800")


_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))
_data = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))


@given(
    _data,
    _line,
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")),
    st.none() | st.integers(0, 10**15 - 1),
)
def test_what_is_written_is_what_is_read(data: str, event: str, last_id: str, retry: int | None) -> None:
    octets = encode_event(data, event, id=last_id, retry=retry)
    assert decode(octets) == [SseEvent(event or "message", data, last_id, retry)]


_soup = st.lists(
    st.sampled_from(
        [b"data", b"event", b"id", b"retry", b":", b" ", b"\r", b"\n", b"\r\n", b"\xef\xbb\xbf", b"7", b"\xe2"]
    ),
    max_size=60,
).map(b"".join)


@given(_soup, st.lists(st.integers(0, 120)))
def test_any_stream_means_the_same_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    whole = SseDecoder()
    expected = whole.feed_all(stream)
    pieces = SseDecoder()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = [item for a, b in pairwise(places) for item in pieces.feed_all(stream[a:b])]
    assert found == expected
    assert (pieces.last_event_id, pieces.retry) == (whole.last_event_id, whole.retry)
    assert pieces.is_in_event == whole.is_in_event


@given(_soup, st.integers(1, 30))
def test_the_limit_falls_at_the_same_place_however_the_stream_is_cut(stream: bytes, limit: int) -> None:
    def run(pieces: list[bytes]) -> tuple[list[SseEvent | SseComment], bool]:
        decoder = SseDecoder(max_event_octets=limit)
        found: list[SseEvent | SseComment] = []
        try:
            for piece in pieces:
                found += decoder.feed_all(piece)
        except EventTooLong as error:
            return found + list(error.received), True
        return found, False

    assert run([stream]) == run([stream[i : i + 1] for i in range(len(stream))])


LENIENT = b'error: {"a":1}\n\n{\n  "b": 2\n}\n\ndata: 3\n\n'


def test_a_lenient_decoder_takes_an_error_field_and_bare_json_as_data_and_a_strict_one_neither() -> None:
    assert SseDecoder(is_lenient=True).feed(LENIENT) == [
        SseEvent("error", '{"a":1}'),
        SseEvent("message", '{\n  "b": 2\n}'),
        SseEvent("message", "3"),
    ]
    assert decode(LENIENT) == [SseEvent("message", "3")]


def test_bare_json_is_an_event_that_has_begun_until_its_empty_line() -> None:
    decoder = SseDecoder(is_lenient=True)
    claims = []
    for octets in (b"{", b'"a":1}\n', b": 2\n", b"\n"):
        decoder.feed(octets)
        claims.append(decoder.is_in_event)
    assert claims == [True, True, True, False]


@pytest.mark.parametrize("cut", [b"data: 1", b"data: 1\n", b"data: 1\r"])
def test_an_event_that_the_end_cut_short_can_be_asked_for(cut: bytes) -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: 0\n\n" + cut) == [SseEvent("message", "0")]
    assert decoder.end_of_input() == [SseEvent("message", "1")]
    assert decoder.end_of_input() == []
    assert not decoder.is_in_event
