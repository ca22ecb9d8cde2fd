"""Runs one stream of a bench, from the connection to the last frame, and counts its failure.

The rule here: a stream is counted once, however it ends, and another can follow.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import trio

from chunkwire.client.request import build_request
from chunkwire.llm import route
from chunkwire.llm.errors import retry_after
from chunkwire.llm.reading import AnswerReader
from chunkwire.net.connection import PeerGone
from chunkwire.net.dial import dial
from chunkwire.net.ends import ClientConnection
from chunkwire.net.framing import response_framing
from chunkwire.net.heads import Request, Response
from chunkwire.net.tls import make_tls
from chunkwire.record.recorder import Recorder
from chunkwire.server.stampdesk import STAMPS_FIELD
from chunkwire.tools.bench.load import MAX_PATIENCE_SECONDS, STALLED, Load, NotOpened, Timing, kind_of, may_pass
from chunkwire.tools.bench.loop import Loop, handed_over
from chunkwire.tools.bench.records import StampedRecords
from chunkwire.tools.bench.rounds import Gathered
from chunkwire.tools.bench.samples import StreamSampler, Window
from chunkwire.tools.bench.segments import Segments
from chunkwire.wire.errors import ChunkwireError

REASON_SECONDS = 1.0
"""Limit on the wait for the text of another status than 200, if none came with the head."""


@dataclass(slots=True)
class Slot:
    """A place for one open stream, which later streams reuse; at a rate, each stream has its own slot.

    Attributes:
        answered: its first stream has a response head, or has failed.
        sampler: of the latest stream; None before its head.
        number: of the open stream, from 1 over all slots; 0 where none is open.
        asked_ns: when the latest stream began to connect.
        due_ns: its planned beginning, from which `first` counts; None without a rate: from the request.
        has_ended: a stream of it has ended or failed.
        wait: s that the answer to the latest stream asks to wait before the next (`NotOpened`).
        is_done: no stream will follow.
    """

    answered: trio.Event = field(default_factory=trio.Event)
    sampler: StreamSampler | None = None
    number: int = 0
    asked_ns: int = 0
    due_ns: int | None = None
    has_ended: bool = False
    wait: float = 0.0
    is_done: bool = False

    @property
    def is_settled(self) -> bool:
        """Say whether it has had a frame, one of its streams has ended, or none will follow."""
        return self.is_done or self.has_ended or not self.is_waiting

    @property
    def is_waiting(self) -> bool:
        """Say of an open stream whether it has had no frame yet."""
        return self.sampler is None or not (self.sampler.has_begun or self.sampler.is_over)


class StreamRunner:
    """Runs the streams of one load, each by `run`; `finish` counts those that are still open at the end."""

    def __init__(self, load: Load, window: Window, loop: Loop | None) -> None:
        self.gathered = Gathered(width=load.round_seconds)
        self._load = load
        self._window = window
        self._loop = loop
        self._tls = (load.tls or make_tls()) if load.url.scheme == "https" else None
        self._unfinished: list[StreamSampler] = []
        self.segments = Segments(bool(load.hops)) if load.has_stamps or load.hops else None
        self.run_id = secrets.token_hex(8)

    def fail(self, slot: Slot, kind: str) -> None:
        """Count a failure, of a stream with a head when it is finished; the sampler's own finding has precedence."""
        if slot.sampler is None:
            self.gathered.failures[kind] += 1
        else:
            slot.sampler.failure = slot.sampler.failure or kind

    def finish(self, slots: Iterable[Slot], closes_ns: float) -> None:
        """Judge and count the streams that are still open, once nothing more is read."""
        for slot in slots:
            if not slot.number:
                continue
            if slot.sampler is not None and slot.sampler.is_stalled(closes_ns):
                slot.sampler.failure = STALLED
            elif slot.is_waiting and closes_ns - slot.asked_ns >= self._load.patience * 1e9:
                self.fail(slot, self._silence(slot.sampler))
            if slot.sampler is not None:
                slot.sampler.finish()
        for sampler in self._unfinished:
            sampler.finish()

    async def run(self, slot: Slot) -> str:
        """Run one stream, and count it.

        Returns:
            How it failed, empty where it did not.

        Raises:
            ChunkwireError: the first stream could not be opened although it must be.
        """
        self.gathered.streams += 1
        slot.number = self._load.first_number + self.gathered.streams - 1
        slot.sampler, slot.asked_ns, slot.wait, kind = None, time.time_ns(), 0.0, ""
        try:
            with trio.move_on_after(self._load.max_time) as whole:
                kind = await self._one(slot)
            if whole.cancelled_caught:
                kind = f"not over within {self._load.max_time:g} s"
        except ChunkwireError as error:
            if slot.number == self._load.first_number and self._load.must_open and not may_pass(error):
                raise
            kind = kind_of(error)
            slot.wait = error.wait if isinstance(error, NotOpened) else 0.0
        if kind:
            self.fail(slot, kind)
        slot.number, slot.has_ended = 0, True
        return kind

    def _silence(self, sampler: StreamSampler | None) -> str:
        """Return the failure of a stream without a frame in time; `sampler` is None where it has no head, either."""
        return f"{'no head' if sampler is None else 'head but no frame'} within {self._load.patience:g} s"

    async def _one(self, slot: Slot) -> str:
        load, connection, records = self._load, None, None
        give_up = trio.current_time() + load.patience
        try:
            with trio.move_on_at(give_up):
                connection = await dial(load.url.host, load.url.port, tls=self._tls)
                if load.has_stamps:
                    connection.carry_stamps()
                if connection.tls is not None and self._loop is not None:
                    records = StampedRecords(connection.tls, has_stamps=load.has_stamps)
                slot.sampler = await self._ask(connection, records, slot)
            if connection is None or slot.sampler is None:
                return self._silence(None)
            slot.answered.set()
            return await self._read(connection, records, slot.sampler, give_up)
        finally:
            if connection is not None:
                connection.reset()
            if slot.sampler is not None and not slot.sampler.is_over:
                self._unfinished.append(slot.sampler)  # the loop may still have octets of it

    async def _read(
        self, connection: ClientConnection, records: StampedRecords | None, sampler: StreamSampler, give_up: float
    ) -> str:
        if sampler.is_empty and not sampler.take(time.time_ns(), b""):
            return sampler.failure
        if self._loop is None:
            return await self._until_over(partial(_read_by_trio, connection, sampler), sampler, give_up)
        if not _take_received(connection, records, sampler):
            return sampler.failure
        with handed_over(connection, records, sampler, self._loop) as ended:
            return await self._until_over(ended.wait, sampler, give_up)

    async def _until_over(self, wait: Callable[[], Awaitable[None]], sampler: StreamSampler, give_up: float) -> str:
        """Wait until a stream is over, or silent for too long; return how it failed, empty where it did not."""
        while True:
            seen = sampler.reads
            with trio.move_on_at(give_up):
                await wait()
                return sampler.failure
            if not sampler.has_begun:
                return self._silence(sampler)
            if math.isfinite(self._load.seconds):
                give_up = math.inf  # `finish` judges a silence
            elif sampler.reads == seen:
                return STALLED
            else:
                give_up = trio.current_time() + MAX_PATIENCE_SECONDS

    async def _ask(self, connection: ClientConnection, records: StampedRecords | None, slot: Slot) -> StreamSampler:
        """Send the request, receive the head, and return what takes the body."""
        load = self._load
        asks = ((STAMPS_FIELD, f"{self.run_id}-{slot.number}"),) if load.hops else ()
        request = build_request(load.method, load.url, fields=(*load.fields, *asks), body=load.body)
        sent_ns = time.time_ns()
        await connection.send_request(request)
        if load.body:
            await connection.send_all(load.body)
        response = await connection.receive_response()
        while response.status < 200:
            response = await connection.receive_response()
        if response.status != 200:
            content = b""
            if response.get(b"content-length") not in (None, b"0"):
                with trio.move_on_after(REASON_SECONDS), suppress(PeerGone):
                    content = await connection.receive_some()
            wait = retry_after(response.fields, time.time()) or 0.0
            raise NotOpened(load.url, response.status, response.reason.decode("latin-1"), content, wait)
        return StreamSampler(
            self.gathered,
            self._window,
            recorder=self._recorder(slot.number, (sent_ns, _latest_receive(connection, records)[0]), request, response),
            framing=response_framing(response, load.method.encode()),
            coding=(response.get(b"content-encoding") or b"").decode("latin-1"),
            sent_ns=sent_ns,
            due_ns=slot.due_ns,
            reader=self._reader(response),
            report_frame=load.report_frame,
            stream=slot.number,
            is_kernel=load.timing is Timing.KERNEL,
            segments=self.segments,
        )

    def _reader(self, response: Response) -> AnswerReader | None:
        """Return the reader of a language model's answer; None for another stream, or with a Content-Encoding."""
        dialect = route(self._load.url.target.partition(b"?")[0].decode("latin-1"))
        if dialect is None or response.get(b"content-encoding"):
            return None
        return dialect.reader()

    def _recorder(
        self, number: int, moments_ns: tuple[int, int], request: Request, response: Response
    ) -> Recorder | None:
        load, (sent_ns, came_ns) = self._load, moments_ns
        if load.record_to is None:
            return None
        sent = Recorder(load.record_to, stream=number, point="client.sent", way="request")
        sent.request(0.0, load.method.encode(), request.target, request.fields, sent_ns / 1e9)
        recorder = Recorder(load.record_to, stream=number, point="client.received")
        recorder.head((came_ns - sent_ns) / 1e9, response.start_line, response.fields)
        return recorder


def _take_received(connection: ClientConnection, records: StampedRecords | None, sampler: StreamSampler) -> bool:
    """Take what came with the head; False if the stream is over."""
    leftover, is_whole = bytes(connection.leftover), records is None or records.is_whole
    contents: list[bytes | OSError] = [leftover] if leftover else []
    if records is not None:
        contents = records.take_over(leftover)
    read_ns, arrived_ns = _latest_receive(connection, records)
    return all(sampler.take(read_ns, content, arrived_ns, is_whole=is_whole) for content in contents)


def _latest_receive(connection: ClientConnection, records: StampedRecords | None) -> tuple[int, int]:
    """Return when the latest receive of the task returned, and when its last octet arrived, 0 where it is not known."""
    stamps = records or connection.stamps
    # All may have come before the first receive that has stamps: together with the handshake of TLS.
    return (stamps.read_ns, stamps.arrived_ns) if stamps is not None and stamps.read_ns else (time.time_ns(), 0)


async def _read_by_trio(connection: ClientConnection, sampler: StreamSampler) -> None:
    while True:
        octets: bytes | Exception
        try:
            octets = await connection.receive_some()
        except PeerGone as error:
            octets = error.__cause__ if isinstance(error.__cause__, Exception) else error
        if not sampler.take(time.time_ns(), octets):
            return
