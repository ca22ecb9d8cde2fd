"""Runs that are no stream to judge: cut, silent, cached, or something else altogether."""

import pytest

from chunkwire.tools.probe.judge import judge_hop
from chunkwire.tools.probe.verdict import HopVerdict, Kind
from tests.tools.synthesis import Path, Probe, hop_of

HTML = ((b"Content-Type", b"text/html"),)


def judged(path: Path) -> HopVerdict:
    return judge_hop(hop_of(path))


def test_a_body_that_ends_early_is_cut() -> None:
    verdict = judged(Path(cut=12))
    assert (verdict.kind, verdict.line) == (Kind.CUT, "CUT, 12 of 20 events came")


def test_missing_events_are_a_cut_even_where_the_framing_is_complete() -> None:
    verdict = judged(Path(cut=12, chunks=False))
    assert verdict.line == "CUT, 12 of 20 events came, its framing complete"


def test_a_cut_after_silence_is_put_down_to_the_silence() -> None:
    verdict = judged(Path(cut=2, silence=5.0))
    assert verdict.kind is Kind.IDLE_CUT
    assert verdict.seconds == pytest.approx(5.0)
    assert verdict.line == "CUT after 5.0 s of silence; 2 of 20 events came"
    assert judged(Path(cut=2, silence=0.4)).kind is Kind.CUT


def test_an_old_nonce_is_a_cache() -> None:
    assert judged(Path(nonce="run0")).line == "CACHED: its nonce is that of another run"


@pytest.mark.parametrize("age, kind", [(b"3", Kind.CACHED), (b"0", Kind.STREAMS), (b"x", Kind.STREAMS)])
def test_an_age_is_a_cache(age: bytes, kind: Kind) -> None:
    assert judged(Path(fields=((b"Age", age),))).kind is kind


@pytest.mark.parametrize(
    "path, line",
    [
        (Path(status_line=b"HTTP/1.1 404 Not Found", fields=()), "not the stream: 404 Not Found"),
        (
            Path(status_line=b"HTTP/1.1 502 Bad Gateway", fields=((b"Proxy-Status", b"a; error=dns_timeout"),)),
            "not the stream: 502 Bad Gateway, Proxy-Status: a; error=dns_timeout",
        ),
        (Path(status_line=b"HTTP/1.1 403 Forbidden", fields=HTML), "not the stream: 403 Forbidden, text/html"),
        (
            Path(status_line=b"HTTP/1.1 302 Found", fields=((b"Location", b"/login"),)),
            "not the stream: 302 Found, to /login",
        ),
        (
            Path(status_line=b"HTTP/1.1 403 Forbidden", fields=(*HTML, (b"cf-mitigated", b"challenge"))),
            "not the stream: 403 Forbidden, text/html, a challenge page",
        ),
    ],
)
def test_another_answer_is_not_the_stream(path: Path, line: str) -> None:
    verdict = judged(path)
    assert (verdict.kind, verdict.line) == (Kind.NOT_THE_STREAM, line)


def test_an_answer_without_stamps_is_not_the_probe_that_was_asked_for() -> None:
    page = Path(fields=HTML, hold=lambda writes: [(t, b"<p>hello</p>\n") for t, _ in writes])
    assert judged(page).line == "not the stream: no event of a probe in it, text/html"


def test_an_unread_coding_is_no_reason_to_say_so() -> None:
    coded = Path(coding="br", hold=lambda writes: [(t, b"\x1b\x00") for t, _ in writes])
    assert judge_hop(hop_of(coded, Probe())).kind is Kind.STREAMS
