"""The errors of the codec: the caller's (LocalError), the peer's (FramingError), or a cut body (IncompleteBody).

The rule here: every `FramingError` has a name in `Rule`, an offset in the body, and the RFC section of the rule, so
that logs, tests and people use the same terms. What this module must not know: how a body is scanned, and how errors
are handled.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from enum import StrEnum, unique
from typing import Final, Self, TypeVar, cast

E = TypeVar("E", bound=BaseException)


def quoted(octets: bytes, most: int = 64) -> str:
    r"""Return octets for a message: in double quotes, all but printable ASCII escaped, such as `"OK\r"`.

    Args:
        most: octets to show; if there are more, an ellipsis follows the closing quote.
    """
    text = escape(octets[:most].decode("latin-1")).replace('"', '\\"')
    return f'"{text}"' + ("…" if len(octets) > most else "")


def escape(text: str) -> str:
    """Return text with all but printable ASCII escaped.

    `str.encode` opens a file at its first use of this codec, which fails if no descriptor is left.
    """
    return codecs.unicode_escape_encode(text)[0].decode("ascii")


def leaf_errors(error: E) -> Iterator[E]:
    """Yield the errors inside nested exception groups; or the error itself if it is no group."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaf_errors(cast("E", inner))
    else:
        yield error


def missing_package(what: str, package: str) -> str:
    """Return the message that an optional package is not installed, with the command that installs it.

    Not an extra of chunkwire: in a clone, `pip install 'chunkwire[…]'` would fetch another chunkwire, or none.
    """
    return f"{what} needs the package {package}: pip install {package}"


def reason_of(error: OSError) -> str:
    """Return what the system says about an error, for the middle of a sentence."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def describe_error(error: BaseException) -> str:
    """Return an error as one line for a person: its message, then its notes, which say what may help."""
    return "; ".join([" ".join(str(error).split()), *getattr(error, "__notes__", ())])


class ChunkwireError(Exception):
    """The base class of all errors of chunkwire."""


class LocalError(ChunkwireError, ValueError):
    """A mistake of the caller, or in a flag or a file; never a peer's. What it concerns is not sent."""


@unique
class Rule(StrEnum):
    """The rules that a chunked body can break: stable kebab-case names, for logs and metrics.

    The offset of an error is that of the first octet that no valid body can have there. For `CHUNK_SIZE_VALUE` and
    `OVERHEAD` it is the start of the size line, for `TRAILER_FORBIDDEN` the start of the field line.

    Attributes:
        section: of the RFC: it states the rule, or demands a limit.
    """

    section: str

    def __new__(cls, value: str, section: str = "") -> Self:
        """Make a member from name and section; `Rule(value)` finds it by its name."""
        rule = str.__new__(cls, value)
        rule._value_, rule.section = value, section
        return rule

    BARE_LF = "bare-lf", "RFC 9112 §2.2"
    """An LF without CR at the end of a line or of chunk-data (erratum 7633). `nc -C` sends CRLF."""
    BARE_CR = "bare-cr", "RFC 9112 §2.2"
    """A CR without LF at the end of a line or of chunk-data."""
    BAD_WHITESPACE = "bad-whitespace", "RFC 9110 §5.6.3"
    """SP or HTAB after a chunk-size or in a chunk-ext, also where the grammar has BWS, which no sender may write."""
    CHUNK_SIZE = "chunk-size", "RFC 9112 §7.1"
    """Not 1*HEXDIG followed by a chunk-ext or CRLF."""
    CHUNK_SIZE_DIGITS = "chunk-size-digits", "RFC 9112 §7.1"
    """More digits than `Limits.max_size_digits`."""
    CHUNK_SIZE_VALUE = "chunk-size-value", "RFC 9112 §7.1"
    """A size above `Limits.max_chunk_size`."""
    CHUNK_EXT = "chunk-ext", "RFC 9112 §7.1.1"
    """Not *( ";" chunk-ext-name [ "=" chunk-ext-val ] )."""
    CHUNK_EXT_OCTETS = "chunk-ext-octets", "RFC 9112 §7.1.1"
    """A chunk-ext longer than `Limits.max_ext_octets`."""
    OVERHEAD = "overhead", "RFC 9112 §7.1.1"
    """More framing than `Limits.max_overhead` allows for these chunks."""
    CHUNK_DATA_END = "chunk-data-end", "RFC 9112 §7.1"
    """Neither CR nor LF after chunk-data."""
    TRAILER_FIELD = "trailer-field", "RFC 9112 §7.1.2"
    """A line of the trailer section that is no field-line."""
    TRAILER_FORBIDDEN = "trailer-forbidden", "RFC 9110 §6.5.1"
    """A field that must not be a trailer, or that the head's Connection names (RFC 9110 §7.6.1)."""
    TRAILER_FIELDS = "trailer-fields", "RFC 9110 §5.4"
    """More field lines than `Limits.max_trailer_fields`."""
    TRAILER_OCTETS = "trailer-octets", "RFC 9110 §5.4"
    """Field lines longer, together, than `Limits.max_trailer_octets`."""


BARE_LF_HINT: Final = "A line typed into nc ends in LF alone: use nc -C (on macOS: nc -c), or telnet."


class FramingError(ChunkwireError):
    """The peer broke the grammar of a chunked body, or a limit; nothing after it can be trusted (RFC 9112 §8).

    Attributes:
        rule: a member of `Rule`, and so a str such as "bare-lf".
        offset: of the refused octet in the body, from 0.
        octets: the octets there that had arrived: 1 to 16, or for `TRAILER_FORBIDDEN` the whole field-name.
        section: of the rule, such as "RFC 9112 §7.1".
        message: expected, got, where; also the result of str().
        hint: a sentence for a person who typed the body; "" for none.
    """

    def __init__(
        self, rule: Rule | str, offset: int, octets: bytes, section: str, message: str, hint: str = ""
    ) -> None:
        super().__init__(message)
        self.rule = Rule(rule)
        self.offset = offset
        self.octets = octets
        self.section = section
        self.message = message
        self.hint = hint


class IncompleteBody(ChunkwireError):
    """The input ended inside the body, which must not be taken for complete (RFC 9112 §8).

    Attributes:
        offset: octets of the body that had arrived.
        section: what was cut: a production such as "chunk-data", or "content of 5 octets".
        received: the content received so far, if the code that raises keeps it; perhaps cut to a limit.
        hint: the end of the message.
    """

    def __init__(self, offset: int, section: str, received: bytes = b"", *, hint: str = "") -> None:
        super().__init__(f"expected {section} at {offset}, got the end of input{hint}")
        self.offset = offset
        self.section = section
        self.received = received
        self.hint = hint
