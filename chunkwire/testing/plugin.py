"""The pytest plugin: the fixture `chunkwire` is an origin for one test, the marker `chunkwire` parametrizes a test.

    from chunkwire.testing import LEGAL

    @pytest.mark.chunkwire(LEGAL)  # the test is run once with each scenario in LEGAL
    def test_it_reads_every_framing(chunkwire, scenario):
        run = chunkwire.openai("Grüße, 世界!", framing=scenario)
        assert ask(run.url) == "Grüße, 世界!"  # `ask` calls the client under test

The rule here: pytest loads this module in every project, so it imports other modules of ours inside functions, when a
test needs them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chunkwire.origin.scenarios import Scenario
    from chunkwire.origin.scenarios.quirks import Quirk
    from chunkwire.testing.origin import Origin

_MARKER = "chunkwire"
_SCENARIO = "scenario"
_ORIGIN = pytest.StashKey["Origin"]()


class _WrongMarker(str):
    """What is wrong with a marker; the argument `scenario` of its test."""

    __slots__ = ()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "chunkwire(scenarios, …): run the test once with each of these scenarios or quirks as its argument `scenario`",
    )


@pytest.fixture
def chunkwire(request: pytest.FixtureRequest) -> Generator[Origin, None, None]:
    """Give an origin (`chunkwire.testing.Origin`); the test fails if a run of this origin did not go as planned."""
    from chunkwire.testing.origin import Origin

    with Origin() as origin:
        request.node.stash[_ORIGIN] = origin
        yield origin


@pytest.fixture
def scenario() -> None:
    """Fail a test that has no marker `chunkwire`; the scenarios of a marker replace this fixture."""
    wanted = "expected the marker chunkwire beside the argument `scenario`, as in @pytest.mark.chunkwire(LEGAL)"
    pytest.fail(wanted, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """End the runs of the origin before the test is over: a run that did not go as planned fails the test.

    At the teardown it would be an error beside a test that passed. A test whose marker is wrong is not run.
    """
    if isinstance(wrong := _given(item), _WrongMarker):
        pytest.fail(wrong, pytrace=False)
    origin = item.stash.get(_ORIGIN, None)
    try:
        result = yield
    except BaseException as error:
        if origin is not None:
            origin.end_after(error)
        if about := _about_scenario(item):
            error.add_note(about)
        raise
    if origin is not None and (deviations := origin.end_all()):
        lines = [f"chunkwire: {deviations}", *filter(None, [_about_scenario(item)])]
        pytest.fail("\n".join(lines), pytrace=False)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """End the traceback of a chunkwire error at the line that called `chunkwire.testing`; --full-trace shows all."""
    error = call.excinfo.value if call.excinfo is not None else None
    if error is None or not type(error).__module__.startswith("chunkwire.") or item.config.getoption("fulltrace"):
        return
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        module = trace.tb_next.tb_frame.f_globals.get("__name__", "")
        if module.startswith("chunkwire.testing.") and module != __name__:
            trace.tb_next = None
            error.__cause__ = None  # this also hides `__context__`
        trace = trace.tb_next


def _about_scenario(item: pytest.Item) -> str:
    """Return a line about the scenario or quirk of a marked test; "" for a test that the marker did not parametrize."""
    if item.get_closest_marker(_MARKER) is None:
        return ""
    from chunkwire.origin.scenarios import Scenario
    from chunkwire.origin.scenarios.quirks import Quirk

    given = _given(item)
    if isinstance(given, Quirk):
        return f"chunkwire: {given.name}: {given.summary}; sent by {given.who} ({given.seen})"
    if isinstance(given, Scenario):
        where = given.clause if given.clause[:1].isalpha() else f"RFC {given.clause}"
        about = f"chunkwire: {given.name}: {given.summary}; a sound client must {given.demand} ({where})"
        return f"{about}; {_remedy(given)}"
    return ""


def _given(item: pytest.Item) -> object:
    """Return the argument `scenario` of a test; None for one without, also if its marker was added afterwards."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(_SCENARIO)


def _remedy(failed: Scenario) -> str:
    """Say what an application can do, also if its HTTP library is at fault."""
    if failed.is_legal:
        return f"if your HTTP library cannot, leave it out: [each for each in LEGAL if each.name != {failed.name!r}]"
    if failed.http_allows:
        return f"HTTP alone allows to take it ({failed.http_allows}), so look for the end of the content"
    return "if your HTTP library takes it, look for the end of the content"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a marked test: it is run once with each scenario or quirk in the arguments of its markers.

    A wrong marker fails this test alone: an error here would stop the collection of the whole run.
    """
    marked = list(metafunc.definition.iter_markers_with_node(_MARKER))
    if _SCENARIO not in metafunc.fixturenames:  # the marker of a class or module is for its tests with a scenario
        marked = [(node, marker) for node, marker in marked if node is metafunc.definition]
    if not marked:
        return
    markers = [marker for _, marker in marked]
    from chunkwire.wire.errors import LocalError

    try:
        if _SCENARIO not in metafunc.fixturenames:
            raise LocalError("expected an argument `scenario` beside the marker chunkwire")
        if options := [name for marker in markers for name in marker.kwargs]:
            raise LocalError(f"expected scenarios in the marker, as in chunkwire(LEGAL), got {options[0]}=")
        given = [each for marker in markers for argument in marker.args for each in _scenarios_in(argument)]
        if not given:
            raise LocalError("expected scenarios in the marker, as in chunkwire(LEGAL)")
    except LocalError as error:
        if _SCENARIO not in metafunc.fixturenames:
            metafunc.fixturenames.append(_SCENARIO)
        metafunc.parametrize(_SCENARIO, [_WrongMarker(str(error))], ids=["wrong"])
    else:
        metafunc.parametrize(_SCENARIO, given)


def _scenarios_in(argument: object) -> list[Any]:
    """Return the scenarios and quirks in an argument of the marker: one, its name, or a collection of these.

    Each is a `pytest.param`; one that is given as such keeps its marks, such as xfail.

    Raises:
        LocalError: it is something else.
    """
    from chunkwire.origin.scenarios import SCENARIOS, Scenario
    from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk
    from chunkwire.wire.errors import LocalError
    from chunkwire.wire.nearest import look_up

    if isinstance(argument, type(pytest.param())):
        inner = [each for value in argument.values for each in _scenarios_in(value)]
        return [pytest.param(*each.values, marks=argument.marks, id=argument.id or each.id) for each in inner]
    if isinstance(argument, Scenario | Quirk):
        return [pytest.param(argument, id=argument.name)]
    if isinstance(argument, str):
        both: dict[str, Scenario | Quirk] = {**SCENARIOS, **QUIRKS}
        return _scenarios_in(look_up("scenario", argument, both, listed_by="chunkwire.testing.SCENARIOS and QUIRKS"))
    if isinstance(argument, Iterable):
        several = argument.values() if isinstance(argument, Mapping) else argument
        return [each for inner in several for each in _scenarios_in(inner)]
    raise LocalError(f"expected scenarios in the marker, got {argument!r:.60}")
