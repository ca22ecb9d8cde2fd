"""`chunkwire watch` at work: request a URL, or read octets, a recording or a capture, and show what came."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

import trio

from chunkwire import client
from chunkwire.cli.asking import Input, read_request
from chunkwire.cli.captures import is_path, looks_captured, refuse_flags, refuse_unused_keys
from chunkwire.cli.exits import ExitCode, exit_code_of
from chunkwire.cli.flags import let_words_win, refuse_flags_for_urls
from chunkwire.cli.output_files import STDIN, LineFile, check_outputs, files_read
from chunkwire.cli.sink import Sink
from chunkwire.cli.stopping import StopSignal
from chunkwire.cli.terminal import say, width_of
from chunkwire.client.capture import CaptureReader
from chunkwire.record.values import MAX_LINE, read_records
from chunkwire.tools.capture.load import choose, list_lines, load_exchanges, title_of
from chunkwire.tools.watch.view import batches, streams
from chunkwire.wire.errors import ChunkwireError, LocalError
from chunkwire.wire.limits import DEFAULT_LIMITS, LENIENT_LIMITS, Limits

_FORMS: Final = ("json", "raw", "hex", "events")
"""How a stream is shown: one of these on the command line resets those of the environment."""
MAX_HELD_OCTETS: Final = 1 << 30  # of a packet capture, or of a recording in a file


def run(options: argparse.Namespace) -> int:
    """Watch the source to its end, or until a signal; return the exit code."""
    source: str = options.source
    inputs = [STDIN] if "-" in (source, options.data) else [source] if is_path(source) else []
    let_words_win(options, *_FORMS)
    check_outputs(options, ["save"], [*inputs, *files_read(options)], printing=_FORMS)
    if options.save == "-":
        options.json, options.save = True, None
    saved: list[LineFile] = []
    if source == "-":
        code = trio.run(watch_octets, sys.stdin.fileno(), options, saved)
    elif is_path(source):
        with open(source, "rb", buffering=0) as file:
            code = trio.run(watch_octets, file.fileno(), options, saved)
    else:
        code = trio.run(watch_url, options, saved)
    return code or (ExitCode.USAGE if any(file.trouble for file in saved) else ExitCode.OK)


async def watch_url(options: argparse.Namespace, saved: list[LineFile]) -> int:
    """Request a URL and show the response as it arrives.

    Args:
        saved: gets the file of --save, as in `Sink`.
    """
    refuse_flags(options)
    asked = read_request(options)
    with Sink(options, saved) as sink:
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
        # Only after a signal: `StopSignal` cancels the block, and its end suppresses trio.Cancelled.
        note_stopped(sink)
        return stop.code


async def watch_octets(fd: int, options: argparse.Namespace, saved: list[LineFile]) -> int:
    """Show what a descriptor gives: captured octets, a recording, or a packet capture."""
    refuse_flags_for_urls(options, options.source)
    source, first = Input(fd), b""
    with StopSignal() as stop:
        first = await source.receive()
        if not first:
            say("expected octets or records to watch, got an empty input")
            return ExitCode.EMPTY
        if looks_captured(first, options.source):
            return await watch_packets(first, source, options, saved)
        refuse_flags(options)
        # Captured octets in a file have no arrival times; records have theirs.
        with Sink(options, saved, is_timed=not source.is_file or first[:1] == b"{") as sink:
            if first[:1] == b"{":
                return await replay(first, source, sink)
            return await watch_capture(first, source, options, sink)
    # Only after a signal, as above.
    if not first:
        say("stopped before the first octet")
    return stop.code


async def watch_packets(first: bytes, source: Input, options: argparse.Namespace, saved: list[LineFile]) -> int:
    """Show the exchanges of a packet capture, or list them; return the code of the first that failed.

    Raises:
        LocalError: it is no capture, is too long, has no exchange N (--exchange), or no TLS that --keylog opens.
    """
    octets = await whole_of(first, source)
    name = "standard input" if options.source == "-" else options.source
    found = load_exchanges(octets, name, keylog=options.keylog)
    refuse_unused_keys(found, options)
    found = choose(found, options.exchange, name)
    if options.list:
        print(*list_lines(found, width=width_of(sys.stdout)), sep="\n")
        return ExitCode.OK
    code = ExitCode.OK
    with Sink(options, saved) as sink:
        for exchange in found:
            if len(found) > 1:
                sink.begin(title_of(exchange))
            for note in exchange.notes:
                sink.note(note)
            for batch in batches(exchange.records):
                sink.show(batch)
            if sink.end is None:
                sink.note("the capture holds no response to this request")
            code = code or (ExitCode.FINDING if sink.end is None else sink.code)
    return code


async def watch_capture(first: bytes, source: Input, options: argparse.Namespace, sink: Sink) -> int:
    """Show captured octets as they come: requests and responses, or one chunked body without a head.

    Octets that were in a pipe before the program started have read 0; the reads after them are numbered from 1.
    """
    method = (options.method or "GET").encode("latin-1", "replace")
    reader = CaptureReader(sink, method=method, limits=limits_of(options))
    began, read, octets = source.moment, 0, first
    try:
        with trio.move_on_after(options.max_time) as timeout:
            while octets:
                read += not source.was_there_before
                sink.octets(reader.feed(octets, t=source.moment - began, read=read))
                sink.flush()
                octets = await source.receive()
    except trio.Cancelled:
        reader.end(time.monotonic() - began, "stopped")
        note_stopped(sink)
        raise
    t = time.monotonic() - began
    if timeout.cancelled_caught:
        reader.end(t, "timeout", f"expected the end of the input within {options.max_time:g} s, got none")
    else:
        reader.end(t)
    sink.flush()
    return finished(sink)


def limits_of(options: argparse.Namespace) -> Limits:
    """Return the limits of a body: the usual ones, or with --lenient those that allow padded sizes."""
    return LENIENT_LIMITS if options.lenient else DEFAULT_LIMITS


async def whole_of(first: bytes, source: Input) -> bytes:
    """Return all of an input.

    Raises:
        LocalError: it has more than `MAX_HELD_OCTETS`, and a pipe may have no end.
    """
    pieces, octets = [first], len(first)
    async for piece in source:
        pieces.append(piece)
        octets += len(piece)
        if octets > MAX_HELD_OCTETS:
            raise LocalError(f"expected at most {MAX_HELD_OCTETS >> 20} MiB of packets or records, got more")
    return b"".join(pieces)


async def replay(first: bytes, source: Input, sink: Sink) -> int:
    """Show a recording: from a file its streams one after the other, from a pipe each record as it arrives."""
    if source.is_file:
        octets = await whole_of(first, source)
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
        if len(held) > MAX_LINE + 1:  # one more may be the CR of its end
            break  # `read_records` refuses this line
        octets = await source.receive()
    for batch in batches(read_records([held])):
        sink.show(batch)
    return recorded(sink)


def recorded(sink: Sink) -> int:
    """Return the code of a stream that was replayed: CUT, with a message, if its end is not in the recording."""
    if sink.end is None:
        say("the recording stops before the stream ends")
        return ExitCode.CUT
    return finished(sink)


def failed(error: Exception, sink: Sink) -> int:
    """Return the code of an error that the view has shown as the end of the stream; raise any other, to be printed."""
    sink.flush()
    code = exit_code_of(error)
    if code is None or sink.end is None or not sink.is_view:
        raise error
    return code


def note_stopped(sink: Sink) -> None:
    """Print that a signal ended the stream, unless the end in its record says so."""
    sink.flush()
    if sink.end is None or sink.end.framing != "stopped":
        sink.note("stopped")


def finished(sink: Sink) -> int:
    """Return the code of the streams so far: that of the first one that failed."""
    if sink.code is ExitCode.HTTP_ERROR and not sink.is_view:
        say(f"the server answered {sink.status}")
    return sink.code
