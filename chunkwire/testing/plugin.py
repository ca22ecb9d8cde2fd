"""pytest's plugin: the fixture `chunkwire`, an origin for one test, and the marker that runs a test for each scenario.

    @pytest.mark.chunkwire(LEGAL)
    def test_it_reads_every_framing(chunkwire, scenario):
        run = chunkwire.openai("Grüße, 世界!", framing=scenario)
        assert ask(run.url) == "Grüße, 世界!"

The rule here: pytest loads this module in every project, so it loads other modules of ours only when a test needs them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chunkwire.testing.origin import Origin

_MARKER = "chunkwire"
_SCENARIO = "scenario"
_ORIGIN = pytest.StashKey["Origin"]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "chunkwire(scenarios, …): run the test once for each of these (or of QUIRKS), as its argument `scenario`",
    )


@pytest.fixture
def chunkwire(request: pytest.FixtureRequest) -> Generator[Origin, None, None]:
    """Give an origin (`chunkwire.testing.Origin`); the test fails if one of its runs did not go as planned."""
    from chunkwire.testing.origin import Origin

    with Origin() as origin:
        request.node.stash[_ORIGIN] = origin
        yield origin


@pytest.fixture
def scenario() -> None:
    """Fail a test without the marker `chunkwire`, whose scenarios replace this fixture."""
    wanted = "expected the marker chunkwire beside the argument `scenario`, as in @pytest.mark.chunkwire(LEGAL)"
    pytest.fail(wanted, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """End the runs as part of the test, so that their deviations fail the test and are no errors of the teardown."""
    origin = item.stash.get(_ORIGIN, None)
    try:
        result = yield
    except BaseException as error:
        if origin is not None:
            origin.end_after(error)
        _describe_scenario(item, error)
        raise
    if origin is not None:
        try:
            origin.end()
        except AssertionError as failed:
            pytest.fail(f"chunkwire: {failed}", pytrace=False)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """End the traceback of a wrong call of `chunkwire.testing` at the line of the test; --full-trace shows all."""
    error = call.excinfo.value if call.excinfo is not None else None
    if error is None or not type(error).__module__.startswith("chunkwire.") or item.config.getoption("fulltrace"):
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        module = trace.tb_next.tb_frame.f_globals.get("__name__", "")
        if module.startswith("chunkwire.testing.") and module != __name__:
            trace.tb_next = error.__cause__ = None
        trace = trace.tb_next


def _describe_scenario(item: pytest.Item, error: BaseException) -> None:
    """Add a note to the error of a test with a scenario: what it is, and what a correct client does."""
    if item.get_closest_marker(_MARKER) is not None and isinstance(item, pytest.Function):
        from chunkwire.origin.scenarios.quirks import Quirk

        scenario: Any = item.callspec.params[_SCENARIO]
        if isinstance(scenario, Quirk):
            error.add_note(f"chunkwire: {scenario.name}: {scenario.summary}; sent by {scenario.who} ({scenario.seen})")
            return
        where = scenario.clause if scenario.clause[:1].isalpha() else f"RFC {scenario.clause}"
        error.add_note(f"chunkwire: {scenario}: {scenario.summary}; a sound client must {scenario.demand} ({where})")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a marked test once for each scenario of its marker."""
    markers = list(metafunc.definition.iter_markers(_MARKER))
    if not markers:
        return
    from chunkwire.wire.errors import LocalError

    try:
        if _SCENARIO not in metafunc.fixturenames:
            raise LocalError("expected an argument `scenario` beside the marker chunkwire")
        scenarios = [each for marker in markers for given in marker.args for each in _listed(given)]
        if not scenarios:
            raise LocalError("expected scenarios in the marker, as in chunkwire(LEGAL)")
    except LocalError as error:  # pytest prints a CollectError without a traceback
        raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {error}") from error
    metafunc.parametrize(_SCENARIO, scenarios, ids=[str(getattr(each, "name", each)) for each in scenarios])


def _listed(given: object) -> Sequence[object]:
    """Return the scenarios or quirks in an argument of the marker: one, its name, or several of either.

    Raises:
        LocalError: it is something else.
    """
    from chunkwire.origin.scenarios import SCENARIOS, Scenario, nearest
    from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk
    from chunkwire.wire.errors import LocalError

    if isinstance(given, Scenario | Quirk):
        return [given]
    if isinstance(given, str):
        known = {**QUIRKS, **SCENARIOS}
        return [known[nearest(given, [*SCENARIOS, *QUIRKS], "scenario")]]
    if isinstance(given, Iterable):
        several = given.values() if isinstance(given, Mapping) else given
        return [scenario for each in several for scenario in _listed(each)]
    raise LocalError(f"expected scenarios in the marker, got {given!r:.60}")
