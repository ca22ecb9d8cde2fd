"""An endpoint in front of providers, all on real sockets: mocks of the origin, or responders that a test wrote."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import trio

from chunkwire.ask.answering import Answers, AskSettings
from chunkwire.ask.attempt import Patience
from chunkwire.ask.breaker import Breaker
from chunkwire.ask.endpoint import ask_resources
from chunkwire.ask.overload import ProviderGate, RetryBudget
from chunkwire.ask.providers import Provider
from chunkwire.ask.relay import Relay
from chunkwire.llm import DIALECTS
from chunkwire.net.dial import parse_url
from chunkwire.net.pool import Pool
from chunkwire.net.sleeper import Pacer
from chunkwire.origin.mock.settings import MockSettings
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import EVENT_STREAM, Responder
from chunkwire.server.routes import Resource, ResponderFunction
from chunkwire.server.settings import ServerSettings
from chunkwire.wire.frames import Chunk
from chunkwire.wire.reader import FrameReader
from chunkwire.wire.sse import SseDecoder, SseEvent
from tests.server.peer import Running, TrioPacer, body_of, connect, get, serving

FAST = MockSettings(time_to_first_token=0.0, inter_token_latency=0.0)
AT_ONCE = Patience(attempts=1, backoff=(0.0, 0.0))
CHAT = "/v1/chat/completions"

Step = tuple[Any, ...]


@dataclass(frozen=True)
class Fake:
    """A provider to be: a mock with these settings, or a responder at the path of chat; `port` is one that is there."""

    mock: MockSettings = FAST
    dialect: str = "openai"
    responder: ResponderFunction | None = None
    pacer: Pacer | None = None
    key: str = ""
    failures: int = 5
    cooldown: float = 1000.0
    most: int = 1000
    most_waiting: int = 1000
    path: str = ""
    port: int | None = None


@dataclass
class Asked:
    """The endpoint, its providers, and the audit."""

    answers: Answers
    running: Running
    behind: list[Running]
    lines: list[str] = field(default_factory=list)

    @property
    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    async def send(self, octets: bytes) -> bytes:
        """Send octets on a connection of their own, and return all that comes back; a FIN would mean that we left."""
        async with connect(self.running.port, octets) as client:
            return await client.read_all()

    async def ask(self, question: str, query: str = "", *lines: bytes) -> bytes:
        """Return the whole response to a question."""
        return await self.send(get(f"/ask?q={quote(question)}{query}", b"Connection: close", *lines))

    async def post(self, path: str, body: object, *lines: bytes) -> bytes:
        """Return the whole response to a POST of JSON, or of octets as they stand."""
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [b"POST %b HTTP/1.1" % path.encode(), b"Host: x", b"Content-Length: %d" % len(octets)]
        return await self.send(b"\r\n".join([*head, b"Connection: close", *lines, b"", b""]) + octets)

    async def providers(self) -> list[dict[str, Any]]:
        told = json.loads(body_of(await self.running.get("/providers")))
        found = told["providers"]
        assert isinstance(found, list)
        return found


@asynccontextmanager
async def asking(
    *fakes: Fake,
    settings: AskSettings | None = None,
    patience: Patience = AT_ONCE,
    limits: ServerSettings | None = None,
    share: float = 1.0,
    passes_reasoning: bool = True,
) -> AsyncIterator[Asked]:
    """Serve an endpoint in front of these providers, named a, b, c."""
    async with AsyncExitStack() as stack:
        behind: list[Running] = []
        providers: list[Provider] = []
        for name, fake in zip("abcdefgh", fakes or (Fake(),), strict=False):
            port = fake.port
            if port is None:
                behind.append(await stack.enter_async_context(_provider(fake)))
                port = behind[-1].port
            url = parse_url(f"http://127.0.0.1:{port}{fake.path}")
            gate = ProviderGate(
                Breaker(failures=fake.failures, cooldown=fake.cooldown), most=fake.most, most_waiting=fake.most_waiting
            )
            providers.append(Provider(name, DIALECTS[fake.dialect], url, f"m-{name}", fake.key, gate))
        lines: list[str] = []
        pool = stack.enter_context(Pool())
        relay = Relay(providers, patience, pool=pool, budget=RetryBudget(share), passes_reasoning=passes_reasoning)
        answers = Answers(relay, settings or AskSettings(), write_audit=lines.append)
        running = await stack.enter_async_context(
            serving(*ask_resources(answers), pacer=TrioPacer(), settings=limits or ServerSettings())
        )
        yield Asked(answers, running, behind, lines)


@asynccontextmanager
async def _provider(fake: Fake) -> AsyncIterator[Running]:
    resources: Sequence[Resource] = ()
    if fake.responder is not None:
        resources = (Resource(CHAT, fake.responder, "a test's own", methods=("POST",), parameters=None),)
    async with serving(*resources, mock=fake.mock, pacer=fake.pacer or TrioPacer()) as running:
        yield running


def chat(*pieces: bytes, is_endless: bool = False) -> ResponderFunction:
    """Return a responder of chat completions that sends these octets, a chunk each, and ends properly or never."""

    async def respond(request: IncomingRequest, response: Responder) -> None:
        await request.read_body(1 << 20)
        async with response.chunked(fields=(EVENT_STREAM,)) as body:
            for piece in pieces:
                await body.send_chunk(piece)
            if is_endless:
                await trio.sleep_forever()

    return respond


class Script:
    """A responder at the path of chat that keeps each request, and answers the n-th one by the n-th step.

    A step is the pieces of a stream, or a status with a body of JSON and fields; the last one goes on.
    """

    def __init__(self, *steps: Step) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.targets: list[bytes] = []
        self._steps = steps

    async def __call__(self, request: IncomingRequest, response: Responder) -> None:
        self.bodies.append(json.loads(await request.read_body(1 << 24)))
        self.targets.append(request.head.target)
        step = self._steps[min(len(self.bodies), len(self._steps)) - 1]
        if isinstance(step[0], int):
            await response.fixed(step[0], ((b"Content-Type", b"application/json"), *step[2:]), step[1])
            return
        async with response.chunked(fields=(EVENT_STREAM,)) as body:
            for piece in step:
                await body.send_chunk(piece)


DONE = b"data: [DONE]\n\n"


def delta(text: str) -> bytes:
    """Return a chunk of a chat completion."""
    return b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode()


def events_of(response: bytes) -> list[SseEvent]:
    """Return the events of a response, which must be complete, a frame an event."""
    reader = FrameReader()
    frames = [frame.data for frame in reader.feed(body_of(response)) if isinstance(frame, Chunk)]
    assert reader.is_complete, response
    decoder = SseDecoder()
    return [event for data in frames for event in decoder.feed(data)]


def text_of(events: Sequence[SseEvent]) -> str:
    """Return the answer that events carry."""
    return "".join(json.loads(event.data)["t"] for event in events if event.event == "message")


def last_of(response: bytes) -> tuple[str, dict[str, Any]]:
    """Return the type and content of the last event."""
    event = events_of(response)[-1]
    return event.event, json.loads(event.data)


def error_of(response: bytes) -> dict[str, Any]:
    """Return the error in a response that is one."""
    found = json.loads(body_of(response))["error"]
    assert isinstance(found, dict)
    return found
