"""Run what uses trio and h11 most with the oldest versions of both that pyproject.toml admits.

`python -m tests.floor` takes further arguments for pytest. The old versions go into a folder of their own,
`build/floor`, which comes before the environment's packages on the path of pytest and of every process that its tests
start. What this module must not know: a version; it reads them.
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "floor"
TESTS = ("tests/net", "tests/server")
# What the scanner says of each vector does not depend on trio.
LEFT_OUT = "--ignore=tests/net/test_mover_vectors.py"
SHOW = "import sys, importlib.metadata as m; print(*(f'{name}=={m.version(name)}' for name in sys.argv[1:]))"


def floors() -> dict[str, str]:
    """Return the lowest version that each dependency may have, by the dependency's name."""
    project = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+)", dependency) for dependency in project["dependencies"]]
    return {match[1]: match[2] for match in found if match}


def main(words: list[str]) -> int:
    """Install the oldest versions, check that they are the ones imported, and run the tests with them."""
    wanted = [f"{name}=={version}" for name, version in floors().items()]
    pip = ("pip", "install", "-q", "--no-deps", "--upgrade", "--target", str(FOLDER), *wanted)
    if subprocess.run((sys.executable, "-m", *pip), cwd=ROOT, check=False).returncode:
        return 1
    env = {**os.environ, "PYTHONPATH": str(FOLDER)}
    shown = subprocess.run((sys.executable, "-c", SHOW, *floors()), env=env, check=True, capture_output=True, text=True)
    if not all(imported.startswith(version) for imported, version in zip(shown.stdout.split(), wanted, strict=True)):
        print(f"floor: expected {' '.join(wanted)}, got {shown.stdout}", file=sys.stderr)
        return 1
    tests = [name for name in TESTS if ROOT.joinpath(name).exists()]
    pytest = ("pytest", "-q", "--dist", "worksteal", LEFT_OUT, *words, *tests)
    return subprocess.run((sys.executable, "-m", *pytest), cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
