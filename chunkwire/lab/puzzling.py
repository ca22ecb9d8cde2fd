"""The puzzles on the lab's page: their text, and judgements of answers.

The rule here: a seat has at most one puzzle. Its hops run as long as the request that set it: they end when the learner
leaves the page or begins another puzzle. They listen on loopback, so a class, whose learners are on other machines, has
no puzzles.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Final
from weakref import WeakKeyDictionary

import trio

from chunkwire.lab.laboratory import JSON, LabResource
from chunkwire.lab.lessons.on_page import PageLessons, netcat_asked, send_events
from chunkwire.lab.puzzles import KINDS, MAX_SEED, Puzzle, judge_answer, make_puzzle, parse_answer, set_up, shown
from chunkwire.lab.seat import Seat, replacing
from chunkwire.net.connection import PeerGone
from chunkwire.net.listen import Address
from chunkwire.server.query import whole_number
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.wire.errors import LocalError
from chunkwire.wire.sse import encode_event

MAX_ASKED_SEED: Final = 10**9  # larger than any random one, as a person may choose it


class PagePuzzles:
    """The puzzles of a lab."""

    def __init__(self) -> None:
        self._set: WeakKeyDictionary[Seat, tuple[tuple[Puzzle, Sequence[Address]], trio.CancelScope]] = (
            WeakKeyDictionary()
        )

    @property
    def resources(self) -> Iterable[LabResource]:
        """The resources that the page requests."""
        yield LabResource("/lab/puzzles", _list, "the kinds of puzzles")
        yield LabResource(
            "/lab/puzzle/{n}", self._begin, "set a puzzle, 0 for any kind", True, parameters={"nc", "seed"}
        )
        yield LabResource(
            "/lab/guess", self._guess, "judge an answer; an empty one gives up", True, parameters={"answer"}
        )

    async def _begin(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        """Set a puzzle up, send it as an event, and keep it until the page leaves or begins another one."""
        number = whole_number("n", request.captures["n"], at_least=0, at_most=len(KINDS)) or None
        seed = request.query.count("seed", random.SystemRandom().randint(1, MAX_SEED), at_most=MAX_ASKED_SEED)
        nc = await netcat_asked(request.query)
        puzzle = make_puzzle(number, seed)
        gone: PeerGone | None = None
        sender, receiver = trio.open_memory_channel[bytes](1)
        async with set_up(puzzle) as places:
            sender.send_nowait(encode_event(json.dumps(asdict(shown(puzzle, number, places, nc))), "puzzle"))
            with replacing(self._set, seat, (puzzle, places)):
                gone = await send_events(receiver, trio.Event(), response)
        if gone is not None:
            raise gone

    async def _guess(self, seat: Seat, request: IncomingRequest, response: Responder) -> None:
        if seat not in self._set:
            raise Refusal(409, "no-puzzle", "no puzzle has been set on this page")
        puzzle, places = self._set[seat][0]
        words = request.query.text("answer").split()
        if not words:
            said: dict[str, object] = {"right": False, "sentence": puzzle.solution, "octets": [], "evidence": []}
        else:
            try:
                said = (await judge_answer(puzzle, places, *parse_answer(words))).to_json()
            except LocalError as error:
                raise Refusal(400, "answer", str(error)) from error
        await response.fixed(200, (JSON,), json.dumps(said).encode())


def learning() -> tuple[LabResource, ...]:
    """Return the resources of lessons and puzzles, for a lab with one learner."""
    return (*PageLessons().resources, *PagePuzzles().resources)


async def _list(_: Seat, __: IncomingRequest, response: Responder) -> None:
    kinds = ["any of the four", *(kind.title for kind in KINDS)]
    await response.fixed(200, (JSON,), json.dumps({"kinds": kinds}).encode())
