"""A short cut through many small chunks: one regular expression made of the size lines that a stream has shown.

The plain loop of the scanner takes some 0.4 µs a chunk, because each is a few steps of Python. `re` passes over n
octets of any kind in constant time, so a pattern such as

    (?:20\\r\\n.{32}+\\r\\n|1f\\r\\n.{31}+\\r\\n){256}+

takes 256 whole chunks in one step, each size line and each CRLF compared. The rule here: the loop is what is right,
and this is faster or not used; it must never take what the loop would not. Therefore

- only sizes that the loop has taken enter it, and never size 0: .{0} would run past the last-chunk, which must be held;
- where chunks have an extension, the one that the loop took last gives its form: a run of letters and digits stands for
  any other run that is not longer. All of these are valid wherever one is: each is a tchar and a qdtext;
- it is used only while the overhead excess is 0, and no line enters that could add to it: the budget stays exact
  without per-chunk work;
- it counts by blocks, and where its lines have two numbers of digits, those with fewer a second time: the counts of
  chunks and octets stay exact as well, without per-chunk work. Extensions may differ in length where there is one size;
- it is compiled again only after twice as many chunks as the last time, since compiling takes as long as thousands of
  chunks: a peer that keeps changing its sizes cannot keep us busy with it.

What this module must not know: what may be held, and who counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final, TypeAlias

from chunkwire.wire.frames import CRLF
from chunkwire.wire.lines import Buffer

BURST: Final = 16
"""Chunks the plain loop takes between two tries of the pattern: a try in vain costs as much as two of them."""

WORTH_OCTETS: Final = 1024
"""Octets there must be for a try: fewer hold few chunks, and most reads of a stream are one chunk."""

_BLOCKS: Final = (256, 32, 4)
"""Chunks that one match takes: many, so that the call does not count; then fewer, for the end of the buffer."""

_NARROW_BLOCKS: Final = (32, 1)
"""The same, of chunks that are counted a second time: down to 1, to leave none out."""

_MAX_LINES: Final = 32
"""Lines in a pattern: the time to make it grows with them, and a rarer one ends a block rather than the stream."""

_MAX_SIZE: Final = 8192
"""Octets of chunk-data: of larger chunks too few fit into a buffer for a block."""

_MIN_SIGHTINGS: Final = 4
_FIRST_SURVEY: Final = 4096
"""Chunks the plain loop takes before the first survey, in 2 ms; to compile 32 lines takes 1 to 2 ms."""

_EXT_WEIGHT: Final = 8
"""Chunks without chunk-ext in the time of one with it: 4.6 µs where the loop takes 0.3 to 0.5."""

_SURVEYED: Final = 512
_MIN_SURVEYED: Final = 16
"""Chunks looked at to choose the lines; at the end of a buffer there may be too few to tell."""


MAX_EXT_OCTETS: Final = 128
"""Octets of a chunk-ext in a pattern: one that signs its chunk has 81."""

_MAX_DIGITS: Final = 16

_RUN: Final = re.compile(rb"[0-9A-Za-z]++")


_Blocks: TypeAlias = tuple[tuple[int, re.Pattern[bytes]], ...]
"""Patterns, each with the number of chunks that it matches; the larger first."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What passes over the chunks of some size lines, and counts them.

    Attributes:
        chunks: matches so many chunks.
        size: octets of chunk-data of each chunk, 0 where they have several sizes.
        framing: octets of a chunk that are not data, where its size line has the more digits.
        narrow: matches so many chunks whose line has fewer digits, and all before and between them.
        fewer: how many digits fewer those have.
    """

    chunks: _Blocks
    size: int
    framing: int
    narrow: _Blocks
    fewer: int


class ShortCut:
    """The pattern of one stream, once it is worth having one."""

    __slots__ = ("_compiled", "_next_survey", "_skipped", "_typical")

    def __init__(self) -> None:
        self._compiled: _Compiled | None = None
        # Octets of a chunk on average, when the lines were chosen.
        self._typical = 0
        # Chunks it took, and at how many that it did not take to choose the lines again.
        self._skipped = 0
        self._next_survey = _FIRST_SURVEY

    def skip(
        self, buffer: Buffer, start: int, *, end: int, known: Mapping[bytes, int], ext: bytes, seen: int
    ) -> tuple[int, int, int]:
        """Return how far whole chunks go on from start, how many they are, and their octets of chunk-data.

        They may go on further: it takes whole blocks.

        Args:
            known: chunk-sizes as written that the loop has taken, and that never add to the overhead without chunk-ext.
            ext: the chunk-ext that the loop took last, b"" for none.
            seen: chunks of this body so far.
        """
        if (seen - self._skipped) * (_EXT_WEIGHT if ext else 1) >= self._next_survey:
            self._next_survey *= 2
            ext = ext if b";" in buffer[start : buffer.find(CRLF, start, end)] else b""
            self._choose(_survey(buffer, start, end, known, ext), known, ext)
        compiled = self._compiled
        if compiled is None:
            return start, 0, 0
        position, chunks = _match_blocks(compiled.chunks, buffer, start, end, typical=self._typical)
        self._skipped += chunks
        if compiled.size:
            return position, chunks, chunks * compiled.size
        _, narrow = _match_blocks(compiled.narrow, buffer, start, position)
        return position, chunks, position - start - chunks * compiled.framing + narrow * compiled.fewer

    def _choose(self, sightings: Counter[bytes], known: Mapping[bytes, int], ext: bytes) -> None:
        """Compile the lines seen most, if most chunks have one of them and they have at most two widths."""
        if sightings.total() < _MIN_SURVEYED:
            return
        often = [
            line
            for line, seen in sightings.most_common()
            # The last condition: with this chunk-ext too they never add to the overhead.
            if seen >= _MIN_SIGHTINGS and known[line] <= _MAX_SIZE and overhead(line + ext, known[line]) <= 0
        ]
        widths = Counter[int]()
        for line in often:
            widths[len(line)] += sightings[line]
        two = [width for width, _ in widths.most_common(2)]
        most = max(1, _MAX_LINES // max(1, len(_RUN.findall(ext))))
        lines = [line for line in often if len(line) in two][:most]
        seen = sum(sightings[line] for line in lines)
        self._compiled = None
        if seen * 4 >= sightings.total() * 3:
            form = _form(ext, is_fixed=len(lines) > 1)
            self._compiled = _compile(tuple((line, known[line]) for line in sorted(lines)), form, len(ext))
            self._typical = sum((len(line) + 4 + known[line]) * sightings[line] for line in lines) // seen


def _match_blocks(blocks: _Blocks, buffer: Buffer, position: int, end: int, *, typical: int = 0) -> tuple[int, int]:
    """Return how far the blocks go on from position, and how many chunks they have matched.

    Args:
        typical: octets of a chunk on average: a block that has no room is not tried.
    """
    chunks = 0
    for block, pattern in blocks:
        while end - position >= block * typical and (match := pattern.match(buffer, position, end)) is not None:
            position = match.end()
            chunks += block
    return position, chunks


def _survey(buffer: Buffer, position: int, end: int, known: Mapping[bytes, int], ext: bytes) -> Counter[bytes]:
    """Count the known sizes from position on, up to a chunk-ext of another form. A guess: only size lines are read."""
    sightings: Counter[bytes] = Counter()
    form = re.compile(_form(ext, is_fixed=False))
    longest = _MAX_DIGITS + len(ext)
    for _ in range(_SURVEYED):
        line_end = buffer.find(CRLF, position, end)
        line = bytes(buffer[position:line_end]) if 0 < line_end <= position + longest else b""
        digits = line[: line.find(b";")] if ext else line
        if digits not in known or not form.fullmatch(line, len(digits)):
            break
        sightings[digits] += 1
        position = line_end + known[digits] + 2 * len(CRLF)
    return sightings


@lru_cache(maxsize=64)
def _compile(lines: tuple[tuple[bytes, int], ...], form: bytes, ext_octets: int) -> _Compiled:
    """Compile these sizes, sorted and of at most two widths; streams that are alike share the result."""
    width = max(len(line) for line, _ in lines)
    wide = [line for line in lines if len(line[0]) == width]
    narrow = [line for line in lines if len(line[0]) < width]
    counter = _blocks(_chunk(wide, form) + b"*+" + _chunk(narrow, form), _NARROW_BLOCKS) if narrow else ()
    fewer = width - len(narrow[0][0]) if narrow else 0
    size = lines[0][1] if len(lines) == 1 else 0
    return _Compiled(_blocks(_chunk(lines, form), _BLOCKS), size, width + ext_octets + 2 * len(CRLF), counter, fewer)


def overhead(line: bytes, size: int) -> int:
    """Return what a chunk adds to the excess: its framing beyond 16 + 2 * size octets; see `Limits.max_overhead`."""
    return len(line) + 2 * len(CRLF) - 16 - 2 * size


def _form(ext: bytes, *, is_fixed: bool) -> bytes:
    """Return a pattern of extensions that are valid where this one is: as long, or not longer."""
    pattern, literal = b"", 0
    for run in _RUN.finditer(ext):
        least = len(run[0]) if is_fixed else 1
        pattern += re.escape(ext[literal : run.start()]) + b"[0-9A-Za-z]{%d,%d}+" % (least, len(run[0]))
        literal = run.end()
    return pattern + re.escape(ext[literal:])


def _blocks(chunk: bytes, counts: Sequence[int]) -> _Blocks:
    return tuple((count, re.compile(rb"(?:%b){%d}+" % (chunk, count), re.DOTALL)) for count in counts)


def _chunk(lines: Sequence[tuple[bytes, int]], form: bytes, depth: int = 0) -> bytes:
    """Return a group that matches a chunk with one of these sizes, their first `depth` digits read already.

    Args:
        form: the pattern of its chunk-ext.

    Digit by digit, not line by line: of the branches `re` tries only those that begin with the octet at hand.
    """
    branches = []
    for digit, same in groupby(lines, key=lambda line: line[0][depth : depth + 1]):
        deeper = tuple(same)
        # Possessive, as the rest: nothing is ever given back, so nothing is kept for it.
        after = rb"%b\r\n.{%d}+\r\n" % (form, deeper[0][1])
        branches.append(digit + _chunk(deeper, form, depth + 1) if digit else after)
    return b"(?:" + b"|".join(branches) + b")"
