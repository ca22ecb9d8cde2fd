"""The judgement of an attempt: right, or one plain sentence and the first wrong octet, with a caret under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CARET_COLUMNS: Final = 64
"""Columns of octets around a caret; with the indent they fit a line of 80."""

_LF: Final = b"\n"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of one attempt."""

    is_right: bool
    sentence: str  # what is right, or what is wrong
    octets: bytes = b""  # to which the sentence refers; b"" for none
    # the index of the first wrong octet in `octets`; their length for one that is missing; None for no caret
    at: int | None = None
    evidence: tuple[str, ...] = ()  # lines that prove it, each at most some 76 columns
    hint: str = ""  # what to do next; shown in place of the sentence while the connection is open; "" for nothing

    def caret_lines(self) -> tuple[str, ...]:
        """Return the line of octets that is wrong and a caret under the first wrong octet; nothing without `at`."""
        return () if self.at is None else with_caret(self.octets, self.at)

    def to_json(self) -> dict[str, object]:
        """Return it for the page."""
        return {
            "right": self.is_right,
            "sentence": self.sentence,
            "octets": list(self.caret_lines()),
            "evidence": list(self.evidence),
        }


def right(sentence: str, *evidence: str, hint: str = "") -> Judgement:
    """Return the judgement that an attempt is right."""
    return Judgement(True, sentence, evidence=evidence, hint=hint)


def wrong(
    sentence: str, octets: bytes = b"", at: int | None = None, *, evidence: tuple[str, ...] = (), hint: str = ""
) -> Judgement:
    """Return the judgement that an attempt is wrong, and where."""
    return Judgement(False, sentence, octets, at, evidence, hint)


def escaped_octets(octets: bytes) -> list[str]:
    r"""Return each octet as text: itself where it is printable ASCII, else an escape such as \r or \xc3."""
    return [chr(octet).encode("unicode_escape").decode("ascii") for octet in octets]


def shown_octets(octets: bytes) -> str:
    """Return octets as one line of text, everything escaped that is not printable ASCII."""
    return "".join(escaped_octets(octets))


def with_caret(octets: bytes, at: int) -> tuple[str, str]:
    """Return the line of `octets` in which `at` lies, escaped, and beneath it a caret under that octet.

    At most `CARET_COLUMNS` of it: what is left out is `…`.
    """
    start = octets.rfind(_LF, 0, at) + 1
    if start == at == len(octets) and octets:  # an octet is missing at the end of the last line
        start = octets.rfind(_LF, 0, at - 1) + 1
    end = octets.find(_LF, at) + 1 or len(octets)
    texts = escaped_octets(octets[start:end])
    place = at - start
    lead = ""
    while texts and place > 0 and len(lead) + sum(map(len, [*texts, "^"][: place + 1])) > CARET_COLUMNS:
        texts, place, lead = texts[1:], place - 1, "…"
    before = len(lead) + sum(map(len, texts[:place]))
    line = lead + "".join(texts)
    if len(line) > CARET_COLUMNS:
        line = line[: CARET_COLUMNS - 1] + "…"
    return line, " " * before + "^"
