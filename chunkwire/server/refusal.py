"""How a request is refused: one status, one line that names what is wrong, and a hint where one helps.

The rule here: a client may be a person at a keyboard, so a refusal says how to do it right. Pure: no I/O.
"""

from __future__ import annotations

import re
from typing import Final

from chunkwire.net.heads import Field, HeadError
from chunkwire.wire.errors import BARE_LF_HINT, ChunkwireError, FramingError, IncompleteBody

_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Refusal(ChunkwireError):
    """A request that is answered with an error status.

    Attributes:
        status: what is answered.
        rule: a stable kebab-case name, for logs and metrics.
        fields: more field lines of the answer, such as Allow.
    """

    def __init__(self, status: int, rule: str, message: str, *, fields: tuple[Field, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.rule = rule
        self.fields = fields

    @property
    def text(self) -> str:
        """The body of the answer; control characters that it quotes of the request are escaped."""
        hint = _HINTS.get(self.rule)
        lines = [str(self), *([hint] if hint else [])]
        return "".join(escaped(line) + "\n" for line in lines)


_HINTS: Final = {
    "bad-start-line": "A request begins like this: GET / HTTP/1.1",
    "not-http": "This port speaks HTTP/1.1 in clear: http://, not https://",
    "no-host": "An empty line ends the head. HTTP/1.0 needs no Host line.",
    "bare-lf": BARE_LF_HINT,
}


def refusal_of(error: HeadError | FramingError | IncompleteBody) -> Refusal:
    """Return the refusal of a request whose head or body is out of the grammar, or whose body ended early."""
    if isinstance(error, HeadError):
        return Refusal(error.status, error.rule, str(error))
    rule = error.rule if isinstance(error, FramingError) else "incomplete-body"
    return Refusal(400, rule, f"request body: {error}")


def escaped(line: str) -> str:
    """Return text with control characters, which a terminal might obey, as escapes."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), line)
