"""Each experiment runs from end to end with few samples. Figures exist; no value is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.codec import codec
from bench.exchanges import setup
from bench.fairness import fairness
from bench.memory import memory
from bench.origins import origins
from bench.polling import polling
from bench.processes import ROOT, free_port, running
from bench.relays import admin, beside, relays, tls
from bench.results import Table
from bench.rounds import Plan
from bench.servers import SERVERS
from bench.startup import startup
from bench.strategies import STRATEGIES
from bench.workshop import Workshop
from bench.writes import writes

SECONDS_OF_A_MEASURE = 90


def quick(*workloads: str, peers: tuple[str, ...] = ()) -> Plan:
    return Plan(rounds=1, is_quick=True, peers=peers, variants=("chunkwire",), workloads=workloads or None)


def assert_figures(table: Table, *, rows: set[str], keys: set[str]) -> None:
    assert {row.name: row.failure for row in table.rows if row.error} == {}
    assert {row.name for row in table.rows} == rows
    assert {row.name: keys - set(row.counted[0].figures) for row in table.rows if row.name != "direct"} == {
        name: set() for name in rows - {"direct"}
    }


@pytest.mark.needs("gcc")
def test_our_relay_is_measured_with_and_without_polling(workshop: Workshop) -> None:
    plan = Plan(rounds=1, is_quick=True, peers=(), workloads=("rally",))
    (table,) = relays(plan, workshop)
    assert_figures(table, rows={"direct", "chunkwire", "nopoll", "always"}, keys={"p50"})


@pytest.mark.needs("gcc")
def test_relays_give_latency_and_throughput_beside_a_peer(workshop: Workshop) -> None:
    rally, bulk = relays(quick("rally", "bulkmix", peers=("copy",)), workshop)
    rows = {"direct", "chunkwire", "copy"}
    assert_figures(rally, rows=rows, keys={"p50", "p90", "max", "samples", "cpu_us_per_frame", "relay_rss_kb", "lost"})
    assert_figures(bulk, rows=rows, keys={"mb_per_s", "frames_per_s", "cpu_s_per_gb", "relay_rss_kb"})
    assert all(row.counted[0].curve for row in rally.rows)
    assert len(rally.verdicts) == 3


@pytest.mark.needs("gcc")
def test_a_paced_relay_is_also_timed_from_the_planned_moment(workshop: Workshop) -> None:
    (table,) = relays(quick("many", peers=("copy",)), workshop)
    assert_figures(table, rows={"direct", "chunkwire", "copy"}, keys={"p50", "planned_p50"})


@pytest.mark.needs("gcc", "openssl", "haproxy")
def test_relays_are_measured_over_tls(workshop: Workshop) -> None:
    rally, bulk1k = tls(quick("rally", "bulk1k", peers=("haproxy",)), workshop)
    assert_figures(rally, rows={"direct", "chunkwire", "haproxy"}, keys={"p50"})
    assert_figures(bulk1k, rows={"direct", "chunkwire", "haproxy"}, keys={"mb_per_s"})


@pytest.mark.needs("gcc")
def test_our_relay_is_measured_with_and_without_metrics(workshop: Workshop) -> None:
    (table,) = admin(quick("bulk32"), workshop)
    assert_figures(table, rows={"chunkwire", "admin"}, keys={"mb_per_s", "cpu_s_per_gb"})
    assert len(table.verdicts) == 1


def test_a_neighbour_is_timed_beside_slow_frames(workshop: Workshop) -> None:
    keys = {"wait_max", "load_s", "samples"}
    upload, response, server = fairness(quick("upload", "response", "server"), workshop)
    for table in (upload, response):
        assert_figures(table, rows={"direct", "chunkwire"}, keys=keys)
    assert_figures(server, rows={"chunkwire"}, keys=keys)


@pytest.mark.needs("gcc")
def test_a_relay_is_measured_beside_a_paced_stream(workshop: Workshop) -> None:
    for table in beside(quick(), workshop):
        assert_figures(table, rows={"alone", "paced"}, keys={"p50", "max"})


@pytest.mark.needs("gcc")
def test_polling_gives_the_cpu_of_idle_and_of_busy_relays(workshop: Workshop) -> None:
    (table,) = polling(quick(peers=("copy",)), workshop)
    keys = {"idle_percent", "silent_percent", "mixed_percent", "mixed_p50", "new_max_ms"}
    assert_figures(table, rows={"chunkwire", "copy"}, keys=keys)


@pytest.mark.needs("gcc", "wrk")
def test_setup_gives_exchanges_a_second(workshop: Workshop) -> None:
    for table in setup(quick(), workshop):
        assert_figures(table, rows={"direct", "chunkwire"}, keys={"per_second", "cpu_us", "failed"})


@pytest.mark.needs("gcc", "node")
def test_origins_are_timed_by_their_own_stamps(workshop: Workshop) -> None:
    for table in origins(quick(peers=("node",)), workshop):
        keys = {"p50", "late_p50", "cpu_us_per_frame", "relay_rss_kb"}
        assert_figures(table, rows={"direct", "chunkwire", "node"}, keys=keys)


@pytest.mark.needs("gcc")
def test_memory_is_counted_a_stream(workshop: Workshop) -> None:
    relays_table, origins_table = memory(quick(peers=("copy",)), workshop)
    assert_figures(relays_table, rows={"chunkwire", "copy"}, keys={"kib_per_stream", "idle_kib", "full_kib"})
    assert_figures(origins_table, rows={"chunkwire"}, keys={"kib_per_stream", "idle_kib", "full_kib"})


def test_startup_times_commands_and_servers(workshop: Workshop) -> None:
    commands, servers = startup(quick(), workshop)
    assert commands.row("chunkwire --help") is not None
    assert all(row.values("ms") for row in commands.rows)
    assert_figures(servers, rows={"chunkwire serve", "chunkwire, relay", "chunkwire, origin"}, keys={"ms"})


def test_codec_counts_frames_of_every_shape(workshop: Workshop) -> None:
    tables = list(codec(quick(), workshop))
    assert {table.name for table in tables} >= {"codec/32", "codec/mix", "codec/ext"}
    assert all(row.values("frames_per_s") for table in tables for row in table.rows)


def test_every_way_to_write_is_counted_in_segments(workshop: Workshop) -> None:
    (table,) = writes(quick("spaced"), workshop)
    assert_figures(table, rows=set(STRATEGIES), keys={"segments", "calls", "p50", "cpu_us", "samples"})


def test_a_command_that_ends_at_once_has_a_row_that_says_why(workshop: Workshop) -> None:
    plan = Plan(is_quick=True, rounds=1, peers=(), variants=(), subjects={"wrong": "false"}, workloads=("rally",))
    (table,) = relays(plan, workshop)
    row = table.row("wrong")
    assert row is not None
    assert row.failure == "1 of 1 rounds do not count: wrong ended at its start: "


@pytest.mark.needs("gcc", "go")
def test_the_go_origin_listens(workshop: Workshop) -> None:
    argv = SERVERS["go"](workshop, port := free_port())
    with running("go", argv, port, core=None) as server:
        assert server.resident_kib() > 0


def test_one_command_writes_json_and_a_page(tmp_path: Path) -> None:
    files = {"json": tmp_path / "report.json", "html": tmp_path / "report.html"}
    flags = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    argv = [sys.executable, "-m", "bench", "codec", "--quick", "--workloads", "mix", *flags]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_OF_A_MEASURE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "codec/mix" in done.stdout
    report = json.loads(files["json"].read_text())
    assert {"command", "commit", "python", "kernel", "cpu", "sockets", "warm-up"} <= set(report["conditions"])
    assert "<svg" in files["html"].read_text("utf-8")
