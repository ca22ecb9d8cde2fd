"""The lab as resources: the page, its requests, and the streams that it shows.

The rule here: each resource is an entry of a table, which also says how its requests are checked. The path of a request
selects a seat: with one learner the paths are as listed here, in a class each is preceded by /c/TOKEN.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

import trio

from chunkwire.lab.assets import send_asset
from chunkwire.lab.control import MAX_RATE, RunPacer
from chunkwire.lab.guard import SANDBOXED, Guard, page_fields
from chunkwire.lab.hand import MAX_TYPED_OCTETS, HandEnd
from chunkwire.lab.loading import MAX_FILE_OCTETS, load_json
from chunkwire.lab.pages import PAGES, page_of
from chunkwire.lab.relaying import Relays
from chunkwire.lab.seat import Seat, Seats
from chunkwire.lab.trying import Trials, keep_octets, send_octets
from chunkwire.net.heads import Field, Request
from chunkwire.origin.scenarios import FAULTS
from chunkwire.record.values import Record
from chunkwire.server.admin import JOURNAL
from chunkwire.server.query import bad_value
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import TEXT, Responder
from chunkwire.server.routes import Resource
from chunkwire.wire.errors import LocalError

JSON: Final[Field] = (b"Content-Type", b"application/json")
SeatResponder: TypeAlias = Callable[[Seat, IncomingRequest, Responder], Awaitable[None]]
RUN_FIELD: Final = b"chunkwire-run"
_RUN_NAME_CHARACTERS: Final = 64
_STREAMS: Final = ("/direct/", "/via/", "/up/")  # the content is a stream's, which a browser must not run as a page


@dataclass(frozen=True, slots=True)
class LabResource:
    """A resource of a seat."""

    path: str
    responder: SeatResponder
    summary: str
    acts: bool = False  # it changes something: it takes only POST, with the page's token
    methods: tuple[str, ...] = ("GET",)
    parameters: Set[str] | None = frozenset()  # as `Resource.parameters`
    any_host: bool = False  # Host is not checked: a trial's clients, which this server starts, send its address


class Lab:
    """Everything that a lab serves; `lab`, `demo` and each `--admin` address have one.

    Args:
        streams: the origin's resources, which `/direct/…` serves.
        seats: of one learner, or of a class.
        guard: checks who may send requests.
        relays: relays `/via/…`.
        about: more configuration of the page, such as addresses for nc and curl.
        others: more resources of a seat, such as the lessons'.
    """

    def __init__(
        self,
        streams: Sequence[Resource],
        *,
        seats: Seats | None = None,
        guard: Guard | None = None,
        relays: Relays | None = None,
        about: dict[str, object] | None = None,
        others: Iterable[LabResource] = (),
    ) -> None:
        self.guard = guard or Guard()
        self.seats = seats or Seats()
        self.relays = relays or Relays()
        self.about: dict[str, object] = {"faults": list(FAULTS), "upstream": self.relays.has_upstream, **(about or {})}
        self._streams = tuple(each for each in streams if each is not JOURNAL)  # it lists the exchanges of all learners
        self._trials = Trials()
        self._others = tuple(others)

    @property
    def seat(self) -> Seat:
        """The one seat of a lab that is no class."""
        return self.seats.only

    @property
    def resources(self) -> tuple[Resource, ...]:
        """What is served to one learner; or to each learner of a class, with a page at `/` where seats are taken."""
        of_a_seat = [self._guarded(each) for each in (*self._own(), *self._others)]
        if not self.seats.is_class:
            return tuple(of_a_seat)
        entry = (
            LabResource("/", _file("class.html"), "where a learner takes a seat"),
            LabResource("/static/{file}", _static, "its files"),
            LabResource("/seat", self._take_seat, "take a seat", methods=("POST",)),
        )
        return (*(self._guarded(each, needs_seat=False) for each in entry), *of_a_seat)

    def record_for(self, head: Request) -> Callable[[Record], None] | None:
        """Return the consumer of an exchange's records, which sends them to the pages of its seat.

        None for a path that is not below `/direct/`, for a seat that is not taken, and while no page watches.
        """
        seat, path = self.seats.find(head.target)
        if seat is None or not path.startswith("/direct/"):
            return None
        return seat.watchers.record_for("origin")(head)

    def _own(self) -> Iterable[LabResource]:
        relayed = ("GET", "POST", "PUT")
        yield LabResource("/", _file("index.html"), "the page", parameters=None)
        yield LabResource("/static/{file}", _static, "its files")
        yield LabResource("/help/{name}", _protocol, "a protocol that others may speak")
        yield LabResource("/lab/config", self._config, "configuration of the page")
        yield LabResource(
            "/lab/feed",
            lambda seat, _, response: seat.watchers.send_to(response),
            "what is seen on the wire, as server-sent events",
        )
        yield LabResource("/lab/clock", _clock, "the clock of the feed, in seconds")
        yield LabResource("/lab/run/{run}", _control, "pause, step, pace", True, parameters=_RUN_PARAMETERS)
        yield LabResource("/lab/type", _type, "octets for the hand-written streams", True, parameters={"end", "run"})
        yield LabResource("/lab/try", self._try, "what clients report of octets", True)
        yield LabResource("/lab/load", _load, "a recording or capture as records", True)
        yield LabResource("/via/{mode}/{rest*}", self.relays.relay, "through the gateway", False, relayed, None)
        if self.relays.has_upstream:
            yield LabResource("/up/{mode}/{rest*}", self.relays.relay, "through it to its upstream", parameters=None)
        yield LabResource(
            "/direct/hand",
            lambda seat, request, response: seat.hands.serve(request, response, _run_of(request)),
            "a stream of what is typed on the page",
            parameters=None,
        )
        yield LabResource("/direct/trial/{trial}", send_octets, "the octets of a trial", any_host=True)
        for stream in self._streams:
            yield LabResource(
                "/direct" + stream.path, _controlled(stream), stream.summary, False, stream.methods, stream.parameters
            )

    def _guarded(self, own: LabResource, *, needs_seat: bool = True) -> Resource:
        """Return a resource that checks a request, finds its seat, and then calls the responder."""

        async def respond(request: IncomingRequest, response: Responder) -> None:
            if not own.any_host:
                self.guard.check_host(request.head)
            seat = self.seats.find(request.head.target)[0] if needs_seat else Seat()
            if seat is None:
                raise Refusal(404, "seat", "no such seat in this class; its learners begin at /")
            if own.acts or own.path.startswith("/lab/") or request.head.method not in (b"GET", b"HEAD"):
                self.guard.check_site(request.head)
            if own.acts:
                self.guard.check_token(request.head, seat.token)
            response.always = SANDBOXED if own.path.startswith(_STREAMS) else page_fields(request.head)
            await own.responder(seat, request, response)

        methods = ("POST",) if own.acts else own.methods
        pattern = self.seats.pattern if needs_seat else ""
        return Resource(pattern + own.path, respond, own.summary, "", methods, own.parameters)

    async def _take_seat(self, _: Seat, __: IncomingRequest, response: Responder) -> None:
        """Redirect to a new seat."""
        location = (b"Location", f"{self.seats.take().path}/".encode())
        await response.fixed(303, (location, (b"Cache-Control", b"no-store")))

    async def _config(self, seat: Seat, _: IncomingRequest, response: Responder) -> None:
        await _send_json(response, {**self.about, "token": seat.token, "path": seat.path})

    async def _try(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        """Let the installed clients read the request's content as a chunked body."""
        name, verdict = await keep_octets(seat, request)
        trials = await self._trials.try_all(request.body.local, f"{seat.path}/direct/trial/{name}", verdict)
        clients = list(map(asdict, trials))
        await _send_json(response, {"trial": name, "clients": clients, "verdict": asdict(verdict)})


async def _send_json(response: Responder, content: object) -> None:
    await response.fixed(200, (JSON,), json.dumps(content).encode())


def _controlled(stream: Resource) -> SeatResponder:
    """Return the responder of an origin's resource; a request that names a run is paced by that run's control."""

    async def respond(seat: Seat, request: IncomingRequest, response: Responder) -> None:
        if name := _run_of(request):
            response.pacer = RunPacer(response.pacer, seat.run(name))
        await stream.responder(request, response)

    return respond


def _file(name: str) -> SeatResponder:
    return lambda _, request, response: send_asset(name, request, response)


async def _static(_: Seat, request: IncomingRequest, response: Responder) -> None:
    await send_asset(request.captures["file"], request, response)


async def _protocol(_: Seat, request: IncomingRequest, response: Responder) -> None:
    page = page_of(request.captures["name"])
    if page is None:
        raise Refusal(404, "not-found", f"no protocol {request.captures['name']!r:.60}; there are {', '.join(PAGES)}")
    await response.fixed(200, (TEXT,), page.text().encode())


async def _clock(_: Seat, __: IncomingRequest, response: Responder) -> None:
    await response.fixed(200, (JSON,), b'{"now":%.6f}' % time.monotonic())


_RUN_PARAMETERS: Final = frozenset({"rate", "paused", "step"})


async def _control(seat: Seat, request: IncomingRequest, response: Responder) -> None:
    """Pause, step or pace a run's streams; answer with its state."""
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
    await _send_json(response, {"rate": run.rate, "paused": run.is_paused, "steps": run.steps})


async def _type(seat: Seat, request: IncomingRequest, response: Responder) -> None:
    """Send the request's content on each hand-written stream, then end them where `end` is given.

    With `run` the streams of other runs are left out.
    The answer has the verdict on the stream that was opened last.
    """
    end = request.query.text("end")
    if end not in ("", *HandEnd):
        raise bad_value("end", "fin or reset", end)
    run = _run_name(text) if (text := request.query.text("run")) else ""
    typed = await request.read_body(MAX_TYPED_OCTETS)
    streams = seat.hands.reached(run)
    verdict = seat.hands.write(typed, run) if typed else None
    if end:
        verdict = seat.hands.write(HandEnd(end), run)
    await _send_json(response, {"streams": streams, "octets": len(typed), "verdict": verdict and asdict(verdict)})


async def _load(_: Seat, request: IncomingRequest, response: Responder) -> None:
    """Answer with the records of a file, which is the request's content."""
    octets = await request.read_body(MAX_FILE_OCTETS)
    try:
        content = await trio.to_thread.run_sync(load_json, octets)  # it would block the event loop
    except LocalError as error:
        raise Refusal(400, "lab-file", str(error)) from error
    await response.fixed(200, (JSON,), content)


def _run_of(request: IncomingRequest) -> str:
    """Return the name of the run that a request belongs to; "" for none."""
    run = request.head.get(RUN_FIELD)
    return _run_name(run.decode("latin-1").partition(".")[0]) if run else ""  # after the dot: the page's ladder


def _run_name(text: str) -> str:
    if not text.isalnum() or len(text) > _RUN_NAME_CHARACTERS:
        raise bad_value("run", f"at most {_RUN_NAME_CHARACTERS} letters and digits", text)
    return text
