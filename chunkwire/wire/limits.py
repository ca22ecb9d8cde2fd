"""How much framing a peer may make us hold, in one place: number, unit, reason, precedent.

The rule here: a limit bounds memory or work that a peer could otherwise force on us, never a legal use that
somebody has been seen to need. What this module must not know: how the limits are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a chunked body, and its two named leniencies.

    Attributes:
        max_size_digits: digits of a chunk-size, leading zeros included: what a 64-bit size needs. Go stops at 16
            too, HAProxy at 13, lest a parser that uses floats sees another value than we do.
        max_chunk_size: octets. Above 2**52 - 1 HAProxy refuses, and Python's http.client dies of MemoryError.
        max_ext_octets: octets of one chunk-ext, from its first ";" to the CRLF. Held until the line is whole, so
            this is memory a stream; Go allows 4096 for the whole line.
        max_overhead: octets of framing beyond 16 + 2 * size a chunk, summed up, never below 0. Go's budget
            against one-octet chunks that each carry a long chunk-ext (CVE-2023-39326).
        max_trailer_octets: octets of all field lines of a trailer section with their CRLFs, the final CRLF not
            counted. Held until the section is whole; Apache allows 8190 for each line of a head.
        max_trailer_fields: field lines of a trailer section. Apache allows 100 in a head, and trailers are few.
        allow_bws: take whitespace where RFC 9112 §7.1.1 has BWS. Off: "A sender MUST NOT generate BWS" (RFC 9110
            §5.6.3), and to relay an octet is to send it. "A recipient MUST parse for such bad whitespace" is the
            sentence we knowingly depart from; llhttp departs from it too.
        allow_padding: take whitespace before chunk-size and before the CRLF of a size line too, as some servers write
            it; includes `allow_bws`. For tools that only look: no grammar has it, so a relay must not.
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
"""What a tool that only looks may take: padded sizes, by blanks or by more zeros than a 64-bit size needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """The limits of a message head.

    Attributes:
        max_head_octets: octets from the first of the start-line to the empty line. Go allows 1 MiB, node 16 KiB;
            64 KiB leaves room for large cookies and still bounds 10,000 connections to 640 MiB.
        max_start_line_octets: octets; RFC 9112 §3 RECOMMENDS at least 8000.
        max_fields: field lines; Apache allows 100.
    """

    max_head_octets: int = 65536
    max_start_line_octets: int = 16384
    max_fields: int = 128


DEFAULT_HEAD_LIMITS: Final = HeadLimits()
