"""The help names all that can be run; the picture and the rows of speed in README are those of the stored runs."""

import importlib
import json
import sys
import xml.etree.ElementTree as ET

import pytest

from bench import headline, picture
from bench.__main__ import EXPERIMENTS, PROGRAMS, main
from tests.peers.command import ROOT

KEPT = json.loads(picture.PICTURES.joinpath("ladder.json").read_text("utf-8"))


@pytest.mark.parametrize("theme", list(picture.PALETTES))
def test_the_picture_is_drawn_from_the_run_that_was_kept(theme: str) -> None:
    kept = picture.PICTURES.joinpath(f"ladder-{theme}.svg").read_text("utf-8")
    assert kept == picture.drawn(KEPT, theme)
    ET.fromstring(kept)
    assert f"bench/pictures/ladder-{theme}.svg" in ROOT.joinpath("README.md").read_text("utf-8")


def test_the_pictures_frames_are_relayed_at_once_or_held_to_the_end() -> None:
    for written, passed, received in KEPT["exact"]:
        assert written <= passed <= received < written + 100
    assert len({passed for _, passed, _ in KEPT["buffer"][:-1]}) == 1
    assert KEPT["buffer"][0][1] > KEPT["buffer"][-2][0]


def test_the_rows_of_speed_are_those_of_the_run_that_was_kept() -> None:
    text = ROOT.joinpath("README.md").read_text("utf-8")
    shown = text.partition("<!-- speed:begin -->\n")[2].partition("<!-- speed:end -->")[0]
    assert shown == headline.rows(headline.measured())


def test_the_help_has_each_experiment_with_its_tables_and_each_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for name, experiment in EXPERIMENTS.items():
        assert f"\n  {name} " in said
        assert f"\n            {' '.join(experiment.tables)}\n" in said or not experiment.tables
    programs = {path.stem for path in (ROOT / "bench").glob("*.py") if '"__main__"' in path.read_text("utf-8")}
    assert programs - {"__main__", "strategies"} == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_help_of_a_program_says_what_its_module_does(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module(f"bench.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit):
        program.main()
    assert f"usage: python -m bench.{name} " in (said := capsys.readouterr().out)
    assert (program.__doc__ or "no docstring").strip() in said


def test_a_table_that_no_chosen_experiment_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["polling", "writes", "--workloads", "dense,rally"])
    assert ended.value.code == 2
    assert "--workloads: expected names out of dense, spaced, turns, got rally" in capsys.readouterr().err
