"""`chunkwire probe URL|RECORDING …`: which hop holds the stream? from the inside out."""

from __future__ import annotations

import argparse

from chunkwire.cli import captures, flags

SUMMARY = "which hop holds the stream? each is asked, from the inside out"
EPILOG = """\
On every hop, give the path of our origin's resource, which ends in /probe:
its events say when they were written. Any other stream can be probed too,
but arrival times alone prove less, and the verdict says so: if it comes all
at once from the only hop, this hop holds it, or the origin writes it so.
Each verdict says what it rests on. proved: each frame arrived before the next
one was written. by order: while a frame had not arrived, 20 requests were
answered through the same hop. by time: no order is known, only times.
exit codes: 0 no hop holds, 1 a hop holds, or the stream comes in bursts or from a
  cache, or is another one, 2 usage, 7 a hop cannot be reached, 18 cut, 22 HTTP
  error, 28 no frame came, or undecided (with --strict: 1), 130 Ctrl-C (prints the
  hops asked so far); by verdict: `chunkwire help barrier`

examples:
  chunkwire probe :8081/probe :8080/probe https://app.example/probe
      the origin first (chunkwire serve), then each hop in front of it
  chunkwire probe inside.jsonl https://app.example/probe
      a recording stands for a hop out of reach
  curl -sN --raw --http1.1 --trace pod.trace --trace-time URL
      so does what curl leaves, made anywhere
  chunkwire probe at-app.pcap at-proxy.pcap  packet captures, frame by frame
  chunkwire probe URL --why                  what frees it, and its idle limit
  chunkwire probe URL --report ticket.html   a page for those who run the hop
  chunkwire forward http://app:8000 --barrier -l :8001     behind your proxy,
  chunkwire probe URL --barrier-at :8001 -X POST -d @req.json    and through it"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the hops and the flags."""
    parser.add_argument("hops", nargs="+", metavar="URL|RECORDING", help="from the inside out: the origin first")
    group = parser.add_argument_group("probe")
    add = group.add_argument
    add("--why", action="store_true", help="ask what frees the first hop that holds (else the last hop)")
    flags.add_each(group, ("idle", flags.duration, "70s", "with --why: a silence to try, for the idle limit; 0: none"))
    add("--strict", action="store_true", help="exit 1 where a hold can be neither shown nor ruled out as well")
    add_ways(parser)
    gate = parser.add_argument_group("in CI").add_argument
    what = "one line, and only proofs count: what is judged by time, or not at all, exits with 28"
    gate("--gate", action="store_true", help=what)
    gate("--junit", metavar="FILE", help="write the verdicts as JUnit XML, one test case per hop")
    gate("--github", action="store_true", help="print an annotation of GitHub's for each hop that fails")
    add("--json", action="store_true", help="one line of JSON per hop, with its evidence and fixes")
    add("--report", metavar="FILE", help="write one page for a ticket: HTML, or Markdown for *.md")
    add("--save", metavar="FILE", help="write the records of every run to FILE; `probe FILE` judges them")
    captures.add_captures(parser)
    flags.add_request(parser)


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add how hops are asked."""
    group = parser.add_argument_group("ways to ask")
    patience = "without a frame and without an answer for so long, a hop is judged by time"
    flags.add_each(group, ("patience", flags.duration, "15s", patience))
    where = "your own application: where `chunkwire forward APP --barrier` listens, between it and its first proxy"
    group.add_argument("--barrier-at", metavar="ADDR", help=where)
    what = "send what this client sends: browser, node, curl; several (browser,curl): and compare"
    group.add_argument("--as", dest="agents", type=clients, default=[""], metavar="CLIENT", help=what)


def clients(text: str) -> list[str]:
    """Return names of clients from a list with commas."""
    from chunkwire.tools.probe.requests import AGENTS

    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in AGENTS]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected one or more of {', '.join(AGENTS)}, each once, got {text!r}")
    return names
