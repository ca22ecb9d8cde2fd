"""The scorecard of real clients: its tables, and its clients where they are installed."""

import re

import pytest

from bench.scorecard_clients import CLIENTS, ClientCard, short_table, whole_table
from bench.workshop import open_workshop
from tests.peers.command import ROOT, chunkwire

ROWS = (
    {"id": "1", "name": "tiny", "level": "must", "title": "takes tiny: x", "outcome": "pass"},
    {"id": "2", "name": "cut", "level": "must", "title": "refuses cut: x", "outcome": "pass"},
    {"id": "3", "name": "long-data", "level": "should", "title": "refuses long-data: x", "outcome": "pass"},
    {"id": "4", "name": "early-end", "level": "seen", "title": "refuses early-end: x", "outcome": "fail"},
    {"id": "5", "name": "stall", "level": "must", "title": "refuses stall: x", "outcome": "undecided"},
    {"id": "6", "name": "comments", "level": "seen", "title": "takes comments: x", "outcome": "pass"},
)


def card(title: str, **outcomes: str) -> ClientCard:
    rows = [{**row, "outcome": outcomes.get(row["name"].replace("-", "_"), row["outcome"])} for row in ROWS]
    return ClientCard(title, {"rows": rows})


def cells(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_the_short_table_separates_broken_responses_from_refused_legal_ones() -> None:
    bad = card("bad 2", cut="fail", tiny="fail", long_data="fail")
    assert cells(short_table([card("good 1"), bad, card("picky 3", comments="fail")])) == [
        ["bad 2", "2 of 2", "whole: `cut`; refused: `tiny`; (`should`: `long-data`)"],
        ["picky 3", "0 of 2", "refused: `comments`"],
        ["good 1", "none", "nothing"],
    ]


def test_the_whole_table_has_a_column_for_each_client_and_failed_musts_in_bold() -> None:
    assert cells(whole_table([card("good 1"), card("bad 2", cut="fail", tiny="fail")])) == [
        ["1", "`tiny`", "ok", "**refused**"],
        ["2", "`cut`", "error", "**whole**"],
        ["3", "`long-data`", "error", "error"],
        ["4", "`early-end`", "whole", "whole"],
        ["5", "`stall`", "open", "open"],
        ["6", "`comments`", "ok", "ok"],
    ]


def test_the_tables_in_the_documents_name_every_client() -> None:
    for path in ("README.md", "bench/README.md"):
        text = ROOT.joinpath(path).read_text("utf-8")
        table = text.partition("<!-- clients:begin -->")[2].partition("<!-- clients:end -->")[0]
        assert [peer.title for peer in CLIENTS.values() if not re.search(rf"[|,] {peer.title} [\d.]+[ ,]", table)] == []


@pytest.mark.parametrize(
    "name",
    [
        "urllib",
        pytest.param("curl", marks=pytest.mark.needs("curl")),
        pytest.param("node", marks=pytest.mark.needs("node")),
    ],
)
def test_a_client_is_judged_by_the_command(name: str) -> None:
    with open_workshop() as workshop:
        argv: list[str] = CLIENTS[name].argv(workshop)
    done = chunkwire("check", "client", "--only", "tiny,cut", "--", *argv)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
