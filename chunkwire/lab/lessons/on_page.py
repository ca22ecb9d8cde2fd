"""The lessons on the lab's page: their texts, and a session as an event stream.

The rule here: a seat has at most one session. Its servers run as long as the request that began it: they end when the
learner leaves the page or begins a lesson again. Only octets on the lesson's own addresses are judged, and the page
sends none there; it begins lessons and sends answers to questions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import trio

from chunkwire.lab.guard import host_name
from chunkwire.lab.laboratory import JSON, LabResource
from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.front import LESSON_PATH, Front
from chunkwire.lab.lessons.judgement import Judgement, shown_octets
from chunkwire.lab.lessons.netcats import KINDS, NETCATS, NetcatProgram, detected, of_kind
from chunkwire.lab.lessons.session import LOOPBACK, LessonSession, open_session
from chunkwire.lab.lessons.watched import Ending, WatchedConnection, WatchedLine
from chunkwire.lab.seat import Seat, replacing
from chunkwire.net.connection import PeerGone
from chunkwire.server.query import Query, bad_value, whole_number
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.wire.errors import LocalError
from chunkwire.wire.sse import encode_comment, encode_event

HEARTBEAT_SECONDS: Final = 5.0
"""Between two writes to an idle page. If the page has left, the first write is answered by a reset; the next fails."""
WAITING_EVENTS: Final = 256
"""Unsent events of a page; further ones are dropped."""

SHOWN_OCTETS: Final = 2048
"""Octets of one batch of lines that are shown on the page: more than any step asks a learner to send."""

FrontFor = Callable[[Seat, str], Front | None]
"""Returns one learner's part of a class's front, given the name by which the learner reaches the class."""


class PageLessons:
    """The lessons of a lab.

    Args:
        front_for: its default gives None, for addresses on loopback.
    """

    def __init__(self, front_for: FrontFor = lambda seat, name: None) -> None:
        self._front_for = front_for
        self._sessions: WeakKeyDictionary[Seat, tuple[LessonSession, trio.CancelScope]] = WeakKeyDictionary()

    @property
    def resources(self) -> Iterable[LabResource]:
        """The resources that the page requests."""
        yield LabResource("/lab/lessons", self._list, "the lessons: titles, texts, kinds of nc")
        yield LabResource(
            "/lab/lesson/{n}", self._begin, "begin a lesson; its events", acts=True, parameters={"nc", "step"}
        )
        yield LabResource("/lab/answer", self._answer, "answer a lesson's question", acts=True, parameters={"text"})
        yield LabResource(
            f"{LESSON_PATH}/{{rest*}}",
            _refuse_without_lesson,
            "what no lesson of this seat serves",
            methods=("GET", "POST"),
            parameters=None,
            any_host=True,  # as in a lesson, where learners type what they like
        )

    async def _list(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        is_class = self._front_for(seat, host_name(request.head) or LOOPBACK) is not None
        lessons = [
            {"number": lesson.number, "title": lesson.title, "intro": list(lesson.intro)}
            for lesson in all_lessons()
            if not (is_class and lesson.is_served_by_learner)  # as in `open_session`
        ]
        kinds = [{"kind": netcat.kind, "title": netcat.title} for netcat in NETCATS]
        here = await trio.to_thread.run_sync(detected)
        said = {"lessons": lessons, "kinds": kinds, "here": here.netcat.kind}
        await response.fixed(200, (JSON,), json.dumps(said).encode())

    async def _begin(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        """Serve a session from a step on; steps, octets on the wire, and judgements are sent as events."""
        number = whole_number("n", request.captures["n"], at_least=1, at_most=len(all_lessons()))
        steps = all_lessons()[number - 1].steps
        step = request.query.count("step", 1, at_least=1, at_most=len(steps))
        while step > 1 and steps[step - 1].answer_judge and steps[step - 2].answer_judge:
            step -= 1  # its answer is judged by the connections of the step before, which this session has not watched
        nc = await netcat_asked(request.query)
        name = host_name(request.head) or LOOPBACK
        sender, receiver = trio.open_memory_channel[bytes](WAITING_EVENTS)
        events = SessionEvents(number, step, nc, sender)
        with replacing(self._sessions, seat, events.session):
            try:
                async with open_session(events.session, front=self._front_for(seat, name)):
                    events.step()
                    gone = await send_events(receiver, events.session.done, response)
                if gone is not None:
                    raise gone
            except LocalError as error:  # of `open_session`, before the response has begun
                raise Refusal(400, "lesson", str(error)) from error

    async def _answer(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        if seat not in self._sessions:
            raise Refusal(409, "no-lesson", "no lesson has been begun on this page")
        said = self._sessions[seat][0].answer(request.query.text("text"))
        await response.fixed(200, (JSON,), json.dumps({"said": said}).encode())


async def _refuse_without_lesson(_: Seat, __: IncomingRequest, ___: Responder) -> None:
    raise Refusal(404, "no-lesson", "no lesson is running here; press Begin on your page, which must stay open")


async def send_events(
    receiver: trio.MemoryReceiveChannel[bytes], done: trio.Event, response: Responder
) -> PeerGone | None:
    """Send events until the session is done, with heartbeats; return PeerGone if the page left before.

    It is not raised here: the nursery of `open_session` would wrap it in an ExceptionGroup.
    """
    try:
        async with response.chunked(fields=(EVENT_STREAM, (b"Cache-Control", b"no-store"))) as body:
            while not done.is_set() or receiver.statistics().current_buffer_used:
                event = encode_comment("waiting")
                with trio.move_on_after(HEARTBEAT_SECONDS):
                    event = await receiver.receive()
                await body.send_chunk(event)
    except PeerGone as gone:
        return gone
    return None


class SessionEvents:
    """Sends a session to its page, as server-sent events."""

    def __init__(self, number: int, step: int, nc: NetcatProgram, sender: trio.MemorySendChannel[bytes]) -> None:
        self._sender = sender
        self.session = LessonSession(
            all_lessons()[number - 1], nc, step=step, report=self._judged, hint=self._hint, watched=self._watched
        )

    def step(self) -> None:
        """Send the current step."""
        session = self.session
        self._send(
            "step",
            {
                "lesson": session.lesson.number,
                "title": session.lesson.title,
                "intro": [session.with_addresses(text) for text in session.lesson.intro],
                "step": session.step,
                "of": len(session.lesson.steps),
                "task": list(map(session.with_addresses, session.current.task)),
                "commands": [
                    {"note": command.note, "run": command.run, "lines": list(command.lines)}
                    for command in session.shown_commands()
                ],
                "asks": session.current.answer_judge is not None,
            },
        )

    def _judged(self, number: int, judgement: Judgement) -> None:
        learned = self.session.lesson.steps[number - 1].lesson_learned if judgement.is_right else ()
        self._send(
            "judged",
            {**judgement.to_json(), "step": number, "learned": list(map(self.session.with_addresses, learned))},
        )
        if self.session.done.is_set():
            self._send("done", {"lesson": self.session.lesson.number})
        elif judgement.is_right:
            self.step()

    def _hint(self, judgement: Judgement) -> None:
        self._send("hint", judgement.to_json())

    def _watched(self, _: WatchedConnection, lines: Sequence[WatchedLine], __: Ending) -> None:
        room, shown = SHOWN_OCTETS, []
        for line in lines:
            if room > 0:
                shown.append([round(line.t, 3), shown_octets(line.octets[:room]), line.note])
            room -= len(line.octets)
        if shown:
            self._send("octets", {"lines": shown})

    def _send(self, event: str, content: dict[str, object]) -> None:
        try:
            self._sender.send_nowait(encode_event(json.dumps(content), event))
        except trio.WouldBlock:
            return  # the page takes nothing; the next heartbeat shows whether it has left


async def netcat_asked(query: Query) -> NetcatProgram:
    """Return the kind of nc that a page asks commands for, by its parameter `nc`; by default the installed one."""
    kind = query.text("nc")
    if kind and kind not in KINDS:
        raise bad_value("nc", f"one of {', '.join(KINDS)}", kind)
    return await trio.to_thread.run_sync(of_kind, kind)
