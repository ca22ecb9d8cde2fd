"""`chunkwire serve`: the origin."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from chunkwire.cli import flags
from chunkwire.cli.terminal import say
from chunkwire.wire.errors import LocalError, reason_of

if TYPE_CHECKING:
    import trio

    from chunkwire.cli.executing import Companions
    from chunkwire.cli.serving import Place, ServeAt
    from chunkwire.net.listen import Address
    from chunkwire.origin.mock.settings import MockSettings
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

_MOCKS = """\
How the mocks answer. A request sets the same for itself by its fields: x-chunkwire-ttft: 1s, and likewise -itl,
  -jitter, -seed, -answer, -text, -tokens, -framing, -keep-alive, -fault, -error, -retry-after, -reasoning, -refusal,
  and -quirk: a stream as some provider really sends it."""


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


def add_llm_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the mocks of language models; `mock_settings` parses those without a type."""
    group = parser.add_argument_group("language models", _MOCKS)
    flags.add_each(
        group,
        ("time-to-first-token", flags.duration, "200ms", "from the question to the first token"),
        ("inter-token-latency", flags.duration, "20ms", "from one token to the next"),
        ("llm-keep-alive", flags.duration, "0", "after this time without an octet send a keep-alive; 0: none"),
    )
    for name, metavar, what in (
        ("llm-jitter", "SHARE", "multiply each of these waits by a random number from 1-SHARE to 1+SHARE (default: 0)"),
        ("llm-seed", "N", "the same answers, ids and waits every time"),
        ("llm-answer", "HOW", "echo the prompt (default), lorem, or @FILE"),
        ("llm-tokens", "N", "answer with N tokens"),
        ("llm-framing", "HOW", "event (one per frame, default), join=N, split=N or split=random"),
        ("llm-fault", "NAME[=N]", "a fault of /fault, after N events: cut=5, early-end=5, no-terminator"),
        ("llm-error", "WHAT[@N]", "fail: 429, overloaded; with @N in mid-stream, after N tokens"),
        ("llm-retry-after", "TIME", "what a failing response asks to wait (default: nothing)"),
        ("llm-reasoning", "TEXT", "think this before each answer"),
        ("llm-refusal", "TEXT", "decline with this text"),
        ("llm-quirk", "NAME", "send a quirk in place of each answer, such as error-beside-choices"),
        ("llm-failures", "SHARE", "fail a share of the requests, each in a different way (default: 0)"),
    ):
        group.add_argument(f"--{name}", metavar=metavar, help=what)
    group.add_argument("--llm-key", action="append", default=[], metavar="KEY", help="accept this key (repeatable)")
    group.add_argument("--llm-model", action="append", default=[], metavar="NAME", help="offer this model (repeatable)")


def mock_settings(options: argparse.Namespace) -> MockSettings:
    """Return the settings that the flags of `add_llm_arguments` give.

    Raises:
        LocalError: a wrong value, or a file that cannot be read; the message begins with the flag.
    """
    from chunkwire.origin.mock.settings import FIELDS, MockSettings, WordSource, parse_fraction

    changes: dict[str, object] = {}
    for name, (attribute, parse) in {**FIELDS, "failures": ("failures", parse_fraction)}.items():
        text = getattr(options, f"llm_{name.replace('-', '_')}", None)
        if not isinstance(text, str):
            continue  # not given, or parsed already
        try:
            if name == "answer" and text.startswith("@"):
                with open(text[1:], encoding="utf-8") as file:
                    changes |= {"source": WordSource.TEXT, "text": file.read()}
            else:
                changes[attribute] = parse(text)
        except UnicodeDecodeError as error:
            raise LocalError(f"--llm-{name}: expected UTF-8 in {text[1:]!r}, got other octets") from error
        except ValueError as error:
            raise LocalError(f"--llm-{name}: {error}") from error
        except OSError as error:
            raise LocalError(f"--llm-{name}: cannot read {text[1:]!r}: {reason_of(error)}") from error
    return MockSettings(
        time_to_first_token=options.time_to_first_token,
        inter_token_latency=options.inter_token_latency,
        keep_alive=options.llm_keep_alive,
        keys=frozenset(options.llm_key),
        models=frozenset(options.llm_model),
        **changes,  # type: ignore[arg-type]
    )


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
