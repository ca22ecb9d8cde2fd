"""The picture of a probe, as the design draws it."""

import json

from chunkwire.tools.paint import Paint
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.json_view import verdict_lines
from chunkwire.tools.probe.judge import Hop
from chunkwire.tools.probe.report import report, to_html
from chunkwire.tools.probe.verdict import Evidence, HopVerdict, Kind
from chunkwire.tools.probe.view import conclusion, table
from chunkwire.tools.probe.why import Finding
from tests.tools.synthesis import Path, hop_of, to_end


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
PICTURE = """\
  hop                      first ms  chunks  reads  longest hold   verdict
  127.0.0.1:8081                1.2      20     20        0.6 ms   streams
  nginx:8080                  953.4       1      1      950.9 ms   HOLDS to the end; 20 chunks became 1
  app.example                 961.0       1      1      951.2 ms   not judged: behind a hop that holds
nginx:8080 is the first hop that holds the stream.
  try: proxy_buffering off;   or X-Accel-Buffering: no in the response"""


def test_it_is_the_picture_of_the_design() -> None:
    assert "\n".join([*table(CHAIN), *conclusion(CHAIN)]) == PICTURE


def test_a_long_name_widens_its_column() -> None:
    verdict = HopVerdict(hop="a" * 40, kind=Kind.STREAMS, evidence=seen(0.001, 1, 1, 0.0))
    heading, row = table([verdict])
    assert heading.index("verdict") == row.index("streams")


def test_a_hop_that_nobody_reached_has_no_figures() -> None:
    _, row = table([HopVerdict(hop="hop", kind=Kind.UNREACHABLE, reason="refused")])
    assert row.split() == ["hop", "-", "-", "-", "-", "no", "answer:", "refused"]


def test_what_a_peer_said_cannot_steer_a_terminal() -> None:
    verdict = HopVerdict(hop="hop", kind=Kind.NOT_THE_STREAM, reason="302 Found, to \x1b[31m")
    assert "\x1b" not in "".join(table([verdict], Paint(is_coloured=False)))


def test_all_streaming_is_said_in_one_line() -> None:
    assert list(conclusion(CHAIN[:1])) == ["no hop holds the stream."]


def test_json_has_a_line_a_hop_and_one_for_the_chain() -> None:
    lines = [json.loads(line) for line in verdict_lines(CHAIN, [Finding("POST", "streams", True)])]
    assert [line["kind"] for line in lines] == ["verdict", "verdict", "verdict", "why", "chain"]
    assert lines[1]["verdict"] == "holds-to-the-end"
    assert lines[1]["fixes"][0]["change"] == "proxy_buffering off;"
    assert lines[-1]["holds"] == "nginx:8080"


def test_a_report_holds_the_picture_the_fixes_and_each_event_and_no_credential() -> None:
    hop = hop_of(Path(hold=to_end), name="nginx:8080")
    request = hop.runs[0].request
    assert request is not None
    told = request._replace(fields=(("X-Session-Id", "s3cr3t"), ("Host", "<b>")))
    run = hop.runs[0]
    shown = Run(run.hop, request=told, head=run.head, units=run.units, pieces=run.pieces, is_chunked=True)
    page = report([Hop("nginx:8080", (shown,))], CHAIN[1:2], [], made="Made in a test")
    assert page.startswith("# nginx:8080 is the first hop that holds the stream.")
    assert "`proxy_buffering off;`" in page
    assert page.count("\n   ") >= 20
    assert "s3cr3t" not in page
    html = to_html(page)
    assert "<b>" not in html
    assert "http-equiv" not in html
    assert html.count("<pre>") == html.count("</pre>")
