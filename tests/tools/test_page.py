"""The page of a probe: for every kind of verdict, stamped or not, in words that its reader knows."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from chunkwire.record.values import AckRecord
from chunkwire.tools.probe.fixes import advice_for
from chunkwire.tools.probe.judge import Hop, judge_chain
from chunkwire.tools.probe.page import Block, Heading, Literal, Pair, Paragraph, Table, page_of, to_html, to_markdown
from chunkwire.tools.probe.result import result_of
from chunkwire.tools.probe.verdict import Evidence, Finding, HopVerdict, Kind
from tests.tools.synthesis import Path, Probe, hop_of, to_end, unstamped

NGINX = "nginx/1.22.1"


HOPS = {
    "stamped": hop_of(Path(hold=to_end)),
    "unstamped": unstamped(hop_of(Path(hold=to_end))),
    "a long stream": hop_of(Path(), Probe(n=100)),
    "nothing came": hop_of(Path(cut=0)),
    "no run": Hop("hop", error="refused the connection"),
}


class Structure(HTMLParser):
    """Checks that what is opened is closed, in order, and gathers the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "html"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "html":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def prose(page: str) -> str:
    structure = Structure()
    structure.feed(page)
    assert structure.open == []
    return structure.text


@pytest.mark.parametrize("name", HOPS)
@pytest.mark.parametrize("kind", Kind)
def test_every_verdict_has_a_page(kind: Kind, name: str) -> None:
    hop, evidence = HOPS[name], Evidence(runs=len(HOPS[name].runs), events=20, coding="gzip")
    verdict = HopVerdict(hop="hop", kind=kind, reason="why", software=NGINX, evidence=evidence, runs=hop.runs)
    result = result_of([verdict], [Finding("POST", "held", False)])
    blocks = list(page_of(result, made="Made in a test"))
    text = prose(to_html(blocks))
    assert verdict.line in text
    offered = advice_for(result.blamed) if result.blamed is not None else ()
    assert all(advice.fix.change in text for advice in offered)
    assert not re.search(r"`|\*\*|^#|test_|\.py\b", text, re.MULTILINE)
    assert to_markdown(blocks).startswith("# ")


@pytest.mark.parametrize("name", ["stamped", "unstamped"])
def test_several_hops_are_told_from_the_inside_out(name: str) -> None:
    inner = unstamped(hop_of(name="origin")) if name == "unstamped" else hop_of(name="origin")
    hops = [inner, replace(HOPS[name], name="nginx:8080"), replace(HOPS[name], name="app")]
    verdicts = judge_chain(hops)
    text = prose(to_html(list(page_of(result_of(verdicts), made="Made in a test"))))
    assert text.index("nginx:8080 is the first hop that holds the stream") < text.index("origin: streams")
    assert text.index("origin: streams") < text.index("nginx:8080: HOLDS") < text.index("app: not judged")
    assert ("Held, ms" in text) is (name == "stamped")


@pytest.mark.parametrize("is_ordered", [False, True])
def test_the_page_says_what_verdicts_rest_on(is_ordered: bool) -> None:
    runs = HOPS["unstamped"].runs
    acks = (AckRecord(1, "client.received", 0.1, 1, 0, 10, 1, True),) if is_ordered else ()
    hop = replace(HOPS["unstamped"], runs=tuple(replace(run, acks=acks) for run in runs))
    text = prose(to_html(list(page_of(result_of(judge_chain([hop])), made="x"))))
    assert ("had been acknowledged" in text) is is_ordered
    assert ("only the times of their arrival are known" in text) is not is_ordered


def test_a_change_has_the_lines_before_and_after() -> None:
    verdict = HopVerdict(hop="hop", kind=Kind.TO_END, software=NGINX, present=(("content-type", "text/event-stream"),))
    page = page_of(result_of([verdict]), made="x")
    pairs = [block for block in page if isinstance(block, Pair)]
    location, head = (pair.texts for pair in pairs)
    assert location[1] == "location / {\n  proxy_pass http://origin;\n  proxy_buffering off;\n}"
    assert head[0] == "HTTP/1.1 200 OK\nContent-Type: text/event-stream"
    assert head[1] == head[0] + "\nX-Accel-Buffering: no"


def test_no_credential_is_on_it_and_what_a_peer_said_is_escaped() -> None:
    hop = HOPS["stamped"]
    request = hop.runs[0].request
    assert request is not None
    told = request._replace(fields=(("X-Session-Id", "s3cr3t"), ("Host", "<b>")))
    verdict = HopVerdict(hop="<i>", kind=Kind.TO_END, runs=(replace(hop.runs[0], request=told),))
    page = to_html(list(page_of(result_of([verdict]), made="x")))
    assert "s3cr3t" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "src=" not in page
    assert "http-equiv" not in page


def test_markdown_escapes_what_is_special_in_it() -> None:
    blocks: list[Block] = [
        Heading(1, "a*b"),
        Paragraph("_c_ [d]"),
        Literal("```\nas it is"),
        Table(("e",), (("f|g",),)),
    ]
    assert to_markdown(blocks) == (
        "# a\\*b\n\n\\_c\\_ \\[d\\]\n\n````\n```\nas it is\n````\n\n| e |\n| --- |\n| f\\|g |\n"
    )
