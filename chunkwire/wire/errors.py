"""What can be wrong with a body: ours (local), theirs (framing), or not all of it (incomplete).

The rule here: every refusal has a name out of `Rule`, an offset in the body and the section of the RFC it rests
on, so that a log, a test and the person at the terminal speak of the same thing. What this module must not know:
how a body is scanned, and what anybody does about a refusal.
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import Final


def quoted(octets: bytes, most: int = 64) -> str:
    r"""Return octets for a message: in double quotes, all but printable ASCII escaped, such as `"OK\r"`.

    Args:
        most: octets to show; what is left out is an ellipsis after the closing quote.
    """
    text = octets[:most].decode("latin-1").encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{text}"' + ("…" if len(octets) > most else "")


class ChunkwireError(Exception):
    """The parent of every error that chunkwire raises on purpose."""


class LocalError(ChunkwireError, ValueError):
    """Our own caller broke a rule: raised before an octet leaves, never for what a peer sent."""


@unique
class Rule(StrEnum):
    """The rules a chunked body can break: stable kebab-case names, the vocabulary of logs and metrics.

    The offset that goes with each is that of the first octet which no valid body could have there; for
    `CHUNK_SIZE_VALUE` and `OVERHEAD` it is where the size line begins, for `TRAILER_FORBIDDEN` the field line.
    """

    BARE_LF = "bare-lf"
    """An LF without its CR, where a line or chunk-data ends (RFC 9112 §2.2, erratum 7633). `nc -C` cures it."""
    BARE_CR = "bare-cr"
    """A CR that an LF does not follow, where a line or chunk-data ends (RFC 9112 §2.2)."""
    BAD_WHITESPACE = "bad-whitespace"
    """SP or HTAB in a size line: BWS, which no sender may write (RFC 9110 §5.6.3), or not even that."""
    CHUNK_SIZE = "chunk-size"
    """Not 1*HEXDIG followed by a chunk-ext or CRLF (RFC 9112 §7.1)."""
    CHUNK_SIZE_DIGITS = "chunk-size-digits"
    """More digits than `Limits.max_size_digits`."""
    CHUNK_SIZE_VALUE = "chunk-size-value"
    """A size above `Limits.max_chunk_size`."""
    CHUNK_EXT = "chunk-ext"
    """Not *( ";" chunk-ext-name [ "=" chunk-ext-val ] ) (RFC 9112 §7.1.1)."""
    CHUNK_EXT_OCTETS = "chunk-ext-octets"
    """A chunk-ext longer than `Limits.max_ext_octets`."""
    OVERHEAD = "overhead"
    """More framing than the data can excuse: `Limits.max_overhead`."""
    CHUNK_DATA_END = "chunk-data-end"
    """Anything but CRLF after chunk-data (RFC 9112 §7.1)."""
    TRAILER_FIELD = "trailer-field"
    """A line of the trailer section that is no field-line (RFC 9112 §5, §7.1.2)."""
    TRAILER_FORBIDDEN = "trailer-forbidden"
    """A field that must not be a trailer (RFC 9110 §6.5.1), or that the head's Connection names (§7.6.1)."""
    TRAILER_FIELDS = "trailer-fields"
    """More field lines than `Limits.max_trailer_fields`."""
    TRAILER_OCTETS = "trailer-octets"
    """Field lines longer, together, than `Limits.max_trailer_octets`."""


BARE_LF_HINT: Final = "A line typed into nc ends in LF alone: use nc -C (on macOS: nc -c), or telnet."

SECTIONS: Final[dict[Rule, str]] = {
    Rule.BARE_LF: "RFC 9112 §2.2",
    Rule.BARE_CR: "RFC 9112 §2.2",
    Rule.BAD_WHITESPACE: "RFC 9110 §5.6.3",
    Rule.CHUNK_SIZE: "RFC 9112 §7.1",
    Rule.CHUNK_SIZE_DIGITS: "RFC 9112 §7.1",
    Rule.CHUNK_SIZE_VALUE: "RFC 9112 §7.1",
    Rule.CHUNK_EXT: "RFC 9112 §7.1.1",
    Rule.CHUNK_EXT_OCTETS: "RFC 9112 §7.1.1",
    Rule.OVERHEAD: "RFC 9112 §7.1.1",
    Rule.CHUNK_DATA_END: "RFC 9112 §7.1",
    Rule.TRAILER_FIELD: "RFC 9112 §7.1.2",
    Rule.TRAILER_FORBIDDEN: "RFC 9110 §6.5.1",
    Rule.TRAILER_FIELDS: "RFC 9110 §5.4",
    Rule.TRAILER_OCTETS: "RFC 9110 §5.4",
}
"""Where each rule is written, or for a limit, where the RFC asks for one."""


class FramingError(ChunkwireError):
    """The peer broke the grammar of a chunked body, or a limit; nothing after it can be trusted (RFC 9112 §8).

    Attributes:
        rule: which rule, a member of `Rule` and so a str such as "bare-lf".
        offset: of the refused octet in the body, the first octet of the body being 0.
        octets: what stood there, as far as it had arrived: at least 1 octet, at most 16.
        section: where the rule is written, such as "RFC 9112 §7.1".
        message: expected, got, where; it is also what str() gives.
    """

    def __init__(self, rule: Rule | str, offset: int, octets: bytes, section: str, message: str) -> None:
        super().__init__(message)
        self.rule = Rule(rule)
        self.offset = offset
        self.octets = octets
        self.section = section
        self.message = message


class IncompleteBody(ChunkwireError):
    """The input ended before the body did; it must not be taken for a whole one (RFC 9112 §8).

    Attributes:
        offset: octets of the body that had arrived.
        section: the production that was cut, such as "chunk-data".
        received: the content received so far, where the raiser keeps content; a cap may have cut it.

    Args:
        hint: what to add to the message.
    """

    def __init__(self, offset: int, section: str, received: bytes = b"", *, hint: str = "") -> None:
        super().__init__(f"expected {section} at {offset}, got the end of input{hint}")
        self.offset = offset
        self.section = section
        self.received = received
