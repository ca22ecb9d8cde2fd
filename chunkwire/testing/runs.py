"""The runs of a test origin: each has a base URL, responses in sequence, and the requests that came.

The rule here: all callers use messages, the JSON of the control path (`control`). Runs are begun and read, and other
messages checked, in the caller's thread; waits, and everything that uses a connection, run in trio's thread.
"""

from __future__ import annotations

import base64
import importlib.util
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import trio

from chunkwire.origin.scenarios import Ending
from chunkwire.server.refusal import Refusal
from chunkwire.testing.answers import check_content
from chunkwire.testing.hands import ENDS, Act, HandwrittenResponse, read_action
from chunkwire.testing.steps import KINDS, ByHand, ContentStep, Octets, Step, naming, read_steps
from chunkwire.wire.errors import LocalError, missing_package
from chunkwire.wire.jsontext import load_json
from chunkwire.wire.nearest import expected_one_of, refuse_unknown

MAX_RUNS: Final = 1000  # at once
MAX_RESPONSES: Final = 1000  # of one run
MAX_REQUESTS: Final = 1000  # kept of one run; tests that send more are benchmarks
MAX_BODY_OCTETS: Final = 32 << 20  # of one request; the mocks of language models have the same limit
MAX_WAIT_S: Final = 60.0  # of one wait
WAIT_S: Final = 5.0  # of a wait that names no timeout
_WAITS: Final = ("wait_request", "wait_message", "wait_client_gone", "wait_acked")
_WAITS_OF_STALLS: Final = ("wait_request", "wait_client_gone")
_MEMBERS: Final = ("kind", "responses", "framing", "repeats")


class RunFailed(AssertionError):
    """A run did not go as planned, or a wait timed out."""


class FieldsByName(dict[str, str]):
    """Values by the name of their field, in lower case; `[]`, `in` and `get` find a name in any case."""

    def __missing__(self, name: str) -> str:
        if name == name.lower():
            raise KeyError(name)
        return self[name.lower()]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default for a field that is not there."""
        return super().get(name.lower(), default)


@dataclass(slots=True)
class RunRequest:
    """A request that a run was sent.

    Attributes:
        target: path and query under the run's base URL, with the leading "/".
        fields: its field lines, in their order.
        body: its content.
        messages: received on a WebSocket.
        note: why the request was not expected; "" if it was.
        number: among all requests of the run, from 1.
    """

    method: str
    target: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    messages: list[str | bytes] = field(default_factory=list, repr=False)
    note: str = ""
    number: int = field(default=0, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.target}"

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def headers(self) -> FieldsByName:
        """The fields by name; those of one name are joined by ", " (RFC 9110 §5.3)."""
        joined = FieldsByName()
        for name, value in self.fields:
            before = joined.get(name)
            joined[name.lower()] = value if before is None else f"{before}, {value}"
        return joined

    def json(self) -> Any:
        """Return its body, parsed as JSON.

        Raises:
            ValueError: it is no JSON, or nested deeper than `wire.jsontext.MAX_DEPTH`.
        """
        return load_json(self.body)

    def as_message(self) -> dict[str, object]:
        """Return the request as a JSON object of the control path; a WebSocket message is a text, or an object."""
        body: dict[str, object]
        try:
            body = {"body": self.body.decode()}
        except UnicodeDecodeError:
            body = {"body_b64": base64.b64encode(self.body).decode()}
        messages = [as_json(each) for each in self.messages]
        sockets = {"messages": messages} if messages else {}
        return {"method": self.method, "target": self.target, "fields": self.fields, **body, **sockets}


def as_json(message: str | bytes) -> object:
    """Return a WebSocket message in the form of the control path."""
    return message if isinstance(message, str) else {"octets_b64": base64.b64encode(message).decode()}


class ServedRun:
    """One run, in the origin.

    Attributes:
        id: the last segment of its base URL.
        hands: the responses by hand, by their index in `steps`.
        stalls: the responses with a stall, by index; a test can wait for their clients in a run without hands.
        requests: in the order in which they were complete.
    """

    def __init__(self, kind: str, steps: list[Step], *, repeats: bool) -> None:
        self.id = f"run-{secrets.token_hex(8)}"
        self.kind = kind
        self.steps = steps
        self.hands = {number: HandwrittenResponse() for number, step in enumerate(steps) if isinstance(step, ByHand)}
        self.stalls = {number: HandwrittenResponse() for number, step in enumerate(steps) if _is_stall(step)}
        self.requests: list[RunRequest] = []
        self._taken = 0
        self._came = 0
        self._waited: Counter[str] = Counter()
        self._repeats = repeats

    def take(self) -> tuple[int, Step] | None:
        """Return the index and step of the next response; None if there is none left, and the last is not repeated."""
        if self._taken < len(self.steps):
            self._taken += 1
        elif not self._repeats or not self.steps:
            return None
        return self._taken - 1, self.steps[self._taken - 1]

    def note(self, request: RunRequest) -> None:
        """Keep a request, up to `MAX_REQUESTS`, and then one that was not expected, so that `failures` reports it."""
        self._came += 1
        request.number = self._came
        if len(self.requests) < MAX_REQUESTS or (request.note and not self.requests[-1].note):
            self.requests.append(request)

    def failures(self) -> list[str]:
        """Return the deviations: responses that were not requested, and requests that were not expected."""
        steps = [f"response {number}: {step}" for number, step in enumerate(self.steps, 1)]
        never = [f"never asked for: {step}" for step in steps[self._taken :]]
        odd = [
            f"not expected: request {request.number}: {request} ({request.note})"
            for request in self.requests
            if request.note
        ]
        return never + odd

    def act(self, message: Mapping[str, object], post: Callable[[Callable[[], object]], object]) -> None:
        """Carry out a message that does not wait; it is about the first response by hand without an end.

        Args:
            post: runs a function in trio's thread.

        Raises:
            LocalError: the message is not valid, or there is no such response.
        """
        with naming(str(message["do"])):
            action = read_action(message, self.kind)
        hand = self._hand(action.act)
        hand.is_ended = action.act in ENDS
        post(lambda: hand.put(action))

    async def wait(self, message: Mapping[str, object]) -> str | bytes | None:
        """Carry out a message that waits; return what `wait_message` waited for, None for the other waits.

        Raises:
            RunFailed: the wait timed out, or the WebSocket ended before the message came.
            LocalError: the message is not valid, or the run has no response that it could wait for.
        """
        what, timeout = str(message["do"]), message.get("timeout", WAIT_S)
        if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not 0 < timeout <= MAX_WAIT_S:
            raise LocalError(f"timeout: expected seconds, above 0 and at most {MAX_WAIT_S:g}, got {timeout!r:.40}")
        n = self._number(message) if what == "wait_message" else 0
        is_of_stall = self.stalls and not self.hands and what in _WAITS_OF_STALLS
        hand = self._stall(what) if is_of_stall else self._hand(what)
        self._waited[what] += 1  # at once: a wait that runs beside this one is about the next stall
        is_met = False
        try:
            with trio.move_on_after(timeout):
                await _wait_on(hand, what, n)
                is_met = True
        finally:
            self._waited[what] -= not is_met
        if not is_met:
            raise RunFailed(self._late(what, hand, timeout))
        return hand.inbox.messages[n - 1] if n else None

    def stop(self) -> None:
        """Cut the responses by hand that are not complete; call it in trio's thread."""
        for hand in self.hands.values():
            hand.stop()

    def _number(self, message: Mapping[str, object]) -> int:
        """Return which message of a WebSocket's client is waited for, from 1."""
        if self.kind != "websocket":
            raise LocalError(f"wait_message: expected a run of websocket, got one of {self.kind}")
        n = message.get("n", 1)
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise LocalError(f"n: expected a whole number, 1 or more, got {n!r:.40}")
        return n

    def _stall(self, what: str) -> HandwrittenResponse:
        """Return the stall that the next wait of a kind is about: the first one for the first wait, and so on."""
        stalls = list(self.stalls.values())
        return stalls[min(self._waited[what], len(stalls) - 1)]

    def _hand(self, what: str) -> HandwrittenResponse:
        if not self.hands:
            raise LocalError(f"{what}: expected a response written by hand in this run, it has none")
        for hand in self.hands.values():
            if not hand.is_ended:
                return hand
        if what in ("wait_message", "wait_acked"):  # both also make sense after the end
            return hand
        raise LocalError(f"{what}: every response by hand of this run has its end already")

    def _late(self, what: str, hand: HandwrittenResponse, timeout: float) -> str:
        if not hand.asked.is_set():
            odd = [f" but {one}, which was not expected: {one.note}" for one in self.requests if one.note]
            return f"{what}: no request came within {timeout:g} s{odd[-1] if odd else ''}"
        if what == "wait_client_gone":
            return f"{what}: the client has not left within {timeout:g} s"
        if what == "wait_message":
            return f"{what}: the client has sent {len(hand.inbox.messages)} messages within {timeout:g} s"
        left = hand.unacked()
        state = "not all is written" if left is None else f"{left} octets are on their way"
        return f"{what}: {state} after {timeout:g} s"


async def _wait_on(hand: HandwrittenResponse, what: str, n: int) -> None:
    """Wait for what a message names.

    Raises:
        RunFailed: the WebSocket ended before message `n`.
    """
    match what:
        case "wait_request":
            await hand.asked.wait()
        case "wait_message":
            if not await hand.inbox.wait_count(n):
                came = len(hand.inbox.messages)
                raise RunFailed(f"{what}: expected message {n}, the WebSocket ended after {came} of the client's")
        case "wait_client_gone":
            await hand.gone.wait()
        case _:
            await hand.wait_acked()


def _is_stall(step: Step) -> bool:
    if isinstance(step, Octets):
        return step.ending is Ending.HOLD
    return isinstance(step, ContentStep) and step.fault is not None and step.fault.ending is Ending.HOLD


def is_wait(message: Mapping[str, object]) -> bool:
    """Say whether a message waits.

    Raises:
        LocalError: its `do` is unknown.
    """
    what = message.get("do")
    if what not in _WAITS and what not in [act.value for act in Act]:
        raise LocalError(f"do: {expected_one_of((*Act, *_WAITS), what)}")
    return what in _WAITS


class Runs:
    """The runs that an origin serves."""

    def __init__(self) -> None:
        self._runs: dict[str, ServedRun] = {}
        self.is_closed = False

    def begin(self, message: object) -> ServedRun:
        """Begin a run: its `kind`, its `responses`, their `framing`, and whether it `repeats` the last one.

        Raises:
            LocalError: it is not valid.
        """
        if self.is_closed:
            raise LocalError("the origin is closed: no run can begin")
        if len(self._runs) >= MAX_RUNS:
            raise LocalError(f"expected at most {MAX_RUNS} runs at once: end some")
        if not isinstance(message, Mapping):
            raise LocalError(f"expected a run as an object, got {message!r:.40}")
        refuse_unknown(message, _MEMBERS)
        kind = message.get("kind")
        if kind not in KINDS:
            raise LocalError(f"kind: {expected_one_of(KINDS, kind)}")
        if kind == "websocket" and importlib.util.find_spec("wsproto") is None:
            raise LocalError(missing_package("a run of WebSockets", "wsproto"))
        repeats = message.get("repeats", False)
        if not isinstance(repeats, bool):
            raise LocalError(f"repeats: expected true or false, got {repeats!r:.40}")
        steps = read_steps(message.get("responses", ()), kind, message.get("framing"))
        for number, step in enumerate(steps, 1):
            if isinstance(step, ContentStep):
                with naming(f"response {number}"):
                    check_content(kind, step)
        if len(steps) > MAX_RESPONSES:
            raise LocalError(f"responses: expected at most {MAX_RESPONSES}, got {len(steps)}")
        if repeats and (not steps or isinstance(steps[-1], ByHand)):
            raise LocalError("repeats: expected a last response that is not written by hand")
        run = ServedRun(kind, steps, repeats=repeats)
        self._runs[run.id] = run
        return run

    def find(self, name: str) -> ServedRun:
        """Return the run of this id.

        Raises:
            Refusal: 404, there is none, or it has ended.
        """
        if name not in self._runs:
            raise Refusal(404, "no-run", f"no run {name!r:.40}: it is over, or never began")
        return self._runs[name]

    def end(self, run: ServedRun) -> list[str]:
        """End a run, and return its deviations; the caller must call the run's `stop` in trio's thread."""
        self._runs.pop(run.id, None)
        return run.failures()

    def all(self) -> list[ServedRun]:
        """Return the runs that have not ended."""
        return list(self._runs.values())
