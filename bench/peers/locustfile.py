"""A locust file that reads streams of tokens: it reports the time to the first token, and each gap after it."""

import os
import time

import gevent
from locust import HttpUser, events, task
from locust.exception import StopUser

BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}
LEFT = [int(os.environ["REQUESTS"])]
READING: set[object] = set()


class TokenReader(HttpUser):  # type: ignore[misc]
    """Sends requests until all are used up; the last user ends locust."""

    def on_start(self) -> None:
        """Count this user."""
        READING.add(self)

    def on_stop(self) -> None:
        """End locust after the last user, in a greenlet of its own."""
        READING.discard(self)
        if not READING:
            gevent.spawn(self.environment.runner.quit)

    @task  # type: ignore[untyped-decorator]
    def ask(self) -> None:
        """Read one stream."""
        if LEFT[0] <= 0:
            raise StopUser
        LEFT[0] -= 1
        last, name = time.perf_counter(), "ttft"
        with self.client.post("/v1/chat/completions", json=BODY, stream=True, catch_response=True) as response:
            for line in response.iter_lines():
                if b'"content":"' in line and b'"content":""' not in line:
                    now = time.perf_counter()
                    report(name, 1000 * (now - last))
                    last, name = now, "gap"


def report(name: str, milliseconds: float) -> None:
    """Report one latency to locust."""
    events.request.fire(
        request_type="stream", name=name, response_time=milliseconds, response_length=0, exception=None, context={}
    )
