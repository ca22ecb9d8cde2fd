"""Whether a source on the command line is a file or a URL."""

from __future__ import annotations

import os
from typing import Final

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
