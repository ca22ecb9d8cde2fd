"""Print and save the records of a watched stream: as lines for people, as JSON, as octets, and to a file.

The rule here: the records of one receive are printed, saved and flushed before the next receive.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from types import TracebackType

from chunkwire.cli.exits import FRAMING_EXITS, ExitCode
from chunkwire.cli.output_files import LineFile
from chunkwire.cli.terminal import is_coloured, say, terminal_width, width_of
from chunkwire.record.values import DataRecord, EndRecord, FrameRecord, HeadRecord, Record, TrailersRecord, to_json
from chunkwire.tools.paint import Paint
from chunkwire.tools.watch.events import EventFrames, EventsView, event_lines
from chunkwire.tools.watch.view import Line, ViewOptions, WatchView


class Sink:
    """Processes records as they are made; `flush` prints those of one receive together.

    Args:
        saved: gets the file of --save, if there is one; where it fails, the rest goes on.
        is_timed: times and reads are known.

    Attributes:
        status: of the latest response head since `begin`; 0 if there is none.
        end: how the latest message since `begin` ended, uploads of ours left out; None if none has ended.
        code: the exit code of the first message that failed; OK if none has.
        is_view: messages are printed for people, among them how a body ended.
    """

    def __init__(self, options: argparse.Namespace, saved: list[LineFile], *, is_timed: bool = True) -> None:
        self.status = 0
        self.end: EndRecord | None = None
        self.code = ExitCode.OK
        self.is_view = not (options.json or options.raw or options.quiet)
        self._options = options
        self._saved = saved
        if options.save:
            saved.append(LineFile("save", options.save))
        self._pending: list[Record] = []
        self._view_options = ViewOptions(
            width=width_of(sys.stdout),
            message_width=terminal_width(sys.stderr),
            paint=Paint(is_coloured(sys.stdout, no_color=options.no_color)),
            message_paint=Paint(is_coloured(sys.stderr, no_color=options.no_color)),
            is_timed=is_timed,
            is_hex=options.hex,
            has_data=not options.no_data,
            is_verbose=bool(options.verbose),
        )
        self._is_by_event = bool(options.events)
        self._events = EventFrames()
        self._view = None if options.json or options.raw else self._new_view()

    def _new_view(self) -> WatchView:
        return EventsView(self._view_options) if self._is_by_event else WatchView(self._view_options)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, BrokenPipeError):
                self.flush()
        finally:
            for file in self._saved:
                file.close()

    def record(self, record: Record) -> None:
        """Process one record: JSON, heads and what we send are printed at once, the rest by `flush`."""
        if isinstance(record, HeadRecord):
            self.status = record.status
        elif isinstance(record, EndRecord) and record.point != "client.sent":
            self.end = record
            self.code = self.code or self._code_of(record)
        for file in self._saved:
            file.write(to_json(record, not self._options.no_data))
        if self._options.json:
            self._print_json(record)
        is_of_a_receive = isinstance(record, FrameRecord | DataRecord | TrailersRecord | EndRecord)
        if is_of_a_receive and record.point != "client.sent":
            self._pending.append(record)
        elif self._view is not None:
            self._print(self._view.show([record]))

    def _print_json(self, record: Record) -> None:
        with_data = not self._options.no_data
        if not self._is_by_event:
            print(to_json(record, with_data), flush=True)
            return
        for line in event_lines(self._events, record, with_data=with_data):
            print(line, flush=True)
        if not isinstance(record, FrameRecord | DataRecord | TrailersRecord):
            print(to_json(record, with_data), flush=True)

    def flush(self) -> None:
        """Print the records that `record` has kept, together, and flush the file of --save."""
        if self._view is not None and self._pending:
            self._print(self._view.show(self._pending))
        self._pending = []
        for file in self._saved:
            file.flush()

    def show(self, batch: Iterable[Record]) -> None:
        """Process the records of one receive from a recording."""
        for record in batch:
            self.record(record)
        self.flush()

    def _code_of(self, end: EndRecord) -> ExitCode:
        """Return the exit code of a message: that of its framing, or if that is OK, that of its status."""
        verdict = FRAMING_EXITS[end.framing]
        is_error = end.way == "response" and self.status >= 400
        return ExitCode.HTTP_ERROR if verdict is ExitCode.OK and is_error else verdict

    def note(self, text: str) -> None:
        """Print a message that is in no record, on standard error; nothing with -q."""
        self.flush()
        if self._view is not None:
            self._print(self._view.note(text))
        elif not self._options.quiet:
            say(text)

    def begin(self, title: str) -> None:
        """Begin another message of a capture, or another stream of a recording."""
        self.flush()
        self.status, self.end = 0, None
        self._events = EventFrames()
        if self._view is not None:
            self._view = self._new_view()
            self._print([Line(f"* {title}", is_message=True)])

    def octets(self, octets: bytes) -> None:
        """Print octets unchanged with --raw, else nothing."""
        if self._options.raw:
            sys.stdout.buffer.write(octets)
            sys.stdout.buffer.flush()

    def _print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if not line.is_message:
                print(line.text, flush=True)
            elif not self._options.quiet:
                print(line.text, file=sys.stderr, flush=True)
