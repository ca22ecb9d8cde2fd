"""`chunkwire probe` as it is run: exit codes, one clear line for what is wrong, the page, the recording, --why."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, Served, chunkwire, serving
from tests.peers.process import free_port, listening_socket, run, started, wait_listening
from tests.peers.programs import program
from tests.peers.servers import nginx
from tests.real_probe.proxies import holding_http_1_1


def quietly_probed(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Probe again, a few times, where this machine was too busy to tell: that verdict is another test's."""
    result = chunkwire("probe", *words)
    for _ in range(4):
        if b"machine was too busy" in result.stdout:
            result = chunkwire("probe", *words)
    return result


def test_a_probe_leaves_a_line_for_each_of_its_streams_in_the_log_of_the_origin() -> None:
    with serving("serve") as behind, serving("forward", behind.url(""), "--mode", "buffer") as gateway:
        assert chunkwire("probe", gateway.url("/probe")).returncode == 1
        assert " 200 " in behind.wait_log('"POST /probe?')  # its last stream
        assert not [line for line in behind.log if "/probe/" in line]
        assert len(behind.log) < 12


@pytest.mark.parametrize(
    "target, code, words",
    [
        ("/probe", 0, "\nno hop holds the stream.\n"),
        ("/nowhere/probe", 22, "not the stream: 404 Not Found"),
        ("/fault/no-terminator?n=30&at=20&interval=20ms", 18, "CUT, "),
        ("/generate?n=10&interval=50ms", 0, "streams; by arrival times alone"),
    ],
)
def test_the_exit_code_says_what_was_found(origin: Served, target: str, code: int, words: str) -> None:
    result = chunkwire("probe", origin.url(target))
    assert result.returncode == code
    assert words in result.stdout.decode()


def test_the_list_of_our_origin_gets_a_hint_at_its_probe(origin: Served) -> None:
    hint = "; did you mean http://127.0.0.1:{}/probe?\n"
    with serving("forward", origin.url("")) as gateway:
        for served in (origin, gateway):
            assert hint.format(served.port) in chunkwire("probe", served.url("/")).stdout.decode()
        assert b"did you mean" not in chunkwire("probe", gateway.url("/generate?n=1")).stdout


def test_the_list_of_another_program_gets_no_hint(tmp_path: Path) -> None:
    port = free_port()
    with started([sys.executable, "-m", "http.server", str(port), "-b", "127.0.0.1", "-d", tmp_path]) as server:
        wait_listening(port, server)
        told = chunkwire("probe", f":{port}").stdout
    assert b"unsure: too short, or too few events" in told
    assert b"did you mean" not in told


def test_a_hop_that_refuses_is_reported_and_the_others_are_judged(origin: Served, refusing_port: int) -> None:
    result = chunkwire("probe", origin.url("/probe"), f":{refusing_port}/probe")
    assert result.returncode == 7
    assert "streams" in result.stdout.decode()
    assert "refused the connection" in result.stdout.decode()


def test_the_time_for_a_run_ends_one_behind_a_barrier_too(origin: Served) -> None:
    result = chunkwire("probe", origin.url("/probe?n=2&interval=60s"), "-m", "1s")
    assert b"is judged by time: the run took longer than 1 s." in result.stdout


def test_barrier_at_must_name_a_gateway_with_barriers(origin: Served, refusing_port: int) -> None:
    """Our origin has barriers too, but none for another application; a gateway without --barrier passes requests on."""
    with serving("forward", origin.url("")) as plain, serving("forward", origin.url(""), "--barrier") as barrier:
        words = ("probe", barrier.url("/generate?n=3&interval=0"), "--gate", "--barrier-at")
        wrong = [chunkwire(*words, f":{port}") for port in (origin.port, plain.port)]
        nobody, right = chunkwire(*words, f":{refusing_port}"), chunkwire(*words, f":{barrier.port}")
    for port, result in zip((origin.port, plain.port), wrong, strict=True):
        told = f"chunkwire: --barrier-at: 127.0.0.1:{port} is no chunkwire forward --barrier\n"
        assert (result.returncode, result.stderr.decode()) == (2, told)
    assert nobody.stderr.decode() == f"chunkwire: --barrier-at: 127.0.0.1:{refusing_port} refused the connection\n"
    assert (nobody.returncode, right.returncode) == (7, 0)


@pytest.mark.parametrize("target", ["/generate?n=1", "/"])
def test_a_body_of_one_frame_passes_no_gate(origin: Served, target: str) -> None:
    with serving("forward", origin.url(""), "--barrier") as barrier:
        result = chunkwire("probe", barrier.url(target), "--gate", "--barrier-at", f":{barrier.port}")
    assert (result.returncode, b"an order needs two" in result.stdout) == (28, True), result.stdout


def test_barrier_at_is_waited_for_no_longer_than_a_run(origin: Served) -> None:
    with listening_socket() as silent:
        port = silent.getsockname()[1]
        result = chunkwire("probe", origin.url("/generate"), "--barrier-at", f":{port}", "-m", "1s")
    told = "chunkwire: --barrier-at: expected the end of the exchange within 1 s, got none\n"
    assert (result.returncode, result.stderr.decode()) == (28, told)


def test_a_hop_that_holds_more_than_other_streams_are_kept_of_is_told(origin: Served) -> None:
    with serving("forward", origin.url(""), "--mode", "buffer") as gateway:
        result = chunkwire("probe", gateway.url("/probe?n=100&size=65536&interval=10ms"))
    assert result.returncode == 1
    assert b"HOLDS to the end" in result.stdout


def test_hops_that_were_asked_are_printed_when_it_is_interrupted(origin: Served) -> None:
    with listening_socket() as silent:
        silent.settimeout(PATIENCE)
        hops = (origin.url("/probe"), f"http://127.0.0.1:{silent.getsockname()[1]}/probe")
        with started([*CHUNKWIRE, "probe", *hops, "--report", "/dev/null"]) as process:
            silent.accept()[0].close()  # by now the origin was asked
            process.send_signal(signal.SIGINT)
            out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"streams (proved)" in out
    assert b"no hop holds" not in out
    assert said == b"chunkwire: stopped: the hops asked so far, no --report\n"


@pytest.mark.needs("curl")
def test_a_trace_in_ascii_is_refused_in_one_line(origin: Served, tmp_path: Path) -> None:
    trace = tmp_path / "a.trace"
    words = ["-sN", "-o", "/dev/null", "--trace-ascii", str(trace), "--trace-time", origin.url("/probe?n=2")]
    assert run([program("curl"), *words]).returncode == 0
    result = chunkwire("probe", str(trace))
    assert result.returncode == 2
    assert b"--trace-ascii, which loses octets" in result.stderr


def test_a_page_and_a_recording_are_left_and_the_recording_gives_the_same_verdict(
    origin: Served, tmp_path: Path
) -> None:
    page, saved = tmp_path / "ticket.md", tmp_path / "runs.jsonl"
    with serving("forward", origin.url(""), "--mode", "coalesce=300ms") as gateway:
        urls = (origin.url("/probe"), gateway.url("/probe"))
        live = quietly_probed(*urls, "-H", "X-Api-Key: s3cr3t", "--report", str(page), "--save", str(saved))
    again = chunkwire("probe", str(saved))
    assert (live.returncode, again.returncode) == (1, 1)
    assert live.stdout.splitlines()[-2:] == again.stdout.splitlines()[-2:]
    assert "is the first hop that holds the stream\n" in page.read_text()
    assert "s3cr3t" not in page.read_text() + saved.read_text()


@pytest.mark.parametrize("target", ["/generate?n=3&interval=50ms", "/sse?n=3", "/nowhere", "/fault/cut", "/probe?n=3"])
def test_any_stream_gets_a_page(origin: Served, tmp_path: Path, target: str) -> None:
    page, saved = tmp_path / "ticket.html", tmp_path / "runs.jsonl"
    live = chunkwire("probe", origin.url(target), "--report", str(page), "--save", str(saved))
    assert live.returncode in (0, 1, 18, 22, 28)
    assert "<h2>What frees it</h2>" not in page.read_text()
    again = chunkwire("probe", str(saved), "--report", str(page))
    assert again.returncode == live.returncode
    assert "</table>" in page.read_text()


def test_a_page_of_several_hops_that_bear_no_stamps_names_the_one_that_holds(origin: Served, tmp_path: Path) -> None:
    page, target = tmp_path / "ticket.html", "/generate?n=10&interval=50ms"
    with serving("forward", origin.url(""), "--mode", "buffer") as gateway:
        result = chunkwire("probe", origin.url(target), gateway.url(target), "--report", str(page))
    assert result.returncode == 1
    assert f"<h1>127.0.0.1:{gateway.port} is the first hop that holds the stream</h1>" in page.read_text()
    assert "chunkwire forward ORIGIN --mode exact" in page.read_text()


def test_the_outermost_hop_alone_gets_advice_how_to_learn_more(origin: Served) -> None:
    with serving("forward", origin.url(""), "--mode", "buffer") as gateway:
        url = gateway.url("/generate?n=10&interval=50ms")
        lax, strict = chunkwire("probe", url), chunkwire("probe", url, "--strict")
    assert (lax.returncode, strict.returncode) == (28, 1)
    told = lax.stdout.decode()
    undecided = "undecided, so the exit code is 28 (1 with --strict)"
    assert (told.splitlines()[-1] == undecided, undecided in strict.stdout.decode()) == (True, False)
    assert "held, or written so: all of it at once, after " in told
    assert "to tell: probe closer to the origin as well" in told
    assert "if it is held, try: --mode exact" in told
    assert chunkwire("probe", origin.url("/generate?n=10&interval=50ms"), "--strict").returncode == 0


@pytest.mark.parametrize(
    "target, code, told",
    [("/nowhere/probe", 22, "its answer is not the stream; give"), (None, 7, "it gives no answer; check")],
)
def test_why_tries_nothing_where_no_change_can_help(
    origin: Served, target: str | None, code: int, told: str, refusing_port: int
) -> None:
    url = origin.url(target) if target is not None else f":{refusing_port}/probe"
    result = chunkwire("probe", url, "--why")
    (line,) = result.stderr.decode().splitlines()
    assert (result.returncode, f": {told}" in line) == (code, True), line
    assert line.startswith("chunkwire: --why tries nothing at 127.0.0.1:")
    for said in (b"one change at a time", b"judged by time"):
        assert said not in result.stdout
    assert b"verdict" in result.stdout


def test_another_answer_is_a_finding_with_and_without_a_gate(tmp_path: Path) -> None:
    port, junit = free_port(), tmp_path / "x.xml"
    tmp_path.joinpath("probe").write_text("no stream")
    with started([sys.executable, "-m", "http.server", str(port), "-b", "127.0.0.1", "-d", tmp_path]) as server:
        wait_listening(port, server)
        for flags in ([], ["--gate", "--junit", str(junit)]):
            result = chunkwire("probe", f":{port}/probe", *flags)
            assert (result.returncode, b"not the stream: no event" in result.stdout) == (1, True), result
    assert 'failures="1" errors="0"' in junit.read_text()


def test_why_shows_that_http_1_0_frees_a_hop(origin: Served) -> None:
    with holding_http_1_1(origin.port) as url:
        result = chunkwire("probe", f"{url}/generate?n=10&interval=50ms", "--why")
    told = result.stdout.decode()
    assert result.returncode == 1, told
    assert result.stderr == b"--why asks 3 times more, each time for as long as the stream takes\n"
    assert "shown: it streams with HTTP/1.0" in told
    assert "mitmproxy" not in told


@pytest.mark.needs("nginx")
def test_a_stream_that_comes_through_uncompressed_is_reported_as_held_by_compression(origin: Served) -> None:
    site = f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_http_version 1.1; }}"
    coder = "gzip on; gzip_proxied any; gzip_types text/plain;"
    with nginx(site, http=coder) as server:
        result = chunkwire("probe", server.url("/generate?n=10&interval=50ms"), "--why")
    told = result.stdout.decode()
    assert result.returncode == 1
    assert "COMPRESSED (gzip), and then HOLDS" in told
    assert "it is the compression that holds the stream" in told
    assert "gzip off; for this location" in told


@pytest.mark.needs("nginx")
def test_a_field_that_is_there_already_is_not_offered(origin: Served) -> None:
    deaf = "proxy_ignore_headers X-Accel-Buffering;"
    with nginx(f"location / {{ proxy_pass http://127.0.0.1:{origin.port}; {deaf} }}") as server:
        asked = "/probe?hints=accel"
        told = quietly_probed(origin.url(asked), server.url(asked)).stdout.decode()
    assert "try: proxy_buffering off;" in told
    assert "X-Accel-Buffering" not in told


def test_why_finds_what_frees_a_hop_its_idle_limit_and_how_fast_a_departure_passes(origin: Served) -> None:
    with serving("forward", origin.url(""), "--mode", "buffer", "--idle-timeout", "1s") as gateway:
        urls = (origin.url("/probe"), gateway.url("/probe"))
        result = chunkwire("probe", *urls, "--why", "--idle", "3s", "--json")
    found = {line["change"]: line for line in map(json.loads, result.stdout.splitlines()) if line["kind"] == "why"}
    assert found["as before"]["frees"] is False
    assert found["events of 8192 octets"]["frees"] is False
    assert found["silence"]["outcome"].startswith("cut after ")
    assert found["a client that leaves"]["outcome"].startswith("reaches the origin after ")
