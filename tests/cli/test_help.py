"""`chunkwire help` and `chunkwire completion`: what they print is true, and works."""

import json
import re

import pytest

from chunkwire.cli.bench import EPILOG
from chunkwire.cli.main import VERBS, main
from chunkwire.lab.pages import PAGES
from chunkwire.origin.barrier import BEYOND_SECONDS, IDLE_SECONDS, MAX_OPEN
from chunkwire.origin.probe import PROBE
from chunkwire.origin.scenarios import BROKEN, LEGAL
from chunkwire.record.values import read_records
from tests.peers.command import ROOT
from tests.peers.process import run
from tests.peers.programs import program
from tests.test_layering import PACKAGE

Captured = pytest.CaptureFixture[str]


def printed(words: list[str], capsys: Captured) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def first_cells(text: str) -> list[str]:
    """Return the words in code quotes in the first column of every table."""
    rows = (line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    return [word for cell in rows for word in re.findall("`([^`]+)`", cell)]


def test_help_alone_lists_every_protocol(capsys: Captured) -> None:
    lines = printed(["help"], capsys).splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(PAGES)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name, page", [("client", "server"), ("testing", "control")])
def test_a_package_has_the_page_that_tells_of_it(name: str, page: str, capsys: Captured) -> None:
    assert printed(["help", name], capsys) == printed(["help", page], capsys)


@pytest.mark.parametrize("name", list(PAGES))
def test_a_protocol_is_printed_whole(name: str, capsys: Captured) -> None:
    text = printed(["help", name], capsys)
    assert text.startswith("# ")
    assert text.rstrip() == PAGES[name].text().rstrip()


@pytest.mark.parametrize("words", [["watch"], ["probe"], ["check", "proxy"]])
def test_the_name_of_a_verb_gives_its_help(words: list[str], capsys: Captured) -> None:
    assert printed(["help", *words], capsys).startswith(f"usage: chunkwire {' '.join(words)}")


def test_help_does_not_break_its_prose_anew_at_80_columns(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    """Fails where argparse keeps its two columns free: a line of 79 then has a word below it."""
    monkeypatch.setenv("COLUMNS", "80")
    prose = EPILOG.partition("exit codes:")[0]
    assert prose in printed(["help", "bench"], capsys)


def test_the_page_of_scenarios_has_all_of_them_as_the_registry_says() -> None:
    rows = {
        each.name: f"| `{each.name}` | {each.summary} | {each.clause} | {each.demand} |" for each in (*LEGAL, *BROKEN)
    }
    text = PAGES["scenarios"].text()
    assert [line for line in text.splitlines() if line.startswith("| `")] == list(rows.values())


def test_the_page_of_probe_has_all_parameters() -> None:
    shown = first_cells(PAGES["/probe"].text().split("## Parameters")[1])
    assert set(shown) == set(PROBE[0].parameters or ()) | {"nonce"}  # the journal's, which every resource has


def test_the_page_of_barriers_has_the_limits_of_the_code() -> None:
    text = PAGES["barrier"].text()
    assert f"or after {BEYOND_SECONDS:.0f} s" in text
    assert f"for {IDLE_SECONDS:.0f} s" in text
    assert f"{MAX_OPEN} barriers" in text


def test_the_page_of_the_record_has_every_member_of_the_schema() -> None:
    schema = json.loads(PACKAGE.joinpath("record", "record.schema.json").read_text("utf-8"))
    kinds = [schema, *(each["then"] for each in schema["allOf"])]
    members = {name for kind in kinds for name in kind["properties"]}
    shown = set(re.findall(r"`([a-z_0-9]+)[`:]", PAGES["record"].text()))
    assert members - shown == set()


def test_the_example_on_the_page_of_the_record_is_one() -> None:
    example = re.search(r"^    \{.*?\}$", PAGES["record"].text(), re.DOTALL | re.MULTILINE)
    assert example
    [record] = read_records([example[0].replace("\n", " ").encode()], "the page")
    assert record.kind == "frame"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_of_completion_knows_every_verb(shell: str, capsys: Captured) -> None:
    script = printed(["completion", shell], capsys)
    assert all(verb in script for verb in VERBS)


def test_bash_completes_verbs_flags_and_files_with_the_script(capsys: Captured) -> None:
    script = printed(["completion", "bash"], capsys)
    asked = f"cd {ROOT}; COMP_WORDS=(chunkwire {{0}}); COMP_CWORD={{1}}; _shtab_chunkwire; echo ${{{{COMPREPLY[@]}}}}"
    for words, at, expected in (
        ("wat", 1, "watch"),
        ("watch --no-d", 2, "--no-data"),
        ("check proxy --up", 3, "--upstream"),
        ("watch pyproj", 2, "pyproject.toml"),
        ("diff pyproject.toml READ", 3, "README.md"),
        ("serve --replay=1 --cert pyproj", 4, "pyproject.toml"),
        ("lesson --check pyproj", 3, "pyproject.toml"),
    ):
        result = run([program("bash"), "-c", f"{script}\n{asked.format(words, at)}"])
        assert expected in result.stdout.decode().split(), result
