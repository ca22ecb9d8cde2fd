"""Each row of the quirk table: what the readers of its dialects make of it, however it is cut."""

import pytest

from chunkwire.llm import DIALECTS
from chunkwire.llm.answer import AnswerEvent, ErrorKind, ProviderError
from chunkwire.llm.reading import AnswerReader
from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk
from tests.llm.answers import said

CUT = ProviderError(ErrorKind.INCOMPLETE, "cut")
rows = pytest.mark.parametrize(
    "quirk, dialect",
    [(quirk, dialect) for quirk in QUIRKS.values() for dialect in quirk.dialects],
    ids=[f"{quirk.name}-{dialect}" for quirk in QUIRKS.values() for dialect in quirk.dialects],
)


def read(reader: AnswerReader, quirk: Quirk, size: int) -> list[AnswerEvent]:
    events: list[AnswerEvent] = []
    for start in range(0, len(quirk.content), size):
        events += reader.feed(quirk.content[start : start + size])
    return [*events, *reader.end_of_input(CUT if quirk.is_cut else None)]


@rows
def test_a_quirk_means_what_its_row_says_however_it_is_cut(quirk: Quirk, dialect: str) -> None:
    for size in (len(quirk.content), 1, 7):
        reader = DIALECTS[dialect].reader()
        assert said(read(reader, quirk, size)) == quirk.said
        assert reader.is_complete == (quirk.said.error is None)


def test_a_quirk_is_a_row_of_its_own_with_words_in_each_column() -> None:
    assert all(name == quirk.name for name, quirk in QUIRKS.items())
    assert len({(quirk.content, quirk.dialects, quirk.is_cut, quirk.content_type) for quirk in QUIRKS.values()}) == len(
        QUIRKS
    )
    for quirk in QUIRKS.values():
        assert quirk.summary
        assert quirk.who
        assert quirk.seen
        assert all(quirk.pieces)
        assert set(quirk.dialects) <= set(DIALECTS)


def test_each_dialect_says_how_its_answers_end() -> None:
    assert all(dialect.interpreter.terminal or dialect.interpreter.finish for dialect in DIALECTS.values())


def test_a_message_delta_always_has_its_usage() -> None:
    """Anthropic's SDK fails without it, whatever else the quirk is."""
    quirks = [each for each in QUIRKS.values() if "anthropic" in each.dialects]
    ends = [piece for each in quirks for piece in each.pieces if b'"message_delta"' in piece]
    assert ends
    assert all(b'"usage":' in piece for piece in ends)
