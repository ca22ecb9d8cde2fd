"""`bench` against streams that fail: kinds of failures, exit codes, and the number of requests."""

import json
import re
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any

import pytest

from chunkwire.cli.main import main
from tests.patience import PATIENCE
from tests.peers.command import CHUNKWIRE, chunkwire, serving
from tests.peers.process import run, started
from tests.real_probe.broken import (
    FRAME,
    HEAD,
    Answer,
    broken_server,
    in_turn,
    reset_after,
    send,
    stall_after,
    stream_until,
)

LAST = b"0\r\n\r\n"
SOON = ("-c", "3", "-z", "1s", "--warmup", "0")

WITHOUT_A_FRAME: Mapping[str, tuple[Answer, str]] = {
    "closed before the head": (send(), "closed before the head"),
    "cut within the head": (send(HEAD[:20]), "closed within the head"),
    "no HTTP": (send(b"220 smtp.example ESMTP\r\n\r\n"), "malformed head"),
    "only a last-chunk": (send(HEAD, LAST), "ended without a frame"),
    "a cut": (send(HEAD), "cut"),
    "no size": (send(HEAD, b"zz\r\n"), "malformed"),
    "no head, ever": (stall_after(), "no head within 1 s"),
    "no frame, ever": (stall_after(HEAD), "head but no frame within 1 s"),
    "no octet, and no end": (stall_after(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "ended without a frame"),
}
AFTER_FRAMES: Mapping[str, tuple[Answer, str]] = {
    "a cut": (send(HEAD, FRAME * 3), "cut"),
    "no size": (send(HEAD, FRAME * 3, b"zz\r\n"), "malformed"),
    "silence": (stall_after(HEAD, FRAME * 3), "stalled"),
}


def benched(url: str, *words: str) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, the JSON and the messages of a bench."""
    result = chunkwire("bench", url, *words, "--json")
    return result.returncode, json.loads(result.stdout), result.stderr.decode()


@pytest.mark.parametrize("name", WITHOUT_A_FRAME)
def test_a_frame_that_never_comes_ends_with_28_and_says_why(name: str) -> None:
    answer, kind = WITHOUT_A_FRAME[name]
    with broken_server(answer) as asked:
        code, told, said = benched(asked.url, *SOON)
    assert code == 28
    assert set(told["failures"]) == {kind}
    assert told["failed"] <= told["streams"]
    assert said.startswith("chunkwire: nothing was measured, no frame arrived: ")
    assert kind in said
    assert ("without a frame so far" in said) is (told["failed"] < told["streams"])
    assert asked.requests <= 40  # three at once, each waiting longer after each failure


def test_a_stream_that_never_opened_is_not_counted_where_the_first_one_has_no_answer() -> None:
    with broken_server(stall_after()) as asked:
        _, told, _ = benched(asked.url, *SOON)
    assert (asked.requests, told["streams"], told["failed"]) == (1, 1, 1)


def test_streams_that_are_reset_are_counted_apart_from_cut_ones() -> None:
    with broken_server(reset_after(HEAD, FRAME)) as asked:
        code, told, _ = benched(asked.url, *SOON)
    assert code == 1
    assert set(told["failures"]) == {"reset"}


@pytest.mark.parametrize("name", AFTER_FRAMES)
def test_streams_that_fail_after_frames_fail_the_run(name: str) -> None:
    answer, kind = AFTER_FRAMES[name]
    with broken_server(answer) as asked:
        code, told, said = benched(asked.url, "-c", "3", "-z", "2s", "--warmup", "0")
    assert code == 1
    assert set(told["failures"]) == {kind}
    assert told["failed"] <= told["streams"]
    assert kind in said


WHOLE = send(HEAD, FRAME * 2, LAST)
ONE_OF_FOUR = in_turn(WHOLE, send(HEAD, FRAME), WHOLE, WHOLE)


@pytest.mark.parametrize("allowed, code", [("0", 1), ("4", 1), ("5", 0), ("24%", 1), ("25%", 0)])
def test_a_limit_says_how_many_streams_may_fail(allowed: str, code: int) -> None:
    with broken_server(ONE_OF_FOUR) as asked:
        got, told, _ = benched(asked.url, "-c", "2", "-n", "20", "--limit", f"errors={allowed}")
    assert (told["streams"], told["failures"]) == (20, {"cut": 5})
    assert got == code


def test_a_stream_that_failed_is_replaced_by_the_next() -> None:
    with broken_server(in_turn(send(HEAD, FRAME), WHOLE)) as asked:
        _, told, _ = benched(asked.url, "-c", "1", "-n", "6")
    assert (asked.requests, told["streams"], told["failed"]) == (6, 6, 3)


def test_a_turn_whose_only_stream_fails_does_not_end_a_bench_whose_streams_may_fail() -> None:
    with broken_server(in_turn(send(), WHOLE)) as asked, broken_server(WHOLE) as base:
        assert benched(asked.url, "-n", "2", "--baseline", base.url, "--limit", "errors=50%")[0] == 0


def test_short_answers_have_percentiles_without_a_flag_and_say_how_many_samples_are_inexact() -> None:
    """Fails where frames that share a receive have no moment: each of these answers is one receive."""
    with broken_server(WHOLE) as asked:
        result = chunkwire("bench", asked.url, "-c", "3", "-n", "30")
    first = next(line for line in result.stdout.decode().splitlines() if line.startswith("  first"))
    assert first.split()[1].replace(".", "").removeprefix("≤").isdecimal()
    assert b"* inexact: first 30 of 30, gap 30 of 30: such a frame counts as arrived with the last" in result.stdout


def test_a_short_answer_is_not_requested_in_a_busy_loop() -> None:
    with broken_server(WHOLE) as asked:
        code, told, _ = benched(asked.url, *SOON)
    assert (code, told["failed"]) == (0, 0)
    assert asked.requests <= 3 * 30  # 20 a second on each of three, for a second and the opening


def test_another_status_in_the_middle_is_a_failure_of_one_stream() -> None:
    with broken_server(in_turn(WHOLE, send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))) as asked:
        code, told, _ = benched(asked.url, "-c", "1", "-n", "4")
    assert (code, told["failures"]) == (1, {"status 503": 2})


BUSY = send(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("limit, code", [("errors=50%", 0), ("errors=1", 1)])
def test_a_temporary_status_does_not_end_the_bench_even_at_first(limit: str, code: int) -> None:
    with broken_server(in_turn(BUSY, WHOLE)) as asked:
        got, told, _ = benched(asked.url, "-c", "1", "-n", "4", "--limit", limit)
    assert (got, told["failures"]) == (code, {"status 429": 2})


def test_a_target_that_is_always_busy_ends_with_22() -> None:
    with broken_server(BUSY) as asked:
        code, told, said = benched(asked.url, "-c", "1", "-n", "2")
    assert (code, told["failures"]) == (22, {"status 429": 2})
    assert "nothing was measured" in said


@pytest.mark.parametrize("is_silent_first", [True, False])
def test_a_silent_baseline_leaves_the_figures_of_the_target_and_is_named(
    is_silent_first: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fails where the baseline's turn comes first, and the bench ends before that of the target."""
    monkeypatch.setattr("random.shuffle", lambda pair: pair.reverse() if is_silent_first else None)
    with broken_server(WHOLE) as asked, broken_server(BUSY) as base:
        code = main(["bench", asked.url, "-n", "10", "--baseline", base.url, "--stamps", "process", "--force"])
    told = capsys.readouterr()
    assert code == 22
    told_last = f"chunkwire: the baseline, {base.url}: expected 200, got 429 Too Many Requests; nothing was measured: "
    assert told.err.splitlines()[-1].startswith(told_last)
    assert told.out.splitlines()[1].startswith("  first ")


def test_of_two_urls_the_one_whose_streams_failed_is_named() -> None:
    with broken_server(WHOLE) as asked, broken_server(AFTER_FRAMES["a cut"][0]) as base:
        code, _, said = benched(asked.url, "-n", "2", "--baseline", base.url, "--force", "--limit", "first.p50=0us")
    failed, missed = said.splitlines()[-2:]
    assert code == 1
    assert failed.startswith(f"chunkwire: the baseline, {base.url}: errors=0: missed, more streams failed than it ")
    assert missed.startswith(f"chunkwire: {asked.url}: first.p50=0us: ")


@pytest.mark.parametrize("status", [404, 429, 503, 599])
def test_each_status_is_reported_in_the_same_words_with_the_url_and_no_figure(status: int) -> None:
    reason = HTTPStatus(status).phrase if status < 599 else ""
    with broken_server(send(f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\n\r\n".encode())) as asked:
        result = chunkwire("bench", asked.url, "-c", "1", "-n", "1")
    assert (result.returncode, result.stdout) == (22, b"")
    expected = f"chunkwire: expected 200 from {asked.url}, got {status} {reason}".rstrip()
    assert result.stderr.decode().splitlines()[-1].startswith(expected)


def test_the_next_stream_waits_as_retry_after_asks() -> None:
    """Fails where the next request comes after a pause of its own, which is below a second."""
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n"
    with broken_server(send(busy)) as asked:
        code, told, _ = benched(asked.url, "-c", "1", "-z", "1s")
    assert (code, asked.requests, told["failures"]) == (22, 1, {"status 429": 1})


def test_a_status_that_will_not_pass_ends_the_bench_at_once() -> None:
    with broken_server(send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as asked:
        result = chunkwire("bench", asked.url)
    assert (result.returncode, asked.requests) == (22, 1)


@pytest.mark.parametrize("words", ["--rate 100/s --arrivals even", "--rate 100/s", "-c 4 --open together"])
def test_streams_begin_before_any_has_an_answer(words: str) -> None:
    """No answer comes before the fourth request: a bench that waited for the first would never be over."""
    all_asked = threading.Barrier(4)

    def answer(client: socket.socket, number: int) -> None:
        all_asked.wait(PATIENCE)
        WHOLE(client, number)

    with broken_server(answer) as asked:
        code, told, _ = benched(asked.url, *words.split(), "-n", "4")
    assert (code, told["streams"], told["quantities"]["first"]["n"]) == (0, 4, 4)


@pytest.mark.parametrize("limit, is_short", [("-Sn", False), ("-n", True)])
def test_more_streams_than_the_shell_allows_files_need_only_a_higher_hard_limit(limit: str, is_short: bool) -> None:
    words = [*CHUNKWIRE, "bench", "-c", "60", "--open", "together", "-z", "1s", "--warmup", "0", "--json"]
    until = threading.Event()
    with broken_server(stream_until(until)) as asked:
        result = run(["bash", "-c", f'ulimit {limit} 64; exec "$@"', "-", *words, asked.url])
        until.set()
    failures = json.loads(result.stdout)["failures"]
    assert ("no connection (no descriptor left: ulimit -n)" in failures) is is_short


def test_an_origin_that_is_killed_half_way_fails_the_run() -> None:
    killed = threading.Event()
    with ExitStack() as server:
        asked = server.enter_context(broken_server(stream_until(killed)))
        with started([*CHUNKWIRE, "bench", asked.url, *SOON, "--json"]) as bench:
            assert asked.first.wait(PATIENCE)
            killed.set()
            server.close()
            out, err = bench.communicate(timeout=PATIENCE)
    told = json.loads(out)
    assert bench.returncode == (1 if told["quantities"]["first"]["n"] else 28)
    assert "no connection (refused)" in told["failures"]
    assert told["failed"] <= told["streams"]
    assert b"streams failed" in err or b"no frame arrived" in err


def test_a_target_whose_process_is_killed_in_mid_run_fails_the_run_and_says_how() -> None:
    """The rows come in blocks: with the first one, frames have been sampled."""
    words = ("-c", "3", "-z", "3s", "--warmup", "0", "--csv", "-")
    with serving("serve") as origin:
        with started([*CHUNKWIRE, "bench", origin.url("/probe?interval=5ms"), *words]) as bench:
            assert bench.stdout is not None
            assert bench.stdout.read(1)
            origin.process.kill()
            _, err = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 1
    assert re.search(rb"more streams failed than it allows: \d+ streams, \d+ failed \(.*no connection \(refused\)", err)
    assert re.search(rb"\d (reset|cut)", err)
    assert b"Traceback" not in err


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_prints_what_was_gathered_and_marks_it(number: signal.Signals, code: int) -> None:
    with (
        broken_server(stream_until(threading.Event())) as asked,
        started([*CHUNKWIRE, "bench", asked.url, "-c", "2", "-z", "60s", "--json"]) as bench,
    ):
        assert asked.first.wait(PATIENCE)
        bench.send_signal(number)
        out, err = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == code
    told = json.loads(out)
    assert told["partial"] is True
    assert told["conditions"]["seconds"] < 60
    assert b"Traceback" not in err
