"""Chains from the inside out: the first hop that holds is named, and nothing behind it is judged."""

import pytest

from chunkwire.tools.probe.fixes import advice_for
from chunkwire.tools.probe.judge import Hop, judge_chain
from chunkwire.tools.probe.verdict import Kind
from tests.tools.synthesis import Holding, Path, Probe, for_time, hop_of, on_time, to_end, to_octets, unstamped

BEHIND = "not judged: behind a hop that holds"


def lines(*holds: Holding) -> list[str]:
    hops = [hop_of(Path(hold=hold), name=f"hop{n}") for n, hold in enumerate(holds)]
    return [verdict.line for verdict in judge_chain(hops)]


@pytest.mark.parametrize("place", range(4))
def test_the_first_hop_that_holds_is_named_wherever_it_stands(place: int) -> None:
    found = lines(*(to_end if n >= place else on_time for n in range(4)))
    assert found[:place] == ["streams"] * place
    assert found[place].startswith("HOLDS to the end")
    assert found[place + 1 :] == [BEHIND] * (3 - place)


@pytest.mark.parametrize("outer", [to_end, to_octets(4096), for_time(0.2)])
def test_what_a_second_holder_adds_is_not_judged(outer: Holding) -> None:
    assert lines(on_time, for_time(0.1), outer)[2] == BEHIND


def test_a_stream_that_comes_through_is_said_to_whatever_holds_further_in() -> None:
    assert (
        lines(to_end, on_time)[1] == "streams; though hop0 holds: not on its way, not always, or the order is another"
    )


LOST = Path(status_line=b"HTTP/1.1 502 Bad Gateway")


@pytest.mark.parametrize(
    "hops, kinds",
    [
        ([hop_of(Path(hold=to_end)), hop_of(LOST)], [Kind.TO_END, Kind.NOT_THE_STREAM]),
        ([hop_of(), hop_of(Path(cut=3)), hop_of(Path(cut=3))], [Kind.STREAMS, Kind.CUT, Kind.NOT_JUDGED]),
        (
            [hop_of(), Hop("gone", error="refused"), hop_of(Path(hold=to_end))],
            [Kind.STREAMS, Kind.UNREACHABLE, Kind.TO_END],
        ),
    ],
    ids=["another answer behind a hop that holds", "the first hop that cuts", "behind a hop without answer"],
)
def test_a_hop_is_judged_by_what_comes_before_it(hops: list[Hop], kinds: list[Kind]) -> None:
    assert [verdict.kind for verdict in judge_chain(hops)] == kinds


NGINX = ((b"Server", b"nginx"), (b"Content-Type", b"text/event-stream"))


@pytest.mark.parametrize("hold, how", [(to_end, "to the end"), (for_time(0.2), "in 4 bursts, spread out")])
@pytest.mark.parametrize("before, after", [("", "gzip"), ("gzip", "gzip"), ("", "")])
def test_a_coding_that_a_hop_adds_is_named_by_arrival_times_alone_too(
    hold: Holding, how: str, before: str, after: str
) -> None:
    inner = unstamped(hop_of(Path(coding=before, is_lazy=False)))
    outer = unstamped(hop_of(Path(hold=hold, coding=after, is_lazy=False, fields=NGINX)))
    verdict = judge_chain([inner, outer])[1]
    is_compressed = before != after
    assert verdict.line.startswith(f"COMPRESSED (gzip), and then HOLDS {how}" if is_compressed else f"HOLDS {how}")
    changes = [advice.fix.change for advice in advice_for(verdict)]
    assert ("gzip off; for this location" in changes) is is_compressed


def test_an_origin_that_bursts_is_named_once() -> None:
    late = Path(lateness=lambda k: 0.25 - k % 5 * 0.05)
    verdicts = judge_chain([hop_of(late), hop_of(late)])
    assert verdicts[1].line == "not judged: behind an origin that bursts"


def test_what_a_hop_says_of_itself_is_not_what_it_passed_on() -> None:
    said = Path(fields=((b"Server", b"nginx"),))
    inner, same = hop_of(said), hop_of(said, Probe())
    other = hop_of(Path(fields=((b"Server", b"nginx"), (b"Via", b"1.1 Caddy"))))
    assert [verdict.software for verdict in judge_chain([inner, same, other])] == ["nginx", "", "1.1 Caddy"]


def test_a_name_that_a_hop_puts_before_the_one_from_further_in_is_its_own() -> None:
    inner = hop_of(Path(fields=((b"Server", b"uvicorn"), (b"Via", b"1.1 a"))))
    outer = hop_of(Path(fields=((b"Server", b"Caddy"), (b"Server", b"uvicorn"), (b"Via", b"1.1 a, 1.1 b"))))
    assert judge_chain([inner, outer])[1].software == "Caddy, 1.1 b"


def test_a_media_type_that_a_hop_changes_is_named() -> None:
    plain = hop_of(Path(fields=((b"Content-Type", b"text/plain"),)))
    assert judge_chain([hop_of(Path()), plain])[1].line == "streams; re-framed: text/event-stream became text/plain"


def test_a_hop_that_answers_only_later_requests_from_its_cache_is_a_cache() -> None:
    fresh, stale = hop_of(Path()), hop_of(Path(nonce="another"), Probe(burst=3))
    verdict = judge_chain([hop_of(Path()), Hop("hop", fresh.runs + stale.runs)])[1]
    assert (verdict.kind, verdict.reason) == (Kind.CACHED, "its nonce is that of another run")
