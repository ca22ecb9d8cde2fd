"""Sources on the command line: which of them is a file, which file is a packet capture, and the flags of captures."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from chunkwire.cli import flags
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.tools.capture.exchanges import CapturedExchange

# Usual names of files of octets or records: such a name, or that of a capture, is a missing file, not a host.
_SUFFIXES: Final = (".jsonl", ".json", ".ndjson", ".txt", ".raw", ".http", ".chunked", ".bin", ".log")


def is_path(source: str) -> bool:
    """Say whether a source is a file, existing or missing, and no URL."""
    from chunkwire.tools.capture.load import is_named_capture

    if "://" in source or source.startswith(":"):
        return False
    is_named = source.endswith(_SUFFIXES) or is_named_capture(source)
    return is_named or os.path.exists(source) or source.startswith(("/", "./", "../")) or source == "-"


def add_captures(parser: argparse.ArgumentParser, *, has_list: bool = False) -> None:
    """Add --exchange and --keylog, and --list: `options.exchange`, `.keylog`, `.list`."""
    group = parser.add_argument_group("packet captures (pcap, pcapng)")
    if has_list:
        group.add_argument("--list", action="store_true", help="show the exchanges of a capture, a line each")
    group.add_argument("--exchange", type=flags.count, metavar="N", help="take the N-th exchange of a capture")
    group.add_argument("--keylog", metavar="FILE", help="open TLS with the secrets in FILE (SSLKEYLOGFILE), by tshark")


def refuse_flags(options: argparse.Namespace) -> None:
    """Refuse the flags of captures where there is none; what the environment sets is ignored.

    Raises:
        LocalError: one was given.
    """
    for name in ("list", "exchange", "keylog"):
        if name in options.given:
            raise LocalError(f"--{name} is for a packet capture (pcap or pcapng), got none")


def looks_captured(first: bytes, name: str) -> bool:
    """Say whether a file that begins with these octets (4 or more), or has this name, is a packet capture."""
    from chunkwire.tools.capture.load import is_named_capture
    from chunkwire.tools.capture.packets import is_capture

    return is_capture(first) or is_named_capture(name)


def refuse_unused_keys(exchanges: Sequence[CapturedExchange], options: argparse.Namespace) -> None:
    """Refuse --keylog where it opened no TLS, unless the environment sets it.

    Raises:
        LocalError: it was given, and opened none.
    """
    if "keylog" in options.given and not any(exchange.is_decrypted for exchange in exchanges):
        raise LocalError(f"--keylog: expected the secrets of TLS in the capture, got none in {options.keylog!r}")
