"""Approve many small chunks at once, by patterns made of the size lines that a stream has had.

The plain loop of the scanner takes some 0.4 µs a chunk, as it is several steps of Python. If all chunks have one size
line, slices whose step is the length of a chunk hold one octet of the framing of each: for a size of two digits, six
slices compare 1024 chunks, at 3 ns a chunk. If they have several, `re` is used. It skips n octets of any kind in
constant time, so one match of a pattern such as

    (?:20\\r\\n.{32}+\\r\\n|1f\\r\\n.{31}+\\r\\n){256}+

takes 256 whole chunks, and compares each size line and each CRLF. The rule here: this takes only what the loop would
take, and is not used if it is slower. Therefore

- only sizes that the loop takes are used, and never size 0: .{0} would run past the last-chunk, which must be held;
- if chunks have an extension, the latest one that the loop took gives the pattern: a run of letters and digits matches
  any other run that is not longer. All of these are valid in the same places: each octet is a tchar and a qdtext;
- it is used only while the overhead excess is 0, and with size lines that cannot add to it: the budget stays exact
  without per-chunk work;
- it counts chunks by blocks. If the size lines have two lengths, the chunks with the shorter ones are counted in a
  second pass. So the counts of chunks and octets are exact, too. Extensions may differ in length if there is one size;
- patterns are compiled again only when the loop has taken twice as many chunks as the last time. Compiling takes as
  long as thousands of chunks, and a peer that keeps changing its sizes could force it otherwise.

What this module must not know: what is held, and who reads the counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final, TypeAlias

from chunkwire.wire import abnf
from chunkwire.wire.frames import CRLF
from chunkwire.wire.limits import Limits
from chunkwire.wire.lines import Buffer

BURST: Final = 16
"""Chunks the plain loop takes between two tries of the pattern: a try that fails costs as much as two of them."""

MIN_OCTETS: Final = 1024
"""The least octets for a try: fewer hold few chunks, and most reads of a stream are one chunk."""

_BLOCKS: Final = (256, 32, 4)
"""Chunks that one match takes: many, so that a call costs little for each; then fewer, for the end of the buffer."""

_NARROW_BLOCKS: Final = (32, 1)
"""The same for the second pass, which must count every chunk."""

_MAX_LINES: Final = 32
"""Size lines in a pattern: the time to compile it grows with them, and the loop takes chunks with rarer ones."""

_MAX_SIZE: Final = 8192
"""Octets of chunk-data: of larger chunks too few fit into a buffer for a block."""

_MIN_SEEN: Final = 4
"""How many chunks of a sample must have a size line for it to enter the pattern."""

_FIRST_SAMPLE: Final = 4096
"""Chunks that the plain loop takes before the first sample, in 2 ms; to compile 32 lines takes 1 to 2 ms."""

_EXT_WEIGHT: Final = 8
"""Chunks without chunk-ext in the time of one with it: 4.6 µs where the loop takes 0.3 to 0.5."""

_SAMPLED: Final = 512
_MIN_SAMPLED: Final = 16
"""Chunks of a sample; at the end of a buffer there may be too few to choose size lines."""

MAX_EXT_OCTETS: Final = 128
"""Octets of a chunk-ext in a pattern: one that signs its chunk has 81."""

MAX_PLAIN_DIGITS: Final = 16
"""Digits of a size line without chunk-ext that the hot path takes; a longer one is left to its step."""

_MAX_REMEMBERED: Final = 4096
"""Sizes remembered, for all streams with the same limits, in 0.5 MB; where there would be more, all are forgotten."""

_PLAIN_LINE: Final = re.compile(abnf.HEXDIG + b"{1,%d}" % MAX_PLAIN_DIGITS)
_RUN: Final = re.compile(rb"[0-9A-Za-z]++")

_Blocks: TypeAlias = tuple[tuple[int, re.Pattern[bytes]], ...]
"""Patterns, each with the number of chunks that it matches; the larger first."""


class PlainSizes(dict[bytes, int]):
    """The sizes of size lines without chunk-ext that never add to the excess; 0 for all other lines.

    A line is read when it is first looked up, in 0.6 µs, and remembered if it is one of these.
    """

    __slots__ = ("_limits",)

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def __missing__(self, line: bytes) -> int:
        """Read a line."""
        if not _PLAIN_LINE.fullmatch(line) or len(line) > self._limits.max_size_digits:
            return 0
        size = int(line, 16)
        if size > self._limits.max_chunk_size or overhead(line, size) > 0:
            return 0
        if len(self) >= _MAX_REMEMBERED:
            self.clear()
        self[line] = size
        return size


_STRIDE: Final = 1024
"""Equal chunks compared at once: enough that the calls cost little, and few enough that a difference wastes little."""


class _EqualChunks:
    """Skips and counts chunks that all have one size line."""

    __slots__ = ("_chunk_octets", "_framing", "_size")

    def __init__(self, line: bytes, size: int) -> None:
        self._size = size
        chunk = line + CRLF + b"." * size + CRLF
        self._chunk_octets = len(chunk)
        where = [*range(len(line) + 2), len(chunk) - 2, len(chunk) - 1]
        self._framing = tuple((at, chunk[at : at + 1]) for at in where)

    def skip(self, buffer: Buffer, position: int, end: int) -> tuple[int, int, int]:
        """Return the end of such chunks from position on, their number, and their octets of chunk-data."""
        step, chunks = self._chunk_octets, 0
        while count := min((end - position) // step, _STRIDE):
            for at, octet in self._framing:
                found = buffer[position + at : position + count * step : step]
                if found != octet * count:
                    count -= len(found.lstrip(octet))
            if not count:
                break
            position += count * step
            chunks += count
        return position, chunks, chunks * self._size


@dataclass(frozen=True, slots=True)
class _MixedChunks:
    """Skips and counts chunks that have several size lines.

    Attributes:
        chunks: matches so many chunks.
        size: octets of chunk-data of each chunk, 0 where they have several sizes.
        framing: octets of a chunk that are not data, where its size line has the more digits.
        narrow: matches so many chunks with the shorter size lines, and all chunks before and between them.
        fewer: how many digits fewer these lines have.
        typical: octets of a chunk on average, when the lines were chosen.
    """

    chunks: _Blocks
    size: int
    framing: int
    narrow: _Blocks
    fewer: int
    typical: int

    def skip(self, buffer: Buffer, start: int, end: int) -> tuple[int, int, int]:
        """Return the end of whole blocks from start on, their number of chunks, and their octets of chunk-data."""
        position, chunks = _match_blocks(self.chunks, buffer, start, end, typical=self.typical)
        if self.size:
            return position, chunks, chunks * self.size
        _, narrow = _match_blocks(self.narrow, buffer, start, position)
        return position, chunks, position - start - chunks * self.framing + narrow * self.fewer


class FastPath:
    """Skips and counts chunks of one stream, once enough of them have been sampled."""

    __slots__ = ("_lines", "_next_sample", "_skipped")

    def __init__(self) -> None:
        self._lines: _EqualChunks | _MixedChunks | None = None
        self._skipped = 0  # chunks so far
        self._next_sample = _FIRST_SAMPLE  # how many chunks the loop takes before it

    def skip(
        self, buffer: Buffer, start: int, *, end: int, sizes: Mapping[bytes, int], ext: bytes, seen: int
    ) -> tuple[int, int, int]:
        """Return the end of the whole chunks from start on, their number, and their octets of chunk-data.

        Not guaranteed: that all whole chunks are skipped, as blocks are.

        Args:
            sizes: of size lines without chunk-ext that the loop takes, and that never add to the overhead; else 0.
            ext: the chunk-ext that the loop took last, b"" for none.
            seen: chunks of this body so far.
        """
        if (seen - self._skipped) * (_EXT_WEIGHT if ext else 1) >= self._next_sample:
            self._next_sample *= 2
            ext = ext if b";" in buffer[start : buffer.find(CRLF, start, end)] else b""
            self._choose(_sample(buffer, start, end, sizes, ext), sizes, ext)
        if self._lines is None:
            return start, 0, 0
        skipped = self._lines.skip(buffer, start, end)
        self._skipped += skipped[1]
        return skipped

    def _choose(self, counts: Counter[bytes], sizes: Mapping[bytes, int], ext: bytes) -> None:
        """Use the most frequent lines, of the two most frequent widths, if three of four chunks have one of them.

        Else use none. If too few chunks were sampled, the previous lines stay.
        """
        if counts.total() < _MIN_SAMPLED:
            return
        often = [
            line
            for line, seen in counts.most_common()
            # The last condition: with this chunk-ext too they never add to the overhead.
            if seen >= _MIN_SEEN and sizes[line] <= _MAX_SIZE and overhead(line + ext, sizes[line]) <= 0
        ]
        widths = Counter[int]()
        for line in often:
            widths[len(line)] += counts[line]
        two = [width for width, _ in widths.most_common(2)]
        most = max(1, _MAX_LINES // max(1, len(_RUN.findall(ext))))
        lines = [line for line in often if len(line) in two][:most]
        seen = sum(counts[line] for line in lines)
        self._lines = None
        if seen * 4 < counts.total() * 3:
            return
        if len(lines) == 1 and not ext:
            self._lines = _EqualChunks(lines[0], sizes[lines[0]])
        else:
            form = _form(ext, is_fixed=len(lines) > 1)
            typical = sum((len(line) + 4 + sizes[line]) * counts[line] for line in lines) // seen
            self._lines = _compile(tuple((line, sizes[line]) for line in sorted(lines)), form, len(ext), typical)


def _match_blocks(blocks: _Blocks, buffer: Buffer, position: int, end: int, *, typical: int = 0) -> tuple[int, int]:
    """Return the end of the blocks from position on, and their number of chunks.

    Args:
        typical: octets of a chunk on average: a block that has no room is not tried.
    """
    chunks = 0
    for block, pattern in blocks:
        while end - position >= block * typical and (match := pattern.match(buffer, position, end)) is not None:
            position = match.end()
            chunks += block
    return position, chunks


def _sample(buffer: Buffer, position: int, end: int, sizes: Mapping[bytes, int], ext: bytes) -> Counter[bytes]:
    """Count the size lines from position on, up to a line of another form. What follows chunk-data is not checked."""
    counts: Counter[bytes] = Counter()
    form = re.compile(_form(ext, is_fixed=False))
    longest = MAX_PLAIN_DIGITS + len(ext)
    for _ in range(_SAMPLED):
        line_end = buffer.find(CRLF, position, end)
        line = bytes(buffer[position:line_end]) if 0 < line_end <= position + longest else b""
        digits = line[: line.find(b";")] if ext else line
        size = sizes[digits]
        if not size or not form.fullmatch(line, len(digits)):
            break
        counts[digits] += 1
        position = line_end + size + 2 * len(CRLF)
    return counts


@lru_cache(maxsize=64)
def _compile(lines: tuple[tuple[bytes, int], ...], form: bytes, ext_octets: int, typical: int) -> _MixedChunks:
    """Compile these sizes, sorted and of at most two widths; streams that are alike share the result."""
    width = max(len(line) for line, _ in lines)
    wide = [line for line in lines if len(line[0]) == width]
    narrow = [line for line in lines if len(line[0]) < width]
    counter = _blocks(_chunk(wide, form) + b"*+" + _chunk(narrow, form), _NARROW_BLOCKS) if narrow else ()
    fewer = width - len(narrow[0][0]) if narrow else 0
    size = lines[0][1] if len(lines) == 1 else 0
    framing = width + ext_octets + 2 * len(CRLF)
    return _MixedChunks(_blocks(_chunk(lines, form), _BLOCKS), size, framing, counter, fewer, typical)


def overhead(line: bytes, size: int) -> int:
    """Return what a chunk adds to the excess: its framing beyond 16 + 2 * size octets; see `Limits.max_overhead`."""
    return len(line) + 2 * len(CRLF) - 16 - 2 * size


def _form(ext: bytes, *, is_fixed: bool) -> bytes:
    """Return a pattern of extensions that are valid where this one is: as long if `is_fixed`, else not longer."""
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

    Digit by digit, not line by line: `re` then tries only the branches that begin with the next octet.
    """
    branches = []
    for digit, same in groupby(lines, key=lambda line: line[0][depth : depth + 1]):
        deeper = tuple(same)
        # Possessive, as the rest: nothing is ever given back, so nothing is kept for it.
        after = rb"%b\r\n.{%d}+\r\n" % (form, deeper[0][1])
        branches.append(digit + _chunk(deeper, form, depth + 1) if digit else after)
    return b"(?:" + b"|".join(branches) + b")"
