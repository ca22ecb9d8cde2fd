"""Read what a person typed, and find the first wrong octet.

The rule here: the grammar is that of RFC 9112, explained in plain sentences to a beginner. A head whose lines all end
in LF alone is accepted, as by the origin. A chunked body is judged by the scanner of the codec. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from chunkwire.lab.lessons.judgement import Judgement, shown_octets, wrong
from chunkwire.tools.paint import number
from chunkwire.wire.errors import FramingError, IncompleteBody, Rule
from chunkwire.wire.frames import Chunk, Frame
from chunkwire.wire.reader import FrameReader

_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")
_BACKSLASH: Final = re.compile(rb"\\[rn]")
_ZERO: Final = re.compile(rb"0+(?![0-9A-Fa-f])")
_VERSION: Final = b"HTTP/1.1"
_SPACES: Final = b" \t"
_AS_TEXT: Final = "A backslash and a letter came as text, not as CR and LF. Send them with printf, or press Enter."
_KEYS: Final = {
    b"\x1b": "That is an arrow key: it was sent as octets, it did not move back. Start again.",
    b"\xff": "That is a signal of telnet (Ctrl-C), not text. Leave telnet with Ctrl-], then quit.",
}
"""Sentences for a person who pressed a key to edit the line or to leave, by the first octet that it sends."""
_END_OF_HEAD: Final = "the empty line that ends the head"
_HINTS: Final = {
    _END_OF_HEAD: "The head has not ended: an empty line ends it. Press Enter alone.",
    "a size line": "The body has not ended: a size line comes here, or 0 and an empty line.",
    "the trailer section": "The body has not ended: an empty line ends it. Press Enter alone.",
}
"""What to type, by the element that is missing at the start of a line."""
MAX_DATA_LINES: Final = 10
"""Lines of chunk-data that are searched for its end: more than any step asks for."""
_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")


@dataclass(slots=True)
class ReadMessage:
    """A request or a response as far as it has come."""

    octets: bytes  # all that was read
    path: bytes = b""  # prefix of its target in a class; the texts of lessons leave it out
    start_line: bytes = b""  # without its line end; b"" before it is whole
    # name in lower case, value, and the index of the line's first octet
    fields: list[tuple[bytes, bytes, int]] = field(default_factory=list)
    body_at: int | None = None  # index of the first octet after the head; None while the head is not whole
    mistake: Judgement | None = None  # the first thing that is wrong; None for nothing
    frames: list[Frame] = field(default_factory=list)  # of a chunked body, those that are whole
    is_complete: bool = False  # the whole chunked body has come; without one, the head
    ends_at: int = 0  # index after its last octet; 0 while it is not complete
    missing: str = ""  # the element that must come next; "" for nothing
    partial: bytes = b""  # chunk-data so far of a chunk that has begun
    is_response: bool = False

    @property
    def chunks(self) -> list[Chunk]:
        """The whole chunks, without the last-chunk."""
        return [frame for frame in self.frames if isinstance(frame, Chunk)]

    @property
    def content(self) -> bytes:
        """The chunk-data of the whole chunks."""
        return b"".join(chunk.data for chunk in self.chunks)

    def differs_at(self, content: bytes) -> int:
        """Return the index of the first octet of chunk-data that differs from `content`, or is missing."""
        left, at = _differs(self.content, content), self.body_at or 0
        for chunk in self.chunks:
            if left < len(chunk.data):
                return at + len(chunk.line) + len(b"\r\n") + left
            left -= len(chunk.data)
            at += len(chunk.raw)
        return at

    @property
    def method(self) -> bytes:
        """The method of a request."""
        return self.start_line.partition(b" ")[0]

    @property
    def target(self) -> bytes:
        """The target of a request, without `path`; b"" while there is none."""
        words = self.start_line.split(b" ")
        return words[1].removeprefix(self.path) if len(words) > 1 else b""

    @property
    def frames_end(self) -> int:
        """The index after the whole frames."""
        return (self.body_at or 0) + sum(len(frame.raw) for frame in self.frames)

    @property
    def last_chunk_at(self) -> int | None:
        """The index of the 0 line, whole or not; None while none has come."""
        at = (self.body_at or 0) + sum(len(chunk.raw) for chunk in self.chunks)
        return at if _ZERO.match(self.octets, at) else None

    @property
    def took_the_end(self) -> bool:
        """Whether the data of the latest chunk contains a 0 line, because its size is too large."""
        return any(b"\r\n0\r\n" in chunk.data for chunk in self.chunks[-1:])

    @property
    def hint(self) -> str:
        """What the person who types it has to do next; "" once it is complete."""
        if self.missing in ("chunk-data", "CRLF after chunk-data"):
            return self._data_hint()
        if self.missing == "a size line" and self.took_the_end:
            size = shown_octets(self.chunks[-1].line)
            return f"The size line says {size}: with so many octets the data includes your 0 line."
        if not self.octets.endswith(b"\n") and self.octets[self.body_at or 0 :]:
            return "This line has not ended. Press Enter."
        return _HINTS.get(self.missing, "")

    def _data_hint(self) -> str:
        found = _HEX.match(self.octets, self.frames_end)
        assert found is not None  # a chunk has begun
        size = int(found[0], 16)
        ends = ", and your line end counts as two of them (CR, LF)" if b"\n" in self.partial else ""
        if len(self.partial) == size and not ends:
            return "The chunk has not ended: the line end after its data is missing."
        return f"The chunk has not ended: {len(self.partial)} of its {size} octets have come{ends}."

    def wrong(self, sentence: str, at: int | None = None, *, hint: str = "") -> Judgement:
        """Return the judgement that it is wrong at an octet, by default at the first one of its body."""
        return wrong(sentence, self.octets, self.body_at if at is None else at, hint=hint)

    def get(self, name: bytes) -> tuple[bytes, int] | None:
        """Return a field's value and where its line begins; None where there is none."""
        return next(((value, at) for known, value, at in self.fields if known == name), None)


def read_request(octets: bytes, *, path: str = "", needs_host: bool = True) -> ReadMessage:
    """Read one request, as far as it has come, with a chunked body if Transfer-Encoding declares it."""
    message = ReadMessage(octets, path.encode())
    _read_head(message)
    if message.mistake is None and message.body_at is not None and needs_host:
        message.mistake = _host_mistake(message, message.body_at)
    _read_body(message)
    return message


def read_response(octets: bytes) -> ReadMessage:
    """Read one response, as far as it has come."""
    message = ReadMessage(octets, is_response=True)
    _read_head(message)
    _read_body(message)
    return message


def _read_head(message: ReadMessage) -> None:
    """Read the whole lines of a head, up to the first mistake."""
    octets, at = message.octets, 0
    if octets[:1] == b"\x16":
        message.mistake = wrong("This is TLS (https). The lesson is about HTTP in clear: http://", octets, 0)
        return
    while (end := octets.find(b"\n", at)) >= 0:
        line = octets[at:end].removesuffix(b"\r")
        mistake = _control_mistake(octets, at, line) or _line_end_mistake(octets, end)
        if mistake is None and not line and message.start_line:
            message.body_at = end + 1
            return
        if mistake is None and not message.start_line:
            mistake = (_status_line_mistake if message.is_response else _request_line_mistake)(octets, at, line)
            message.start_line = line
        elif mistake is None:
            mistake = _field_mistake(octets, at, line)
            name, _, value = line.partition(b":")
            message.fields.append((name.lower(), value.strip(_SPACES), at))
        if mistake is not None:
            message.mistake = mistake
            return
        at = end + 1
    message.missing = "the end of the line" if at < len(octets) or not octets else _END_OF_HEAD


def _line_end_mistake(octets: bytes, end: int) -> Judgement | None:
    """Judge the line end whose LF is at `end`: in a head all are CRLF, or all are LF alone."""
    has_cr = [octets[lf - 1 : lf] == b"\r" for lf in (octets.find(b"\n"), end)]
    if has_cr[0] == has_cr[1]:
        return None
    sentence = (
        "All lines of a head end the same way: in CRLF (\\r\\n), or in LF alone (\\n) if the server accepts that."
    )
    return wrong(sentence, octets, end)


def _control_mistake(octets: bytes, at: int, line: bytes) -> Judgement | None:
    found = _NOT_TEXT.search(line) or re.search(rb"\r", line)
    if not found:
        return None
    octet, place = found[0], at + found.start()
    sentence = _KEYS.get(octet, f"A head is text: the octet {octet.hex()} (hex) may not stand in it.")
    return wrong(sentence, octets, place)


def _request_line_mistake(octets: bytes, at: int, line: bytes) -> Judgement | None:
    """Judge `METHOD SP TARGET SP HTTP/1.1` (RFC 9112 §3), left to right."""
    if not line:
        return wrong("The first line is empty. A request begins with its request line: GET /hello HTTP/1.1", octets, at)
    if (found := _BACKSLASH.search(line)) is not None:
        return wrong(_AS_TEXT, octets, at + found.start())
    method = _TOKEN.match(line)
    after = at + (method.end() if method else 0)
    if method and method[0].upper() in _METHODS and method[0] not in _METHODS:
        upper = method[0].upper().decode("ascii")
        return wrong(f"Methods are case-sensitive: write {upper} in capitals.", octets, at)
    if not method or method[0] not in _METHODS:
        return wrong("A request begins with a method, such as GET, in capitals.", octets, at)
    rest = line[method.end() :]
    if not rest.startswith(b" "):
        return wrong("After the method comes one space, then what you want: /hello", octets, after)
    target, _, version = rest[1:].partition(b" ")
    if not target and version:
        return wrong("There is one space between the parts of this line, not two.", octets, after + 1)
    if not target.startswith((b"/", b"*", b"http://")):
        return wrong("What you ask for begins with a slash: /hello", octets, after + 1)
    return _version_mistake(octets, after + 1 + len(target), version, whole=rest[1 + len(target) :])


def _version_mistake(octets: bytes, at: int, version: bytes, *, whole: bytes) -> Judgement | None:
    """Judge the end of a request line; `at` is where the SP before the version stands or should stand."""
    if not whole.strip(b" "):
        return wrong("The line ends too early: after the path come one space and HTTP/1.1", octets, at)
    if version == _VERSION:
        return None
    if version.startswith(b" "):
        return wrong("There is one space between the parts of this line, not two.", octets, at + 1)
    if version == b"HTTP/1.0":
        return wrong("HTTP/1.0 has no chunks, and needs no Host line. Write HTTP/1.1.", octets, at + 8)
    return wrong(
        "The version is written HTTP/1.1, in capitals, and nothing follows it.",
        octets,
        at + 1 + _differs(version, _VERSION),
    )


def _differs(got: bytes, wanted: bytes) -> int:
    """Return the index of the first octet that is not the wanted one."""
    pairs = enumerate(zip(got, wanted, strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(len(got), len(wanted)))


def _status_line_mistake(octets: bytes, at: int, line: bytes) -> Judgement | None:
    """Judge `HTTP/1.1 SP 3DIGIT SP reason` (RFC 9112 §4)."""
    if not line:
        return wrong("The first line is empty. A response begins with its status line: HTTP/1.1 200 OK", octets, at)
    differs = _differs(line[: len(_VERSION)], _VERSION)
    if differs < len(_VERSION):
        return wrong("A response begins with the version: HTTP/1.1 200 OK", octets, at + differs)
    if not re.fullmatch(rb" [1-9]\d\d(?: .*)?", line[len(_VERSION) :]):
        return wrong("After the version come one space and three digits: HTTP/1.1 200 OK", octets, at + len(_VERSION))
    return None


def _field_mistake(octets: bytes, at: int, line: bytes) -> Judgement | None:
    """Judge `Name: value` (RFC 9112 §5)."""
    name = _TOKEN.match(line)
    end = name.end() if name else 0
    what = "a space" if line[end : end + 1] in (b" ", b"\t") else shown_octets(line[end : end + 1])
    if not name:
        return wrong(f"A field line begins with a name, as in Host: x; this one begins with {what}.", octets, at)
    if line[end : end + 1] == b":":
        return None
    if line[end:].lstrip(_SPACES).startswith(b":"):
        return wrong("Between a field's name and its colon there is no space.", octets, at + end)
    sentence = "A field line is a name, a colon and a value, as in Host: x; the colon is missing."
    if b": " in line:
        sentence = f"There is {what} in this field's name. A name is one word, and a colon ends it, as in Host: x"
    if _HEX.fullmatch(line):
        return wrong("This looks like a size line. An empty line comes before it: it ends the head.", octets, at)
    return wrong(sentence, octets, at + end)


def _host_mistake(message: ReadMessage, body_at: int) -> Judgement | None:
    hosts = [at for name, _, at in message.fields if name == b"host"]
    if not hosts:
        return message.wrong("HTTP/1.1 needs a Host line before the empty line: Host: x", body_at - 1)
    if len(hosts) > 1:
        return message.wrong("There are two Host lines; a request has one.", hosts[1])
    return None


def _read_body(message: ReadMessage) -> None:
    """Read a chunked body, up to its end or its first mistake; any other body is left unread."""
    if message.mistake is not None or message.body_at is None:
        return
    coding = message.get(b"transfer-encoding")
    if coding is None:
        message.is_complete, message.ends_at = True, message.body_at
        return
    if coding[0].lower() != b"chunked":
        message.mistake = message.wrong("The only transfer coding here is: Transfer-Encoding: chunked", coding[1])
        return
    length = message.get(b"content-length")
    if length is not None:
        sentence = "Leave Content-Length out: a message with Transfer-Encoding must not have it (RFC 9112 §6.2)."
        message.mistake = message.wrong(sentence, length[1])
        return
    reader = FrameReader()
    body = message.octets[message.body_at :]
    try:
        message.frames = reader.feed(body)
    except FramingError as error:
        message.frames = reader.frames
        message.mistake = _framing_mistake(message, message.body_at, error)
        return
    if reader.is_complete:
        message.is_complete, message.ends_at = True, len(message.octets) - len(reader.leftover)
        return
    try:
        reader.end_of_input()
    except IncompleteBody as error:
        message.missing, message.partial = error.section, error.received


def _framing_mistake(message: ReadMessage, body_at: int, error: FramingError) -> Judgement:
    """Say in plain words what is wrong in a chunked body (RFC 9112 §7.1)."""
    at = body_at + error.offset
    sentence = _size_mismatch(message, body_at, error) or _KEYS.get(message.octets[at : at + 1])
    if sentence is not None:
        pass
    elif _BACKSLASH.match(message.octets, at):
        sentence = _AS_TEXT
    elif error.rule == Rule.BARE_LF:
        has_crlf = b"\r\n" in message.octets[body_at:at]
        advice = "" if has_crlf else ": nc sends it with -C, on macOS with -c"
        sentence = f"This line ends with LF alone (\\n). In a chunked body each line ends with CRLF (\\r\\n){advice}."
    elif error.rule == Rule.BAD_WHITESPACE or message.octets[at : at + 1] == b" ":
        sentence = "There is no space in a size line: the digits, then the line end."
    elif error.rule in (Rule.CHUNK_SIZE, Rule.CHUNK_SIZE_DIGITS, Rule.CHUNK_SIZE_VALUE):
        sentence = "Here a chunk begins, with its size in hex digits (0-9, a-f) alone on a line."
        if message.octets[at - 1 : at + 1] in (b"0x", b"0X"):
            sentence += " No 0x stands in front of them."
        elif message.octets[at : at + 1] == b"\r":
            sentence = f"This line is empty. {sentence}"
    elif error.rule in (Rule.TRAILER_FIELD, Rule.TRAILER_FORBIDDEN):
        sentence = "After the 0 line comes an empty line, and nothing else. This stands where the empty line should be."
    else:
        sentence = f"{error.message[:1].upper()}{error.message[1:]}."
    if message.is_response and error.rule in (Rule.BARE_LF, Rule.BAD_WHITESPACE):
        sentence += " curl forgives it; RFC 9112 does not allow it, and strict clients refuse it."
    return message.wrong(sentence, at)


def _size_mismatch(message: ReadMessage, body_at: int, error: FramingError) -> str | None:
    """Compare a size line with the length of its data, if the two differ; else None."""
    start = message.frames_end
    line, end, rest = message.octets[start:].partition(b"\r\n")
    found = _HEX.match(line)
    if not end or not found or error.rule not in (Rule.CHUNK_DATA_END, Rule.BARE_LF, Rule.BARE_CR):
        return None
    size, count = int(found[0], 16), _data_count(rest)
    is_before_end = body_at + error.offset < start + len(line) + len(b"\r\n") + size
    if is_before_end or size == count:  # if the two are equal, only the line end after the data is wrong
        return None
    if rest.startswith(b"\r\n") and count == size + 2:
        return "The data begins right after the size line: here an empty line follows it, and counts as two octets."
    digits = found[0].decode("ascii")
    says = digits if digits == str(size) else f"{digits}, which is hex for {size}"
    if count is None:
        return f"The size line says {says}; after so many octets more data comes."
    has = number(count, "octet") + ("" if f"{count:x}" == str(count) else f": {count:x} in hex")
    not_counted = " The line end (CR, LF) is not counted." if 0 < size - count < 3 else ""
    is_joined = size < count and re.fullmatch(rb"0+(?:\r\n)+", rest[size:])
    or_joined = " Or the line end before the 0 is missing." if is_joined else ""
    return f"The size line says {says}; the data up to its line end has {has}.{not_counted}{or_joined}"


def _data_count(rest: bytes) -> int | None:
    """Return the number of octets before the line end that ends the data; None if no line has ended.

    As data may have lines, that is the first line end after which a valid body may continue; not that of an empty line
    after which nothing has come, which ends a body and not its data.
    """
    rest = rest.removesuffix(b"\r\n") if rest.endswith(b"\r\n\r\n") else rest
    ends = [(found.start(), found.end()) for found in islice(re.finditer(rb"\r?\n", rest), MAX_DATA_LINES)]
    return next((start for start, end in ends if _may_be_a_body(rest[end:])), ends[0][0] if ends else None)


def _may_be_a_body(octets: bytes) -> bool:
    try:
        FrameReader().feed(octets)
    except FramingError:
        return False
    return True
