"""What the next octets of a capture are: the head of a response or of a request, a bare chunked body, or none of them.

The rule here: pure, and a decision is made as soon as the octets allow one. A capture has what a person, nc, telnet or
curl put into it, so heads are looked for in the middle of other octets as well.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from chunkwire.wire.abnf import TCHAR, TOKEN

# status-line                                                                                          RFC 9112 §4
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [1-5]\d\d(?: [\t\x20-\x7e\x80-\xff]*+)?\r?\n")
# In content it takes the first octet of a field-line, or the empty line, to distinguish it from a text about HTTP.
_HEAD_IN_CONTENT: Final = re.compile(_STATUS_LINE.pattern + rb"(?:" + TCHAR + rb"|\r?\n)")
# A head to its end, or as far as the octets go.
_HEAD_SO_FAR: Final = re.compile(
    _STATUS_LINE.pattern + rb"(?>(?:" + TCHAR + rb"++:[\t\x20-\x7e\x80-\xff]*+\r?\n)*)"
    rb"(?:(?P<end>\r?\n)|(?:" + TCHAR + rb"++(?::[\t\x20-\x7e\x80-\xff]*+)?)?\r?\Z)"
)
# The beginnings of a status-line.
_CUT_STATUS_LINE: Final = re.compile(
    rb"H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[01](?: (?:[1-5](?:\d(?:\d"
    rb"(?: [\t\x20-\x7e\x80-\xff]*+)?(?:\r(?:\n\r?)?|\n\r?)?)?)?)?)?)?)?)?)?)?)?)?"
)
# request-line                                                                                         RFC 9112 §3
_REQUEST_LINE: Final = re.compile(rb"(?:(?<=\n)|\A)[A-Z][A-Z\-]{2,31} [\x21-\x7e]++ HTTP/1\.[01]\r?\n")
# The same as it is typed: a target that looks like one, or a version, or a known method and no more.
_REQUEST_BEGIN: Final = re.compile(
    TOKEN + rb" (?:/|\*|https?://|[^\r\n]*? HTTP/)|(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT)"
    rb"(?: [^\r\n]*)?\r?\n"
)
_CUT_WORD: Final = re.compile(TOKEN + rb"(?: [\x20-\x7e]*)?")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]")
_PADDED_HEX: Final = re.compile(rb"[\t ]*[0-9A-Fa-f]")
_MAX_WORD_OCTETS: Final = 64  # of a line without its end that may still become a request-line


class Beginning(enum.Enum):
    """What octets begin."""

    RESPONSE = "response"
    REQUEST = "request"
    CHUNKED = "chunked"
    OTHER = "other"
    UNDECIDED = "undecided"
    """More octets are needed."""


def sniff(octets: bytes, *, may_be_chunked: bool, is_lenient: bool, is_last: bool) -> Beginning:
    """Return what these octets, at least one, begin.

    Args:
        may_be_chunked: a bare chunked body may stand here.
        is_lenient: blanks may stand before its first size.
        is_last: no more octets will come, so that nothing is undecided.
    """
    if octets[:5] == b"HTTP/":
        return Beginning.RESPONSE
    if _REQUEST_BEGIN.match(octets):
        return Beginning.REQUEST
    is_cut = b"HTTP/".startswith(octets) or (len(octets) < _MAX_WORD_OCTETS and _CUT_WORD.fullmatch(octets))
    if is_cut and not is_last:
        return Beginning.UNDECIDED
    digit = _PADDED_HEX if is_lenient else _HEX
    return Beginning.CHUNKED if may_be_chunked and digit.match(octets) else Beginning.OTHER


def find_status_line(octets: bytes) -> tuple[int, bool]:
    """Return where a response head begins in content, and whether it surely does.

    Without one, the place from which the octets may still become one, and False; `len(octets)` for none.
    """
    if found := _HEAD_IN_CONTENT.search(octets):
        return found.start(), True
    return _find_cut_status_line(octets), False


def find_whole_head(octets: bytes) -> tuple[int, bool]:
    """Return where a response head begins in data, and whether its end is there; else as `find_status_line`."""
    if found := _HEAD_SO_FAR.search(octets):
        return found.start(), found["end"] is not None
    return _find_cut_status_line(octets), False


def _find_cut_status_line(octets: bytes) -> int:
    place = octets.rfind(b"H")
    while place >= 0 and len(octets) - place < 512:
        if _CUT_STATUS_LINE.fullmatch(octets, place):
            return place
        place = octets.rfind(b"H", 0, place)
    return len(octets)


def find_head(octets: bytes) -> int | None:
    """Return where a head, of either kind, begins among octets that are none; None where there is none yet."""
    places = [found.start() for pattern in (_STATUS_LINE, _REQUEST_LINE) if (found := pattern.search(octets))]
    return min(places, default=None)
