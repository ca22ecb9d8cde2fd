"""The newest releases of peers: named with their versions; a missing one raises Trouble."""

import dataclasses
import sys

import pytest

from bench import newest
from bench.gateways import Route
from bench.newest import NewestPeer, newest_peers
from bench.processes import Trouble
from bench.workshop import Workshop, version_said


def _missing(workshop: Workshop) -> str:
    raise Trouble("no network")


def test_newest_peers_have_their_versions_in_their_names(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    here = NewestPeer("python", lambda _: sys.executable, "--version", lambda *_, path: [path])
    missing = dataclasses.replace(here, name="lost", path=_missing)
    monkeypatch.setattr(newest, "PEERS", (here, missing))
    found = newest_peers(workshop)
    name = f"python {version_said([sys.executable, '--version'])}"
    assert set(found) == {name, "lost newest"}
    assert found[name](workshop, Route(1, 2)) == [sys.executable]
    with pytest.raises(Trouble, match="no network"):
        found["lost newest"](workshop, Route(1, 2))
    assert set(newest_peers(workshop, ["python"])) == {name}


def test_a_program_that_prints_no_version_raises_trouble() -> None:
    with pytest.raises(Trouble, match="prints no version"):
        version_said(["true"])
