"""The pytest plugin inside projects of its own: with asyncio, trio, anyio and xdist, and what it says of mistakes."""

import re
import subprocess
import sys
from pathlib import Path

INI = """
[pytest]
addopts = --strict-markers -p no:cacheprovider --tb=short -rA
filterwarnings = error
"""
OTHERS = ("trio", "anyio", "asyncio", "hypothesispytest", "xdist", "timeout")
ALONE = tuple(word for name in OTHERS for word in ("-p", f"no:{name}"))  # beside no other plugin, so it starts sooner
PROJECT = '''
import urllib.request
import anyio, anyio.to_thread, pytest, trio
from chunkwire.testing import LEGAL

def fetch(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()

async def by_hand(chunkwire):
    """The same under each of the three: a request is answered while the loop goes on."""
    run = chunkwire.sse(by_hand=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, fetch, run.url)
        await run.wait_request_async()
        run.send_event("a")
        run.finish()

def test_passes_sync(chunkwire):
    assert fetch(chunkwire.sse("a").url) == b"data: a\\n\\n"

@pytest.mark.asyncio
async def test_passes_asyncio(chunkwire):
    await by_hand(chunkwire)

@pytest.mark.trio
async def test_passes_trio(chunkwire):
    await by_hand(chunkwire)

@pytest.mark.anyio
async def test_passes_anyio(chunkwire):
    await by_hand(chunkwire)

@pytest.mark.chunkwire(LEGAL[:2], "trailers")
def test_passes_each(chunkwire, scenario):
    assert fetch(chunkwire.sse(framing=scenario).url) == scenario.content

def test_fails_never_asked(chunkwire):
    chunkwire.sse(["a", "b"])

@pytest.mark.asyncio
async def test_fails_never_asked_asyncio(chunkwire):
    chunkwire.sse("a")

def test_fails_by_itself(chunkwire):
    chunkwire.sse("a")
    assert not "itself"

@pytest.mark.trio
async def test_fails_blocking(chunkwire):
    chunkwire.sse(by_hand=True).wait_request()
'''


def run_pytest(folder: Path, source: str, *arguments: str) -> str:
    """Return what pytest prints of a project with one file of tests."""
    folder.joinpath("pytest.ini").write_text(INI)
    folder.joinpath("test_project.py").write_text(source)
    command = (sys.executable, "-m", "pytest", *arguments)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    return done.stdout + done.stderr


def test_tests_pass_and_fail_as_they_should_whatever_runs_them(tmp_path: Path) -> None:
    printed = run_pytest(tmp_path, PROJECT, "-n", "2", "-o", "asyncio_default_fixture_loop_scope=function")
    outcomes = re.findall(r"^([A-Z]+) test_project\.py::(\S+)", printed, re.MULTILINE)
    assert {outcome == "PASSED" for outcome, name in outcomes if name.startswith("test_passes")} == {True}, printed
    assert {outcome == "FAILED" for outcome, name in outcomes if name.startswith("test_fails")} == {True}, printed
    assert {name for _, name in outcomes if "each" in name} == {
        f"test_passes_each[{name}]" for name in ("event-per-chunk", "tiny", "trailers")
    }
    assert "chunkwire: sse run: never asked for: response 1: 'a'\nsse run: never asked for: response 2: 'b'" in printed
    assert "wait_request() would block the running trio event loop; use `await run.wait_request_async()`" in printed


def test_a_project_that_does_not_use_it_loads_nothing_of_ours(tmp_path: Path) -> None:
    source = """
import sys
def test_loaded():
    ours = {name for name in sys.modules if name.partition(".")[0] in ("chunkwire", "trio", "h11")}
    assert ours == {"chunkwire", "chunkwire.testing", "chunkwire.testing.plugin"}
"""
    printed = run_pytest(tmp_path, source, *ALONE)
    assert "1 passed" in printed


def test_a_marker_that_is_wrong_fails_its_test_alone_in_one_line(tmp_path: Path) -> None:
    """Fails where it stops the collection, so that no other test is run."""
    wrong = {
        ("'xyz'", "scenario"): "no scenario 'xyz'; all ",
        ("'no-dnoe'", "scenario"): "no scenario 'no-dnoe'; did you mean no-done?",
        ("'split-utf'", "scenario"): "no scenario 'split-utf'; did you mean split-utf8?",
        ("'trailers'", ""): "expected an argument `scenario` beside the marker chunkwire",
        ("", "scenario"): "expected scenarios in the marker, as in chunkwire(LEGAL)",
        ("7", "scenario"): "expected scenarios in the marker, got 7",
        ("'tiny', gateway=True", "scenario"): "expected scenarios in the marker, as in chunkwire(LEGAL), got gateway=",
    }
    source = "import pytest\ndef test_right(): pass\n"
    for number, (marker, signature) in enumerate(wrong):
        source += f"@pytest.mark.chunkwire({marker})\ndef test_{number}({signature}): pass\n"
    printed = run_pytest(tmp_path, source, *ALONE)
    for number, line in enumerate(wrong.values()):
        assert re.search(rf"^_+ test_{number}\[wrong\] _+\n{re.escape(line)}", printed, re.MULTILINE)
    assert "Traceback" not in printed
    assert "plugin.py" not in printed
    assert "7 failed, 1 passed" in printed


WRONG_CALLS = """
import pytest
from chunkwire.testing import cut

@pytest.fixture
def run(chunkwire):
    return chunkwire.sse("a", framing="split-utf")

def test_framing(chunkwire): chunkwire.openai("a", framing="split-utf")
def test_option(chunkwire): chunkwire.openai("a", framng="tiny")
def test_fault(chunkwire): chunkwire.sse(cut("a", after_events=-1))
def test_fixture(run): pass
def test_wait(chunkwire): chunkwire.sse(by_hand=True).wait_request(timeout=0.001)
def test_own():
    import chunkwire
    chunkwire.encode_chunk(b"")
"""


def test_a_wrong_call_is_shown_at_the_line_of_the_test_and_whole_if_asked_for(tmp_path: Path) -> None:
    printed = run_pytest(tmp_path, WRONG_CALLS, *ALONE)
    assert "LocalError: framing: no scenario 'split-utf'; did you mean split-utf8?" in printed
    assert "RunFailed: wait_request: no request came within 0.001 s" in printed
    assert "5 failed, 1 error" in printed
    assert not re.findall(r"^.*(?:origin|runs|steps|thread|scenarios)\S*\.py:.*$", printed, re.MULTILINE)
    assert re.search(r"encoder\.py:\d+: in encode_chunk$", printed, re.MULTILINE)  # of another room it is whole
    assert "direct cause" not in printed
    assert re.search(r"^.*steps\.py:\d+", run_pytest(tmp_path, WRONG_CALLS, *ALONE, "--full-trace"), re.MULTILINE)


SCENARIOS_THAT_FAIL = """
import pytest

@pytest.mark.chunkwire("reset")
def test_itself(scenario): assert not "itself"
@pytest.mark.chunkwire("early-end")
def test_by_content(scenario): assert not "itself"
@pytest.mark.chunkwire("reset", "no-done")
def test_never_asked(chunkwire, scenario): chunkwire.sse("a")
@pytest.mark.chunkwire("early-hints")
def test_library(scenario): assert not "itself"
def test_marked_late(): assert not "late"
"""


def test_a_test_that_fails_names_its_scenario_and_what_a_client_must_do(tmp_path: Path) -> None:
    """Fails where only an error of the test itself does, or where a marker added after the collection is an error."""
    marking = "def pytest_collection_modifyitems(items): items[-1].add_marker('chunkwire')\n"
    tmp_path.joinpath("conftest.py").write_text(marking)
    printed = run_pytest(tmp_path, SCENARIOS_THAT_FAIL, *ALONE, "-rN")  # the summary, long in CI, repeats messages
    demand = "a sound client must report an incomplete message: the zero-sized chunk has not come (RFC 9112 §8)"
    remedy = "if your HTTP library takes it, look for the end of the content"
    assert printed.count(f"chunkwire: reset: RST between two chunks; {demand}; {remedy}\n") == 2
    assert printed.count("never asked for: response 1: 'a'\nchunkwire: no-done: ") == 1
    assert "During handling" not in printed
    assert "AttributeError" not in printed
    assert "(only the content shows the fault), so look for the end of the content\n" in printed
    assert "leave it out: [each for each in LEGAL if each.name != 'early-hints']\n" in printed
    assert "6 failed" in printed


def test_a_client_that_hangs_is_ended_by_pytest_timeout_which_names_its_scenario(tmp_path: Path) -> None:
    source = """
import threading, pytest

@pytest.mark.chunkwire("no-size")
def test_hangs(scenario): threading.Event().wait()
"""
    alone = (name for name in OTHERS if name != "timeout")
    plugins = tuple(word for name in alone for word in ("-p", f"no:{name}"))
    printed = run_pytest(tmp_path, source, *plugins, "--timeout", "1", "-o", "timeout_func_only=true", "-rN")
    assert "Failed: Timeout (>1.0s) from pytest-timeout.\nE   chunkwire: no-size: a size line without" in printed
    assert "1 failed" in printed


def test_the_argument_scenario_without_the_marker_is_one_line(tmp_path: Path) -> None:
    source = """
import pytest

def test_forgotten(chunkwire, scenario): pass
@pytest.mark.parametrize("scenario", [1, 2])
def test_own(scenario): pass
"""
    printed = run_pytest(tmp_path, source, *ALONE)
    assert (
        "\nexpected the marker chunkwire beside the argument `scenario`, as in @pytest.mark.chunkwire(LEGAL)\n"
        in printed
    )
    assert "2 passed, 1 error" in printed


def test_a_marker_may_be_of_a_whole_module_and_give_a_scenario_a_mark(tmp_path: Path) -> None:
    source = """
import pytest
pytestmark = pytest.mark.chunkwire("tiny", pytest.param("gzip", marks=pytest.mark.xfail))

def test_other(): pass
def test_each(scenario): assert scenario.name == "tiny"
"""
    printed = run_pytest(tmp_path, source, *ALONE)
    assert "XFAIL test_project.py::test_each[gzip]" in printed
    assert "2 passed, 1 xfailed" in printed


def test_names_in_a_marker_are_those_of_scenarios_and_quirks(tmp_path: Path) -> None:
    source = """
import pytest
from chunkwire.testing import QUIRKS

@pytest.mark.chunkwire(QUIRKS)
def test_each(scenario): assert scenario is QUIRKS[scenario.name]
@pytest.mark.chunkwire("no-done")
def test_one(scenario): assert scenario is QUIRKS["no-done"]
"""
    assert re.search(r"\b\d{3} passed", run_pytest(tmp_path, source, *ALONE))
