"""The control path: begin, write and end runs over HTTP, for tests in any language.

    POST   /TOKEN/runs        {"kind": "openai", "responses": [{"status": 429}, "Hello"]}  → 201 {"id", "url"}
    GET    /TOKEN/runs/ID     → {"requests": [...], "failures": [...]}
    POST   /TOKEN/runs/ID     {"do": "send_event", "data": "Hel"}                          → 200 {}
    POST   /TOKEN/runs/ID     {"do": "wait_message", "n": 1}                               → 200 {"message"}
    DELETE /TOKEN/runs/ID     → {"requests": [...], "failures": [...]}; 409 where something failed

The rule here: only HTTP and JSON; `runs` interprets the messages. A wrong message is answered 400 with
{"error": "one line"}, a wait that timed out 408 with the same; an unknown run or token is a 404.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

from chunkwire.llm.shape import load_object
from chunkwire.server.refusal import Refusal
from chunkwire.server.request import IncomingRequest
from chunkwire.server.responder import Responder
from chunkwire.server.routes import Resource
from chunkwire.testing.runs import RunFailed, Runs, ServedRun, as_json, is_wait
from chunkwire.wire.errors import LocalError

MAX_MESSAGE_OCTETS: Final = 1 << 20
_ANY: Final = ("GET", "POST", "PUT", "DELETE")
_JSON: Final = (b"Content-Type", b"application/json")


class Control:
    """The control path of an origin's runs.

    Attributes:
        token: a client must know it: the first segment of each path.

    Args:
        base_url: returns the origin's URL, without a final slash.
    """

    def __init__(self, runs: Runs, base_url: Callable[[], str]) -> None:
        self.token = secrets.token_urlsafe(16)
        self._runs = runs
        self._base_url = base_url

    def resources(self) -> tuple[Resource, ...]:
        """Return the resources of the control path's listener."""
        return (
            Resource("/", _nothing, "the token of CHUNKWIRE_CONTROL_URL, then /runs"),
            Resource("/{token}/runs", partial(self._guarded, self._begin), methods=("POST",)),
            Resource("/{token}/runs/{id}", partial(self._guarded, self._run), methods=("GET", "POST", "DELETE")),
            *(Resource(f"/{{token}}{rest}", _nothing, methods=_ANY, parameters=None) for rest in ("", "/{rest*}")),
        )

    async def _guarded(
        self, answer: Callable[[IncomingRequest], object], request: IncomingRequest, response: Responder
    ) -> None:
        """Answer in JSON; refuse clients that do not know the token."""
        if not hmac.compare_digest(request.captures["token"].encode(), self.token.encode()):
            raise Refusal(404, "token", "expected the token of CHUNKWIRE_CONTROL_URL")
        try:
            status, body = await answer(request)  # type: ignore[misc]
        except RunFailed as error:
            status, body = 408, {"error": str(error)}
        except LocalError as error:
            status, body = 400, {"error": str(error)}
        await response.fixed(status, (_JSON,), json.dumps(body).encode() + b"\n")

    async def _begin(self, request: IncomingRequest) -> tuple[int, object]:
        run = self._runs.begin(await _message(request))
        return 201, {"id": run.id, "url": f"{self._base_url()}/{run.id}"}

    async def _run(self, request: IncomingRequest) -> tuple[int, object]:
        run = self._runs.find(request.captures["id"])
        match request.head.method:
            case b"POST":
                message = await _message(request)
                if is_wait(message):
                    came = await run.wait(message)
                    return 200, {} if came is None else {"message": as_json(came)}
                run.act(message, lambda action: action())
                return 200, {}
            case b"DELETE":
                failures = self._runs.end(run)
                run.stop()
                return (409 if failures else 200), _state(run)
            case _:
                return 200, _state(run)


async def _nothing(request: IncomingRequest, response: Responder) -> None:
    raise Refusal(404, "token", "expected /runs, or /runs/ID, below CHUNKWIRE_CONTROL_URL")


async def _message(request: IncomingRequest) -> dict[str, object]:
    body = await request.read_body(MAX_MESSAGE_OCTETS)
    try:
        return load_object(body)
    except ValueError as error:
        raise LocalError(str(error)) from error


def _state(run: ServedRun) -> dict[str, object]:
    return {"requests": [request.as_message() for request in run.requests], "failures": run.failures()}
