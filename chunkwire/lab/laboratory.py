"""The lab as resources: the page, what it asks for, and the streams that it shows.

The rule here: each resource is one line of a table, with who may ask for it; a learner's part is found by the path.
Where there is one learner the paths are as they stand here, in a class they follow /c/TOKEN.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Final, TypeAlias

import trio

from chunkwire.lab.assets import assets
from chunkwire.lab.control import MAX_RATE, RunPacer
from chunkwire.lab.guard import PAGE_FIELDS, SANDBOXED, Guard
from chunkwire.lab.hand import MAX_TYPED_OCTETS, HandEnd
from chunkwire.lab.relaying import Relays
from chunkwire.lab.seat import Seat
from chunkwire.net.heads import Field, Request
from chunkwire.record.values import Record
from chunkwire.server.query import bad_value
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource

JSON: Final[Field] = (b"Content-Type", b"application/json")
SeatResponder: TypeAlias = Callable[[Seat, IncomingRequest, Responder], Awaitable[None]]
RUN_FIELD: Final = b"chunkwire-run"
_RUN_NAME_OCTETS: Final = 64


@dataclass(frozen=True, slots=True)
class LabResource:
    """A resource of a seat.

    Attributes:
        acts: it changes something: POST, with the page's token.
    """

    path: str
    responder: SeatResponder
    summary: str
    acts: bool = False
    methods: tuple[str, ...] = ("GET",)
    parameters: Set[str] | None = frozenset()


class Lab:
    """Everything that a lab serves, for one learner.

    Args:
        streams: the origin's resources, which `/direct/…` serves.
        guard: who may ask.
        about: what the page is told of its surroundings, such as addresses for nc and curl.
        others: more resources of a seat, such as the lessons'.
    """

    def __init__(
        self,
        streams: Sequence[Resource],
        *,
        guard: Guard | None = None,
        about: dict[str, object] | None = None,
        others: Iterable[LabResource] = (),
    ) -> None:
        self.guard = guard or Guard()
        self.about = about or {}
        self.seat = Seat()
        self._streams = tuple(streams)
        self._relays = Relays()
        self._others = tuple(others)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what the lab needs done beside its server, until cancelled."""
        task_status.started()
        await self._relays.run()

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What is served."""
        return tuple(self._guarded(each) for each in (*self._own(), *self._others))

    def _own(self) -> Iterable[LabResource]:
        via = ("GET", "POST", "PUT")
        yield LabResource("/", _page, "the page", parameters=None)
        yield LabResource("/static/{file}", _static, "its files")
        yield LabResource("/lab/config", self._config, "what the page is told")
        yield LabResource("/lab/feed", _feed, "what is seen on the wire, as server-sent events")
        yield LabResource("/lab/clock", _clock, "the clock of the feed, in seconds")
        yield LabResource("/lab/run/{run}", _control, "pause, step, pace", True, parameters=_RUN_PARAMETERS)
        yield LabResource("/lab/type", _type, "octets for the hand-written streams", True, parameters={"end"})
        yield LabResource("/via/{mode}/{rest*}", self._relays.relay, "through the gateway", False, via, None)
        yield LabResource("/direct/hand", _hand, "a stream that is what the page's typist types", parameters=None)
        for stream in self._streams:
            yield LabResource(
                "/direct" + stream.path, _controlled(stream), stream.summary, False, stream.methods, stream.parameters
            )

    def _guarded(self, own: LabResource) -> Resource:
        """Return a resource that asks the guard first."""

        async def respond(request: IncomingRequest, response: Responder) -> None:
            self.guard.check_host(request.head)
            is_stream = own.path.startswith(("/direct", "/via"))
            if own.path != "/" and (own.acts or (is_stream and request.head.method != b"GET")):
                self.guard.check_site(request.head)
            if own.acts:
                self.guard.check_token(request.head, self.seat.token)
            response.always = SANDBOXED if is_stream else PAGE_FIELDS
            await own.responder(self.seat, request, response)

        methods = ("POST",) if own.acts else own.methods
        return Resource(own.path, respond, own.summary, "", methods, own.parameters)

    def record_for(self, head: Request) -> Callable[[Record], None] | None:
        """Pick who takes what this server writes on the streams of a seat; the page's own files are no stream."""
        if not head.target.startswith(f"{self.seat.path}/direct/".encode()):
            return None
        return self.seat.watchers.record_for("origin")(head)

    async def _config(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        self.guard.check_site(request.head)
        about = {**self.about, "token": seat.token, "path": seat.path}
        await response.fixed(200, (JSON,), json.dumps(about).encode())


def _controlled(stream: Resource) -> SeatResponder:
    """Return a resource of the origin whose time a run's control may stop."""

    async def respond(seat: Seat, request: IncomingRequest, response: Responder) -> None:
        if run := request.head.get(RUN_FIELD):
            response.pacer = RunPacer(response.pacer, seat.run(_run_name(run.decode("latin-1"))))
        await stream.responder(request, response)

    return respond


async def _page(_: Seat, request: IncomingRequest, response: Responder) -> None:
    await _send_asset("index.html", request, response)


async def _static(_: Seat, request: IncomingRequest, response: Responder) -> None:
    await _send_asset(request.captures["file"], request, response)


async def _send_asset(name: str, request: IncomingRequest, response: Responder) -> None:
    asset = assets().get(name)
    if asset is None:
        raise Refusal(404, "not-found", f"no file {name!r:.60} of the page")
    if request.head.get(b"if-none-match") == asset.etag:
        await response.fixed(304, ((b"ETag", asset.etag),))
        return
    await response.fixed(200, ((b"Content-Type", asset.media_type), (b"ETag", asset.etag)), asset.octets)


async def _feed(seat: Seat, _: IncomingRequest, response: Responder) -> None:
    await seat.watchers.send_to(response)


async def _clock(_: Seat, __: IncomingRequest, response: Responder) -> None:
    await response.fixed(200, (JSON,), b'{"now":%.6f}' % time.monotonic())


_RUN_PARAMETERS: Final = frozenset({"rate", "paused", "step"})


async def _control(seat: Seat, request: IncomingRequest, response: Responder) -> None:
    """Change the time of a run's streams, and say how it goes."""
    run, query = seat.run(_run_name(request.captures["run"])), request.query
    rate = None
    if text := query.text("rate"):
        try:
            rate = float(text)
        except ValueError:
            rate = 0.0
        if not 0 < rate <= MAX_RATE:
            raise bad_value("rate", f"a number above 0, at most {MAX_RATE:g}", text)
    paused = query.count("paused", 0, at_most=1)
    run.set(
        rate=rate,
        is_paused=bool(paused) if query.values("paused") else None,
        steps=query.count("step", 0, at_most=1000),
    )
    said = {"rate": run.rate, "paused": run.is_paused, "steps": run.steps}
    await response.fixed(200, (JSON,), json.dumps(said).encode())


async def _type(seat: Seat, request: IncomingRequest, response: Responder) -> None:
    """Put the request's content on the wire of each hand-written stream, or end them."""
    end = request.query.text("end")
    if end not in ("", *HandEnd):
        raise bad_value("end", "fin or reset", end)
    typed = await request.read_body(MAX_TYPED_OCTETS)
    streams = len(seat.hands)
    verdict = seat.hands.write(typed) if typed else None
    if end:
        seat.hands.write(HandEnd(end))
    said: dict[str, object] = {"streams": streams, "octets": len(typed)}
    if verdict is not None:
        said["verdict"] = {name: getattr(verdict, name) for name in ("state", "text", "rule", "section", "offset")}
    await response.fixed(200, (JSON,), json.dumps(said).encode())


async def _hand(seat: Seat, request: IncomingRequest, response: Responder) -> None:
    await seat.hands.serve(request, response)


def _run_name(text: str) -> str:
    if not text.isalnum() or len(text) > _RUN_NAME_OCTETS:
        raise bad_value("run", f"at most {_RUN_NAME_OCTETS} letters and digits", text)
    return text
