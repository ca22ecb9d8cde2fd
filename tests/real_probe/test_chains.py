"""Chains of two to four hops out of a corpus: the one that holds is named, live and from what curl recorded."""

import json
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from chunkwire.net.dial import Url, parse_url
from chunkwire.tools.probe.fixes import advice_for
from chunkwire.tools.probe.judge import Hop, judge_chain, judge_hop
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.verdict import HopVerdict, Kind, Proof
from tests.peers.command import Served, chunkwire
from tests.peers.process import run
from tests.peers.programs import program
from tests.real_probe.corpus import SETTINGS, Setting, holds_from_outside, standing, truth

pytestmark = pytest.mark.needs("nginx", "haproxy", "caddy", "apache2", "curl")

LABELLED = Path(__file__).with_name("chains.txt")
EACH = 1 if os.environ.get("CHUNKWIRE_CHAINS") == "all" else 10


def labelled() -> list[tuple[tuple[str, ...], int]]:
    """Return the chains of the corpus: the names of their hops, and which of them holds, from 1; 0 for none."""
    lines = [line.split() for line in LABELLED.read_text("utf-8").splitlines() if not line.startswith("#")]
    return [(tuple(names), int(holder)) for *names, holder in lines]


CORPUS = labelled()


def settings(names: Sequence[str]) -> list[Setting]:
    return [SETTINGS[name] for name in names]


def test_the_labels_of_the_corpus_are_those_of_its_settings() -> None:
    assert len(CORPUS) == 100
    assert [truth(settings(names))[0] + 1 for names, _ in CORPUS] == [holder for _, holder in CORPUS]


async def probed(origin: Served, ports: list[int]) -> list[HopVerdict]:
    """Return the verdicts on the hops of a chain, from the inside out."""
    prober = Prober(origin=parse_url(origin.url("/probe")))
    hops: list[Hop] = []
    for port in (origin.port, *ports):
        is_behind = any(verdict.is_holding for verdict in judge_chain(hops))
        hops.append(await prober.probe(str(port), url_of(port), is_behind=is_behind))
    return judge_chain(hops)[1:]


def url_of(port: int) -> Url:
    return parse_url(f"http://127.0.0.1:{port}/probe")


@pytest.mark.parametrize("number", range(0, len(CORPUS), EACH))
async def test_the_hop_that_holds_is_named_and_freed(origin: Served, number: int) -> None:
    names, holder = CORPUS[number]
    hops = settings(names)
    place, kinds = truth(hops)
    with standing(origin.port, hops) as ports:
        found = await probed(origin, ports)
        outer = judge_hop(await Prober().probe("outer", url_of(ports[-1])))
    assert outer.is_holding == holds_from_outside(hops) or outer.kind in (Kind.UNSURE, Kind.SUSPECT)
    judged = found[: holder or None]
    assert [verdict.is_holding for verdict in judged] == [n == place for n in range(len(judged))]
    assert all(verdict.proof in (Proof.PROVED, Proof.BY_ORDER) for verdict in judged)
    if holder == 0:
        return
    assert found[place].kind in kinds
    setting = hops[place]
    if setting.freed is not None:
        assert advice_for(found[place])[0].fix.change.startswith(setting.change)
        with standing(origin.port, [*hops[:place], setting.freed]) as ports:
            assert (await probed(origin, ports))[place].is_streaming


RECORDED = {
    "the second of three": (("gateway", "nginx", "caddy"), 1),
    "the third of three": (("nginx-off", "caddy", "gateway-300ms"), 2),
    "none of three": (("nginx-off", "gateway", "caddy"), -1),
}


@contextmanager
def urls(origin: Served, names: tuple[str, ...]) -> Generator[list[str], None, None]:
    """Run the hops; give the URLs of the probe, the origin's first."""
    with standing(origin.port, settings(names)) as ports:
        yield [f"http://127.0.0.1:{port}/probe" for port in (origin.port, *ports)]


def verdicts(*words: str) -> tuple[int, list[dict[str, object]]]:
    """Return the exit code of a probe, and its verdicts."""
    result = chunkwire("probe", "--json", *words)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result.returncode, [line for line in lines if line["kind"] == "verdict"]


def first_words(code: int, found: list[dict[str, object]]) -> tuple[int, list[str]]:
    """Return the exit code, and of each verdict the first word."""
    return code, [str(verdict["line"]).split()[0].rstrip(":;") for verdict in found]


def right(hops: int, bad: int) -> tuple[int, list[str]]:
    """What `first_words` gives where all hops to the bad one stream, it holds, and none behind it is judged."""
    if bad < 0:
        return 0, ["streams"] * hops
    return 1, ["streams"] * (bad + 1) + ["HOLDS"] + ["not"] * (hops - bad - 2)


@pytest.mark.parametrize("chain", RECORDED)
def test_it_is_named_from_what_curl_recorded(origin: Served, chain: str, tmp_path: Path) -> None:
    names, bad = RECORDED[chain]
    with urls(origin, names) as asked:
        traces = [str(tmp_path / f"{number}.trace") for number in range(len(asked))]
        for _ in range(5):  # curl's moments are all that a recording has: on a busy machine any hop is late in some
            for trace, url in zip(traces, asked, strict=True):
                words = ["-sN", "--raw", "-o", "/dev/null", "--trace", trace, "--trace-time", url]
                assert run([program("curl"), *words]).returncode == 0
            if first_words(*verdicts(*traces)) == right(len(asked), bad):
                break
    assert first_words(*verdicts(*traces)) == right(len(asked), bad)


def test_recordings_and_urls_may_be_mixed(origin: Served, tmp_path: Path) -> None:
    with urls(origin, ("caddy", "haproxy")) as asked:
        inside = tmp_path / "inside.jsonl"
        assert chunkwire("watch", asked[1], "--json", "--save", str(inside)).returncode == 0
        code, found = verdicts(asked[0], str(inside), asked[2])
    assert first_words(code, found) == right(3, 1)
    assert found[1]["hop"] == "inside.jsonl"
