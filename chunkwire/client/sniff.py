"""What the next octets of a capture are: the head of a response or of a request, a bare chunked body, or none of them.

Pure; it decides as soon as the octets allow. People, nc, telnet and curl put other text into captures, so heads are
looked for in the middle of other octets as well.
"""

from __future__ import annotations

import enum
import re
from typing import Final

from chunkwire.wire.abnf import TCHAR, TOKEN

# A status-line in data: its reason-phrase is short                                             RFC 9112 §4
_REASON: Final = rb"[\t\x20-\x7e\x80-\xff]{0,400}+"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] [1-5]\d\d(?: " + _REASON + rb")?\r?\n")
# The beginnings of a status-line.
_CUT_STATUS_LINE: Final = (
    rb"H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[01](?: (?:[1-5](?:\d(?:\d"
    rb"(?: " + _REASON + rb")?(?:\r(?:\n\r?)?|\n\r?)?)?)?)?)?)?)?)?)?)?)?)?"
)
# A request-line                                                                                       RFC 9112 §3
_REQUEST_LINE: Final = rb"(?:(?<=\n)|\A)[A-Z][A-Z\-]{2,31} [\x21-\x7e]++ HTTP/1\.[01]\r?\n"
# Either line; `reason` may end at an octet that no status-line has, and then `end` is missing.
_ANY_LINE: Final = re.compile(
    _REQUEST_LINE + rb"|HTTP/1\.[01] [1-5]\d\d(?= |\r?\n)(?P<reason>[\t\x20-\x7e\x80-\xff]*+)(?P<end>\r?\n)?"
)
# The same in data, where fewer texts may be taken for one, and the beginnings of it.
_METHOD: Final = rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)"
_REQUEST_LINE_IN_DATA: Final = _METHOD + rb" /[\x21-\x7e]{0,400}+ HTTP/1\.[01]\r?\n"
_CUT_REQUEST_LINE: Final = (
    rb"(?:G|GE|H|HE|HEA|P|PO|POS|PU|PA|PAT|PATC|D|DE|DEL|DELE|DELET|O|OP|OPT|OPTI|OPTIO|OPTION|"
    + _METHOD
    + rb"(?: (?:/[\x21-\x7e]{0,400}+(?: (?:H(?:T(?:T(?:P(?:/(?:1(?:\.(?:[01]"
    rb"(?:\r(?:\n\r?)?|\n\r?)?)?)?)?)?)?)?)?)?)?)?)?)"
)
_MAX_CUT_OCTETS: Final = 512  # more than either of these has
# In content it takes the first octet of a field-line, or the empty line, to distinguish it from a text about HTTP.
_HEAD_IN_CONTENT: Final = re.compile(_STATUS_LINE.pattern + rb"(?:" + TCHAR + rb"|\r?\n)")
# A head to its end, or as far as the octets go.
_FIELDS_SO_FAR: Final = (
    rb"(?>(?:" + TCHAR + rb"++:[\t\x20-\x7e\x80-\xff]*+\r?\n)*)"
    rb"(?:(?P<end>\r?\n)|(?:" + TCHAR + rb"++(?::[\t\x20-\x7e\x80-\xff]*+)?)?\r?\Z)"
)
_RESPONSE: Final = (re.compile(_STATUS_LINE.pattern + _FIELDS_SO_FAR), re.compile(_CUT_STATUS_LINE + rb"\Z"))
_EITHER: Final = (
    re.compile(rb"(?:" + _STATUS_LINE.pattern + rb"|" + _REQUEST_LINE_IN_DATA + rb")" + _FIELDS_SO_FAR),
    re.compile(rb"(?:" + _CUT_STATUS_LINE + rb"|" + _CUT_REQUEST_LINE + rb")\Z"),
)
# A request-line as it is typed: with a target that looks like one, or with a version; or a line with a known method.
_REQUEST_BEGIN: Final = re.compile(
    TOKEN + rb" (?:/|\*|https?://|[\x20-\x7e]*? HTTP/)|(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT)"
    rb"(?: [\x20-\x7e]*)?\r?\n"
)
_CUT_WORD: Final = re.compile(TOKEN + rb"(?: [\x20-\x7e]*)?\r?")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]")
_PADDED_HEX: Final = re.compile(rb"[\t ]*[0-9A-Fa-f]")
_SNIFFED_OCTETS: Final = 64  # the octets after them are not looked at


class Beginning(enum.Enum):
    """What begins with some octets."""

    RESPONSE = "response"
    REQUEST = "request"
    CHUNKED = "chunked"
    OTHER = "other"
    UNDECIDED = "undecided"
    """More octets are needed."""


def sniff(octets: bytes, *, may_be_chunked: bool, is_lenient: bool, is_last: bool) -> Beginning:
    """Return what begins with these octets, at least one.

    Args:
        may_be_chunked: a chunked body without a head may begin here.
        is_lenient: blanks may precede its first size.
        is_last: no more octets will come, so the result is not UNDECIDED.
    """
    octets, is_short = octets[:_SNIFFED_OCTETS], len(octets) < _SNIFFED_OCTETS
    if octets[:5] == b"HTTP/":
        return Beginning.RESPONSE
    if _REQUEST_BEGIN.match(octets):
        return Beginning.REQUEST
    if is_short and not is_last and _CUT_WORD.fullmatch(octets):
        return Beginning.UNDECIDED
    digit = _PADDED_HEX if is_lenient else _HEX
    return Beginning.CHUNKED if may_be_chunked and digit.match(octets) else Beginning.OTHER


def find_status_line(octets: bytes) -> tuple[int, bool]:
    """Return where a response head begins in content, and True.

    If there is none: where the last octets may become one (`len(octets)` for nowhere), and False.
    """
    if found := _HEAD_IN_CONTENT.search(octets):
        return found.start(), True
    return _find_cut(_RESPONSE[1], octets, 0), False


def find_whole_head(octets: bytes, start: int, way: str) -> tuple[int, bool]:
    """Return where a head begins in data, from `start` on, and whether it is whole; if none, as `find_status_line`.

    Args:
        way: of the message with this data: after a "request" either kind of head may follow, after a "response" only a
            response head.
    """
    whole, cut = _EITHER if way == "request" else _RESPONSE
    if found := whole.search(octets, start):
        return found.start(), found["end"] is not None
    return _find_cut(cut, octets, start), False


def _find_cut(pattern: re.Pattern[bytes], octets: bytes, start: int) -> int:
    """Return where a head may begin that the end of the octets cuts."""
    found = pattern.search(octets, max(start, len(octets) - _MAX_CUT_OCTETS))
    return found.start() if found else len(octets)


def find_head(octets: bytes, start: int = 0) -> int | None:
    """Return where a head of either kind begins; None if there is none."""
    if octets.find(b"\n", start + 1) < 0:
        return None  # no line is whole: the search would be repeated for each receive of a long line
    while (found := _ANY_LINE.search(octets, start)) is not None:
        if found["reason"] is None or found["end"] is not None:
            return found.start()
        start = found.end()  # all status-lines that begin in front of that octet fail at it
    return None
