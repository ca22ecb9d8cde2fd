"""The requests of a probe to one hop, as URLs with their parameters; and how they reached the origin. Pure.

The rule here: a URL whose path ends in `/probe` leads to our origin, through any number of hops, and gets parameters.
Any other URL is left as it is. Parameters that the user gave are kept, except those that a variation changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

from chunkwire.net.dial import Url
from chunkwire.wire.abnf import number_of
from chunkwire.wire.durations import parse_duration
from chunkwire.wire.jsontext import load_json

PROBE_PATH: Final = b"/probe"
JOURNAL_PATH: Final = b"/journal"

PACE: Final = {"n": "20", "interval": "50ms"}
"""The pace of a plain run. 50 ms is longer than a delayed ACK (40 ms), and 20 of them outlast a corked socket (200 ms)
four times; together they take a second."""

ORDERED_PACE: Final = {"n": "10", "interval": "0"}
"""The pace of a plain run behind a barrier, where each event waits for an acknowledgement. Ten events are enough for a
share of them to be held."""

LARGER_SIZES: Final = (512, 2048, 8192, 16384)
"""Sizes of events to try on a hop that holds to the end. They grow step by step, so that the first size that fills a
buffer is smaller than the buffer; 20 of the last one are 320 KiB."""

HELD_OCTETS: Final = 256 * 1024
"""What must have been held before it is said to be "to the end": more than the usual buffers (4 KiB to 64 KiB), and
more than most answers of language models."""

EVENT_OCTETS: Final = 1024
"""More than an event of our origin has beyond the size asked for: stamps, nonce, names."""

OTHER_SIZE: Final = 1024
"""Size of events for a second rate: eight times an event's own."""

# Three frames close behind each other, each 60 ms.
BURSTS: Final = {"n": "15", "interval": "60ms", "burst": "3"}
# A head that waits for the body is 300 ms late.
DELAYED: Final = {"n": "4", "interval": "20ms", "delay": "300ms"}
MARKED: Final = {"n": "3", "interval": "20ms", "mark": "1"}

ACCEPT_ENCODING: Final = (b"Accept-Encoding", b"gzip, deflate")
"""What browsers and SDKs send, as far as it can be decoded here: without it no hop would compress."""

BROWSERS_CODINGS: Final = (b"Accept-Encoding", b"gzip, deflate, br, zstd")
"""What browsers send over https. Where a hop chooses one that is not decoded, its frames cannot be told."""

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]
# Fields of real requests (Chrome's EventSource, node's fetch, curl) that may change how a hop treats a stream, in the
# client's order. br and zstd are left out of Accept-Encoding, as browsers do over http: nothing here decodes them.
AGENTS: Final[Mapping[str, Fields]] = {
    "browser": (
        (b"Cache-Control", b"no-cache"),
        (
            b"User-Agent",
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        (b"Accept", b"text/event-stream"),
        (b"Sec-Fetch-Site", b"same-origin"),
        (b"Sec-Fetch-Mode", b"cors"),
        (b"Sec-Fetch-Dest", b"empty"),
        (b"Accept-Encoding", b"gzip, deflate"),
        (b"Accept-Language", b"en-US,en;q=0.9"),
    ),
    "node": (
        (b"Accept", b"*/*"),
        (b"Accept-Language", b"*"),
        (b"Sec-Fetch-Mode", b"cors"),
        (b"User-Agent", b"node"),
        (b"Accept-Encoding", b"gzip, deflate"),
    ),
    "curl": ((b"User-Agent", b"curl/8.14.1"), (b"Accept", b"*/*")),
}

NOTHING: Final[Mapping[str, str]] = {}

Entry: TypeAlias = Mapping[str, object]
"""A request as it reached the origin, by its journal or a barrier: `version`, and `fields` as pairs of texts."""
_SHOWN: Final = ("connection", "via", "accept-encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of a probe."""

    url: Url
    method: str = "GET"
    fields: Fields = (ACCEPT_ENCODING,)  # beyond the client's own; they replace those of the same names
    body: bytes | None = None
    version: Literal["1.0", "1.1"] = "1.1"
    hint: str = ""  # what the barrier of an application is to add to the response, as in a probe's `hints`

    def varied(self, changed: Mapping[str, str] = NOTHING, *, method: str = "", fields: Fields = ()) -> Ask:
        """Return a request that differs in some parameters, its method or its fields; with a nonce of its own.

        Of a request that is no probe of ours, the only parameter is `hints`, which its barrier plays instead. One that
        becomes a POST gets a body if it has none.
        """
        nonce = {"nonce": secrets.token_hex(8)}
        return replace(
            self,
            url=with_parameters(self.url, {**changed, **nonce}) if is_probe(self.url) else self.url,
            hint="" if is_probe(self.url) else changed.get("hints", self.hint),
            method=method or self.method,
            fields=overridden(self.fields, fields),
            body=b"{}" if method == "POST" and self.body is None else self.body,
        )

    def without(self, name: bytes) -> Ask:
        """Return a request without a field, with a nonce of its own."""
        kept = tuple(field for field in self.fields if field[0].lower() != name.lower())
        return replace(self, fields=kept).varied()

    @property
    def duration(self) -> float | None:
        """How long the origin needs for it, s, at most; None where that is unknown."""
        asked = parameters(self.url)
        interval, delay = parse_duration(asked.get("interval", "50ms")), parse_duration(asked.get("delay", "0"))
        if interval is None or delay is None or not is_probe(self.url):
            return None
        return self._asked("n", 20) * interval + delay

    @property
    def planned_octets(self) -> int:
        """About how much content our origin sends for it, at most; 0 where it is no probe of ours."""
        return self._asked("n", 20) * (self._asked("size", 0) + EVENT_OCTETS) if is_probe(self.url) else 0

    @property
    def larger_sizes(self) -> list[int]:
        """The sizes to try on a hop that holds to the end, in ascending order.

        The last one makes `HELD_OCTETS` in all, unless 1 MiB an event is too little for that.
        """
        last = max(LARGER_SIZES[-1], min(1 << 20, -(-HELD_OCTETS // max(1, self._asked("n", 20)))))
        return [larger for larger in (*LARGER_SIZES[:-1], last) if larger > self._asked("size", 0)]

    @property
    def other_size(self) -> int:
        """A size that gives a run a clearly different rate: `OTHER_SIZE`; a quarter where half of that was exceeded."""
        asked = self._asked("size", 0)
        return OTHER_SIZE if asked <= OTHER_SIZE // 2 else asked // 4

    def _asked(self, name: str, default: int) -> int:
        number = number_of(parameters(self.url).get(name, ""))
        return default if number is None else number


def is_probe(url: Url) -> bool:
    """Say whether a URL is that of a probe of ours."""
    return url.target.partition(b"?")[0].endswith(PROBE_PATH)


def parameters(url: Url) -> dict[str, str]:
    """Return the query parameters of a URL."""
    return dict(parse_qsl(url.target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))


def with_parameters(url: Url, changed: dict[str, str]) -> Url:
    """Return a URL with these parameters set."""
    path = url.target.partition(b"?")[0]
    asked = {**parameters(url), **changed}
    return replace(url, target=path + b"?" + urlencode(asked, quote_via=quote, safe="").encode())


def journal_url(url: Url, nonce: str) -> Url:
    """Return the URL of our origin's journal of a run, on the way that a probe's URL goes."""
    path = url.target.partition(b"?")[0].removesuffix(PROBE_PATH) + JOURNAL_PATH
    return replace(url, target=path + b"?nonce=" + quote(nonce, safe="").encode())


def lost_parameters(url: Url, entry: Entry) -> list[str]:
    """Return the names of the query parameters of a URL that its request did not have where it arrived."""
    target = entry.get("target")
    if not isinstance(target, str):
        return []
    arrived = parameters(replace(url, target=target.encode("latin-1", "replace")))
    return [name for name in parameters(url) if name not in arrived]


def overridden(fields: Fields, by: Fields) -> Fields:
    """Return the fields with those of `by` in place of all fields of the same names."""
    names = {name.lower() for name, _ in by}
    return (*(field for field in fields if field[0].lower() not in names), *by)


def describe_arrival(entry: Entry) -> str:
    """Return how a request arrived, such as "HTTP/1.0, Connection: close"."""
    fields = entry.get("fields")
    pairs = [pair for pair in fields if isinstance(pair, list) and len(pair) == 2] if isinstance(fields, list) else []
    shown = [f"{name}: {value}" for name, value in pairs if str(name).lower() in _SHOWN]
    return ", ".join((f"HTTP/{entry.get('version')}", *shown))


def last_entry(lines: Sequence[str], nonce: str) -> Entry | None:
    """Return the last entry about a run in lines of the journal; None for none, or a page of some hop's own."""
    for line in reversed(lines):
        try:
            entry = load_json(line)
        except ValueError:
            return None
        if isinstance(entry, dict) and entry.get("nonce") == nonce:
            return entry
    return None
