"""Where the records of a watched stream go: lines for a person, JSON, octets, a file.

The rule here: what one receive brought is printed before the next receive, and flushed at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TextIO

from chunkwire.cli.terminal import is_coloured, width_of
from chunkwire.record.values import DataRecord, EndRecord, FrameRecord, HeadRecord, Record, TrailersRecord, to_json
from chunkwire.tools.paint import Paint
from chunkwire.tools.watch.view import Line, ViewOptions, WatchView


class Sink:
    """Takes records as they are made; `flush` says that a receive's records are all there.

    Attributes:
        status: of the latest response head; 0 while there is none.
        end: how the response ended, once it has.
        is_view: a person sees the messages, so an error need not be told again.
    """

    def __init__(self, options: argparse.Namespace, *, is_timed: bool = True) -> None:
        self.status = 0
        self.end: EndRecord | None = None
        self.is_view = not (options.json or options.raw or options.quiet)
        self._options = options
        self._file: TextIO | None = open(options.save, "w", encoding="utf-8") if options.save else None  # noqa: SIM115
        self._pending: list[Record] = []
        self._view_options = ViewOptions(
            width=width_of(sys.stdout),
            paint=Paint(is_coloured(sys.stdout, no_color=options.no_color)),
            is_timed=is_timed,
            is_hex=options.hex,
            has_data=not options.no_data,
            is_verbose=bool(options.verbose),
        )
        self._view = None if options.json or options.raw else WatchView(self._view_options)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, BrokenPipeError):
                self.flush()
        finally:
            if self._file is not None:
                self._file.close()

    def record(self, record: Record) -> None:
        """Take one record; heads, and what we sent ourselves, are shown at once."""
        if isinstance(record, HeadRecord):
            words = record.status_line.split(" ", 2)
            self.status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        elif isinstance(record, EndRecord) and record.way == "response":
            self.end = record
        if self._file is not None:
            self._file.write(to_json(record, not self._options.no_data) + "\n")
        if self._options.json:
            print(to_json(record, not self._options.no_data), flush=True)
        is_of_a_receive = isinstance(record, FrameRecord | DataRecord | TrailersRecord | EndRecord)
        if is_of_a_receive and record.point != "client.sent":
            self._pending.append(record)
        elif self._view is not None:
            self._print(self._view.show([record]))

    def flush(self) -> None:
        """Show what one receive brought."""
        if self._view is not None and self._pending:
            self._print(self._view.show(self._pending))
        self._pending = []
        if self._file is not None:
            self._file.flush()

    def show(self, batch: Iterable[Record]) -> None:
        """Take the records of one receive from a recording."""
        for record in batch:
            self.record(record)
        self.flush()

    def begin(self, title: str) -> None:
        """Begin another stream of a recording that holds several."""
        self.status, self.end = 0, None
        if self._view is not None:
            self._view = WatchView(self._view_options)
            self._print([Line(f"* {title}", is_message=True)])

    def octets(self, octets: bytes) -> None:
        """Print octets as they came, for --raw."""
        if self._options.raw:
            sys.stdout.buffer.write(octets)
            sys.stdout.buffer.flush()

    def _print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if not line.is_message:
                print(line.text, flush=True)
            elif not self._options.quiet:
                print(line.text, file=sys.stderr, flush=True)
