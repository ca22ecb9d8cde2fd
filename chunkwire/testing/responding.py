"""The resources that answer the requests of runs, each with the next response of its run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from chunkwire.llm.question import ModelRequest, RequestRefused, refuse
from chunkwire.origin.scenarios import Write
from chunkwire.origin.scenarios.playing import accepts_gzip, play_written
from chunkwire.origin.websocket import check_handshake
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import KNOWN_METHODS, Resource
from chunkwire.testing.answers import (
    AskedModel,
    WireAnswer,
    paths_of,
    status_reply,
    understand,
    unexpected_reply,
    wire_answer,
)
from chunkwire.testing.hands import write_by_hand
from chunkwire.testing.runs import MAX_BODY_OCTETS, RunRequest, Runs, ServedRun
from chunkwire.testing.sockets import answer_websocket
from chunkwire.testing.steps import MODELS, ByHand, ContentStep, Octets, StatusReply, Step
from chunkwire.wire.errors import ChunkwireError, LocalError

_METHODS: Final = tuple(sorted(KNOWN_METHODS - {"CONNECT", "HEAD", "OPTIONS"}))
_STALL_S: Final = 3600.0  # of a requested stall, unless the client leaves or the origin ends before
_SCENARIO_STALL_S: Final = 1.0  # of a scenario's stall, then a FIN, so that a client without a timeout does not hang


def run_resources(runs: Runs) -> tuple[Resource, ...]:
    """Return the resources of the base URLs of all runs, and of the paths below them."""
    answer = partial(_answer, runs)
    summary = "what a test has begun here: its responses, in their order"
    return tuple(
        Resource(path, answer, summary, "{origin}/run-0/", methods=_METHODS, parameters=None)
        for path in ("/run-{id}", "/run-{id}/{rest*}")
    )


async def _answer(runs: Runs, request: IncomingRequest, response: Responder) -> None:
    """Answer with the run's next response; note and refuse a request that is not expected, or whose body fails."""
    run = runs.find(f"run-{request.captures['id']}")
    received = _received(run, request)
    try:
        received.body = await request.read_body(MAX_BODY_OCTETS)
        asked = _understood(run, request, received)
        taken = run.take()
        if taken is None:
            raise refuse(f"all responses of the run were given ({len(run.steps)})")
        answer = _octets_of(run, taken, asked, request)
    except ChunkwireError as error:
        received.note = str(error)
        run.note(received)
        if not isinstance(error, RequestRefused):
            raise
        reply = unexpected_reply(run.kind, received.path, f"chunkwire: not expected by {run.id}: {error}")
        await response.fixed(reply.status, reply.fields, reply.body)
        return
    run.note(received)
    await _write(run, taken, answer, asked, request, response, received)


def _received(run: ServedRun, request: IncomingRequest) -> RunRequest:
    head = request.head
    target = head.target.decode("latin-1").removeprefix(f"/{run.id}")
    target = target if target.startswith("/") else f"/{target}"  # of the base URL itself: "" or a query
    fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.fields)
    return RunRequest(head.method.decode("latin-1"), target, fields)


def _understood(run: ServedRun, request: IncomingRequest, received: RunRequest) -> AskedModel | None:
    """Parse a request in the run's dialect; None if the run's kind is no dialect.

    Raises:
        RequestRefused: it is not a request of this dialect.
        Refusal: the run is of WebSockets, and it asks for none.
    """
    if run.kind == "websocket":
        check_handshake(request)
    if run.kind not in MODELS:
        return None
    head = request.head
    asked = understand(
        run.kind, ModelRequest(head.method, received.target.encode("latin-1"), head.fields, received.body)
    )
    if asked is None:
        raise refuse(f"expected POST to {' or '.join(paths_of(run.kind))}, below the run's URL")
    return asked


def _octets_of(
    run: ServedRun, taken: tuple[int, Step], asked: AskedModel | None, request: IncomingRequest
) -> WireAnswer | None:
    """Return an answer as octets; None for the other forms of a response.

    Raises:
        RequestRefused: it is shorter than its fault expects.
    """
    number, step = taken
    if not isinstance(step, ContentStep) or run.kind == "websocket":
        return None
    may_gzip = request.head.get(b"accept-encoding") is None or accepts_gzip(request.head)
    try:
        return wire_answer(run.kind, step, asked, accepts_gzip=may_gzip)
    except LocalError as error:
        raise refuse(f"response {number + 1}: {error}") from error


async def _write(
    run: ServedRun,
    taken: tuple[int, Step],
    answer: WireAnswer | None,
    asked: AskedModel | None,
    request: IncomingRequest,
    response: Responder,
    received: RunRequest,
) -> None:
    number, step = taken
    if isinstance(step, StatusReply):
        reply = status_reply(step, asked)
        await response.fixed(reply.status, reply.fields, reply.body)
    elif isinstance(step, Octets):
        head, *rest = step.writes or (b"",)
        if request.head.method == b"HEAD":
            head, rest = b"".join(step.writes), []  # the only write of a response to HEAD
        play = partial(play_written, response, head, [Write(each) for each in rest], step.ending, hold=_STALL_S)
        await _watched(run, number, response, play)
    elif run.kind == "websocket":
        await answer_websocket(run.hands.get(number), step, request, response, received)
    elif isinstance(step, ByHand):
        await write_by_hand(run.hands[number], response, run.kind, asked)
    elif answer is not None:
        hold = _SCENARIO_STALL_S if step.fault is None else _STALL_S
        play = partial(play_written, response, answer.head, answer.writes, answer.ending, hold=hold)
        await _watched(run, number, response, play)


async def _watched(run: ServedRun, number: int, response: Responder, play: Callable[[], Awaitable[None]]) -> None:
    """Play a response; if it has a stall, tell the run's waits when it is requested and when its client leaves."""
    if number in run.stalls:
        await run.stalls[number].watch(response, play)
    else:
        await play()
