"""`chunkwire check proxy URL --upstream ADDR`: check how a proxy relays streams, as its client and as its upstream."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chunkwire.cli import check, flags
from chunkwire.cli.exits import ExitCode
from chunkwire.wire.errors import LocalError

if TYPE_CHECKING:
    from chunkwire.tools.check.proxy.trial import ProxyRow

SUMMARY = "both sides of a proxy: does it relay streams, and report failures, as the RFCs say?"
EPILOG = f"""\
For a test instance: what is sent is broken on purpose, and the proxy may reuse connections that carried it. Nothing
  else should use the proxy meanwhile.
{check.EXIT_CODES},
  71 ADDR cannot be bound

examples:
  chunkwire check proxy http://127.0.0.1:8080 --upstream 127.0.0.1:9000
      the proxy at :8080 sends its requests to 127.0.0.1:9000, where this check listens, answers and compares
  chunkwire check proxy :8080 --upstream :9000 --only 9112/11.2 -v
      the rows about request smuggling, with all octets of both sides
  chunkwire check proxy https://app.example/x --upstream :9000 -H 'Host: app'
      a path before every target, and fields that the proxy needs to route"""
FIELDS_OF_ROWS = frozenset(  # the rows send these themselves, so -H may not
    {b"connection", b"content-length", b"expect", b"incremental", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the proxy, the address of its upstream, and the flags."""
    parser.add_argument("url", nargs="?", metavar="URL", help="the proxy, as its clients reach it")
    where = "where the proxy sends its requests: this check listens there (HOST:PORT)"
    parser.add_argument("--upstream", metavar="ADDR", help=where)
    patience = "how long octets may take from one side of the proxy to the other"
    check.add_rows(parser, jobs=8, patience="3s", patience_is=patience)
    flags.add_request(parser, peer="the proxy", has_body=False, has_deadline=False)


def run(options: argparse.Namespace) -> int:
    """Judge the rows and print them."""
    from chunkwire.cli import check_run
    from chunkwire.tools.check.proxy.checking import PROXY_ROWS

    missing = ""
    if options.url is None or options.upstream is None:
        missing = "expected the URL of a proxy, and with --upstream the address that it sends its requests to"
    return check_run.run(options, PROXY_ROWS, judge, missing=missing)


async def judge(options: argparse.Namespace, rows: Sequence[ProxyRow]) -> int:
    """Listen as the proxy's upstream, learn its HTTP version from one request through it, then judge the rows."""
    from chunkwire.cli import check_run
    from chunkwire.cli.asking import read_fields
    from chunkwire.net.dial import parse_url
    from chunkwire.net.listen import ListenError, parse_address
    from chunkwire.net.tls import make_tls
    from chunkwire.tools.check.proxy.checking import open_proxy_check
    from chunkwire.tools.check.proxy.trial import CheckedProxy

    url, upstream = parse_url(options.url), flags.parsed("--upstream", parse_address, options.upstream)
    if not upstream.port and not upstream.is_unix:
        raise LocalError("--upstream: expected the port that the proxy sends its requests to, got 0")
    tls = make_tls(options.cafile, verify=not options.insecure) if url.scheme == "https" else None
    fields, host = check.split_host(read_fields(options.header), FIELDS_OF_ROWS)
    lines = tuple(b"%b: %b" % field for field in fields)
    try:
        proxy = CheckedProxy(url, options.patience, tls, host, lines)
        async with open_proxy_check(proxy, upstream) as found:
            if not options.quiet:
                print("* for a test instance: what is sent is broken on purpose", file=sys.stderr)
            code = await check_run.run_rows("proxy", str(url), rows, found.judge, options, versions=found.versions)
            if code == ExitCode.OK:
                await found.check_accepts()  # a proxy that died leaves its last rows undecided, none of them failed
            return code
    except ListenError as error:
        raise ListenError(f"--upstream: {error}") from error
