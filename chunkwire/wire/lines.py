"""Parse the lines of a chunked body: size lines, and field lines of the trailer section.

The rule here: an incomplete line is checked, too. A function returns a line if it is whole, and None if it is a prefix
of some valid line. It raises Refused for the first octet that no valid line has there, or that exceeds a limit. Two
errors are of a whole element, and at the start of its line: a size above its limit, once the line is whole, and a
forbidden name, once its colon came. The verdict does not depend on how the octets were split. What this module must not
know: the state of the scanner, and which octets may be sent on.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

from chunkwire.wire import abnf
from chunkwire.wire.errors import Rule
from chunkwire.wire.frames import CRLF
from chunkwire.wire.limits import Limits

Buffer: TypeAlias = bytes | bytearray

_SHOWN_OCTETS: Final = 16
"""Octets of the input that a message shows: all digits of a chunk-size, or the beginning of another protocol."""

_CR: Final = 0x0D
_LF: Final = 0x0A
_WHITESPACE: Final = (0x20, 0x09)


class Refused(Exception):
    """The octet at index `at` of the buffer breaks `rule`; the scanner raises a FramingError for it.

    For a bare CR, `at` is the octet after the CR.
    """

    def __init__(self, rule: Rule, at: int, *, expected: str, shown: int = _SHOWN_OCTETS) -> None:
        self.rule = rule
        self.at = at
        self.expected = expected
        self.shown = 1 if rule in (Rule.BARE_LF, Rule.BARE_CR) else shown


class SizeLineRead(NamedTuple):
    """A valid size line: `line` without CRLF, its `size`, and the index `stop` after its CRLF.

    `ext` has all whole extensions with their ";" and the whitespace between them, b"" for none.
    """

    line: bytes
    size: int
    ext: bytes
    stop: int


class FieldLineRead(NamedTuple):
    """A valid field line: `name`, `value` without OWS, and the index `stop` after its CRLF."""

    name: bytes
    value: bytes
    stop: int


def max_line_octets(limits: Limits) -> int:
    """Return the number of octets of the longest valid size line, CRLF included; padding counts as chunk-ext."""
    return limits.max_size_digits + limits.max_ext_octets + len(CRLF)


def read_size_line(buffer: Buffer, start: int, *, end: int, limits: Limits) -> SizeLineRead | None:
    """Read chunk-size [ chunk-ext ] CRLF at start (RFC 9112 §7.1); start < end.

    With `allow_padding`, whitespace before chunk-size and before CRLF counts for the limit of chunk-ext.

    Raises:
        Refused: malformed, or above a limit of digits, size or chunk-ext.
    """
    pattern = abnf.size_line(limits.allow_bws, limits.allow_padding)
    match = pattern.match(buffer, start, min(end, start + max_line_octets(limits)))
    assert match is not None  # the pattern matches zero octets, too
    # Before the first digit came, only padding can have matched.
    first_digit, size_end = (match.end(), match.end()) if match["size"] is None else match.span("size")
    ext_end = match.end() if match["line_end"] is None else match.start("line_end")
    room = limits.max_ext_octets - (first_digit - start)
    if room < 0:
        raise _refused_ext(start + limits.max_ext_octets, limits)
    if size_end - first_digit > limits.max_size_digits:
        expected = f"a chunk-size of at most {limits.max_size_digits} digits"
        raise Refused(Rule.CHUNK_SIZE_DIGITS, first_digit + limits.max_size_digits, expected=expected)
    if ext_end - size_end > room:
        raise _refused_ext(size_end + room, limits)
    if match["line_end"] != CRLF:
        if match.end() == end:
            return None
        raise _refused_size_line(buffer, match, size_end=size_end)
    size = int(match["size"], 16)
    if size > limits.max_chunk_size:
        raise Refused(Rule.CHUNK_SIZE_VALUE, start, expected=f"a chunk-size of at most {limits.max_chunk_size}")
    return SizeLineRead(match[0][: -len(CRLF)], size, match["ext"], match.end())


def _refused_ext(at: int, limits: Limits) -> Refused:
    return Refused(Rule.CHUNK_EXT_OCTETS, at, expected=f"a chunk-ext of at most {limits.max_ext_octets} octets")


def _refused_size_line(buffer: Buffer, match: re.Match[bytes], *, size_end: int) -> Refused:
    """Return the error for the octet that does not match the grammar of a size line."""
    at = match.end()
    octet = buffer[at]
    if match["line_end"] is not None:
        return Refused(Rule.BARE_CR, at, expected="the LF of the CRLF that ends a size line")
    has_size = match["size"] is not None
    if not has_size or at == size_end:
        rule = Rule.CHUNK_SIZE
        expected = "';' or CRLF after chunk-size" if has_size else "a chunk-size in hex digits"
    else:
        rule = Rule.CHUNK_EXT
        expected = "chunk-ext (;name or ;name=value)" + ("" if octet == _CR else " or CRLF")
    if octet == _LF:
        rule = Rule.BARE_LF
    elif octet in _WHITESPACE and has_size:
        rule = Rule.BAD_WHITESPACE
    return Refused(rule, at, expected=expected)


def read_field_line(
    buffer: Buffer, start: int, *, end: int, section: int, limits: Limits, forbidden: frozenset[bytes]
) -> FieldLineRead | None:
    """Read field-line CRLF at start (RFC 9112 §5); start < end.

    Args:
        section: index of the start of the trailer section in buffer.
        forbidden: canonical names that must not be trailers.

    Raises:
        Refused: malformed, a forbidden name, or an octet beyond the limit of the section.
    """
    section_end = section + limits.max_trailer_octets  # without the final CRLF; octets from there on are not matched
    match = abnf.FIELD_LINE_PREFIX.match(buffer, start, min(end, section_end))
    assert match is not None  # the pattern matches zero octets, too
    name, stop = match["name"], match.end()
    if name is not None and abnf.canonical_name(name) in forbidden:
        expected = "a field that may be a trailer"
        raise Refused(Rule.TRAILER_FORBIDDEN, start, expected=expected, shown=len(name))
    if match["line_end"] == CRLF:
        return FieldLineRead(name, match["value"].strip(abnf.OWS), stop)
    if stop == end:
        return None
    if stop == section_end:
        expected = f"a trailer section of at most {limits.max_trailer_octets} octets"
        raise Refused(Rule.TRAILER_OCTETS, stop, expected=expected)
    raise _refused_field_line(buffer, start, match)


def _refused_field_line(buffer: Buffer, start: int, match: re.Match[bytes]) -> Refused:
    """Return the error for the octet that does not match the grammar of a field line."""
    at = match.end()
    if match["line_end"] is not None:
        return Refused(Rule.BARE_CR, at, expected="the LF of the CRLF that ends a field-line")
    if match["name"] is not None:
        expected = "field-value or CRLF"
    elif at > start:
        expected = "':' after field-name"
    else:
        expected = "field-name or CRLF"
    return Refused(Rule.BARE_LF if buffer[at] == _LF else Rule.TRAILER_FIELD, at, expected=expected)


def read_crlf(buffer: Buffer, start: int, *, end: int, what: str, otherwise: Rule) -> int | None:
    """Return the index after the CRLF at start, None if only its CR has come; start < end.

    Args:
        what: what the CRLF follows or ends, for the message: "after chunk-data".
        otherwise: the rule of the error if the first octet is neither CR nor LF.

    Raises:
        Refused: anything but CRLF.
    """
    if buffer[start] != _CR:
        rule = Rule.BARE_LF if buffer[start] == _LF else otherwise
        raise Refused(rule, start, expected=f"CRLF {what}", shown=len(CRLF))
    if start + 1 == end:
        return None
    if buffer[start + 1] != _LF:
        raise Refused(Rule.BARE_CR, start + 1, expected=f"the LF of the CRLF {what}")
    return start + len(CRLF)
