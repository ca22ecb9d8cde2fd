"""Refusals of requests: a status, one line about what is wrong, and for some rules a hint.

The rule here: the client may be a person who types, so a refusal says how to do it right. Pure: no I/O.
"""

from __future__ import annotations

import re
from typing import Final

from chunkwire.net.heads import Field, HeadError
from chunkwire.wire.errors import ChunkwireError, FramingError, IncompleteBody, escape

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Refusal(ChunkwireError):
    """A request that is answered with an error status.

    Attributes:
        status: of the answer.
        rule: a stable kebab-case name, for logs and metrics.
        fields: field lines added to the answer, such as Allow.
        hint: a line after the message; "" for none.
    """

    def __init__(self, status: int, rule: str, message: str, *, fields: tuple[Field, ...] = (), hint: str = "") -> None:
        super().__init__(escaped(message))  # one line, whatever of the request it quotes
        self.status = status
        self.rule = rule
        self.fields = fields
        self.hint = hint or _HINTS.get(rule, "")

    @property
    def text(self) -> str:
        """The body of the answer; control characters quoted from the request are escaped."""
        lines = [str(self), *([self.hint] if self.hint else [])]
        return "".join(escaped(line) + "\n" for line in lines)


_HINTS: Final = {
    "bad-start-line": "A request begins like this: GET / HTTP/1.1",
    "not-http": "This port speaks HTTP/1.1 in clear: http://, not https://",
    "no-host": "An empty line ends the head. HTTP/1.0 needs no Host line.",
}


def refusal_of(error: HeadError | FramingError | IncompleteBody, size_hint: str = "") -> Refusal:
    """Return the refusal of a request whose head or body is malformed, or whose body ended early.

    Args:
        size_hint: the end of the message about a body; see `wire.mistakes`.
    """
    if isinstance(error, HeadError):
        return Refusal(error.status, error.rule, str(error))
    if isinstance(error, FramingError):
        return Refusal(400, error.rule, f"request body: {error}{size_hint}", hint=error.hint)
    return Refusal(400, "incomplete-body", f"request body: {error}{size_hint}")


def escaped(line: str) -> str:
    """Return text with control characters escaped, as a terminal might interpret them."""
    return _UNPRINTABLE.sub(lambda found: escape(found[0]), line)
