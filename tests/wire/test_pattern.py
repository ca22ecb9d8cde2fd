"""The fast path through many small chunks: it is taken, and it changes nothing but the time."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwire.wire.errors import Rule
from chunkwire.wire.frames import Chunk
from chunkwire.wire.limits import Limits
from chunkwire.wire.pattern import FastPath, PlainSizes
from chunkwire.wire.reader import decode
from chunkwire.wire.scanner import ChunkedScanner
from tests.wire.bodies import PIECES
from tests.wire.relay import Relay

END = b"0\r\n\r\n"
MANY = 5000  # chunks: more than are taken one by one before a pattern is made


def chunk(size: int, line: bytes = b"%x", ext: bytes = b"") -> bytes:
    # Data that looks like framing: a fast path that looked for it would go astray.
    return line % size + ext + b"\r\n" + (b"\r\n20\r\n0\r\n\r\n" * size)[:size] + b"\r\n"


def stream(sizes: Sequence[int], count: int = MANY, *, seed: int = 1) -> bytes:
    choose = random.Random(seed).choice
    return b"".join(chunk(choose(sizes)) for _ in range(count))


def outcome(seen: Relay) -> tuple[object, ...]:
    scanner, error = seen.scanner, seen.error
    counts = (scanner.wire_octets, scanner.octets, scanner.chunks)
    return (seen.verdict, error and (error.rule, error.offset), len(seen.sent), *counts)


def compare(reads: Sequence[bytes], limits: Limits) -> Relay:
    """Return the relay after reads that nobody watched, all being as if watched: then there is no fast path."""
    watched = Relay(ChunkedScanner(limits)).show_all(reads)
    unwatched = Relay(ChunkedScanner(limits), is_watched=False).show_all(reads)
    assert outcome(unwatched) == outcome(watched)
    return unwatched


def skip(
    fast_path: FastPath, octets: bytes, *, end: int = 0, ext: bytes = b"", seen: int = MANY
) -> tuple[int, int, int]:
    return fast_path.skip(octets, 0, end=end or len(octets), sizes=PlainSizes(Limits()), ext=ext, seen=seen)


def skipped(octets: bytes, *, ext: bytes = b"", seen: int = MANY) -> tuple[int, int, int]:
    """Return how far a new fast path goes, once so many chunks were seen."""
    return skip(FastPath(), octets, ext=ext, seen=seen)


@pytest.mark.parametrize("size, count", [(32, 1), (32, 1023), (32, 1024), (32, 1025), (1, 3000), (4096, 20)])
def test_fast_path_takes_all_equal_chunks_and_counts_them(size: int, count: int) -> None:
    fast_path, body = FastPath(), stream([size], count)
    skip(fast_path, stream([size], 20))
    for other in (b"0", chunk(size)[:-1], chunk(size + 1), END):
        assert skip(fast_path, body + other + body) == (len(body), count, count * size)


@pytest.mark.parametrize("at", [0, 1, 2, 3, 36, 37])
def test_fast_path_stops_before_an_equal_chunk_with_another_octet_of_framing(at: int) -> None:
    body = bytearray(stream([32], 3000))
    body[38 * 1500 + at] ^= 1
    assert skipped(bytes(body)) == (1500 * 38, 1500, 1500 * 32)


def test_fast_path_takes_whole_blocks_of_several_sizes() -> None:
    body = stream([32, 33], 1000)
    assert skipped(body + chunk(32) * 3)[1] == 1000


def test_fast_path_takes_a_mix_of_sizes() -> None:
    sizes = range(16, 48)
    body = stream(sizes, 1000)
    position, chunks, octets = skipped(body)
    assert (chunks, position, octets) == (1000, len(body), len(body) - 6 * 1000)


@pytest.mark.parametrize("sizes", [range(1, 32), [1, 1024], [4096, 255, 255, 255]], ids=str)
def test_fast_path_takes_sizes_of_two_widths(sizes: Sequence[int]) -> None:
    body = stream(sizes, 1000)
    position, chunks, octets = skipped(body)
    taken = stream(sizes, chunks)
    assert (chunks % 4, chunks > 900, position) == (0, True, len(taken))
    assert octets == sum(chunk.size for chunk in decode(taken + END) if isinstance(chunk, Chunk))


def test_fast_path_waits_until_many_chunks_were_seen() -> None:
    body = stream([32], 1000)
    assert skipped(body, seen=4095) == (0, 0, 0)
    assert skipped(body, seen=4096)[1] == 1000


def test_fast_path_waits_an_eighth_as_long_where_chunks_have_extensions() -> None:
    body = extended([32], [b";t=123"], 1000)
    assert skipped(body, ext=b";t=123", seen=511) == (0, 0, 0)
    assert skipped(body, ext=b";t=123", seen=512)[1] == 1000


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(range(100, 600), id="too many to be seen often"),
        pytest.param(
            [*range(8, 16), *range(16, 24), *range(256, 272)], id="half of them with a third number of digits"
        ),
        pytest.param([9000], id="too large for a block"),
    ],
)
def test_fast_path_is_not_taken_where_it_would_not_pay(sizes: Sequence[int]) -> None:
    assert skipped(stream(sizes, 600))[1] == 0


def test_last_chunk_never_enters_the_fast_path() -> None:
    body = stream([5], MANY) + END + stream([5], MANY)
    position, chunks, _ = skipped(body)
    assert (chunks, position) == (MANY, MANY * 10)
    assert len(compare([body], Limits()).sent) == MANY * 10 + len(END)


def test_fast_path_ends_at_the_end_of_the_valid_octets() -> None:
    memory = stream([32], 2048)
    assert skip(FastPath(), memory, end=20 * 38 - 1)[1] == 19
    assert skip(FastPath(), memory, end=20 * 38)[1] == 20


def test_fast_path_stops_before_a_broken_chunk() -> None:
    body = stream([32], MANY) + b"20\r\n" + bytes(32) + b"XX" + stream([32], 100)
    refused = compare([body], Limits())
    assert refused.error is not None
    assert (refused.error.rule, refused.error.offset) == (Rule.CHUNK_DATA_END, MANY * 38 + 36)


def test_fast_path_follows_a_stream_that_changes_its_sizes() -> None:
    fast_path, later = FastPath(), stream([64], 1000)
    skip(fast_path, stream([32], 1000), seen=4096)
    assert skip(fast_path, later, seen=1000 + 8191)[1] == 0
    assert skip(fast_path, later, seen=1000 + 8192)[1] == 1000


def test_fast_path_is_given_up_where_no_size_is_frequent_any_more() -> None:
    fast_path, body = FastPath(), stream([32], 1000)
    skip(fast_path, body, seen=4096)
    skip(fast_path, stream(range(100, 600), 600), seen=1000 + 8192)
    assert skip(fast_path, body, seen=1000 + 8200)[1] == 0


def test_fast_path_stays_where_too_few_chunks_are_left_to_choose_anew() -> None:
    fast_path, body = FastPath(), stream([32], 1000)
    skip(fast_path, body, seen=4096)
    few = chunk(64) * 15
    assert skip(fast_path, few, seen=1000 + 8192)[1] == 0
    assert skip(fast_path, body, seen=1000 + 8200)[1] == 1000


@pytest.mark.parametrize("ext", [b"", b";t=123"])
def test_scanner_takes_most_chunks_of_a_long_stream_by_the_fast_path(
    ext: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    class Noted(FastPath):
        def skip(self, *arguments: Any, **named: Any) -> tuple[int, int, int]:
            skipped = super().skip(*arguments, **named)
            taken.append(skipped[1])
            return skipped

    monkeypatch.setattr("chunkwire.wire.scanner.FastPath", Noted)
    body = extended([32], [ext], 2 * MANY)
    Relay(ChunkedScanner(), is_watched=False).show(body)
    assert sum(taken) > MANY


def test_each_chunk_of_a_long_stream_has_its_events() -> None:
    body = stream([32], MANY) + END
    watched = Relay().show_all([body])
    assert watched.events is not None
    assert (watched.raw, len(watched.events)) == (body, 3 * MANY + 1)


def test_chunks_that_add_to_the_overhead_are_counted_one_by_one() -> None:
    costly = chunk(1, b"%016x")
    limits = Limits(max_overhead=2 * MANY)
    assert compare([costly * MANY + END], limits).verdict == "accept"
    refused = compare([costly * MANY + costly], limits)
    assert refused.error is not None
    assert (refused.error.rule, refused.error.offset) == (Rule.OVERHEAD, len(costly) * MANY)


def test_overhead_is_repaid_by_each_chunk_that_the_fast_path_could_take() -> None:
    costs_4083 = b"1;a=" + b"b" * 4093 + b"\r\nd\r\n"  # Limits.max_overhead is 16384
    repay_13_each = chunk(1) * 320
    body = chunk(1) * MANY + costs_4083 * 4 + repay_13_each + costs_4083 + END
    assert compare([body], Limits()).verdict == "accept"


def extended(sizes: Sequence[int], exts: Sequence[bytes], count: int = MANY, *, seed: int = 1) -> bytes:
    choose = random.Random(seed).choice
    return b"".join(chunk(choose(sizes), ext=choose(exts)) for _ in range(count))


@pytest.mark.parametrize(
    "ext, others",
    [
        (b";t=123", [b";t=1", b";t=45", b";t=678", b";u=zA9"]),
        (b';a="x\\y1"', [b';b="Z\\0"']),
        (b";chunk-signature=" + b"0a" * 32, [b";chunk-signature=" + b"f7" * 32]),
    ],
    ids=["token", "quoted", "signature"],
)
def test_fast_path_takes_extensions_of_one_form(ext: bytes, others: Sequence[bytes]) -> None:
    body = extended([64], [ext, *others], 1000)
    assert skipped(body, ext=ext) == (len(body), 1000, 64 * 1000)


def test_fast_path_takes_several_sizes_with_extensions_of_one_length() -> None:
    body = extended(range(20, 36), [b";t=123", b";t=456"], 1000)
    position, chunks, octets = skipped(body, ext=b";t=000")
    assert (chunks, position, octets) == (1000, len(body), len(body) - 12 * 1000)
    body = extended(range(20, 36), [b";t=123", b";t=45"], 1000)
    assert skipped(body, ext=b";t=000")[1] < 100


@pytest.mark.parametrize(
    "other", [b";t=1234", b";t=1 ", b";t=", b";t=1;", b";t=-12", b";=123", b"t=123", b";t=1\n"], ids=str
)
def test_fast_path_stops_before_an_extension_of_another_form(other: bytes) -> None:
    body = extended([32], [b";t=123"], 1000)
    assert skipped(body + extended([32], [other], 100), ext=b";t=123") == (len(body), 1000, 32000)


def test_fast_path_takes_plain_chunks_after_one_with_an_extension() -> None:
    assert skipped(stream([32], 1000), ext=b";t=123") == (38000, 1000, 32000)


def test_fast_path_takes_no_extension_that_adds_to_the_overhead() -> None:
    assert skipped(extended([2], [b";" + b"e" * 14], 600), ext=b";" + b"e" * 14)[1] == 600
    assert skipped(extended([2], [b";" + b"e" * 15], 600), ext=b";" + b"e" * 15)[1] == 0


@pytest.mark.parametrize("limit", [4, 6])
def test_extensions_in_the_fast_path_keep_to_the_limit(limit: int) -> None:
    body = extended([32], [b";t=12"[:limit]]) + chunk(32, ext=b";t=1234"[: limit + 1]) + END
    refused = compare([body], Limits(max_ext_octets=limit))
    assert refused.error is not None
    assert refused.error.rule is Rule.CHUNK_EXT_OCTETS


def test_bad_whitespace_before_an_extension_teaches_no_size_with_a_blank() -> None:
    body = chunk(32, b"%x ", b";t=1") * MANY + chunk(32, b"%x ") + END
    refused = compare([body], Limits(allow_bws=True))
    assert refused.error is not None
    assert refused.error.offset == len(chunk(32, b"%x ", b";t=1")) * MANY + 3


EXTS = [b"", b";t=1", b";t=23", b";t=456", b";x", b';q="a b"', b';q="\\x1"', b";s=" + b"0a" * 32]
sizes_of_a_stream = st.one_of(
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
    st.lists(st.sampled_from([1, 15, 16, 17, 255, 256, 300]), min_size=1, max_size=3),
)


@st.composite
def long_streams(draw: st.DrawFn) -> list[bytes]:
    """Write thousands of chunks, bend them where the fast path may be, perhaps end them, and cut them into reads."""
    sizes, seed = draw(sizes_of_a_stream), draw(st.integers(0, 99))
    exts = draw(st.one_of(st.just([b""]), st.lists(st.sampled_from(EXTS), min_size=1, max_size=4)))
    body = extended(sizes, exts, draw(st.integers(4200, MANY)), seed=seed)
    at = draw(st.integers(len(body) * 4 // 5, len(body)))
    bend = draw(
        st.one_of(st.just(b""), st.sampled_from(PIECES), st.just(b"1;" + b"e" * 60 + b"\r\nx\r\n"), st.just(b"5;t="))
    )
    body = body[:at] + bend + body[at:] + draw(st.sampled_from([b"", END]))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    return [body[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@settings(max_examples=100)
@given(long_streams(), st.sampled_from([0, 100, 16384]))
def test_fast_path_and_loop_give_the_same(reads: list[bytes], max_overhead: int) -> None:
    compare(reads, Limits(max_overhead=max_overhead))


@settings(max_examples=20)
@given(st.lists(st.integers(16, 47), min_size=1, max_size=32), st.integers(500, 20000))
def test_fast_path_gives_the_same_in_reads_of_one_size(sizes: list[int], octets: int) -> None:
    body = stream(sizes, MANY) + END
    done = compare([body[n : n + octets] for n in range(0, len(body), octets)], Limits())
    assert done.sent == body
