"""Runs that are no stream to judge: cut, silent, cached, or something else altogether."""

from dataclasses import replace

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.probe_run import exit_code
from chunkwire.tools.paint import page_text
from chunkwire.tools.probe.judge import Hop, judge_chain, judge_hop
from chunkwire.tools.probe.verdict import NO_QUERY, Kind
from tests.tools.synthesis import Path, hop_of, result_on, run_of

HTML = ((b"Content-Type", b"text/html"),)
DNS = ((b"Proxy-Status", b"a; error=dns_timeout"),)
CHALLENGE = (*HTML, (b"cf-mitigated", b"challenge"))
CACHED = "CACHED: Age: 3"


@pytest.mark.parametrize(
    "path, kind, line",
    [
        (Path(cut=12), Kind.CUT, "CUT, 12 of 20 events came"),
        (Path(cut=12, chunks=False), Kind.CUT, "CUT, 12 of 20 events came, its framing complete"),
        (Path(cut=2, silence=5.0), Kind.IDLE_CUT, "CUT after 5.0 s of silence; 2 of 20 events came"),
        (Path(cut=2, silence=0.4), Kind.CUT, "CUT, 2 of 20 events came"),
        (Path(nonce="run0"), Kind.CACHED, "CACHED: its nonce is that of another run"),
        (Path(nonce="~f00d"), Kind.NOT_THE_STREAM, f"not the stream: {NO_QUERY}"),
        (Path(nonce="~f00d", fields=((b"Age", b"3"),)), Kind.CACHED, "CACHED: its nonce is that of another run"),
        (Path(fields=((b"Age", b"3"),)), Kind.CACHED, CACHED),
        (Path(fields=((b"Age", b"0"),)), Kind.STREAMS, "streams"),
        (Path(fields=((b"Age", b"x"),)), Kind.STREAMS, "streams"),
        (Path(fields=((b"Age", b"\xb2"),)), Kind.STREAMS, "streams"),
    ],
)
def test_a_cut_and_a_cache_are_no_stream_to_judge(path: Path, kind: Kind, line: str) -> None:
    verdict = judge_hop(hop_of(path))
    assert (verdict.kind, verdict.line) == (kind, line)


@pytest.mark.parametrize(
    "status_line, fields, words",
    [
        (b"HTTP/1.1 404 Not Found", (), "404 Not Found"),
        (b"HTTP/1.1 502 Bad Gateway", DNS, "502 Bad Gateway, Proxy-Status: a; error=dns_timeout"),
        (b"HTTP/1.1 403 Forbidden", HTML, "403 Forbidden, text/html, which says: no route"),
        (b"HTTP/1.1 403 Forbidden", ((b"Content-Encoding", b"gzip"), *HTML), "403 Forbidden, text/html"),
        (b"HTTP/1.1 302 Found", ((b"Location", b"/login"),), "302 Found, to /login"),
        (b"HTTP/1.1 403 Forbidden", CHALLENGE, "403 Forbidden, text/html, a challenge page, which says: no route"),
    ],
)
def test_another_answer_is_not_the_stream(
    status_line: bytes, fields: tuple[tuple[bytes, bytes], ...], words: str
) -> None:
    page = Path(status_line=status_line, fields=fields, hold=lambda writes: [(writes[0][0], b"<p>no <b>route</b>\n")])
    verdict = judge_hop(hop_of(page))
    assert (verdict.kind, verdict.line) == (Kind.NOT_THE_STREAM, f"not the stream: {words}")


def test_the_title_of_a_page_is_what_it_says() -> None:
    assert page_text(b"<html><TITLE>400 plain\nHTTP</title><h1>Bad</h1>") == "400 plain HTTP"
    assert page_text(b"x " * 50) == "x " * 39 + "x…"


def test_content_without_stamps_is_not_the_stream_unless_its_coding_could_not_be_read() -> None:
    page = Path(fields=HTML, hold=lambda writes: [(t, b"<p>hello</p>\n") for t, _ in writes])
    assert judge_hop(hop_of(page)).line == "not the stream: no event of a probe in it, text/html"
    coded = Path(coding="br", hold=lambda writes: [(t, b"\x1b\x00") for t, _ in writes])
    assert judge_hop(hop_of(coded)).kind is Kind.STREAMS


def test_a_hop_that_takes_the_request_and_sends_no_head_is_undecided() -> None:
    run = run_of()
    assert run.end is not None
    silent = replace(run, head=None, pieces=(), units=(), end=run.end._replace(framing="timeout", t=10.0))
    (verdict,) = judge_chain([Hop("hop", (silent,))])
    assert verdict.line == "no answer: connected, request sent, no head within 10.0 s: it may wait for content"
    assert exit_code(result_on(verdict), is_strict=False, is_gate=False) == ExitCode.TIMEOUT
    refused = replace(silent, end=run.end._replace(framing="reset"))
    (verdict,) = judge_chain([Hop("hop", (refused,))])
    assert exit_code(result_on(verdict), is_strict=False, is_gate=False) == ExitCode.NO_CONNECTION
