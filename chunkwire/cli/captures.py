"""Files on the command line: which source is one, and of a packet capture which exchange is meant.

The rule here: a file is a capture by its first octets, or by its name; the flags are for captures alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chunkwire.cli import flags
from chunkwire.cli.exits import ExitCode

if TYPE_CHECKING:
    from chunkwire.cli.sink import Sink
    from chunkwire.tools.capture.exchanges import CapturedExchange
    from chunkwire.tools.probe.captures import CapturedHop

# Usual names of files of octets or records: such a name that does not exist is a missing file, not a host.
_SUFFIXES: Final = (
    *(".jsonl", ".json", ".ndjson", ".txt", ".raw", ".http", ".chunked", ".bin", ".log"),
    *(".pcap", ".pcapng", ".cap"),
)


def is_path(source: str) -> bool:
    """Say whether a source is a file, existing or missing, and no URL."""
    if "://" in source or source.startswith(":"):
        return False
    return os.path.exists(source) or source.startswith(("/", "./", "../")) or source.endswith(_SUFFIXES)


def add_captures(parser: argparse.ArgumentParser, *, has_list: bool = False) -> None:
    """Add --exchange and --keylog, and --list: `options.exchange`, `.keylog`, `.list`."""
    group = parser.add_argument_group("packet captures (pcap, pcapng)")
    if has_list:
        group.add_argument("--list", action="store_true", help="show the exchanges of a capture, a line each")
    group.add_argument("--exchange", type=flags.count, metavar="N", help="take the N-th exchange of a capture")
    group.add_argument("--keylog", metavar="FILE", help="open TLS with the secrets in FILE (SSLKEYLOGFILE), by tshark")


def refuse_flags(options: argparse.Namespace) -> None:
    """Refuse the flags of captures where there is none.

    Raises:
        LocalError: one was given.
    """
    from chunkwire.wire.errors import LocalError

    for name in ("list", "exchange", "keylog"):
        if getattr(options, name, None):
            raise LocalError(f"--{name} is for a packet capture (pcap or pcapng), got none")


def captured_hops(sources: Sequence[str], options: argparse.Namespace) -> list[CapturedHop]:
    """Return the places at which captures show one stream, from the inside out; none where no source is a capture.

    Raises:
        LocalError: some sources are captures and others are not, or they show no stream that is the same.
    """
    from chunkwire.tools.capture.load import load_exchanges
    from chunkwire.tools.probe.captures import captured_hop, one_stream
    from chunkwire.wire.errors import LocalError

    paths = [source for source in sources if is_path(source) and _is_capture_file(source)]
    if not paths:
        refuse_flags(options)
        return []
    if len(paths) < len(sources):
        other = next(source for source in sources if source not in paths)
        raise LocalError(f"expected packet captures only, since they are compared with each other, got {other!r}")
    loaded: dict[str, list[CapturedExchange]] = {}
    for path in paths:
        with open(path, "rb") as file:
            loaded[path] = load_exchanges(file.read(), path, keylog=options.keylog)
    _refuse_unused_keys([each for exchanges in loaded.values() for each in exchanges], options)
    found: list[CapturedHop] = []
    for path in paths:
        captured = [captured_hop(each, path) for each in loaded[path]]
        found += one_stream(captured, like=found[:1], chosen=options.exchange)
    return found


def _is_capture_file(path: str) -> bool:
    with open(path, "rb") as file:
        return looks_captured(file.read(4), path)


def looks_captured(first: bytes, name: str) -> bool:
    """Say whether octets that begin like this, in a file of this name, are a capture."""
    from chunkwire.tools.capture.load import is_named_capture
    from chunkwire.tools.capture.packets import is_capture

    return is_capture(first) or is_named_capture(name)


def _refuse_unused_keys(exchanges: Sequence[CapturedExchange], options: argparse.Namespace) -> None:
    from chunkwire.wire.errors import LocalError

    if options.keylog is not None and not any(exchange.is_opened for exchange in exchanges):
        raise LocalError(f"--keylog: expected the secrets of TLS in the capture, got none in {options.keylog!r}")


def watch_exchanges(octets: bytes, name: str, options: argparse.Namespace, sink: Sink | None) -> int:
    """Show the exchanges of a capture as if they came, or without a sink list them; return the first code that failed.

    Raises:
        CaptureFileError: it is none, or has none.
    """
    from chunkwire.tools.capture.load import choose, list_lines, load_exchanges, title_of
    from chunkwire.tools.watch.view import batches

    found = load_exchanges(octets, name, keylog=options.keylog)
    _refuse_unused_keys(found, options)
    found = choose(found, options.exchange, name)
    if sink is None:
        print(*list_lines(found), sep="\n")
        return ExitCode.OK
    codes = []
    for exchange in found:
        if len(found) > 1:
            sink.begin(title_of(exchange))
        for note in exchange.notes:
            sink.note(note)
        for batch in batches(exchange.records):
            sink.show(batch)
        codes.append(sink.code if sink.end is not None else ExitCode.FINDING)
        if sink.end is None:
            sink.note("the capture holds no response to this request")
    return next((code for code in codes if code), ExitCode.OK)
