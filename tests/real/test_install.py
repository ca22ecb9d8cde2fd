"""Wheel and sdist: what is in them, and the program as pip, pipx and uvx install it, run far from the clone."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.peers.command import ROOT
from tests.peers.process import run

VERSION = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build sdist and wheel; give their paths."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run(command).check_returncode()
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def ran(*words: str | Path, cwd: Path) -> str:
    """Run a program in a folder; return what it printed."""
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}  # uv has roots of its own, pip takes the system's
    result = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    assert result.returncode == 0, result
    return result.stdout.decode()


@pytest.mark.skipif(not ROOT.joinpath(".git").exists(), reason="this is no clone")
@pytest.mark.needs("git")
def test_the_sdist_has_all_that_its_tests_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tracked = run(["git", "-C", ROOT, "ls-files"]).stdout.decode().split()
    assert set(tracked) - names <= {".gitignore"}
    assert names - set(tracked) == {"PKG-INFO"}


def test_the_wheel_has_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(built[1]).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"chunkwire"}
    files = ("py.typed", "CHANGES.md", "record/record.schema.json", "lab/static/index.html", "lab/pages/barrier.md")
    assert [name for name in files if f"chunkwire/{name}" not in names] == []


def test_a_wheel_runs_in_an_empty_environment(built: tuple[Path, Path], tmp_path: Path) -> None:
    venv.create(tmp_path / "venv")
    chunkwire = tmp_path / "venv/bin/chunkwire"
    pip = (sys.executable, "-m", "pip", "--python", tmp_path / "venv/bin/python")
    ran(*pip, "install", "-qq", built[1], cwd=tmp_path)
    assert "equal: 2 chunks" in ran(chunkwire, "demo", "-n", "2", "--interval", "10ms", cwd=tmp_path)
    assert ran(chunkwire, "help", "barrier", cwd=tmp_path).startswith("# Barriers")
    installed = ran(*pip, "list", "--format=freeze", cwd=tmp_path)
    assert not [name for name in ("pytest", "shtab", "wsproto", "dpkt") if name in installed]


@pytest.mark.parametrize("source", ["wheel", "clone"])
def test_uvx_and_pipx_run_it(built: tuple[Path, Path], tmp_path: Path, source: str) -> None:
    where = built[1] if source == "wheel" else ROOT
    bin_folder = Path(sys.executable).parent
    said = f"chunkwire {VERSION}\n"
    assert (
        ran(bin_folder / "uvx", "--python", sys.executable, "--from", where, "chunkwire", "--version", cwd=tmp_path)
        == said
    )
    if source == "wheel":
        assert ran(bin_folder / "pipx", "run", "--spec", where, "chunkwire", "--version", cwd=tmp_path) == said


def test_the_latest_changes_are_those_of_the_version() -> None:
    headings = re.findall(r"^## (.*)$", ROOT.joinpath("chunkwire/CHANGES.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] in (VERSION, "Not released")
