"""`chunkwire serve`: the origin."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.llm_flags import add_llm_arguments, mock_settings

if TYPE_CHECKING:
    from chunkwire.origin.settings import Settings
    from chunkwire.wire.records import Record

SUMMARY = "the origin: streams whose every chunk is written by hand, at its moment"
EPILOG = """\
examples:
  chunkwire serve                                         on 127.0.0.1:8081; GET / lists what there is
  curl -sN --raw 'localhost:8081/generate?n=5&interval=1s'
  curl -sN --raw 'localhost:8081/frames?plan=5@0,6:a=1@500,0@1000&text=hello+world'
  curl -sN --raw localhost:8081/fault/cut                 one of the ways a stream goes wrong
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc localhost 8081      a person is a legal client"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the origin's flags."""
    flags.add_listen(parser, flags.DEFAULT_ORIGIN)
    parser.add_argument("--admin", metavar="ADDR", help="serve /metrics and /healthz there")
    parser.add_argument("--log-json", action="store_true", help="a line of JSON an exchange, instead of text")
    parser.add_argument("--save", metavar="FILE", help="write a record of all that is sent to FILE")
    _add_caps(parser)
    _add_deadlines(parser)
    add_llm_arguments(parser)


def _add_caps(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("caps (on what a request may ask for)")
    for name, default, what in (
        ("max-chunks", "1000000", "chunks of one stream"),
        ("max-octets", "1g", "octets of one stream"),
        ("max-chunk-octets", "16m", "octets of one chunk"),
        ("max-connections", "20000", "at once; the next ones wait in the kernel's backlog"),
    ):
        group.add_argument(
            f"--{name}",
            type=flags.count,
            default=flags.count(default),
            metavar="N",
            help=f"{what} (default: {default})",
        )
    group.add_argument(
        "--max-duration",
        type=flags.duration,
        default=flags.duration("1h"),
        metavar="TIME",
        help="of one stream, as asked for (default: 1h)",
    )


def _add_deadlines(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("deadlines (`off` is none)")
    for name, default, what in (
        ("keep-alive-timeout", "5m", "between two requests of a connection"),
        ("head-timeout", "5m", "a whole request head; people type"),
        ("body-timeout", "5m", "without an octet of a request body that is read"),
        ("send-timeout", "30s", "without an octet taken by a client"),
        ("grace", "10s", "for streams after SIGTERM"),
    ):
        group.add_argument(
            f"--{name}",
            type=flags.timeout,
            default=flags.timeout(default),
            metavar="TIME",
            help=f"{what} (default: {default})",
        )


def run(options: argparse.Namespace) -> int:
    """Serve until the drain that SIGTERM starts is over."""
    import trio

    from chunkwire.net.listen import Address, parse_address
    from chunkwire.origin.access import log_json, log_text
    from chunkwire.origin.server import serve_origin

    address = parse_address(options.listen)
    admin = parse_address(options.admin) if options.admin else None
    settings = _settings(options)
    on_end = log_json if options.log_json else log_text

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(_serve, name="origin")
            for where in bound if not options.quiet else ():
                print(f"listening on http://{where}", file=sys.stderr, flush=True)

    async def _serve(task_status: trio.TaskStatus[list[Address]] = trio.TASK_STATUS_IGNORED) -> None:
        with _recording(options.save) as record_to:
            await serve_origin(
                address,
                settings=settings,
                record_to=record_to,
                on_end=on_end,
                admin=admin,
                handle_signals=True,
                task_status=task_status,
            )

    trio.run(main, strict_exception_groups=True)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    from chunkwire.origin.settings import Settings

    return Settings(
        max_chunks=options.max_chunks,
        max_octets=options.max_octets,
        max_chunk_octets=options.max_chunk_octets,
        max_connections=options.max_connections,
        max_duration=options.max_duration,
        keep_alive_timeout=options.keep_alive_timeout,
        head_timeout=options.head_timeout,
        body_timeout=options.body_timeout,
        send_timeout=options.send_timeout,
        grace=options.grace,
        mock=mock_settings(options),
    )


@contextmanager
def _recording(path: str | None) -> Iterator[Callable[[Record], None] | None]:
    """Give what writes records to a file, a line each, at once; None without a file."""
    if path is None:
        yield None
        return
    from chunkwire.wire.records import to_json

    with open(path, "w", encoding="ascii", buffering=1) as file:
        yield lambda record: print(to_json(record), file=file)
