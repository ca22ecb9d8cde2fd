"""`chunkwire check server URL`: what a server makes of requests, legal and broken, by its own answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chunkwire.cli import check, flags
from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.tools.check.server.cases import ServerCase
    from chunkwire.tools.check.server.talk import ServerTarget

SUMMARY = "requests and bodies, legal and broken: what does a server accept, and what does it answer?"
EPILOG = f"""\
For a test instance: what is sent is broken on purpose. If correct requests are refused (405, 401), most rows about
  bodies do not apply.
{check.EXIT_CODES},
  28, 52 or 56 also: the first request got no answer in time, none, or none in HTTP

examples:
  chunkwire check server http://127.0.0.1:8000/upload
      best a resource that answers a POST with the body that it got: no other answer proves that a body was read
  chunkwire check server :8081/echo --only 9112/7.1 -v
      the rows about the chunked coding, with all octets
  chunkwire check server URL -X PUT -H 'Authorization: Bearer x' -d '{{"a":1}}'
      so that a correct request is answered with success
  chunkwire check server URL --junit check.xml --html check.html"""
DEFAULT_BODY = b"hello from chunkwire check"
MIN_BODY_OCTETS = 2
# The rows send these themselves, so -H may not.
FIELDS_OF_ROWS = frozenset({b"connection", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the URL and the flags."""
    parser.add_argument("url", nargs="?", metavar="URL", help="a resource that takes a body")
    check.add_rows(parser, jobs=4, patience="2s", patience_is="how long an answer, or the close, may take")
    flags.add_request(parser, has_deadline=False)


def run(options: argparse.Namespace) -> int:
    """Judge the rows and print them."""
    from chunkwire.cli import check_run
    from chunkwire.tools.check.server import SERVER_CASES

    missing = "" if options.url is not None else "expected the URL of a server"
    return check_run.run(options, SERVER_CASES, judge, missing=missing)


async def judge(options: argparse.Namespace, cases: Sequence[ServerCase]) -> int:
    """Learn what the server answers to correct requests, then judge it."""
    from chunkwire.cli import check_run
    from chunkwire.tools.check.server.baseline import ask_plainly, learn

    target = read_target(options)
    server = await learn(target)
    software = server.get.head.get(b"server")
    versions = [("Server", software.decode("latin-1"))] if software else []
    code = await check_run.run_rows(
        "server", str(target.url), cases, lambda case: case.judge(server), options, versions=versions
    )
    if code == ExitCode.OK:
        await ask_plainly(target)  # raises if the server has died: then its last rows are undecided
    return code


def read_target(options: argparse.Namespace) -> ServerTarget:
    """Return what the flags say of the server and of the requests to it.

    Raises:
        LocalError: a flag that is wrong, or a field line that is one of `FIELDS_OF_ROWS`.
        OSError: a file of -d or --cafile that cannot be read.
    """
    from chunkwire.cli.asking import read_request
    from chunkwire.net.dial import parse_url
    from chunkwire.net.tls import make_tls
    from chunkwire.tools.check.server.talk import ServerTarget

    asked, url = read_request(options), parse_url(options.url)
    if not isinstance(asked.body, bytes | None):
        raise LocalError("-d -: expected a body that can be sent again, since every row sends it")
    if asked.body is not None and len(asked.body) < MIN_BODY_OCTETS:
        raise LocalError(f"-d: expected a body of {MIN_BODY_OCTETS} octets or more, which can be cut into chunks")
    fields, host = check.split_host(asked.fields, FIELDS_OF_ROWS)
    return ServerTarget(
        url,
        url.authority if host is None else host,
        (asked.tls or make_tls()) if url.scheme == "https" else None,
        fields,
        (options.method or "POST").encode("latin-1"),
        DEFAULT_BODY if asked.body is None else asked.body,
        options.patience,
    )
