"""What --why says of a run, and how it is told."""

from dataclasses import replace

import pytest
import trio
import trustme

from chunkwire.net.dial import parse_url
from chunkwire.net.tls import make_tls
from chunkwire.tools.probe.arrival import Run
from chunkwire.tools.probe.probing import Prober
from chunkwire.tools.probe.requests import Ask, describe_arrival, parameters
from chunkwire.tools.probe.result import conclusion_of
from chunkwire.tools.probe.verdict import Finding, HopVerdict, Kind
from chunkwire.tools.probe.view import lines_of
from chunkwire.tools.probe.why import find_departure, find_idle_limit, finding_of, plan_why
from tests.net.test_dial_tls import server_tls, serving_tls
from tests.patience import PATIENCE
from tests.tools.synthesis import Path, Probe, for_time, result_on, run_of, to_end, to_octets


@pytest.mark.parametrize(
    "path, outcome, frees",
    [
        (Path(), "streams", True),
        (Path(coding="gzip", is_lazy=False), "streams, gzip", True),
        (Path(hold=to_end), "held to the end, all 2251 octets", False),
        (
            Path(status_line=b"HTTP/1.1 405 Method Not Allowed", fields=()),
            "not the stream: 405 Method Not Allowed",
            False,
        ),
    ],
)
def test_a_finding_has_the_words_of_a_verdict(path: Path, outcome: str, frees: bool) -> None:
    finding = finding_of("a change", run_of(Probe(), path))
    assert (finding.outcome, finding.frees) == (outcome, frees)


@pytest.mark.parametrize(
    "target, idle, told",
    [
        ("/probe", 70.0, "--why asks on for about 84 s, of which --idle takes 70: --idle 0 leaves that out"),
        ("/probe", 0.0, "--why asks on for about 14 s"),
        ("/probe?n=40", 0.0, "--why asks on for about 26 s"),
        ("/sse", 70.0, "--why asks 3 times more, each time for as long as the stream takes"),
    ],
)
def test_how_long_it_takes_is_said_before(target: str, idle: float, told: str) -> None:
    assert plan_why(Prober(), parse_url(f":1{target}"), idle=idle) == told


def test_behind_a_barrier_the_fields_that_it_adds_are_tried_too() -> None:
    told = plan_why(Prober(barrier_at=parse_url(":8001")), parse_url(":1/sse"), idle=0)
    assert told == "--why asks 6 times more, each time for as long as the stream takes"


async def test_a_silence_of_any_length_is_asked_for_as_a_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    intervals: list[str] = []

    async def run(_: Prober, name: str, ask: Ask, *, paced_for: float) -> Run:
        intervals.append(parameters(ask.url)["interval"])
        return Run(name)

    monkeypatch.setattr(Prober, "run", run)
    for idle in (70.0, 3e6, 1e-8):
        await find_idle_limit(Prober(), "hop", Ask(url=parse_url("http://h:1/probe")), idle)
    assert intervals == ["70000ms", "3000000000ms", "0.00001ms"]


@pytest.mark.parametrize(
    "events, framing, outcome",
    [
        (1, "cut", "cut after 3.0 s"),
        (0, "cut", "cut after 3.0 s, before anything came"),
        (1, "timeout", "not cut, but only 1 of 2 events within 85 s"),
        (1, "", "its end is not known"),
        (0, "", "no answer"),
    ],
)
async def test_a_silence_is_said_to_be_cut_only_where_the_end_shows_it(
    events: int, framing: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = run_of(Probe(n=2), Path(cut=1, silence=3.0))
    assert cut.end is not None
    end = cut.end._replace(framing=framing, t=cut.units[0].t * events + 3) if framing else None
    found = replace(cut, units=cut.units[:events], end=end)

    async def run(*_: object, **__: object) -> Run:
        return found

    monkeypatch.setattr(Prober, "run", run)
    ask = Ask(url=parse_url("http://h:1/probe"))
    assert await find_idle_limit(Prober(), "hop", ask, 70.0) == Finding("silence", outcome)


async def test_a_client_that_leaves_asks_for_no_coding() -> None:
    """Behind a hop that compresses, no stamp could be read as it comes."""
    received: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            received.append(bytes(await stream.receive_some()))
            nonce = received[-1].partition(b"nonce=")[2][:16]
            content = b'{"nonce":"%b","began_ns":1,"ended_ns":2}' % nonce
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/probe")
        with trio.fail_after(PATIENCE):
            finding = await find_departure(Prober(), Ask(url=url))
        nursery.cancel_scope.cancel()
    assert finding.outcome.startswith("reaches the origin after ")
    assert received[0].startswith(b"GET /probe?")
    assert b"accept-encoding" not in received[0].lower()


def test_a_hold_in_bursts_tells_how_long_and_how_much() -> None:
    """One pace alone does not tell time from octets: both are told."""
    for hold, told in ((for_time(0.2), "200 ms, in bursts of 561"), (to_octets(1000), "450 ms, in bursts of 1000")):
        finding = finding_of("a change", run_of(Probe(), Path(hold=hold)))
        assert finding == Finding("a change", f"held for up to {told} octets", False)


def test_a_run_that_is_shorter_than_the_buffer_is_told_with_both_numbers() -> None:
    """Fails where the table says "to 3899 octets" and --why "to the end, all 2251", as if one were wrong."""
    held = run_of(Probe(), Path(hold=to_end))
    told = "held to the end, all 2251 octets (it waits for 3899)"
    for octets, outcome in ((3899, told), (2251, "held to the end, all 2251 octets")):
        verdict = HopVerdict(kind=Kind.TO_OCTETS, octets=octets)
        assert finding_of("a change", held, verdict).outcome == outcome


def test_a_change_that_only_takes_the_compression_away_is_not_said_to_be_in_vain() -> None:
    """Fails if the row for HAProxy's compression is ruled out since HAProxy holds for 200 ms without it as well."""
    verdict = HopVerdict(kind=Kind.COMPRESSED, remaining=0.2)
    for path, frees in ((Path(hold=for_time(0.2)), None), (Path(hold=to_end), False)):
        assert finding_of("a change", run_of(Probe(), path), verdict).frees is frees
    assert finding_of("a change", run_of(Probe(), Path(hold=for_time(0.2)))).frees is False


@pytest.mark.parametrize(
    "tried, said",
    [
        ((True, True), "it streams unchanged."),
        ((True, False), "it streams unchanged, but not with POST."),
        ((False, True), "it streams with POST."),
        ((None, True), "it streams with POST."),
        ((False, False), "no change that was tried frees it: what does is a setting of the hop."),
        ((None, None), "neither a hold nor a stream is shown, as before and with each change."),
    ],
)
def test_what_was_tried_ends_with_a_sentence(tried: tuple[bool | None, bool | None], said: str) -> None:
    findings = [Finding("as before", "x", tried[0]), Finding("POST", "x", tried[1]), Finding("silence", "cut")]
    assert conclusion_of(findings) == said
    assert list(lines_of(result_on(findings=findings)))[-1] == said
    assert conclusion_of(findings[1:]) == ""


def test_findings_stand_in_two_columns() -> None:
    findings = [Finding("POST", "streams", True), Finding("silence", "no limit within 70 s")]
    heading, *lines = lines_of(result_on(findings=findings))
    assert lines == ["one change at a time:", "  POST      streams", "  silence   no limit within 70 s"]
    assert list(lines_of(result_on())) == [heading]


def test_the_journal_describes_how_a_request_arrived() -> None:
    entry: dict[str, object] = {"version": "1.0", "fields": [["Host", "x"], ["Connection", "close"], ["Via", "1.1 a"]]}
    assert describe_arrival(entry) == "HTTP/1.0, Connection: close, Via: 1.1 a"


async def test_the_request_in_http_1_0_goes_to_an_https_hop_too() -> None:
    authority = trustme.CA()
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with authority.cert_pem.tempfile() as cafile:
        async with serving_tls(server_tls(authority), answer=answer) as port:
            ask = Ask(url=parse_url(f"https://localhost:{port}/"), version="1.0")
            run = await Prober(tls=make_tls(cafile), max_time=PATIENCE).run("hop", ask)
    assert (run.status, run.octets) == (200, 2)
    assert run.end is not None
    assert run.end.framing == "complete"


async def test_the_request_in_http_1_0_has_the_body_of_the_others() -> None:
    received: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        while not b"".join(received).endswith(b'{"a":1}'):
            received.append(await stream.receive_some())
        await stream.send_all(b"HTTP/1.0 200 OK\r\n\r\nok")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        url = parse_url(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/ask")
        with trio.fail_after(PATIENCE):
            ask = Ask(url=url, method="POST", body=b'{"a":1}', version="1.0")
            run = await Prober(max_time=PATIENCE).run("hop", ask)
        nursery.cancel_scope.cancel()
    assert (run.status, run.octets) == (200, 2)
    assert received[0].startswith(b"POST /ask HTTP/1.0\r\n")
    assert b"Content-Length: 7\r\n" in b"".join(received)


def test_what_frees_a_stream_is_said_once() -> None:
    findings = [Finding("as before", "x", False), Finding("POST", "streams", True)]
    lines = list(lines_of(result_on(HopVerdict(hop="hop", kind=Kind.TO_END), findings=findings)))
    assert [line for line in lines if "it streams with" in line] == ["  shown: it streams with POST"]
