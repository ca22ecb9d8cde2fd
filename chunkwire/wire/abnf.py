"""The grammar of a chunked body as patterns of octets, each below its ABNF.

The rule here: unbounded quantifiers are possessive, so that a pattern runs in linear time for any input. Groups are
repeated inside `(?>…)` instead, because `(?:…)*+` is wrong in CPython before 3.11.5: it continues in the middle of an
iteration that failed (gh-106052). `size_line` and `FIELD_LINE_PREFIX` are *prefix* patterns: `match` takes a line, or
the longest prefix of some valid line; if such a prefix ends before the end of the buffer, the next octet is the first
bad one. What this module must not know: limits, offsets, and what follows a line.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

# HEXDIG = DIGIT / "A" / "B" / "C" / "D" / "E" / "F"                  RFC 5234 §B.1, case-insensitive by §2.3
HEXDIG: Final = rb"[0-9A-Fa-f]"

# token = 1*tchar                                                      RFC 9110 §5.6.2
# tchar = any VCHAR, except delimiters: ! # $ % & ' * + - . ^ _ ` | ~ and DIGIT, ALPHA
TCHAR: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN: Final = TCHAR + rb"++"

# qdtext        = HTAB / SP / %x21 / %x23-5B / %x5D-7E / obs-text      RFC 9110 §5.6.4
# quoted-pair   = "\" ( HTAB / SP / VCHAR / obs-text )
# quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE
QDTEXT: Final = rb"[\t !\x23-\x5b\x5d-\x7e\x80-\xff]"
QUOTED_PAIR: Final = rb"\\[\t \x21-\x7e\x80-\xff]"
QUOTED_TEXT: Final = rb"(?>(?:" + QDTEXT + rb"++|" + QUOTED_PAIR + rb")*)"
QUOTED_STRING: Final = rb'"' + QUOTED_TEXT + rb'"'

# field-name    = token                                                RFC 9110 §5.1
# field-value   = *field-content                                       RFC 9110 §5.5
# field-content = field-vchar [ 1*( SP / HTAB / field-vchar ) field-vchar ]
# field-vchar   = VCHAR / obs-text
FIELD_NAME: Final = TOKEN
FIELD_VCHAR: Final = rb"[\x21-\x7e\x80-\xff]"
FIELD_VALUE: Final = rb"(?:" + FIELD_VCHAR + rb"++(?>(?:[\t ]++" + FIELD_VCHAR + rb"++)*))?"

# OWS = *( SP / HTAB )                                                 RFC 9110 §5.6.3
OWS: Final = b" \t"

# chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )   RFC 9112 §7.1.1
# chunk-ext-name = token
# chunk-ext-val  = token / quoted-string
# Without the BWS: no sender may write it (RFC 9110 §5.6.3).
CHUNK_EXT: Final = rb"(?>(?:;" + TOKEN + rb"(?>(?:=(?:" + TOKEN + rb"|" + QUOTED_STRING + rb"))?))*)"

# Trailers that are refused, in lower case: they can change a recipient's framing, routing, connection, content format
# or authentication, or a request's condition (RFC 9110 §6.5.1). A relay that keeps every octet cannot drop one.
FORBIDDEN_TRAILERS: Final = frozenset(
    b"authorization connection content-encoding content-length content-range content-type cookie expect host if-match "
    b"if-modified-since if-none-match if-range if-unmodified-since keep-alive max-forwards proxy-authenticate "
    b"proxy-authorization proxy-connection range set-cookie te trailer transfer-encoding upgrade "
    b"www-authenticate".split()
)

# Trailers that the encoder does not write. Response control changes none of the above, so a reader accepts it and a
# relay sends it on; but "a sender MUST NOT generate" a trailer unless its field's definition permits it (§6.5.1).
UNWRITTEN_TRAILERS: Final = FORBIDDEN_TRAILERS.union(
    b"age cache-control date expires location pragma retry-after vary warning".split()
)


# 1*DIGIT = 1*%x30-39                                                  RFC 5234 §B.1; 18 digits fit 64 bits
_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def number_of(text: str) -> int | None:
    """Return the number in 1*18DIGIT; None for any other text, such as digits that are not ASCII."""
    return int(text) if _NUMBER.fullmatch(text) else None


def canonical_name(name: bytes) -> bytes:
    """Return a field-name in the form of the lists above: lower case, with "-" for "_".

    CGI and WSGI map both to "_", so an application behind us reads Transfer_Encoding as Transfer-Encoding.
    """
    return name.lower().replace(b"_", b"-")


@cache
def size_line(allow_bws: bool, allow_padding: bool) -> re.Pattern[bytes]:
    """Compile the prefix pattern of a size line: chunk-size [ chunk-ext ] CRLF (RFC 9112 §7.1).

    Groups: `size`, the digits; `ext`, all whole extensions after them; `line_end`, CRLF, or a CR without LF. Without a
    digit only the padding matches, and all groups are None. An extension that is cut by the end of the buffer or by a
    bad octet is matched up to there, and is in no group. The arguments are those of `Limits`.
    """
    padding = rb"[\t ]*+" if allow_padding else rb""
    bws = rb"[\t ]*+" if allow_bws or allow_padding else rb""
    # An extension is whole if it has a value after "=", or a name without "=".
    value = bws + rb"=" + bws + rb"(?:" + TOKEN + rb"|" + QUOTED_STRING + rb")"
    whole = bws + rb";" + bws + TOKEN + rb"(?:" + value + rb"|(?!" + bws + rb"=))"
    # Parts of an extension that is cut: ';'  ';name='  ';name="text'  ';name="text\'.
    cut_value = rb"(?>(?:=" + bws + rb'(?>(?:"' + QUOTED_TEXT + rb"\\?+)?))?)"
    cut = bws + rb"(?>(?:;" + bws + rb"(?>(?:" + TOKEN + bws + cut_value + rb")?))?)"
    return re.compile(
        rb"%b(?>(?:(?P<size>%b++)(?P<ext>(?>(?:%b)*))(?:%b(?P<line_end>\r\n?+)|%b))?)"
        % (padding, HEXDIG, whole, padding, cut)
    )


# field-line = field-name ":" OWS field-value OWS                      RFC 9112 §5
# Groups: `name` once its ":" is there, `value` with its OWS, `line_end` as in a size line. No obs-fold: the line after
# a fold begins with whitespace, which no field-line does.
FIELD_LINE_PREFIX: Final = re.compile(
    rb"(?>(?:(?P<name>%b):(?P<value>[\t \x21-\x7e\x80-\xff]*+)(?>(?P<line_end>\r\n?+)?)|%b)?)"
    % (FIELD_NAME, FIELD_NAME)
)
