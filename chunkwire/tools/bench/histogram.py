"""Histograms of durations: memory does not grow with the number of samples, and two histograms can be added.

The rule here: samples are whole ns; what `at_rank` returns is at most 1/1024 (0.1 %) above a sample. The buckets are
those of HdrHistogram with three digits: one for each value below 2048, then 1024 for each power of two. Negative
values, which differences between two clocks can have, use mirrored buckets.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Final

_BITS: Final = 11  # the leading bits of a value that a bucket keeps; they give three decimal digits
_HALF: Final = 1 << (_BITS - 1)
_PAGE_BITS: Final = 8
_PAGE: Final = 1 << _PAGE_BITS
_EMPTY: Final = bytes(8 * _PAGE)


def bucket_of(value: int) -> int:
    """Return the number of a value's bucket; larger values have larger numbers."""
    if value < 0:
        return ~bucket_of(~value)
    shift = value.bit_length() - _BITS
    return value if shift <= 0 else shift * _HALF + (value >> shift)


def bounds(bucket: int) -> tuple[int, int]:
    """Return the smallest and the largest value of a bucket."""
    if bucket < 0:
        low, high = bounds(~bucket)
        return ~high, ~low
    shift = max(0, bucket // _HALF - 1)
    low = (bucket - shift * _HALF) << shift
    return low, low + (1 << shift) - 1


class DurationHistogram:
    """Samples in ns, counted.

    Attributes:
        n: samples.
        smallest, largest: exact, of the samples that `record` and `add` count; 0 without any.
    """

    __slots__ = ("_pages", "largest", "n", "smallest")

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._pages: dict[int, array[int]] = {}
        self.n = self.smallest = self.largest = 0
        for value in values:
            self.record(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DurationHistogram):
            return NotImplemented
        return (self.smallest, self.largest, [*self.counts()]) == (other.smallest, other.largest, [*other.counts()])

    __hash__ = None  # type: ignore[assignment]

    def record(self, value: int) -> None:
        """Count a sample."""
        if not self.n:
            self.smallest = self.largest = value
        elif value > self.largest:
            self.largest = value
        elif value < self.smallest:
            self.smallest = value
        shift = value.bit_length() - _BITS  # as in `bucket_of`, without its call
        bucket = bucket_of(value) if value < 0 else value if shift <= 0 else shift * _HALF + (value >> shift)
        page = self._pages.get(bucket >> _PAGE_BITS)
        if page is None:
            self.count(bucket, 1)
        else:
            page[bucket & (_PAGE - 1)] += 1
            self.n += 1

    def count(self, bucket: int, n: int) -> None:
        """Count samples of a bucket; the caller sets `smallest` and `largest`."""
        page = self._pages.get(bucket >> _PAGE_BITS)
        if page is None:
            page = self._pages[bucket >> _PAGE_BITS] = array("Q", _EMPTY)
        page[bucket & (_PAGE - 1)] += n
        self.n += n

    def add(self, other: DurationHistogram) -> None:
        """Add another histogram's samples; another thread may record in `other` meanwhile."""
        if other.n:
            self.smallest = min(self.smallest, other.smallest) if self.n else other.smallest
            self.largest = max(self.largest, other.largest) if self.n else other.largest
        for number, page in list(other._pages.items()):
            counts = page[:]  # a copy, so that `n` grows by what is added
            self.n += sum(counts)
            mine = self._pages.get(number)
            if mine is None:
                self._pages[number] = counts
                continue
            for place, n in enumerate(counts):
                if n:
                    mine[place] += n

    def less(self, part: DurationHistogram) -> DurationHistogram:
        """Return the samples without those of a part of them; the extremes are those of the buckets that remain."""
        rest, gone = DurationHistogram(), dict(part.counts())
        for bucket, n in self.counts():
            if n > gone.get(bucket, 0):
                low, high = bounds(bucket)
                rest.smallest = rest.smallest if rest.n else max(low, self.smallest)
                rest.largest = min(high, self.largest)
                rest.count(bucket, n - gone.get(bucket, 0))
        return rest

    def counts(self) -> Iterator[tuple[int, int]]:
        """Yield (bucket, samples) of every bucket that is not empty, in rising order."""
        for number in sorted(self._pages):
            for place, n in enumerate(self._pages[number]):
                if n:
                    yield number * _PAGE + place, n

    def at_rank(self, rank: int) -> int:
        """Return the sample at a rank, from 1, rounded up to the end of its bucket, at most the largest sample."""
        seen = 0
        for number in sorted(self._pages):
            page = self._pages[number]
            in_page = sum(page)
            if seen + in_page < rank:
                seen += in_page
                continue
            for place, n in enumerate(page):
                seen += n
                if seen >= rank:
                    return min(bounds(number * _PAGE + place)[1], self.largest)
        return self.largest


def sum_of(histograms: Iterable[DurationHistogram]) -> DurationHistogram:
    """Return one histogram of all samples."""
    total = DurationHistogram()
    for histogram in histograms:
        total.add(histogram)
    return total
