"""A soak test of the gateway: many streams at once, whose clients leave and whose upstreams fail at random.

`python -m bench.soak --minutes 15` runs `chunkwire forward`, its clients and its upstream. It prints its findings, and
exits 1 for any of these: a client took a response for complete or incomplete against what its upstream did; it received
an octet that was not sent; an upstream request went on after its client had left; a descriptor or a stream was left
open; memory grew; the gateway's log has another end of a response, or a line that is no access.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import statistics
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import IO, Final

import trio

from bench.processes import HOST, ROOT, free_port, resident_kib_of
from bench.soak_plan import Fate, Form, StreamPlan, make_plan
from bench.text import print_line, program_parser
from chunkwire.wire.errors import ChunkwireError
from chunkwire.wire.feed import Feed
from chunkwire.wire.scanner import BodyScanner, ChunkedScanner
from chunkwire.wire.unchunked import LengthScanner

IDLE_SECONDS: Final = 15.0  # the gateway's --idle-timeout: only a stall lasts as long, even on a busy machine
NOTICE_SECONDS: Final = 60.0  # within which an upstream request must end after its client has left
SETTLE_SECONDS: Final = 30.0  # within which the gateway must have closed everything
GROWTH: Final = 1.15  # of resident memory, from the second quarter to the last one; more is a leak
# The framings that the gateway's log may have for each fate.
VERDICTS: Final = {
    Fate.COMPLETE: {"complete"},
    Fate.CUT: {"cut"},
    Fate.RESET: {"reset"},
    Fate.MALFORMED: {"malformed"},
    Fate.STALL: {"timeout"},
    Fate.NOTHING: {"cut", "reset"},
    Fate.ENDLESS: {"client-gone"},
}


@dataclass
class Soak:
    """The state of a soak, and its findings."""

    seed: int
    gateway_port: int
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    is_over: bool = False
    streams: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    resident_kib: list[int] = field(default_factory=list)

    def find(self, plan: StreamPlan, what: str) -> None:
        """Add a finding, with what reproduces it."""
        self.findings.append(f"stream {plan.number} (seed {self.seed}; {plan.fate}, {plan.form}): {what}")


# ---- the upstream ------------------------------------------------------------------------------------------


async def serve_upstream(soak: Soak, stream: trio.SocketStream) -> None:
    """Serve as the upstream on one connection, each request by its plan."""
    held = bytearray()
    async with stream:
        try:
            while await _read_head(stream, held):
                number = int(held.split(b" ", 2)[1][1:])
                del held[: held.index(b"\r\n\r\n") + 4]
                plan = make_plan(number, seed=soak.seed)
                if plan.upload and await _read_upload(stream, held) != b"".join(plan.upload) + b"0\r\n\r\n":
                    soak.find(plan, "the request body was changed")
                if not await _respond(soak, stream, plan):
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # its client has left, or it was idle


async def _respond(soak: Soak, stream: trio.SocketStream, plan: StreamPlan) -> bool:
    """Send a response and end it; say whether the connection goes on."""
    if plan.fate is Fate.NOTHING:
        return False
    await stream.send_all(plan.head)
    for frame in plan.frames:
        await stream.send_all(frame)
        await trio.sleep(plan.gap)
    if plan.fate is Fate.ENDLESS:
        with trio.move_on_after(NOTICE_SECONDS):
            while True:
                await trio.sleep(max(0.05, plan.gap))
                await stream.send_all(plan.frames[0])
        soak.find(plan, f"the upstream request did not end within {NOTICE_SECONDS:.0f} s after its client had left")
    await stream.send_all(plan.ending)
    if plan.fate is Fate.STALL:
        await trio.sleep(2 * IDLE_SECONDS)
    if plan.fate is Fate.RESET:
        _reset(stream)
    return plan.fate is Fate.COMPLETE and plan.form is not Form.CLOSE


# ---- a client ----------------------------------------------------------------------------------------------


async def be_client(soak: Soak) -> None:
    """Open one stream after another until the soak is over, on one connection while it lasts."""
    while not soak.is_over:
        async with await trio.open_tcp_stream(HOST, soak.gateway_port) as stream:
            while not soak.is_over:
                plan = make_plan(next(soak.numbers), seed=soak.seed)
                if not await _ask(soak, stream, plan):
                    break


async def _ask(soak: Soak, stream: trio.SocketStream, plan: StreamPlan) -> bool:
    """Run one stream's client and judge the response; say whether the connection goes on."""
    await stream.send_all(plan.request)
    try:
        for frame in plan.upload:
            await stream.send_all(frame)
        if plan.upload:
            await stream.send_all(b"0\r\n\r\n")
    except trio.BrokenResourceError:
        pass  # answered before the end of the upload; the answer is read below
    held = bytearray()
    try:
        if not await _read_head(stream, held):
            soak.find(plan, f"expected a response head, got {len(held)} octets and FIN")
            return False
    except trio.BrokenResourceError:
        return _judge_no_head(soak, plan)
    head, body = bytes(held[: held.index(b"\r\n\r\n") + 4]), bytearray(held[held.index(b"\r\n\r\n") + 4 :])
    status = int(head[9:12])
    soak.streams[f"{plan.fate} {status}"] += 1
    if status != 200:
        if status not in (502, 504) or plan.fate in (Fate.COMPLETE, Fate.CUT, Fate.ENDLESS):
            soak.find(plan, f"answered {status}")
        return False
    if plan.fate is Fate.ENDLESS:
        await _leave(stream, plan)
        return False
    return await _judge(soak, stream, plan, body) and b"\r\nConnection: close\r\n" not in head


def _judge_no_head(soak: Soak, plan: StreamPlan) -> bool:
    """Judge a reset in place of a head: right only where a close would mean that the body is complete."""
    if plan.fate not in (Fate.RESET, Fate.CUT, Fate.MALFORMED) or not (plan.is_old or plan.form is Form.CLOSE):
        soak.find(plan, "a reset before any response head")
    return False


async def _judge(soak: Soak, stream: trio.SocketStream, plan: StreamPlan, body: bytearray) -> bool:
    """Read a body to its end; compare its octets and its end with what the upstream did."""
    by_close = plan.form is Form.CLOSE or (plan.is_old and plan.form is Form.CHUNKED)
    scanner: BodyScanner | None = None
    if not by_close:
        scanner = ChunkedScanner() if plan.form is Form.CHUNKED else LengthScanner(int(plan.head.split()[-1]))
    feed = Feed(scanner) if scanner is not None else None
    is_complete, was_reset, octets = False, False, bytes(body)
    try:
        while True:
            if feed is not None:
                feed.take(octets)
                if feed.error is not None:
                    raise feed.error
                if feed.scanner.is_complete:
                    is_complete = True
                    break
            if not (octets := await stream.receive_some(65536)):
                is_complete = by_close
                break
            body += octets
    except trio.BrokenResourceError:
        was_reset = True
    except ChunkwireError as error:
        soak.find(plan, f"the client received a broken body: {error}")
    if is_complete != (plan.fate is Fate.COMPLETE):
        soak.find(plan, f"the client took it for {'complete' if is_complete else 'incomplete'} (reset: {was_reset})")
    allowed = _content(plan) if by_close and plan.form is Form.CHUNKED else plan.content
    if not allowed.startswith(body) or (plan.fate in (Fate.COMPLETE, Fate.CUT) and not was_reset and body != allowed):
        soak.find(plan, f"received {len(body)} octets that differ from the {len(allowed)} sent")
    return is_complete and not by_close and not plan.is_old


async def _leave(stream: trio.SocketStream, plan: StreamPlan) -> None:
    """Read for a while, then leave."""
    with trio.move_on_after(plan.gap * 5):
        while await stream.receive_some(65536):
            """Discard the octets."""
    if plan.leaves_by_reset:
        _reset(stream)


def _content(plan: StreamPlan) -> bytes:
    """Return the chunk-data of a plan's frames."""
    return b"".join(frame[frame.index(b"\r\n") + 2 : -2] for frame in plan.frames)


def _reset(stream: trio.SocketStream) -> None:
    stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def _read_head(stream: trio.SocketStream, held: bytearray) -> bool:
    """Read until a whole head is held; False at a FIN."""
    while b"\r\n\r\n" not in held:
        if not (octets := await stream.receive_some(65536)):
            return False
        held += octets
    return True


async def _read_upload(stream: trio.SocketStream, held: bytearray) -> bytes:
    """Return a request body as on the wire; octets after it stay in `held`."""
    feed, body, octets = Feed(ChunkedScanner()), bytearray(), bytes(held)
    while True:
        body += feed.take(octets)
        if feed.error is not None:
            raise feed.error
        if feed.scanner.is_complete:
            held[:] = feed.held
            return bytes(body)
        octets = await stream.receive_some(65536)
        if not octets:
            raise trio.BrokenResourceError


# ---- the gateway ------------------------------------------------------------------------------------------


async def run(minutes: float, clients: int, *, seed: int) -> int:
    """Run the soak and print its findings; return the exit code."""
    upstreams = await trio.open_tcp_listeners(0, host=HOST)
    soak, admin = Soak(seed, free_port()), free_port()
    with tempfile.TemporaryFile() as log:
        argv = [sys.executable, "-m", "chunkwire", "forward", f"http://{HOST}:{upstreams[0].socket.getsockname()[1]}"]
        argv += ["-l", f"{HOST}:{soak.gateway_port}", "--admin", f"{HOST}:{admin}", "--log-json"]
        argv += ["--idle-timeout", f"{IDLE_SECONDS:.0f}s"]
        async with trio.open_nursery() as nursery:
            process = await trio.lowlevel.open_process(argv, cwd=ROOT, stdin=None, stderr=log.fileno())
            try:
                nursery.start_soon(trio.serve_listeners, partial(serve_upstream, soak), upstreams, name="upstream")
                await wait_listening(soak.gateway_port)
                before = await _at_rest(process.pid, admin, descriptors=0)
                await _load(soak, process.pid, minutes, clients)
                after = await _at_rest(process.pid, admin, descriptors=before[0])
                process.send_signal(signal.SIGTERM)
                with trio.move_on_after(SETTLE_SECONDS):
                    await process.wait()
            finally:
                if process.returncode is None:
                    soak.findings.append("the gateway did not end after SIGTERM")
                    process.kill()
                nursery.cancel_scope.cancel()
        _judge_rest(soak, before, after, process.returncode)
        _judge_log(soak, log)
    return _report(soak, before, after)


async def _load(soak: Soak, pid: int, minutes: float, clients: int) -> None:
    """Run `clients` clients for `minutes`, and sample the gateway's memory."""
    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(be_client, soak, name="client")
        for _ in range(40):
            await trio.sleep(minutes * 60 / 40)
            soak.resident_kib.append(resident_kib_of(pid))
        soak.is_over = True


async def _at_rest(pid: int, admin: int, *, descriptors: int) -> tuple[int, int, int]:
    """Wait until descriptors and streams are as few as before; return them and KiB, also after the timeout."""
    found = (0, 0, 0)
    for _ in range(int(SETTLE_SECONDS) if descriptors else 2):
        await trio.sleep(1)
        found = (len(os.listdir(f"/proc/{pid}/fd")), await streams_open(admin), resident_kib_of(pid))
        if found[0] <= descriptors and not found[1]:
            break
    return found


async def streams_open(admin: int) -> int:
    """Return the number of open streams in a server's /metrics."""
    (line,) = [line for line in (await metrics_of(admin)).splitlines() if line.startswith("chunkwire_streams_open{")]
    return int(line.split()[-1])


async def metrics_of(admin: int) -> str:
    """Return a server's response to GET /metrics, head and body."""
    async with await trio.open_tcp_stream(HOST, admin) as stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join([octets async for octets in stream]).decode()


async def wait_listening(port: int) -> None:
    """Wait until a server accepts."""
    with trio.fail_after(SETTLE_SECONDS):
        while True:
            try:
                await (await trio.open_tcp_stream(HOST, port)).aclose()
                return
            except OSError:
                await trio.sleep(0.05)


# ---- afterwards --------------------------------------------------------------------------------------------


def _judge_rest(soak: Soak, before: tuple[int, int, int], after: tuple[int, int, int], code: int | None) -> None:
    """Compare what is left open with the beginning."""
    if after[0] > before[0]:
        soak.findings.append(f"{after[0] - before[0]} descriptors are left open")
    if after[1]:
        soak.findings.append(f"{after[1]} streams are open without a client")
    if code:
        soak.findings.append(f"exit code {code} after SIGTERM")
    soak.findings += growth(soak.resident_kib)


def growth(resident_kib: Sequence[int]) -> list[str]:
    """Return a finding where memory grew from the second quarter of the samples to the last one."""
    quarter = len(resident_kib) // 4
    early, late = (statistics.median(resident_kib[at : at + quarter]) for at in (quarter, 3 * quarter))
    if late <= early * GROWTH + 4096:
        return []
    return [f"memory grew from {early / 1024:.0f} to {late / 1024:.0f} MB under the same load"]


def _judge_log(soak: Soak, log: IO[bytes]) -> None:
    """Compare the gateway's access log with what the upstream did; other lines are findings."""
    log.seek(0)
    for line in log.read().decode().splitlines():
        if not line.startswith("{"):
            if "listening on" not in line and "admin on" not in line and "draining" not in line:
                soak.findings.append(f"the log has: {line}")
            continue
        entry = json.loads(line)
        target = entry["request"].split()[1]
        if not target[1:].isdecimal():
            soak.findings.append(f"the log has a request that was not sent: {line}")
            continue
        plan = make_plan(int(target[1:]), seed=soak.seed)
        if entry["framing"] not in VERDICTS[plan.fate]:
            soak.find(plan, f"the log has {entry['framing']}: {entry['details']}")


def _report(soak: Soak, before: tuple[int, int, int], after: tuple[int, int, int]) -> int:
    samples = ", ".join(f"{kib / 1024:.0f}" for kib in soak.resident_kib[::4])
    lines = [
        *(f"{count:8}  {what}" for what, count in sorted(soak.streams.items())),
        f"{soak.streams.total():8}  streams; all verdicts were right except for the findings below",
        f"descriptors: {before[0]} before, {after[0]} after; open streams: {after[1]} after",
        f"resident MB: {before[2] / 1024:.0f} before, {samples} under load, {after[2] / 1024:.0f} after",
    ]
    return print_report(lines, soak.findings)


def print_report(lines: Sequence[str], findings: Sequence[str]) -> int:
    """Print the lines and the findings, at most 50; return the exit code."""
    for line in (*lines, *(f"FOUND {finding}" for finding in findings[:50]), f"{len(findings)} findings"):
        print_line(line)
    return 1 if findings else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run the soak of the command line."""
    parser = program_parser("soak", __doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--streams", type=int, default=500, help="at once (default: 500)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    return trio.run(lambda: run(options.minutes, options.streams, seed=options.seed))


if __name__ == "__main__":
    sys.exit(main())
