"""One request from its first octet to its last, and the line that is left of it.

The rule here: who asked, who answered, how long it took and how it ended; never what was said, and never a key.
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
    """One try with one provider.

    Attributes:
        error: None where it answered; "skipped" where it was not asked, and "cancelled" where the caller left.
        tokens: pieces of text that were passed on.
    """

    provider: str
    error: str | None
    message: str
    seconds: float
    tokens: int = 0

    def to_json(self) -> dict[str, object]:
        """Return it for the line, and for an error that a caller gets."""
        content: dict[str, object] = {
            "provider": self.provider,
            "ms": round(self.seconds * 1000, 1),
            "tokens": self.tokens,
        }
        return content if self.error is None else {**content, "error": self.error, "message": self.message}


@dataclass(slots=True)
class Account:
    """What is known of one request, while it runs and after. Moments in seconds on one monotonic clock.

    Attributes:
        form: sse, jsonl, json or websocket.
        tokens: pieces of text that were passed on; providers count their own in `usage`.
        thoughts: pieces of reasoning that came, passed on or not.
        passed: pieces that were passed on, of text, reasoning and tool calls.
        waits: times that the channel was full when a token came, and the provider had to wait for the caller.
        is_callers_model: the caller named the model, and no provider has it as its own.
        first_token: when the first piece was written to the caller.
        is_whole: a provider's terminal event was seen.
        is_ending, is_reported: the last event is being written, or has been.
        ended: complete, error, client-gone, refused for a question that was none, or cut where the server stopped.
    """

    id: str
    client: str
    form: str
    began: float
    session: str = ""
    provider: str = ""
    model: str = ""
    tokens: int = 0
    thoughts: int = 0
    passed: int = 0
    waits: int = 0
    usage: Usage | None = None
    stop: StopReason | None = None
    first_token: float | None = None
    error: ProviderError | None = None
    ended: str = "cut"
    attempts: list[Attempt] = field(default_factory=list)
    is_callers_model: bool = False
    is_whole: bool = False
    is_ending: bool = False
    is_reported: bool = False

    def begin(self, provider: str, model: str) -> None:
        """Take note of who is asked, for which model."""
        self.provider, self.model, self.usage, self.stop = provider, model, None, None

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Take note that the last event is being written, and on leaving that it has been."""
        self.is_ending = True
        yield
        self.is_reported = True

    def note_token(self, now: float) -> None:
        """Take note that a token has been written."""
        if self.first_token is None:
            self.first_token = now

    @property
    def verdict(self) -> str:
        """How it ended, as far as the writing to the caller shows."""
        if not self.is_reported:
            return "client-gone"
        return "complete" if self.error is None else "error"

    def since(self, moment: float | None) -> float | None:
        """Return milliseconds from the request to a moment."""
        return None if moment is None else round((moment - self.began) * 1000, 1)

    def summary(self) -> dict[str, object]:
        """Return what a caller gets at the end of a whole answer."""
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

    def trouble(self) -> dict[str, object]:
        """Return what a caller gets of an error."""
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
        """Return the line's content."""
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
    """Return what a provider counted; reasoning and cached tokens where it counted any."""
    counted = {"input_tokens": usage.prompt, "output_tokens": usage.completion}
    more = {"reasoning_tokens": usage.reasoning, "cached_tokens": usage.cached}
    return counted | {name: count for name, count in more.items() if count}


def audit(account: Account, now: float, write_to: Callable[[str], None] | None) -> None:
    """Log a request that is over at INFO, and write its line of JSON where there is a place for it."""
    provider = account.provider or "-"
    logger.info(
        "%s %s %s %s tokens=%d ttft=%s total=%s %s%s",
        account.client,
        account.form,
        account.id,
        provider,
        account.tokens,
        "-" if account.first_token is None else f"{account.since(account.first_token)}ms",
        f"{account.since(now)}ms",
        account.ended,
        f" ({account.error.kind.value}: {account.error.message})" if account.error is not None else "",
    )
    if write_to is not None:
        write_to(json.dumps(account.to_json(now), ensure_ascii=False))
