"""The API for tests in Python: an origin as a context manager, and its runs.

The rule here: every call becomes a message of the control path to `runs`. Only entering and leaving an `Origin` and
waits block; each of these also exists as an async method, for asyncio and trio.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypedDict, Unpack, cast

import trio

from chunkwire.forward.gateway import serve_gateway
from chunkwire.forward.settings import GatewaySettings
from chunkwire.forward.shape import EXACT_MODE, parse_mode
from chunkwire.forward.upstreams import Upstream
from chunkwire.net.dial import parse_url
from chunkwire.net.listen import Address
from chunkwire.origin.resources import origin_resources
from chunkwire.origin.scenarios import Scenario
from chunkwire.server.serving import serve
from chunkwire.testing.responding import run_resources
from chunkwire.testing.responses import as_base64, by_hand
from chunkwire.testing.runs import WAIT_S, RunFailed, RunRequest, Runs, ServedRun
from chunkwire.testing.steps import Response, naming
from chunkwire.testing.thread import Future, TrioThread, awaited, refuse_in_loop
from chunkwire.wire.errors import LocalError
from chunkwire.wire.nearest import near_or_all, refuse_unknown

_LOOPBACK: Final = Address("127.0.0.1", 0)

_NO_FORM: Final = ("expected one of content, ", "expected a list, got")  # errors of a list taken for several responses


class RunOptions(TypedDict, total=False):
    """Options of a run.

    Attributes:
        framing: of each answer's events: a scenario or its name.
        repeats: repeat the last response for all further requests, as for a client that retries.
        by_hand: the run has one response, which the test writes.
    """

    framing: Scenario | str | None
    repeats: bool
    by_hand: bool


class _Suggesting:
    """Suggests a public attribute for one that is missing, or lists all."""

    if not TYPE_CHECKING:  # a type checker would take every attribute for one that is there

        def __getattr__(self, name):
            __tracebackhide__ = True  # pytest ends the traceback at the line of the test
            known = [each for each in dir(self) if not each.startswith("_")]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{near_or_all(name, known)}")


class OriginRun(_Suggesting):
    """A sequence of responses at a base URL.

    Attributes:
        url: the base URL for the client under test.
        kind: a dialect, "sse", "ndjson", "text", "frames" or "websocket".
    """

    def __init__(self, served: ServedRun, base: str, origin: Origin) -> None:
        self.url = f"{base}/{served.id}"
        self.kind = served.kind
        self.served = served
        self._origin = origin

    @property
    def ws_url(self) -> str:
        """The URL with the scheme of WebSockets."""
        return "ws" + self.url.removeprefix("http")

    @property
    def requests(self) -> list[RunRequest]:
        """The requests so far, in the order in which they were complete."""
        return list(self.served.requests)

    def send_event(self, data: object) -> None:
        """Send an event of a response by hand: a text; for SSE also a mapping; for JSON lines any value.

        The methods that send do not wait: if the request has not come yet, everything is sent in order when it comes.

        Raises:
            LocalError: the event is not valid for this kind, or the response has been ended.
        """
        self._act(do="send_event", data=data)

    def send_frame(self, data: bytes, ext: bytes = b"") -> None:
        """Send one chunk; `ext` begins with its `;`. Over a WebSocket, a message of octets."""
        self._act(do="send_frame", data_b64=as_base64(data, "send_frame"), ext_b64=as_base64(ext, "ext"))

    def send_octets(self, octets: bytes) -> None:
        """Send octets unchanged, legal or not."""
        self._act(do="send_octets", data_b64=as_base64(octets, "send_octets"))

    def finish(self) -> None:
        """End the response properly: with the dialect's closing events, and the last-chunk or Close frame."""
        self._act(do="finish")

    def cut(self) -> None:
        """Cut the response with a FIN."""
        self._act(do="cut")

    def reset(self) -> None:
        """Cut the response with a RST."""
        self._act(do="reset")

    def wait_request(self, *, timeout: float = WAIT_S) -> None:
        """Wait until the response by hand is requested; `timeout` is in seconds.

        Raises:
            RunFailed: it was not requested in time.
            RuntimeError: an event loop runs in this thread; also in the other waits.
        """
        self._wait("wait_request", timeout)

    def wait_message(self, n: int = 1, *, timeout: float = WAIT_S) -> str | bytes:
        """Wait until the client of the WebSocket by hand has sent `n` messages, and return the last of these.

        Raises:
            RunFailed: they did not come in time, or the WebSocket ended before.
        """
        return cast("str | bytes", self._wait("wait_message", timeout, n=n))

    def wait_client_gone(self, *, timeout: float = WAIT_S) -> None:
        """Wait until the client has closed its side of the connection of the response by hand, or reset it.

        That is not noticed if the client sends more octets first, such as another request.
        """
        self._wait("wait_client_gone", timeout)

    def wait_acked(self, *, timeout: float = WAIT_S) -> None:
        """Wait until the client's kernel has all octets sent (Linux only). The client may not have read them."""
        self._wait("wait_acked", timeout)

    async def wait_request_async(self, *, timeout: float = WAIT_S) -> None:
        """Wait as `wait_request` does, in asyncio or trio."""
        await awaited(self._call("wait_request", timeout))

    async def wait_message_async(self, n: int = 1, *, timeout: float = WAIT_S) -> str | bytes:
        """Wait as `wait_message` does, in asyncio or trio."""
        return cast("str | bytes", await awaited(self._call("wait_message", timeout, n=n)))

    async def wait_client_gone_async(self, *, timeout: float = WAIT_S) -> None:
        """Wait as `wait_client_gone` does, in asyncio or trio."""
        await awaited(self._call("wait_client_gone", timeout))

    async def wait_acked_async(self, *, timeout: float = WAIT_S) -> None:
        """Wait as `wait_acked` does, in asyncio or trio."""
        await awaited(self._call("wait_acked", timeout))

    def end(self) -> None:
        """End the run; leaving the origin also ends it.

        Raises:
            RunFailed: a response was not requested, or a request was not expected.
        """
        self._origin.end([self])

    def _act(self, **message: object) -> None:
        self.served.act(message, self._origin.thread.post)

    def _wait(self, what: str, timeout: float, **members: object) -> object:
        refuse_in_loop(f"{what}()", f"await run.{what}_async()")
        return self._call(what, timeout, **members).result()

    def _call(self, what: str, timeout: float, **members: object) -> Future[str | bytes | None]:
        return self._origin.thread.call(partial(self.served.wait, {"do": what, "timeout": timeout, **members}))

    def __repr__(self) -> str:
        return f"<{self.kind} run at {self.url}>"


class Origin(_Suggesting):
    """An origin on a new thread, for the duration of the `with` block.

        with Origin() as origin:
            run = origin.openai([status(429, retry_after=0), cut(after_events=2), "Hello"])
            ...  # point the client at run.url

    Leaving the block fails the test if a run did not go as planned. `async with` does the same in asyncio and trio;
    leaving it blocks the event loop until the thread has ended.

    Args:
        gateway: put a gateway in front of the origin: True, or a relay mode such as "buffer".

    Attributes:
        url: base URL of the origin's resources, such as `/sse` and `/fault/cut`; that of the gateway if there is one.
            "" before the block is entered.
    """

    def __init__(self, *, gateway: bool | str = False) -> None:
        self.url = ""
        self.thread = TrioThread(self._serve, "chunkwire origin")
        with naming("gateway"):
            self._mode = parse_mode(gateway) if isinstance(gateway, str) else EXACT_MODE if gateway else None
        self._runs = Runs()

    def openai(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of OpenAI chat completions and responses, also Azure's; `run.url` is the SDK's base_url.

        Args:
            responses: one or several; a single list is a list of responses. A response is a text, a list of the texts
                of its deltas, or the result of a function of `chunkwire.testing`. By default one with a sample text.
            options: see `RunOptions`.

        Raises:
            LocalError: a response is wrong, or the origin is closed.
        """
        return self._begin("openai", responses, options)

    def anthropic(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of Anthropic messages; see `openai`."""
        return self._begin("anthropic", responses, options)

    def gemini(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of Gemini's generated content; see `openai`."""
        return self._begin("gemini", responses, options)

    def bedrock(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of Bedrock's ConverseStream and InvokeModel; see `openai`."""
        return self._begin("bedrock", responses, options)

    def sse(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of server-sent events: a response is a text (one event), or a list of texts and mappings."""
        return self._begin("sse", responses, options)

    def ndjson(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of JSON lines: a response is a list of values, one for each line."""
        return self._begin("ndjson", responses, options)

    def text(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of plain text: a response is a text, or a list of texts, each sent as a chunk."""
        return self._begin("text", responses, options)

    def frames(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of frame plans: a response is a plan such as `5@0,6:a=1@100,0@200`, as in `/frames`."""
        return self._begin("frames", responses, options)

    def websocket(self, *responses: Response, **options: Unpack[RunOptions]) -> OriginRun:
        """Begin a run of WebSockets: a response is a list of messages, sent before a Close frame (package: wsproto)."""
        return self._begin("websocket", responses, options)

    def _begin(self, kind: str, responses: tuple[Response, ...], options: RunOptions) -> OriginRun:
        if not self.url:
            raise RuntimeError("expected an origin that was entered: with Origin() as origin")
        refuse_unknown(options, RunOptions.__annotations__, by=f"{kind}()")
        is_by_hand = options.get("by_hand", False)
        if is_by_hand and responses:
            raise LocalError("expected either responses or by_hand=True; by_hand() is a response among others")
        sample: Response = by_hand() if is_by_hand else {}
        listed: object = responses[0] if len(responses) == 1 else responses or [sample]
        others = {name: value for name, value in options.items() if name != "by_hand"}
        try:
            run = self._runs.begin({"kind": kind, "responses": listed, **others})
        except LocalError as error:
            if isinstance(listed, list) and any(form in str(error) for form in _NO_FORM):
                raise LocalError(
                    f"{error}; one list is several responses, [[…]] is one whose content is a list"
                ) from None
            raise
        return OriginRun(run, self.url, self)

    def end(self, runs: Iterable[OriginRun] | None = None) -> None:
        """End these runs, or all runs.

        Raises:
            RunFailed: a run did not go as planned; a line for each deviation.
        """
        if deviations := self.end_all(runs):
            raise RunFailed(deviations)

    def end_all(self, runs: Iterable[OriginRun] | None = None) -> str:
        """End these runs, or all runs, and return their deviations, a line each."""
        lines: list[str] = []
        for run in self._runs.all() if runs is None else [run.served for run in runs]:
            lines += [f"{run.kind} run: {failure}" for failure in self._runs.end(run)]
            if run.hands:
                self.thread.post(run.stop)
        return "\n".join(lines)

    async def _serve(self, *, task_status: trio.TaskStatus[str]) -> None:
        resources = (*origin_resources(), *run_resources(self._runs))
        async with trio.open_nursery() as nursery:
            (address,) = await nursery.start(partial(serve, _LOOPBACK, resources), name="origin")
            if self._mode is not None:
                upstream = Upstream(parse_url(f"http://{address}"))
                settings = GatewaySettings(mode=self._mode, on_client_fin="cancel")  # no HTTP client half-closes
                relay = partial(serve_gateway, _LOOPBACK, [upstream], settings=settings, on_end=lambda *_: None)
                (address,) = await nursery.start(relay, name="gateway")
            task_status.started(f"http://{address}")

    def __enter__(self) -> Origin:
        refuse_in_loop("with Origin()", "async with Origin()")
        started = self.thread.start()
        try:
            self.url = started.result()
        except BaseException:
            self._close()
            raise
        return self

    async def __aenter__(self) -> Origin:
        started = self.thread.start()
        try:
            self.url = await awaited(started)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.end() if error is None else self.end_after(error)
        finally:
            self._close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _close(self) -> None:
        self._runs.is_closed = True
        self.thread.close()

    def end_after(self, error: BaseException) -> None:
        """End all runs of a test that has failed already, and add their deviations to its error as a note."""
        if deviations := self.end_all():
            error.add_note(f"chunkwire: {deviations}")
