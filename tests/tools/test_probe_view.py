"""The picture of a probe, as the design draws it."""

import json
from argparse import Namespace
from dataclasses import replace

import pytest

from chunkwire.cli import probe_run
from chunkwire.tools.paint import Paint
from chunkwire.tools.probe.exports import gate_line, github_lines, json_lines, junit
from chunkwire.tools.probe.page import page_of, to_markdown
from chunkwire.tools.probe.result import evidence_of
from chunkwire.tools.probe.verdict import HTTP_1_0, IDENTITY, NO_PROBE_EVENT, Evidence, Finding, HopVerdict, Kind
from chunkwire.tools.probe.view import differences, lines_of
from tests.tools.synthesis import result_on

Captured = pytest.CaptureFixture[str]


def seen(first: float, chunks: int, reads: int, hold: float) -> Evidence:
    return Evidence(runs=1, first=first, chunks=chunks, reads=reads, longest_hold=hold, events=20)


CHAIN = (
    HopVerdict(hop="127.0.0.1:8081", kind=Kind.STREAMS, evidence=seen(0.0012, 20, 20, 0.0006)),
    HopVerdict(
        hop="nginx:8080", kind=Kind.TO_END, details=("20 chunks became 1",), evidence=seen(0.9534, 1, 1, 0.9509)
    ),
    HopVerdict(
        hop="app.example",
        kind=Kind.NOT_JUDGED,
        reason="behind a hop that holds",
        evidence=seen(0.961, 1, 1, 0.9512),
    ),
)
NAMED = (CHAIN[0], replace(CHAIN[1], software="nginx/1.22.1"), CHAIN[2])
PICTURE = """\
  hop                      first ms  chunks  reads  longest hold   verdict
  127.0.0.1:8081                1.2      20     20        0.6 ms   streams
  nginx:8080                  953.4       1      1      950.9 ms   HOLDS to the end; 20 chunks became 1
  app.example                 961.0       1      1      951.2 ms   not judged: behind a hop that holds
nginx:8080 is the first hop that holds the stream.
  try: proxy_buffering off;   or X-Accel-Buffering: no in the response
       (the hop's name says what it is)"""


def test_it_is_the_picture_of_the_design() -> None:
    assert "\n".join(lines_of(result_on(*CHAIN))) == PICTURE


def test_a_name_may_be_that_of_another_proxy_where_one_was_asked() -> None:
    alone, among = (list(lines_of(result_on(*chain))) for chain in (NAMED[:2], NAMED))
    assert alone[-1].strip() == "(the response says: nginx/1.22.1; if there are several proxies, probe each)"
    assert among[-1].strip() == "(the response says: nginx/1.22.1)"


def test_a_response_that_names_other_software_is_not_said_to_name_this() -> None:
    """Traefik gives no name in a response, and passes on that of the server behind it."""
    by_name = "the hop's name says what it is"
    other, both = (
        result_on(HopVerdict(hop="traefik:80", kind=Kind.COMPRESSED, software=software))
        for software in ("Werkzeug", "uvicorn")
    )
    assert list(lines_of(other))[-1].strip() == f"({by_name})"
    assert gate_line(other, is_passed=False).endswith(f"compress middleware ({by_name})")
    assert list(lines_of(both))[-1].strip().startswith(f"({by_name}; the response says: uvicorn; if there are ")


def test_each_form_says_that_a_name_may_be_that_of_another_proxy() -> None:
    result = result_on(*NAMED[:2])
    page = to_markdown(list(page_of(result, made="made")))
    for text in (
        gate_line(result, is_passed=False),
        junit(result, is_gate=True),
        list(github_lines(result, is_gate=True))[-1],
        page,
    ):
        assert "if there are several proxies, probe each" in text


def test_a_long_name_widens_its_column() -> None:
    verdict = HopVerdict(hop="a" * 40, kind=Kind.STREAMS, evidence=seen(0.001, 1, 1, 0.0))
    heading, row, _ = lines_of(result_on(verdict))
    assert heading.index("verdict") == row.index("streams")


def test_an_unreachable_hop_has_no_figures() -> None:
    _, row, headline = lines_of(result_on(HopVerdict(hop="hop", kind=Kind.UNREACHABLE, reason="refused")))
    assert row.split() == ["hop", "-", "-", "-", "-", "no", "answer:", "refused"]
    assert headline == "hop is the first hop that gives no answer."


def test_a_figure_that_was_not_measured_is_left_out_of_the_evidence() -> None:
    unknown = Evidence(runs=1, connect=0.001)
    known = replace(unknown, head=0.002, our_delay=0.003)
    texts = [" ".join(evidence_of(HopVerdict(hop="hop", kind=Kind.UNSURE, evidence=each))) for each in (unknown, known)]
    assert [("response head" in text, "our own timer" in text) for text in texts] == [(False, False), (True, True)]


def test_what_a_peer_said_cannot_steer_a_terminal() -> None:
    verdict = HopVerdict(hop="hop", kind=Kind.NOT_THE_STREAM, reason="302 Found, to \x1b[31m")
    assert "\x1b" not in "".join(lines_of(result_on(verdict), Paint(is_coloured=False)))


def test_all_streaming_is_said_in_one_line() -> None:
    assert list(lines_of(result_on(CHAIN[0])))[2:] == ["no hop holds the stream."]


def test_json_has_a_line_a_hop_and_one_for_the_chain() -> None:
    lines = [json.loads(line) for line in json_lines(result_on(*CHAIN, findings=[Finding("POST", "held", False)]))]
    assert [line["kind"] for line in lines] == ["verdict", "verdict", "verdict", "why", "chain"]
    assert lines[1]["verdict"] == "holds-to-the-end"
    assert lines[1]["fixes"][0]["change"] == "proxy_buffering off;"
    assert (lines[-1]["holds"], lines[-1]["complete"]) == ("nginx:8080", True)
    *_, stopped = json_lines(replace(result_on(*CHAIN), is_whole=False))
    assert json.loads(stopped)["complete"] is False


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    suspect = HopVerdict(hop="app.example:8080", kind=Kind.SUSPECT, reason="all of it at once, after 950 ms")
    coded = HopVerdict(hop="a", kind=Kind.COMPRESSED, reason="to the end", software="nginx", tried=((IDENTITY, True),))
    findings = [
        Finding("Cache-Control: no-transform in the response", "held for up to 200 ms, the first octets after 9")
    ]
    for verdicts in (CHAIN, (suspect,), (coded,)):
        result = result_on(*verdicts, findings=findings)
        lines = list(lines_of(result, width=width))
        assert max(map(len, lines)) <= width
        assert " ".join(verdicts[-1].line.split()) in " ".join(" ".join(lines).split()) or width == 80
        assert sorted(" ".join(lines).split()) == sorted(" ".join(lines_of(result)).split())


def test_a_lone_hop_gets_the_command_that_would_show_more() -> None:
    suspect = HopVerdict(hop="app.example", kind=Kind.SUSPECT, reason="x", software="nginx")
    told = "\n".join(list(lines_of(result_on(suspect)))[2:])
    assert told.startswith("app.example holds the stream, or the stream is written so.")
    assert "chunkwire probe ORIGIN-URL app.example" in told
    assert "or, if the application is yours: chunkwire forward APP --barrier" in told
    assert "if it is held, try: proxy_buffering off;" in told
    tried = replace(suspect, unproved="its requests do not come to the gateway that --barrier-at names")
    assert "forward APP --barrier" not in "\n".join(lines_of(result_on(tried)))
    alone = HopVerdict(hop="app.example", kind=Kind.TO_END, is_innermost=True)
    assert "one of those may hold it instead" in "\n".join(lines_of(result_on(alone)))


def test_an_application_that_is_no_probe_gets_the_command_for_it() -> None:
    ours = HopVerdict(hop="h:1", kind=Kind.NOT_THE_STREAM, reason=NO_PROBE_EVENT + ", text/html")
    assert "your own application? chunkwire forward APP --barrier" in "\n".join(lines_of(result_on(ours)))
    missing = replace(ours, reason="404 Not Found")
    assert "your own application?" not in "\n".join(lines_of(result_on(missing)))


def test_what_was_shown_is_told_apart_from_a_guess() -> None:
    shown = HopVerdict(hop="hop", kind=Kind.TO_END, tried=((HTTP_1_0, True),))
    lines = list(lines_of(result_on(shown)))
    assert lines[3] == "  shown: it streams with HTTP/1.0 in the request"
    assert lines[4].startswith("  guess: ")
    assert not any(line.startswith("  try: ") for line in lines)


def test_a_hop_that_could_not_be_judged_by_order_says_why() -> None:
    verdict = HopVerdict(hop="h:1", kind=Kind.STREAMS, unproved="nobody answers")
    told = ["h:1 is judged by time: nobody answers.", "no hop holds the stream."]
    assert list(lines_of(result_on(verdict)))[2:] == told
    assert list(lines_of(result_on(replace(verdict, unproved=""))))[2:] == told[1:]


def test_clients_are_compared_at_each_hop_that_was_asked_as_both() -> None:
    streams, holds, last = CHAIN
    found = {"node": (streams, last), "curl": (streams, holds, last), "browser": (replace(holds, kind=Kind.STREAMS),)}
    (line,) = differences(found)
    assert line.startswith("nginx:8080 treats clients differently: to curl: ")
    assert "; to browser: " in line
    assert "node" not in line


async def test_each_difference_is_a_whole_line(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    async def probe_as(_: Namespace, agent: str) -> tuple[int, tuple[HopVerdict, ...]]:
        return 0, (replace(CHAIN[1], kind=Kind.STREAMS if agent == "curl" else Kind.TO_END),)

    monkeypatch.setattr(probe_run, "_probe_as", probe_as)
    for agents, count in ((["node", "curl"], 1), (["node", "browser"], 0)):
        assert await probe_run.probe(Namespace(agents=agents, json=False, gate=True)) == 0
        lines = capsys.readouterr().out.splitlines(keepends=True)
        assert [line[-1] for line in lines] == ["\n"] * count
