"""Which room may import which, read from the source: the table of the design, held."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_style import nodes

PACKAGE = Path(__file__).resolve().parent.parent / "chunkwire"

# In the order of the design: a room imports only from itself and from rooms above it.
ROOMS = (
    "wire",
    "record",
    "llm",
    "net",
    "server",
    "client",
    "origin",
    "forward",
    "ask",
    "tools",
    "testing",
    "lab",
    "cli",
)
PURE_ROOMS = ("wire", "record", "llm")
# What a pure room is given, or does without: I/O, clocks, threads, randomness, the two libraries.
IMPURE = frozenset(
    {"trio", "h11", "wsproto", "socket", "ssl", "select", "selectors", "asyncio", "urllib.request", "http"}
    | {"time", "datetime", "random", "secrets", "threading", "subprocess", "os", "signal", "logging"}
    | {"io", "pathlib", "tempfile", "shutil"}
)
THIRD_PARTY = frozenset({"trio", "h11", "distributed", "shtab", "trustme", "wsproto"})


def python_files(*under: str) -> list[Path]:
    return sorted(path for path in PACKAGE.joinpath(*under).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Yield each module that a file imports, at its top or inside a function, as an absolute dotted name."""
    package = ("chunkwire", *path.relative_to(PACKAGE).parts[:-1])
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # `from chunkwire import net` names a room as surely as `import chunkwire.net`.
            yield from (f"{module}.{alias.name}" if module == "chunkwire" else module for alias in node.names)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "chunkwire" and len(parts) > 1 and parts[1] in ROOMS else None


def test_every_folder_is_a_room_of_the_table() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_the_rooms_above_it(room: str) -> None:
    allowed = ROOMS[: ROOMS.index(room) + 1]
    wrong = [
        f"{named(path)} imports {module}"
        for path in python_files(room)
        for module in imports(path)
        if (other := room_of(module)) and other not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_imports_neither_io_nor_clock(room: str) -> None:
    wrong = [
        f"{named(path)} imports {module}"
        for path in python_files(room)
        for module in imports(path)
        if IMPURE & {module, module.split(".")[0]}
    ]
    assert wrong == []


def modules_imported(path: Path) -> Iterator[str]:
    """Yield each module of the package that a file imports; a name that is no module counts for the one it is in."""
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside functions and for type checkers count too: they only hide a circle."""
    files = {".".join(("chunkwire", *path.relative_to(PACKAGE).with_suffix("").parts)): path for path in python_files()}
    needs = {name: {other for other in modules_imported(path) if other in files} for name, path in files.items()}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        for name in free:
            del needs[name]
    assert needs == {}


def test_no_two_classes_share_a_name() -> None:
    named_so: dict[str, list[str]] = {}
    for path in python_files():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                named_so.setdefault(node.name, []).append(named(path))
    assert {name: files for name, files in named_so.items() if len(files) > 1} == {}


def test_each_tool_is_a_folder() -> None:
    """What tools share is a module beside them, and knows none of them."""
    tools = {path.name for path in PACKAGE.joinpath("tools").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert {"watch", "diff", "probe", "bench"} <= tools
    shared = [path for path in PACKAGE.joinpath("tools").glob("*.py") if path.name != "__init__.py"]
    wrong = [
        module
        for path in shared
        for module in imports(path)
        if module.split(".")[2:3] and module.split(".")[2] in tools
    ]
    assert wrong == []


def test_h11_is_imported_in_one_file() -> None:
    files = {named(path) for path in python_files() for module in imports(path) if module.split(".")[0] == "h11"}
    assert files == {"net/seam.py"}


def test_nothing_is_imported_beyond_the_declared_dependencies() -> None:
    known = sys.stdlib_module_names | THIRD_PARTY | {"chunkwire"}
    wrong = {
        f"{named(path)} imports {module}"
        for path in python_files()
        for module in imports(path)
        if module.split(".")[0] not in known
    }
    # pytest loads the plugin, and nobody else does; dpkt is an extra, whose absence is said in one line.
    assert wrong == {"testing/plugin.py imports pytest", "tools/capture/packets.py imports dpkt"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded once it has run a statement."""
    script = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\nprint('\\n' + '\\n'.join(sys.modules))"
    run = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split("\n"))


def test_importing_the_package_loads_the_codec_alone() -> None:
    loaded = loaded_by("import chunkwire; [getattr(chunkwire, name) for name in chunkwire.__all__]")
    assert "chunkwire.wire.scanner" in loaded
    assert loaded & {"trio", "h11", "ssl", "socket"} == set()


@pytest.mark.parametrize("package", ["", "server", "testing"])
def test_names_that_are_loaded_late_are_those_that_type_checkers_see(package: str) -> None:
    name = f"chunkwire.{package}".strip(".")
    tree = ast.parse(PACKAGE.joinpath(package, "__init__.py").read_bytes())
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "chunkwire.late"]
    seen = {(node.module, alias.asname) for node in imported for alias in node.names if node.module != "typing"}
    late = vars(importlib.import_module(name))
    packages = {("chunkwire", name) for name in late.get("_PACKAGES", ())}
    assert {(module, name) for module, names in late["_MODULES"].items() for name in names} | packages == seen


@pytest.mark.parametrize("package", ["client", "server", "testing"])
def test_a_public_package_is_loaded_at_its_first_use(package: str) -> None:
    loaded = loaded_by(f"import chunkwire; assert vars(chunkwire.{package})['__all__']")
    assert f"chunkwire.{package}" in loaded
    with pytest.raises(
        AttributeError, match=r"module 'chunkwire' has no attribute 'testings'; did you mean testing\?$"
    ):
        getattr(importlib.import_module("chunkwire"), "testings")  # noqa: B009  mypy knows that it is not there


def test_the_first_step_of_the_command_line_loads_next_to_nothing() -> None:
    """Fails where Ctrl-C shows a traceback for longer, or the first read of `watch -` comes later."""
    own = {"chunkwire", "chunkwire.cli", "chunkwire.cli.start"}
    assert loaded_by("import chunkwire.cli.start") - loaded_by("pass") == own
    early = loaded_by("import chunkwire.cli.early_stdin, chunkwire.cli.start")
    assert early - loaded_by("import __future__, threading, select") == {*own, "chunkwire.cli.early_stdin"}


def test_help_loads_neither_trio_nor_h11() -> None:
    loaded = loaded_by("from chunkwire.cli.main import main; sys.argv = ['chunkwire', '--help']; main()")
    assert "chunkwire.cli.main" in loaded
    assert loaded & {"trio", "h11"} == set()
