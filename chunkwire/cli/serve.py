"""`chunkwire serve`: the origin."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.llm_flags import add_llm_arguments, mock_settings
from chunkwire.cli.terminal import say
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    import trio

    from chunkwire.cli.executing import Companions
    from chunkwire.cli.serving import Place, ServeAt
    from chunkwire.net.listen import Address
    from chunkwire.server.journal import JournalEntry
    from chunkwire.server.routes import Resource

SUMMARY = "the origin: streams whose every chunk is written by hand, at its moment"
EPILOG = """\
examples:
  chunkwire serve                                         on 127.0.0.1:8081; GET / lists what there is
  curl -sN --raw 'localhost:8081/generate?n=5&interval=1s'
  curl -sN --raw 'localhost:8081/frames?plan=5@0,6:a=1@500,0@1000&text=hello+world'
  curl -sN --raw 'localhost:8081/fault/cut?n=6&at=3'      one of the ways a stream goes wrong (GET / lists them)
  curl -sN --raw 'localhost:8081/fault/stall?duration=2s'  silence for so long, then FIN
  curl -sN --raw 'localhost:8081/frames?octets=5%0d%0ahel'  any octets after the head, then FIN
  chunkwire serve --replay a.jsonl --speed 2              what `watch URL --save a.jsonl` recorded, twice as fast
  chunkwire serve -l :0 --exec 'npm test'                 tests in any language, with the origin's URL in CHUNKWIRE_URL
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc localhost 8081      a person is a legal client"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the origin's flags."""
    flags.add_listen(parser, flags.DEFAULT_ORIGIN)
    flags.add_serving(parser)
    parser.add_argument("--replay", metavar="FILE", help="serve a recording instead: its frames, at its moments")
    flags.add_each(parser, ("speed", flags.factor, "1", "with --replay: times as fast"))
    flags.add_cors(parser)
    add = parser.add_argument_group("tests in any language (chunkwire.testing says more)").add_argument
    what = "run a shell's command with this origin's URL in CHUNKWIRE_URL, and end with its exit code"
    add("--exec", metavar="CMD", help=what)
    what = (
        "listen there for runs of responses, asked for in JSON; the command finds it in CHUNKWIRE_CONTROL_URL "
        "(default with --exec: a free port)"
    )
    add("--control", metavar="ADDR", help=what)
    flags.add_clock(parser)
    flags.add_each(
        parser.add_argument_group("caps"),
        ("max-chunks", flags.count, "1000000", "chunks that a request may ask for"),
        ("max-octets", flags.count, "1g", "octets of data that a request may ask for"),
        ("max-chunk-octets", flags.count, "16m", "octets of one chunk that a request may ask for"),
        ("max-connections", flags.count, "20000", "at once; the next ones wait in the kernel's backlog"),
        ("max-duration", flags.duration, "1h", "of a stream, as a request may ask for it"),
    )
    flags.add_each(
        parser.add_argument_group("deadlines (`off` is none)"),
        ("keep-alive-timeout", flags.timeout, "5m", "between two requests of a connection"),
        ("head-timeout", flags.timeout, "5m", "a whole request head; people type"),
        ("body-timeout", flags.timeout, "5m", "without an octet of a request body that is read"),
        ("send-timeout", flags.timeout, "30s", "without an octet taken by a client"),
        ("grace", flags.grace, "10s", "for streams after Ctrl-C or SIGTERM; 0 ends them at once"),
    )
    add_llm_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until a drain (Ctrl-C, SIGTERM) is over, or the command of --exec has ended."""
    from chunkwire.cli.executing import Companions
    from chunkwire.cli.output_files import check_outputs, files_read
    from chunkwire.cli.serving import run_server
    from chunkwire.origin.resources import origin_resources

    if "speed" in options.given and not options.replay:
        raise LocalError("--speed without --replay: only a recording has a speed")
    check_outputs(options, ["save"], files_read(options))
    control = options.control or (":0" if options.exec else None)
    companions = Companions(control, options.exec) if control else None
    mock = mock_settings(options)
    resources = _replayed(options) if options.replay else origin_resources(mock)
    code = run_server(options, "origin", _origin(options, tuple(resources), companions))
    return companions.code if companions is not None and not code else code


def _origin(options: argparse.Namespace, resources: tuple[Resource, ...], companions: Companions | None) -> ServeAt:
    """Return the server of these resources, of the list of them, and of the companions' resources."""
    from chunkwire.cli.serving import page_beside
    from chunkwire.lab.listing import Listing
    from chunkwire.origin.settings import OriginSettings
    from chunkwire.server.metrics import Metrics
    from chunkwire.server.serving import serve

    settings = flags.settings_of(OriginSettings, options, cors=frozenset(options.cors))
    others = companions.resources() if companions is not None else ()

    async def server(place: Place, *, task_status: trio.TaskStatus[list[Address]]) -> None:
        is_known = place.admin is not None and place.admin.port  # port 0 is known once it is bound
        listed = Listing((*resources, *others), f"http://{place.admin}/" if is_known else None)
        page = page_beside(place, "origin", options.save, streams=resources, settings=settings)
        async with page as (site, record_for):
            origin = partial(
                serve,
                place.address,
                listed.served,
                settings=settings,
                record_for=record_for,
                on_end=_access_log(is_json=options.log_json),
                admin=place.admin,
                admin_site=site,
                metrics=place.metrics or Metrics("origin"),
                reuse_port=place.reuse_port,
                certificate=place.certificate,
                handle_signals=not options.exec,
            )
            scheme = "https" if place.certificate else "http"
            start = partial(companions.run, origin, scheme) if companions else origin
            await start(task_status=task_status)

    return server


def _access_log(*, is_json: bool) -> Callable[[JournalEntry], None]:
    """Return the function that logs an exchange: at INFO, but at DEBUG what a probe asks about its barrier."""
    from chunkwire.origin.barrier import is_about_barrier
    from chunkwire.server.access import log_json, log_text

    log = log_json if is_json else log_text
    return lambda entry: log(entry, logging.DEBUG if is_about_barrier(entry) else logging.INFO)


def _replayed(options: argparse.Namespace) -> Sequence[Resource]:
    """Return the resources of a recording; report how many responses are not exact, and why."""
    from chunkwire.origin.replay import plan_replays, replay_resources
    from chunkwire.record.values import lines_of, read_records

    with open(options.replay, "rb") as file:
        replays = plan_replays(read_records(lines_of(file), options.replay), speed=options.speed)
    inexact = Counter(replay.inexact for replay in replays if replay.inexact)
    for why, count in inexact.items() if not options.quiet else ():
        say(f"{count} of {len(replays)} responses are not replayed octet for octet: {why}")
    return replay_resources(replays)
