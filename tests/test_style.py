"""The limits of the style that ruff does not hold, read from the source of the package and of its tests."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(path for folder in ("bench", "chunkwire", "tests") for path in ROOT.joinpath(folder).rglob("*.py"))

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40  # without its docstring
MAX_TEST_LINES = 25

Function = ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return the nodes of a file's syntax tree; each file is parsed once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_bytes(), str(path))))


def with_word(word: str, folder: str = "") -> list[Path]:
    """Return the files under a folder that have a word: the others need not be parsed."""
    return [path for path in FILES if path.is_relative_to(ROOT / folder) and word in path.read_text("utf-8")]


def functions(path: Path) -> Iterator[Function]:
    """Yield the functions of a file, inner ones too; expressions, which hold most nodes, are left out."""
    waiting: list[ast.AST] = [ast.parse(path.read_bytes(), str(path))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, Function):
                yield node
            if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                waiting.append(node)


def length(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_no_file_is_longer_than_its_limit() -> None:
    assert [named(path) for path in FILES if len(path.read_text("utf-8").splitlines()) > MAX_FILE_LINES] == []


def test_no_function_is_longer_than_its_limit() -> None:
    long = [
        f"{named(path)}:{function.lineno} {function.name} has {length(function)} lines"
        for path in FILES
        for function in functions(path)
        if length(function) > (MAX_TEST_LINES if function.name.startswith("test_") else MAX_FUNCTION_LINES)
    ]
    assert long == []


def is_sleep(node: ast.AST) -> bool:
    """Say whether a node waits by the clock; `trio.sleep` of whole seconds belongs to `autojump_clock` and is not."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep"):
        return False
    module = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
    argument = node.args[0] if node.args else None
    fraction = isinstance(argument, ast.Constant) and isinstance(argument.value, float)
    return module in ("time", "asyncio") or (module == "trio" and fraction)


def test_no_test_sleeps() -> None:
    sleeping = [
        f"{named(path)}:{node.lineno}"
        for path in with_word("sleep", "tests")
        for node in nodes(path)
        if isinstance(node, ast.Call) and is_sleep(node)
    ]
    assert sleeping == []


def test_every_task_has_a_name() -> None:
    nameless = [
        f"{named(path)}:{node.lineno}"
        for path in with_word("start_soon")
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "start_soon"
        and "name" not in {keyword.arg for keyword in node.keywords}
    ]
    assert nameless == []


def test_every_module_opens_with_what_it_is() -> None:
    assert [named(path) for path in FILES if not re.match(r'r?"""\S', path.read_text("utf-8"))] == []


def test_no_group_is_repeated_possessively() -> None:
    """CPython before 3.11.5 goes on from the middle of an iteration that fails (gh-106052); `(?>(?:…)*)` is right."""
    repeated = re.compile(r"\)(?:[*?+]|\{\d+\})\+(?!,)")
    found = [
        f"{named(path)}:{node.lineno}"
        for path in with_word("(?", "chunkwire")
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes | str) and "(?" in str(node.value)
        if "\n" not in str(node.value) and repeated.search(str(node.value))
    ]
    assert found == []
