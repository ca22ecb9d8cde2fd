"""`answers`: time to the first token of a language model, time until its server sees that the reader has left, and CPU.

The model is the origin's mock, which plans its first token 100 ms after the question. It is asked directly, through the
gateway, and through `chunkwire ask`, alone and with the gateway behind it. Both ends read the clock of one machine:
this process the reader's, the origin's journal the model's.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench.processes import HOST, Running, Trouble, free_port, running
from bench.results import Column, Round, Table
from bench.rounds import DIRECT, Plan, interleave
from bench.stats import curve, summary
from bench.workshop import Workshop

FIRST = (
    Column("p50", "p50", "ms"),
    Column("p90", "p90", "ms"),
    Column("max", "max", "ms"),
    Column("samples", "n"),
)
LEAVING = (
    Column("reset_p50", "reset: p50", "ms"),
    Column("reset_max", "max", "ms"),
    Column("reset_tokens", "tokens after it"),
    Column("close_p50", "close: p50", "ms"),
    Column("close_max", "max", "ms"),
    Column("close_tokens", "tokens after it"),
)
COST = (
    *FIRST,
    Column("cpu_us_per_token", "CPU a token", "µs"),
)
TTFT_MS, ITL_MS, TOKENS = 100, 20, 15
STREAMS: Mapping[str, tuple[int, int, int]] = {"100": (100, 50, 50), "1000": (1000, 500, 20)}  # how many, ms, tokens
TABLES = ("first", "leaving", "crowd", *STREAMS)
QUESTIONS, QUICK_QUESTIONS = 100, 2
CROWD, QUICK_CROWD = 100, 3
DEPARTURES, QUICK_DEPARTURES = 21, 1
READ_BEFORE_LEAVING = 3  # tokens
_PATIENCE = 10.0  # s
_CHAT = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}'
_TO_MODEL = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(_CHAT), _CHAT)
_TO_ASK = b"GET /ask?q=x HTTP/1.1\r\nHost: x\r\n\r\n"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Way:
    """A server to ask: its request, and the octets that begin each token in the answer."""

    server: Running
    request: bytes
    token: bytes


def answers(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield tables of first tokens, of readers that leave, of a crowd's first tokens, and of CPU."""
    with ExitStack() as servers:
        origin, ways = _start(servers, workshop.cores.server)
        if plan.choose(["first"]):
            measures: Mapping[str, Callable[[], Round]] = {
                name: partial(_first_tokens, way, QUICK_QUESTIONS if plan.is_quick else QUESTIONS)
                for name, way in ways.items()
            }
            rows = interleave(measures, plan.rounds, what="answers/first")
            shows = (
                f"from the question to the first token, which the model plans at {TTFT_MS} ms; a new connection each"
            )
            yield Table("answers/first", shows, FIRST, rows)
        if plan.choose(["leaving"]):
            measures = {
                name: partial(_departures, way, origin, QUICK_DEPARTURES if plan.is_quick else DEPARTURES)
                for name, way in ways.items()
            }
            rows = interleave(measures, plan.rounds, what="answers/leaving")
            shows = (
                f"from a reader's leaving within an answer to the end of the model's stream, a token every {ITL_MS} ms"
            )
            note = (
                "reset: the reader resets its connection. close: it closes it, and the kernel answers the next octets "
                "with a reset; only `ask` ends at the FIN."
            )
            yield Table("answers/leaving", shows, LEAVING, rows, note=note)
    if plan.choose(["crowd"]):
        yield _crowd_table(plan)
    for name in STREAMS:
        if plan.choose([name]):
            yield _cost_table(plan, name)


def _crowd_table(plan: Plan) -> Table:
    """Measure a crowd; the programs are not pinned to a core."""
    crowd = QUICK_CROWD if plan.is_quick else CROWD
    with ExitStack() as servers:
        _, ways = _start(servers, core=None)
        measures = {name: partial(_crowd, way, crowd) for name, way in ways.items()}
        rows = interleave(measures, plan.rounds, what="answers/crowd")
    shows = f"the same with {crowd} questions at once, each on a new connection, and {TOKENS} tokens to each of them"
    return Table("answers/crowd", shows, FIRST, rows, note="the programs are not pinned to a core")


def _cost_table(plan: Plan, name: str) -> Table:
    """Measure each program's CPU for a token, with many paced answers at once."""
    count, every_ms, tokens = (QUICK_CROWD, ITL_MS, TOKENS) if plan.is_quick else STREAMS[name]
    with ExitStack() as servers:
        _, ways = _start(servers, core=None, every_ms=every_ms, tokens=tokens)
        measures = {name: partial(_cost, way, count) for name, way in ways.items()}
        rows = interleave(measures, plan.rounds, what=f"answers/{name}")
    shows = (
        f"{count} answers at once, of {tokens} tokens each, one every {every_ms} ms: CPU of the program that is asked"
    )
    return Table(f"answers/{name}", shows, COST, rows, note="the programs are not pinned to a core")


def _start(
    servers: ExitStack, core: int | None, *, every_ms: int = ITL_MS, tokens: int = TOKENS
) -> tuple[int, dict[str, Way]]:
    """Start the model and the servers before it; return the model's port, and the ways to ask it."""

    def start(name: str, *words: str) -> Running:
        port = free_port()
        argv = [sys.executable, "-m", "chunkwire", *words, "-q", "--listen", f"{HOST}:{port}"]
        return servers.enter_context(running(name, argv, port, core=core))

    pace = ["--time-to-first-token", f"{TTFT_MS}ms", "--inter-token-latency", f"{every_ms}ms"]
    origin = start("origin", "serve", *pace, "--llm-answer", "lorem", "--llm-tokens", str(tokens))
    gateway = start("gateway", "forward", f"http://{HOST}:{origin.port}")
    ask = start("ask", "ask", f"a=openai:http://{HOST}:{origin.port}#m")
    behind = start("ask behind", "ask", f"a=openai:http://{HOST}:{gateway.port}#m")
    token, passed = b'"delta":{"content":"', b'{"t":"'
    return origin.port, {
        DIRECT: Way(origin, _TO_MODEL, token),
        "gateway": Way(gateway, _TO_MODEL, token),
        "ask": Way(ask, _TO_ASK, passed),
        "ask, gateway": Way(behind, _TO_ASK, passed),
    }


def _first_tokens(way: Way, questions: int) -> Round:
    """Ask one question after another; the first does not count."""
    samples: list[float] = []
    for _ in range(questions + 1):
        with socket.create_connection((HOST, way.server.port), _PATIENCE) as peer:
            began = time.perf_counter()
            peer.sendall(way.request)
            _read_tokens(peer, way.token, 1)
            samples.append((time.perf_counter() - began) * 1000)
            _read_tokens(peer, b"0\r\n\r\n", 1)  # the end, so that the servers are idle at the next question
    return Round(summary(samples[1:]), curve(samples[1:]))


def _crowd(way: Way, count: int) -> Round:
    """Ask `count` questions at once, after as many that do not count; read all answers to their ends."""
    _ask_at_once(way, count)
    samples = _ask_at_once(way, count)[0]
    return Round(summary(samples), curve(samples))


def _cost(way: Way, count: int) -> Round:
    _ask_at_once(way, min(count, CROWD))
    used = way.server.cpu_seconds()
    samples, tokens = _ask_at_once(way, count)
    cost = 1e6 * (way.server.cpu_seconds() - used) / tokens
    return Round({**summary(samples), "cpu_us_per_token": cost}, curve(samples))


def _ask_at_once(way: Way, count: int) -> tuple[list[float], int]:
    """Return the times of the first tokens in ms, and the number of tokens."""
    tokens = 0
    samples: list[float] = []
    got: dict[socket.socket, bytes] = {}
    with selectors.DefaultSelector() as selector:
        began = {_send(way.server.port, way.request): time.perf_counter() for _ in range(count)}
        for peer in began:
            selector.register(peer, selectors.EVENT_READ, peer)
        while selector.get_map():
            ready: list[socket.socket] = [key.data for key, _ in selector.select(_PATIENCE)]
            if not ready:
                raise Trouble(f"expected {count} answers, got silence after {len(samples)} first tokens")
            for peer in ready:
                before = got.get(peer, b"")
                octets = peer.recv(65536)
                got[peer] = before + octets
                if way.token in got[peer] and way.token not in before:
                    samples.append((time.perf_counter() - began[peer]) * 1000)
                if not octets or got[peer].endswith(b"0\r\n\r\n"):
                    selector.unregister(peer)
                    peer.close()
                    tokens += got.pop(peer).count(way.token)
    if len(samples) < count:
        raise Trouble(f"expected {count} first tokens, got {len(samples)}")
    return samples, tokens


def _send(port: int, request: bytes) -> socket.socket:
    peer = socket.create_connection((HOST, port), _PATIENCE)
    peer.sendall(request)
    return peer


def _departures(way: Way, origin: int, count: int) -> Round:
    figures: dict[str, float] = {}
    for how in ("reset", "close"):
        delays = sorted(_leave(way, origin, how) for _ in range(count))
        figures[f"{how}_p50"] = delays[len(delays) // 2][0]
        figures[f"{how}_max"] = delays[-1][0]
        figures[f"{how}_tokens"] = float(max(tokens for _, tokens in delays))
    return Round(figures)


def _leave(way: Way, origin: int, how: str) -> tuple[float, int]:
    """Leave within an answer; return after how many ms the model's stream ended, and how many more tokens it sent."""
    with socket.create_connection((HOST, way.server.port), _PATIENCE) as peer:
        peer.sendall(way.request)
        _read_tokens(peer, way.token, READ_BEFORE_LEAVING)
        if how == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        left = time.time_ns()
    ended, frames = _end_of_stream(origin)
    return (ended - left) / 1e6, max(0, frames - 1 - READ_BEFORE_LEAVING)  # one frame opens the answer


def _read_tokens(peer: socket.socket, token: bytes, count: int) -> None:
    """Read until `count` tokens have begun."""
    got = b""
    while got.count(token) < count:
        octets = peer.recv(65536)
        if not octets:
            raise Trouble(f"expected {count} of {token.decode()}, got the end of the connection")
        got += octets


def _end_of_stream(origin: int) -> tuple[int, int]:
    """Wait until the model's last stream has ended; return when, ns since the epoch, and its number of frames."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with socket.create_connection((HOST, origin), _PATIENCE) as peer:
            peer.sendall(b"GET /journal HTTP/1.0\r\n\r\n")
            got = b"".join(iter(partial(peer.recv, 65536), b""))
        last = json.loads(got.rstrip().rpartition(b"\n")[2])
        if last["ended_ns"] is not None:
            return int(last["ended_ns"]), int(last["frames"])
        time.sleep(0.01)
    raise Trouble("the model's stream did not end")
