"""The picture and the rows of speed in README are those of the stored runs."""

import json
import xml.etree.ElementTree as ET

import pytest

from bench import headline, picture
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
