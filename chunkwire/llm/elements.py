"""Split a body of JSON into its objects as they come: one object, an array of them, or one after the other.

The rule here: only where an object begins and ends. Outside of objects, blanks, commas, record separators (RFC 7464), a
byte order mark and the array's brackets are skipped.
"""

from __future__ import annotations

import re
from typing import Final

from chunkwire.llm.shape import glimpse
from chunkwire.wire.sse import MAX_EVENT_OCTETS

# Outside a string only quotes and brackets matter, inside it only its end; a backslash escapes the next octet.
_OUTSIDE: Final = re.compile(rb'["{}\[\]]')
_INSIDE: Final = re.compile(rb'[^"\\]*(?:\\[\s\S][^"\\]*)*(["\\]?)')
_FORM: Final = re.compile(rb"[\s,\x1e\xef\xbb\xbf]*")


class ElementDecoder:
    """Turn octets into objects, however they are cut; work is linear in the octets.

    Attributes:
        is_in_array: an array is open.
    """

    def __init__(self, *, max_octets: int = MAX_EVENT_OCTETS) -> None:
        self._max = max_octets
        self._held = bytearray()
        self._seen = 0  # how many held octets were scanned
        self._depth = 0  # of brackets, without the outer array
        self._is_in_string = False
        self.is_in_array = False

    @property
    def is_between(self) -> bool:
        """Nothing is held and no array is open: the end of input here loses nothing."""
        return not self._held and not self.is_in_array

    def feed(self, octets: bytes, found: list[bytes]) -> None:
        """Append to `found` the objects that these octets complete.

        Raises:
            ValueError: something else stands where an object may begin, or an object is longer than `max_octets`;
                `found` holds those before it. The decoder must not be used again.
        """
        self._held += octets
        while True:
            if not self._depth and not self._begin():
                return
            end = self._find_end()
            if (len(self._held) if end is None else end) > self._max:
                raise ValueError(f"expected an object of at most {self._max} octets, got more")
            if end is None:
                return
            found.append(bytes(self._held[:end]))
            del self._held[:end]
            self._seen = 0

    def _begin(self) -> bool:
        """Skip what stands between objects; say whether an object begins."""
        while True:
            blank = _FORM.match(self._held)
            del self._held[: blank.end() if blank is not None else 0]
            first = bytes(self._held[:1])
            if first == b"[" and not self.is_in_array:
                self.is_in_array = True
            elif first == b"]" and self.is_in_array:
                self.is_in_array = False
            else:
                break
            del self._held[:1]
        if first not in (b"", b"{"):
            raise ValueError(f"expected a JSON object, got {glimpse(bytes(self._held))}")
        return first == b"{"

    def _find_end(self) -> int | None:
        """Return the length of the first object, None while its end has not come."""
        held = self._held
        while self._seen < len(held):
            if self._is_in_string:
                inside = _INSIDE.match(held, self._seen)
                if inside is None or inside[1] != b'"':  # a backslash at the end waits for the octet that it escapes
                    self._seen = len(held) if inside is None or not inside[1] else inside.end() - 1
                    return None
                self._seen = inside.end()
                self._is_in_string = False
                continue
            found = _OUTSIDE.search(held, self._seen)
            if found is None:
                self._seen = len(held)
                return None
            self._seen = found.end()
            if found[0] == b'"':
                self._is_in_string = True
                continue
            self._depth += 1 if found[0] in b"{[" else -1
            if self._depth <= 0:
                self._depth = 0
                return self._seen
        return None
