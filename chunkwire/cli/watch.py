"""`chunkwire watch URL | FILE | -`: each frame as it arrives, or as it was recorded."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from chunkwire.cli import captures, flags
from chunkwire.cli.exits import ExitCode, exit_code_of

if TYPE_CHECKING:
    from chunkwire.cli.asking import Input
    from chunkwire.cli.sink import Sink
    from chunkwire.wire.limits import Limits

SUMMARY = "each frame of a stream as it arrives, or as recorded: time, gap, read, size, data"
EPILOG = """\
reading it: `size` is in hex, as on the wire; a bracket / | \\ joins frames that came in one read; `>` was sent,
  `<` received, `*` is said about it (these lines go to standard error). Redirects are not followed.
a capture (FILE or -) may hold any number of responses and requests; a response answers a GET unless a request before
  it or -X says otherwise, and a head in the place of a body means that the body is not in the capture. A response head
  inside other data begins the next message where the framing does not end properly with it as data: from there on up
  to 64 KiB are held until that is known. `before`: it was in standard input before watch started.
exit codes: 0 complete, 7 no connection, 18 cut, 22 HTTP error (shown all the same), 28 timeout, 52 empty reply,
  56 malformed or reset, 130 Ctrl-C and 143 SIGTERM (stopped, with the summary); of several messages, the first that
  failed

examples:
  chunkwire watch ':8081/generate?n=5&interval=500ms'      localhost
  chunkwire watch https://api.example/v1/stream -H 'Accept: text/event-stream'
  chunkwire watch URL --save a.jsonl                       record; `chunkwire watch a.jsonl` replays
  printf 'GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' | nc 127.0.0.1 8081 | chunkwire watch -
  curl -sN --raw 127.0.0.1:8081/generate | chunkwire watch -        a bare chunked body
  chunkwire watch tcpdump.pcap --list                      its exchanges; --exchange N shows one (chunkwire[pcap])
  while sleep 1; do date; done | chunkwire watch :8081/echo -d -   each read of standard input goes up as a chunk"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the source and the clients' flags."""
    parser.add_argument(
        "source",
        metavar="URL|FILE|-",
        help="a URL (`:8081/sse` is localhost), a recording or captured octets, or - for standard input",
    )
    flags.add_view(parser)
    captures.add_captures(parser, has_list=True)
    parser.add_argument("--events", action="store_true", help="one line a server-sent event, and the frames it came in")
    parser.add_argument(
        "--lenient", action="store_true", help="take sizes padded by blanks or zeros, and say so; the gateway does not"
    )
    flags.add_request(parser)


def run(options: argparse.Namespace) -> int:
    """Watch one stream to its end."""
    import trio

    source: str = options.source
    if source == "-":
        return trio.run(watch_octets, sys.stdin.fileno(), options)
    if captures.is_path(source):
        with open(source, "rb", buffering=0) as file:
            return trio.run(watch_octets, file.fileno(), options)
    return trio.run(watch_url, options)


async def watch_url(options: argparse.Namespace) -> int:
    """Ask for a URL and show the response as it arrives."""
    import trio

    from chunkwire import client
    from chunkwire.cli.asking import read_request
    from chunkwire.cli.sink import Sink
    from chunkwire.cli.stopping import StopSignal
    from chunkwire.wire.errors import ChunkwireError

    captures.refuse_flags(options)
    asked = read_request(options)
    with Sink(options) as sink:
        with StopSignal() as stop:
            try:
                async with client.open(
                    asked.method,
                    options.source,
                    fields=asked.fields,
                    body=asked.body,
                    tls=asked.tls,
                    total_timeout=options.max_time,
                    limits=limits_of(options),
                    record_to=sink.record,
                ) as stream:
                    if 300 <= stream.head.status < 400 and stream.head.get(b"location"):
                        sink.note("redirects are not followed")
                    try:
                        async for read in stream.reads(whole_frames=False):
                            sink.octets(read.octets)
                            sink.flush()
                    except trio.Cancelled:
                        stream.stop()
                        raise
            except ChunkwireError as error:
                return failed(error, sink)
            sink.flush()
            return finished(sink)
        return stopped(sink, stop.code)


async def watch_octets(fd: int, options: argparse.Namespace) -> int:
    """Show octets that somebody else received, or a recording."""
    from chunkwire.cli.asking import Input
    from chunkwire.cli.sink import Sink
    from chunkwire.cli.stopping import StopSignal

    flags.refuse_request_flags("watch", options, options.source)
    source, first = Input(fd), b""
    with StopSignal() as stop:
        first = await source.receive()
        if not first:
            print("chunkwire: expected octets or records to watch, got an empty input", file=sys.stderr)
            return ExitCode.EMPTY
        if captures.looks_captured(first, options.source):
            return await watch_packets(first, source, options)
        captures.refuse_flags(options)
        with Sink(options, is_timed=not source.is_file or first[:1] == b"{") as sink:
            if first[:1] == b"{":
                return await replay(first, source, sink)
            return await watch_capture(first, source, options, sink)
    if not first:
        print("chunkwire: stopped before the first octet", file=sys.stderr)
    return stop.code


async def watch_packets(first: bytes, source: Input, options: argparse.Namespace) -> int:
    """Show the exchanges of a packet capture, or list them."""
    from chunkwire.cli.sink import Sink

    octets = b"".join([first, *[piece async for piece in source]])
    name = "standard input" if options.source == "-" else options.source
    if options.list:
        return captures.watch_exchanges(octets, name, options, None)
    with Sink(options) as sink:
        return captures.watch_exchanges(octets, name, options, sink)


async def watch_capture(first: bytes, source: Input, options: argparse.Namespace, sink: Sink) -> int:
    """Show captured octets: any number of requests and responses, or a bare chunked body."""
    import time

    import trio

    from chunkwire.client.capture import CaptureReader

    method = (options.method or "GET").encode("latin-1", "replace")
    reader = CaptureReader(sink, method=method, limits=limits_of(options))
    began, read, octets = source.moment, 0, first
    try:
        with trio.move_on_after(options.max_time) as patience:
            while octets:
                read += not source.was_there
                t = source.moment - began
                sink.octets(reader.feed(octets, t=t, read=0 if source.was_there else read))
                sink.flush()
                octets = await source.receive()
    except trio.Cancelled:
        reader.end(time.monotonic() - began, "stopped")
        stopped(sink, ExitCode.OK)
        raise
    t = time.monotonic() - began
    if patience.cancelled_caught:
        reader.end(t, "timeout", f"expected the end of the input within {options.max_time:g} s, got none")
    else:
        reader.end(t)
    sink.flush()
    return finished(sink)


def limits_of(options: argparse.Namespace) -> Limits:
    """Return the limits of a body: those of RFC 9112, or with --lenient wider ones."""
    from chunkwire.wire.limits import DEFAULT_LIMITS, LENIENT_LIMITS

    return LENIENT_LIMITS if options.lenient else DEFAULT_LIMITS


async def replay(first: bytes, source: Input, sink: Sink) -> int:
    """Show a recording; one that comes down a pipe, as it comes."""
    from chunkwire.record.values import read_records
    from chunkwire.tools.watch.view import batches, streams

    if source.is_file:
        octets = b"".join([first, *[piece async for piece in source]])
        found = streams(read_records(octets.split(b"\n")))
        codes = []
        for title, stream in found.items():
            if len(found) > 1:
                sink.begin(title)
            for batch in batches(stream):
                sink.show(batch)
            codes.append(recorded(sink))
        return next((code for code in codes if code), ExitCode.OK) if found else recorded(sink)
    held, octets = b"", first
    while octets:
        *lines, held = (held + octets).split(b"\n")
        for batch in batches(read_records(lines)):
            sink.show(batch)
        octets = await source.receive()
    for batch in batches(read_records([held])):
        sink.show(batch)
    return recorded(sink)


def recorded(sink: Sink) -> int:
    """Return the code of a stream that was replayed; a recording may stop before its end."""
    if sink.end is None:
        print("chunkwire: the recording stops before the stream ends", file=sys.stderr)
        return ExitCode.CUT
    return finished(sink)


def failed(error: Exception, sink: Sink) -> int:
    """Return the code of a stream that failed; raise the error where no view has shown it."""
    sink.flush()
    code = exit_code_of(error)
    if code is None or sink.end is None or not sink.is_view:
        raise error
    return code


def stopped(sink: Sink, code: ExitCode) -> ExitCode:
    """Report that a signal ended it, where no message has said so; return the code."""
    sink.flush()
    if sink.end is None or sink.end.framing != "stopped":
        sink.note("stopped")
    return code


def finished(sink: Sink) -> int:
    """Return the code of streams that have ended: that of the first one which failed."""
    if sink.code is ExitCode.HTTP_ERROR and not sink.is_view:
        print(f"chunkwire: the server answered {sink.status}", file=sys.stderr)
    return sink.code
