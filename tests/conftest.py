"""What every test shares: the fixed Hypothesis profile, and the rule that CI skips nothing for want of a program."""

import logging
import os
import signal
import socket
from collections.abc import Generator
from pathlib import Path

import pytest
from _pytest.reports import CollectErrorRepr
from hypothesis import HealthCheck, settings

from tests.peers.programs import find_program

# Derandomized: one tree gives one verdict. A case that Hypothesis finds becomes a vector. No deadline: CI is noisy.
settings.register_profile(
    "fixed",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fixed")

# A shell runs what stands before `&` with SIGINT ignored, and its children inherit that: Ctrl-C could not be tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NEEDS = "needs "


@pytest.fixture(autouse=True)
def _logging_as_before() -> Generator[None, None, None]:
    """Undo what a verb that runs in the process of its test sets: where the package logs to, and how much."""
    logger = logging.getLogger("chunkwire")
    before = logger.level, logger.propagate, logger.handlers[:]
    yield
    logger.setLevel(before[0])
    logger.propagate, logger.handlers[:] = before[1:]


@pytest.fixture(scope="session")
def refusing_port() -> Generator[int, None, None]:
    """Hold a port at which every local address refuses: it is bound, so no other program can listen there."""
    is_dual = socket.has_dualstack_ipv6()
    with socket.socket(socket.AF_INET6 if is_dual else socket.AF_INET) as held:
        if is_dual:
            held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        held.bind(("", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="session")
def go_folder(pytestconfig: pytest.Config) -> Path:
    """Return a folder for Go programs and compiled packages, which all workers share and which is kept between runs."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("go")


def is_strict() -> bool:
    """Say whether a missing program is a failure: CI installs them all, so one that is missing is a broken install."""
    return any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in ("CHUNKWIRE_CI", "CI"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `needs("nginx", …)` where one of the programs is not installed."""
    for marker in item.iter_markers("needs"):
        missing = [program for program in marker.args if find_program(program) is None]
        if missing:
            pytest.skip(NEEDS + ", ".join(missing))


def missing_in_ci(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return why a skip is a failure here: its reason is `needs PROGRAM`, and nothing may be missing."""
    if not (report.skipped and is_strict() and isinstance(report.longrepr, tuple)):
        return None
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not reason.startswith(NEEDS):
        return None
    return f"{reason}: CI skips no test for want of a program or package; have .ci/run install it"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that lacks its program fail in CI."""
    report = yield
    if message := missing_in_ci(report):
        report.outcome, report.longrepr = "failed", message
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let a whole file that lacks its package fail in CI."""
    report = yield
    if message := missing_in_ci(report):
        report.outcome, report.longrepr = "failed", CollectErrorRepr(message)
    return report
