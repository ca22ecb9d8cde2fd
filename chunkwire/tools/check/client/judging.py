"""Serve the scenarios to a client command, and judge it by its exit code, its output and its requests.

The rule here: exit code 0 means that the command accepted the response as whole. A row is undecided if the command does
not end in time, or makes no request.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import trio

from chunkwire.net.heads import Request
from chunkwire.origin.scenarios import Scenario
from chunkwire.origin.scenarios.playing import accepts_gzip, play
from chunkwire.server import IncomingRequest, Resource, Responder, serve
from chunkwire.tools.check.client.command import PLACEHOLDER, URL_VARIABLE, CommandRun
from chunkwire.tools.check.client.rows import WORDS, ClientCase
from chunkwire.tools.check.rows import RowOutcome, Ruling, Shown
from chunkwire.tools.paint import number
from chunkwire.wire.errors import LocalError

PLAIN_SCENARIO = "content-length"
TEXT = "".join(WORDS)
_HOLD_SECONDS: Final = 3600.0  # of a stall; longer than a command may run
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class ScenarioOrigin:
    """An origin with a resource for each scenario: `/NAME`, and any path below it.

    Attributes:
        asked: the requests so far, by the name of their scenario.
        url: without a final slash; "" until it is served.
    """

    def __init__(self, cases: Sequence[ClientCase]) -> None:
        self._scenarios = {case.scenario.name: case.scenario for case in cases}
        self.asked: dict[str, list[Request]] = {name: [] for name in self._scenarios}
        self.url = ""
        self.resources = tuple(
            Resource(path, self._play, methods=_METHODS, parameters=None) for path in ("/{name}", "/{name}/{rest*}")
        )

    async def _play(self, request: IncomingRequest, response: Responder) -> None:
        scenario = self._scenarios.get(request.captures["name"])
        if scenario is None:  # a browser's favicon
            await response.text(404, "no such scenario\n")
            return
        self.asked[scenario.name].append(request.head)
        async for _ in request.body_events():
            pass
        await play(response, scenario, hold=_HOLD_SECONDS)


@asynccontextmanager
async def playing(cases: Sequence[ClientCase]) -> AsyncIterator[ScenarioOrigin]:
    """Serve the scenarios on a free port of the loopback interface."""
    origin = ScenarioOrigin(cases)
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(serve, "127.0.0.1:0", origin.resources)
        origin.url = f"http://{addresses[0]}"
        yield origin
        nursery.cancel_scope.cancel()


class OutputForm(enum.Enum):
    """What a command writes to standard output."""

    CONTENT = "content"
    """The octets of the content."""
    TEXT = "text"
    """The text in its events."""
    IGNORED = "ignore"
    """Anything else: it is not compared."""


@dataclass(frozen=True, slots=True)
class CheckedClient:
    """The command under test.

    Attributes:
        run: runs it with a URL.
        form: what it writes to standard output.
    """

    run: Callable[[str], Awaitable[CommandRun]]
    origin: ScenarioOrigin
    form: OutputForm

    async def judge(self, case: ClientCase) -> Ruling:
        """Run the command on a scenario, and judge its exit code and output."""
        scenario = case.scenario
        run = await self.run(f"{self.origin.url}/{scenario.name}")
        asked = self.origin.asked[scenario.name]
        outputs = (
            Shown(label, text[:4096], is_exchanged=False)
            for label, text in (("stdout", run.stdout), ("stderr", run.stderr))
            if text
        )
        outcome, why = self._rule(scenario, run, asked)
        times = "" if len(asked) == 1 else f"; asked {len(asked)} times"
        return Ruling(outcome, why + times, (Shown("sent", scenario.octets), *outputs))

    def _rule(self, scenario: Scenario, run: CommandRun, asked: Sequence[Request]) -> tuple[RowOutcome, str]:
        if not asked:
            return RowOutcome.UNDECIDED, run.how
        if scenario.is_gzip and not any(map(accepts_gzip, asked)):
            return RowOutcome.NOT_APPLICABLE, "asked for no gzip"
        if scenario.is_chunked and all(request.version == b"1.0" for request in asked):
            return RowOutcome.NOT_APPLICABLE, "asked in HTTP/1.0, to which no chunks may be sent"
        if run.code is None:
            return RowOutcome.UNDECIDED, run.how
        if not scenario.is_legal:
            if run.code:
                return RowOutcome.PASS, run.how
            allowed = f"; {scenario.http_allows}" if scenario.http_allows else ""
            printed = number(len(run.stdout), "octet")
            return RowOutcome.FAIL, f"accepts it as whole: exit 0, {printed} of output{allowed}"
        if run.code:
            return RowOutcome.FAIL, run.how
        wrong = output_trouble(self.form, scenario, run.stdout)
        return (RowOutcome.FAIL, f"exit 0, but {wrong}") if wrong else (RowOutcome.PASS, run.how)


def output_trouble(form: OutputForm, scenario: Scenario, stdout: bytes) -> str:
    """Return how an output differs from the content of a legal scenario; "" if it does not."""
    if form is OutputForm.TEXT and stdout.decode("utf-8", "replace").strip() != TEXT:
        return f"its output is not {TEXT!r}"
    if form is not OutputForm.CONTENT or stdout == scenario.content:
        return ""
    content = scenario.content
    at = next((n for n, (one, other) in enumerate(zip(stdout, content, strict=False)) if one != other), None)
    where = f", different from octet {at} on" if at is not None else ""
    return f"{number(len(stdout), 'octet')} came out of {len(content)}{where}"


async def detect_output_form(
    run_with: Callable[[str], Awaitable[CommandRun]], origin: ScenarioOrigin, case: ClientCase, form: OutputForm | None
) -> OutputForm:
    """Run the command on a plain response, and return what it writes to standard output.

    Args:
        case: of the plain scenario.
        form: the form that --stdout names, which is only verified; None detects it.

    Raises:
        LocalError: the command cannot be started, makes no request, does not end, or fails; or its output has not the
            form. What it does with a broken response would then prove nothing.
    """
    run = await run_with(f"{origin.url}/{case.scenario.name}")
    asked = origin.asked[case.scenario.name]
    if run.code is None:
        raise LocalError("the command does not end in time with a plain response (see --patience)")
    if run.code:
        unasked = "" if asked else f"; it made no request: give it {PLACEHOLDER}, or let it read {URL_VARIABLE}"
        raise LocalError(f"the command fails with a plain response: {run.how}{unasked}")
    if not asked:
        raise LocalError(f"the command did not ask: give it {PLACEHOLDER}, or let it read {URL_VARIABLE}")
    asked.clear()
    if form is not None:
        if wrong := output_trouble(form, case.scenario, run.stdout):
            raise LocalError(f"--stdout {form.value}: with a plain response {wrong}")
        return form
    fitting = (each for each in OutputForm if not output_trouble(each, case.scenario, run.stdout))
    return next(fitting)
