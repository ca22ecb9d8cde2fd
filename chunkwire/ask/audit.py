"""The audit entry of a request, and its line in the log.

The rule here: who asked, who answered, how long it took and how it ended. Content is logged only where an error message
quotes a part of it. Keys are redacted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chunkwire.llm.answer import ProviderError, StopReason, Usage

logger = logging.getLogger("chunkwire.ask")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt with one provider."""

    provider: str
    # An `ErrorKind`; None after a whole answer; "skipped" where it was not asked; "cancelled" where the caller
    # left, its time was over, or the server stopped
    error: str | None
    message: str
    seconds: float
    tokens: int = 0  # pieces of text that were queued for the caller

    def to_json(self) -> dict[str, object]:
        """Return it as in the audit line, and in the error that a caller of /ask gets."""
        content: dict[str, object] = {
            "provider": self.provider,
            "ms": round(self.seconds * 1000, 1),
            "tokens": self.tokens,
        }
        return content if self.error is None else {**content, "error": self.error, "message": self.message}


@dataclass(slots=True)
class AuditEntry:
    """What is known of one request, during and after it. Moments in seconds on one monotonic clock."""

    id: str
    client: str
    form: str  # sse, jsonl, json, chat or websocket; "-" for a request to /ask that was refused
    began: float
    session: str = ""
    provider: str = ""
    model: str = ""
    tokens: int = 0  # pieces of text that were queued for the caller; providers count their own tokens in `usage`
    thoughts: int = 0  # pieces of reasoning that came, queued or not
    passed: int = 0  # pieces of text, reasoning and tool calls that were queued for the caller
    waits: int = 0  # how often the channel was full, so that the provider had to wait for the caller
    usage: Usage | None = None
    stop: StopReason | None = None
    first_token: float | None = None  # when the first piece was about to be written; for a whole body, when it came
    error: ProviderError | None = None
    ended: str = "cut"  # complete, error, client-gone, refused (a bad request), or cut (the server stopped)
    attempts: list[Attempt] = field(default_factory=list)
    is_callers_model: bool = False  # the caller named the model, and it is no provider's own
    is_whole: bool = False  # a provider's answer was whole
    is_ending: bool = False  # the last event is being written, or has been
    is_reported: bool = False  # the last event has been written

    def begin(self, provider: str, model: str) -> None:
        """Note which provider is asked, for which model; usage and stop of an attempt before are dropped."""
        self.provider, self.model, self.usage, self.stop = provider, model, None, None

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Mark the last event as being written, and as written when the block ends without an exception."""
        self.is_ending = True
        yield
        self.is_reported = True

    def note_token(self, now: float) -> None:
        """Note that a piece has come for the caller."""
        if self.first_token is None:
            self.first_token = now

    @property
    def verdict(self) -> str:
        """How it ended: client-gone unless the last event was written."""
        if not self.is_reported:
            return "client-gone"
        return "complete" if self.error is None else "error"

    def since(self, moment: float | None) -> float | None:
        """Return milliseconds from the request to a moment, None for none."""
        return None if moment is None else round((moment - self.began) * 1000, 1)

    def summary(self) -> dict[str, object]:
        """Return a part of the audit line, which a caller of /ask also gets at the end of a whole answer."""
        usage = self.usage
        return {
            "id": self.id,
            "provider": self.provider,
            "model": self.model,
            "stop": None if self.stop is None else self.stop.value,
            "tokens": self.tokens,
            "reasoning": self.thoughts,
            "usage": None if usage is None else _usage_json(usage),
            "ttft_ms": self.since(self.first_token),
        }

    def error_json(self) -> dict[str, object]:
        """Return the error as a caller of /ask gets it."""
        error = self.error
        if error is None:
            raise AssertionError("expected an error to report")
        content: dict[str, object] = {
            "kind": error.kind.value,
            "message": error.message,
            "provider": self.provider or None,
        }
        if error.retry_after is not None:
            content["retry_after_s"] = error.retry_after
        return {**content, "id": self.id, "attempts": [attempt.to_json() for attempt in self.attempts]}

    def to_json(self, now: float) -> dict[str, object]:
        """Return the audit line's content."""
        return {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": self.client,
            "session": self.session or None,
            "form": self.form,
            **self.summary(),
            "total_ms": self.since(now),
            "waits": self.waits,
            "ended": self.ended,
            "error": None if self.error is None else {"kind": self.error.kind.value, "message": self.error.message},
            "attempts": [attempt.to_json() for attempt in self.attempts],
        }


def _usage_json(usage: Usage) -> dict[str, int]:
    """Return a provider's counts; reasoning and cached tokens only where there are any."""
    counted = {"input_tokens": usage.prompt, "output_tokens": usage.completion}
    more = {"reasoning_tokens": usage.reasoning, "cached_tokens": usage.cached}
    return counted | {name: count for name, count in more.items() if count}


def audit(entry: AuditEntry, now: float, write_to: Callable[[str], None] | None) -> None:
    """Log a request that is over at INFO, and write its audit line unless `write_to` is None."""
    provider = entry.provider or "-"
    logger.info(
        "%s %s %s %s tokens=%d ttft=%s total=%s %s%s",
        entry.client,
        entry.form,
        entry.id,
        provider,
        entry.tokens,
        "-" if entry.first_token is None else f"{entry.since(entry.first_token)}ms",
        f"{entry.since(now)}ms",
        entry.ended,
        f" ({entry.error.kind.value}: {entry.error.message})" if entry.error is not None else "",
    )
    if write_to is not None:
        write_to(json.dumps(entry.to_json(now)))
