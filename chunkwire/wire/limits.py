"""The limits on what a peer may make us hold: number, unit, reason, precedent.

The rule here: a limit bounds memory or work that a peer could force on us, and never a legal use that has been seen in
practice. What this module must not know: how the limits are enforced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a chunked body, and its two named leniencies.

    Attributes:
        max_size_digits: digits of a chunk-size, with leading zeros: enough for 64 bits. Go also allows 16; HAProxy
            allows 13, so that a parser that uses floats cannot read another value.
        max_chunk_size: octets. HAProxy also refuses more than 2**52 - 1.
        max_ext_octets: octets of one chunk-ext: all between chunk-size and CRLF, and padding before chunk-size. They
            are held until the line is whole, so this is memory of each stream. Go allows 4096 for the whole line.
        max_overhead: octets of framing beyond 16 + 2 * size for each chunk, added up, never below 0. Go has this budget
            against one-octet chunks with long chunk-exts (CVE-2023-39326).
        max_trailer_octets: octets of all field lines of a trailer section with their CRLFs, without the final CRLF.
            They are held until the section is whole. Apache allows 8190 for each line of a head.
        max_trailer_fields: field lines of a trailer section. Apache allows 100 in a head; trailers are fewer.
        allow_bws: accept whitespace where RFC 9112 §7.1.1 has BWS. Off, as "A sender MUST NOT generate BWS" (RFC 9110
            §5.6.3), and a relay sends what it receives. This departs from "A recipient MUST parse for such bad
            whitespace"; llhttp does so, too.
        allow_padding: also accept whitespace before chunk-size and before the CRLF of a size line, as some servers
            write; includes `allow_bws`. Only for tools that show a stream: no grammar has it, so a relay must refuse
            it.
    """

    max_size_digits: int = 16
    max_chunk_size: int = 2**52 - 1
    max_ext_octets: int = 4096
    max_overhead: int = 16384
    max_trailer_octets: int = 8192
    max_trailer_fields: int = 64
    allow_bws: bool = False
    allow_padding: bool = False


DEFAULT_LIMITS: Final = Limits()
LENIENT_LIMITS: Final = Limits(max_size_digits=64, allow_padding=True)
"""For tools that only show a stream: sizes may be padded by blanks, or by more zeros than 64 bits need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """The limits of a message head.

    Attributes:
        max_head_octets: octets from the first of the start-line to the empty line. Go allows 1 MiB, node 16 KiB;
            64 KiB leaves room for large cookies and still bounds 10,000 connections to 625 MiB.
        max_start_line_octets: octets; RFC 9112 §3 RECOMMENDS at least 8000.
        max_fields: field lines; Apache allows 100.
    """

    max_head_octets: int = 65536
    max_start_line_octets: int = 16384
    max_fields: int = 128


DEFAULT_HEAD_LIMITS: Final = HeadLimits()
