"""What a source on the command line is: a file, there or not, or a URL."""

from __future__ import annotations

import os
from typing import Final

# What a file of octets or records is usually called: such a name that is not there is a missing file, not a host.
_SUFFIXES: Final = (
    *(".jsonl", ".json", ".ndjson", ".txt", ".raw", ".http", ".chunked", ".bin", ".log"),
    *(".pcap", ".pcapng", ".cap"),
)


def is_path(source: str) -> bool:
    """Say whether a source is a file, there or not, and no URL."""
    if "://" in source or source.startswith(":"):
        return False
    return os.path.exists(source) or source.startswith(("/", "./", "../")) or source.endswith(_SUFFIXES)
