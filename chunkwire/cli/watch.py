"""`chunkwire watch URL | FILE | -`: each frame as it arrives, or as it was recorded."""

from __future__ import annotations

import argparse

from chunkwire.cli import captures, flags

SUMMARY = "each frame of a stream as it arrives, or as recorded: time, gap, read, size, data"
EPILOG = """\
reading it: `size` is in hex, as on the wire; a bracket / | \\ joins frames that came in one read; `before`: it was in
  standard input before watch started. Lines with `>` (sent), `<` (received) and `*` (notes) go to standard error.
  Redirects are not followed.
a capture (FILE or -) may hold any number of responses and requests. A response without its request answers a GET, or
  the method of -X; where a response head stands in the place of a body, that body is not in the capture. A response
  head inside other data begins the next message if the framing does not end properly with it as data; until that is
  known, at most 64 KiB are held.
exit codes: 0 complete, 1 a capture lacks octets or a response, 2 usage, or --save failed, 7 no connection, 18 cut,
  22 HTTP error (shown all the same), 28 timeout, 52 empty reply, 56 malformed or reset, 130 Ctrl-C and 143 SIGTERM
  (stopped, with the summary); of several messages, the first that failed

examples:
  chunkwire watch ':8081/generate?n=5&interval=500ms'      localhost
  chunkwire watch https://api.example/v1/stream -H 'Accept: text/event-stream'
  chunkwire watch URL --save a.jsonl                       record; `chunkwire watch a.jsonl` replays
  printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' | nc 127.0.0.1 8081 | chunkwire watch -
  curl -sN --raw 127.0.0.1:8081/generate | chunkwire watch -        a bare chunked body
  chunkwire watch tcpdump.pcap --list                      its exchanges; --exchange N shows one (package: dpkt)
  while sleep 1; do date; done | chunkwire watch :8081/echo -d -   each read of standard input goes up as a chunk"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the source and the clients' flags."""
    add = parser.add_argument
    source = "a URL (`:8081/sse` is localhost), a recording or captured octets, or - for standard input"
    add("source", metavar="URL|FILE|-", help=source)
    flags.add_view(parser)
    captures.add_captures(parser, has_list=True)
    add("--events", action="store_true", help="one line a server-sent event, and the frames it came in")
    add("--lenient", action="store_true", help="take sizes padded by blanks or zeros, and say so; the gateway does not")
    flags.add_request(parser)
