"""What a dialect writes, it reads: every dialect, every cut, every ending."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import Answer, ErrorKind, ProviderError, Stop
from chunkwire.llm.dialect import Dialect
from tests.llm.answers import ASKED, CALLING, FAILING, HELLO, answers, expected, lack_of, read, started, told

ERROR_KINDS = [
    ErrorKind.BAD_REQUEST,
    ErrorKind.RATE_LIMIT,
    ErrorKind.SERVER,
    ErrorKind.OVERLOADED,
]
TALKING = replace(CALLING, text=("One ", "moment."))
dialects = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
samples = pytest.mark.parametrize(
    "answer",
    [HELLO, replace(HELLO, text=()), CALLING, TALKING, FAILING],
    ids=["text", "empty", "call", "text and call", "error"],
)


def forms(dialect: Dialect) -> Iterator[str]:
    yield ""
    if dialect.name == "bedrock":
        yield "invoke"


def stream(dialect: Dialect, answer: Answer, form: str = "") -> bytes:
    return b"".join(piece.octets for piece in dialect.write(answer, replace(ASKED, form=form)))


@dialects
@samples
def test_an_answer_is_read_as_it_was_written_whole_and_octet_by_octet(dialect: Dialect, answer: Answer) -> None:
    for form in forms(dialect):
        octets = stream(dialect, answer, form)
        whole = read(dialect.reader(), octets)
        assert told(whole) == expected(answer)
        assert read(dialect.reader(), octets, range(len(octets))) == whole


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != "azure"])  # which has the reader of openai
def test_an_answer_means_the_same_at_every_cut(name: str) -> None:
    for form in forms(DIALECTS[name]):
        octets = stream(DIALECTS[name], TALKING, form)
        whole = read(DIALECTS[name].reader(), octets)
        for cut in range(len(octets)):
            assert read(DIALECTS[name].reader(), octets, [cut]) == whole


@given(answers, st.sampled_from(sorted(DIALECTS)), st.lists(st.integers(0, 4000), max_size=6))
def test_any_answer_survives_any_cuts(answer: Answer, name: str, cuts: list[int]) -> None:
    for form in forms(DIALECTS[name]):
        octets = stream(DIALECTS[name], answer, form)
        events = read(DIALECTS[name].reader(), octets, [min(cut, len(octets)) for cut in cuts])
        assert told(events) == expected(answer)


@dialects
def test_an_answer_is_complete_with_its_terminal_event_and_not_before(dialect: Dialect) -> None:
    octets = stream(dialect, HELLO)
    for end in range(len(octets)):
        reader = dialect.reader()
        events = read(reader, octets[:end])
        is_whole = not isinstance(events[-1], ProviderError)
        assert is_whole == reader.is_complete
        assert any(isinstance(event, Stop) for event in events) or not is_whole


@dialects
def test_a_stream_cut_in_mid_event_says_so(dialect: Dialect) -> None:
    pieces = dialect.write(HELLO, ASKED)
    reader = dialect.reader()
    reader.feed(pieces[0].octets + pieces[1].octets[:-3])
    lack = lack_of(reader)
    assert lack is not None
    assert lack.kind is ErrorKind.INCOMPLETE
    assert "in the middle of" in lack.message
    assert lack.is_retryable


@dialects
def test_a_stream_that_ends_cleanly_too_early_names_what_is_missing(dialect: Dialect) -> None:
    reader = dialect.reader()
    reader.feed(dialect.write(HELLO, ASKED)[0].octets)
    lack = lack_of(reader)
    assert lack is not None
    assert lack.message.startswith("expected ")
    assert "got the end of input after 1 " in lack.message


@dialects
@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_an_error_in_mid_stream_ends_the_reading(dialect: Dialect, kind: ErrorKind) -> None:
    failing = replace(HELLO, error=ProviderError(kind, "no more"))
    reader = dialect.reader()
    events = reader.feed(stream(dialect, failing) + stream(dialect, HELLO))
    assert events[-1:] == [ProviderError(kind, "no more", events[-1].status)]  # type: ignore[union-attr]
    assert reader.feed(stream(dialect, HELLO)) == []
    assert reader.end_of_input() == []
    assert not reader.is_complete


@dialects
def test_an_answer_gives_its_id_and_model_once_where_the_dialect_has_them(dialect: Dialect) -> None:
    names = started(read(dialect.reader(), stream(dialect, HELLO)))
    assert len(names) == 1
    assert (names[0].id, names[0].model) == (("", "") if dialect.name == "bedrock" else ("id-1", "m-1"))


@dialects
def test_keep_alives_mean_nothing_where_the_dialect_has_them(dialect: Dialect) -> None:
    ping = dialect.keep_alive
    assert (ping is None) == (dialect.name in ("gemini", "bedrock"))
    if ping is not None:
        pieces = [piece.octets for piece in dialect.write(HELLO, ASKED)]
        assert read(dialect.reader(), ping.join(pieces)) == read(dialect.reader(), b"".join(pieces))


@dialects
def test_each_delta_is_a_token_piece_of_its_own(dialect: Dialect) -> None:
    tokens = [piece for piece in dialect.write(HELLO, ASKED) if piece.is_token]
    assert len(tokens) == 2
    for piece, text in zip(tokens, HELLO.text, strict=True):
        assert told(dialect.reader().feed(piece.octets)).text == text
