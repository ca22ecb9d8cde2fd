"""`chunkwire check client` on real clients, as tables.

The rule here: one table has the command and the version of each client; `chunkwire check` judges. A client runs with
its defaults, except for a deadline of 5 s, one attempt of wget, and curl's offer of gzip.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bench.processes import ROOT, Trouble, need_program
from bench.text import program_parser, put_between
from bench.workshop import PEERS, Workshop, open_workshop, version_said

REQUIREMENTS: Final = "requirements-clients.txt"
_PATIENCE: Final = "40s"  # of one run: three attempts of an SDK, on a busy machine
_WITHIN: Final = 1800.0  # s; of one client


@dataclass(frozen=True, slots=True)
class ClientPeer:
    """One client.

    Attributes:
        title: heading of its column, before its version.
        argv: the command; `{url}` in it is replaced.
        version_argv: a command that prints its version.
        form: of the content: plain events, or a provider's stream.
    """

    title: str
    argv: Callable[[Workshop], list[str]]
    version_argv: Callable[[Workshop], list[str]]
    form: str = "sse"


@dataclass(frozen=True, slots=True)
class ClientCard:
    """A client's results; `card` is the JSON of the command."""

    title: str
    card: Mapping[str, Any]

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The rows with their outcomes."""
        rows: Sequence[Mapping[str, Any]] = self.card["rows"]
        return rows

    def failed(self, level: str) -> list[str]:
        """Return the names of the scenarios whose row failed at a level."""
        return [row["name"] for row in self.rows if row["outcome"] == "fail" and row["level"] == level]


def _program(name: str, *words: str) -> tuple[Callable[[Workshop], list[str]], Callable[[Workshop], list[str]]]:
    return lambda _: [need_program(name), *words], lambda _: [need_program(name), "--version"]


def _python(script: str, package: str) -> tuple[Callable[[Workshop], list[str]], Callable[[Workshop], list[str]]]:
    """Return the commands of a script in the environment of the Python clients, and of its package's version."""
    show = f"import importlib.metadata as m; print(m.version({package!r}))"
    return (
        lambda workshop: [workshop.peer_python(REQUIREMENTS), str(PEERS / script), "{url}"],
        lambda workshop: [workshop.peer_python(REQUIREMENTS), "-c", show],
    )


CLIENTS: Final[Mapping[str, ClientPeer]] = {
    "curl": ClientPeer("curl", *_program("curl", "-sS", "--compressed", "-m", "5", "{url}")),
    "wget": ClientPeer("wget", *_program("wget", "-q", "-O", "-", "-t", "1", "-T", "5", "{url}")),
    "urllib": ClientPeer(
        "http.client",
        lambda _: [sys.executable, str(PEERS / "get_urllib.py"), "{url}"],
        lambda _: [sys.executable, "-V"],
    ),
    "requests": ClientPeer("requests", *_python("get_requests.py", "requests")),
    "httpx2": ClientPeer("httpx2", *_python("get_httpx2.py", "httpx2")),
    "aiohttp": ClientPeer("aiohttp", *_python("get_aiohttp.py", "aiohttp")),
    "node": ClientPeer("node fetch", *_program("node", str(PEERS / "get.js"), "{url}")),
    "go": ClientPeer(
        "Go net/http", lambda workshop: [workshop.go_program("get"), "{url}"], lambda _: [need_program("go"), "version"]
    ),
    "chromium-fetch": ClientPeer(
        "Chromium fetch",
        lambda _: [sys.executable, str(PEERS / "browse.py"), "fetch", "{url}"],
        lambda _: [need_program("chromium"), "--version"],
    ),
    "chromium-events": ClientPeer(
        "Chromium EventSource",
        lambda _: [sys.executable, str(PEERS / "browse.py"), "events", "{url}"],
        lambda _: [need_program("chromium"), "--version"],
    ),
    "openai": ClientPeer("openai SDK", *_python("ask_openai.py", "openai"), form="openai"),
    "anthropic": ClientPeer("anthropic SDK", *_python("ask_anthropic.py", "anthropic"), form="anthropic"),
    "google": ClientPeer("google-genai SDK", *_python("ask_gemini.py", "google-genai"), form="gemini"),
}


def judge_clients(workshop: Workshop, names: Sequence[str] = tuple(CLIENTS)) -> Iterator[ClientCard]:
    """Judge each client and yield its card; a missing client is left out, and named on standard error."""
    for name in names:
        peer = CLIENTS[name]
        try:
            yield ClientCard(f"{peer.title} {version_said(peer.version_argv(workshop))}", _judge(peer, workshop))
        except Trouble as trouble:
            sys.stderr.write(f"bench: {name}: {trouble}\n")


def _judge(peer: ClientPeer, workshop: Workshop) -> Mapping[str, Any]:
    check = ["check", "client", "--as", peer.form, "--patience", _PATIENCE, "--json", "-", "-q", "--"]
    argv = [sys.executable, "-m", "chunkwire", *check, *peer.argv(workshop)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_WITHIN, cwd=ROOT)
    if done.returncode not in (0, 1):
        raise Trouble((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    card: Mapping[str, Any] = json.loads(done.stdout)
    return card


def short_table(cards: Sequence[ClientCard]) -> str:
    """Return a line for each client with the scenarios that it fails, and one for those that fail none."""
    lines = [
        "| client | `must` failed | what it accepts as whole, or refuses although it is legal |",
        "| --- | --- | --- |",
    ]
    sound = []
    for card in cards:
        decided = [row for row in card.rows if row["level"] == "must" and row["outcome"] in ("pass", "fail")]
        broken = {row["name"] for row in card.rows if _is_broken(row)}
        taken = [name for name in card.failed("must") if name in broken]
        refused = [row["name"] for row in card.rows if row["outcome"] == "fail" and row["name"] not in broken]
        parts = [f"whole: {_listed(taken)}"] * bool(taken) + [f"refused: {_listed(refused)}"] * bool(refused)
        if should := [name for name in card.failed("should") if name in broken]:
            parts.append(f"(`should`: {_listed(should)})")
        if parts:
            lines.append(f"| {card.title} | {len(card.failed('must'))} of {len(decided)} | {'; '.join(parts)} |")
        else:
            sound.append(card.title)
    if sound:
        lines.append(f"| {', '.join(sound)} | none | nothing |")
    return "\n".join(lines) + "\n"


def whole_table(cards: Sequence[ClientCard]) -> str:
    """Return a line for each scenario, with the result of each client."""
    lines = ["| row | scenario | " + " | ".join(card.title for card in cards) + " |", "| --- " * (len(cards) + 2) + "|"]
    for row in cards[0].rows if cards else ():
        cells = [_cell(other) for card in cards for other in card.rows if other["id"] == row["id"]]
        lines.append(f"| {row['id']} | `{row['name']}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any]) -> str:
    """Return a client's result as a word; bold where it fails a must."""
    if row["outcome"] in ("undecided", "not applicable"):
        return {"undecided": "open", "not applicable": "–"}[row["outcome"]]
    if _is_broken(row):
        word = "whole" if row["outcome"] == "fail" else "error"
    else:
        word = "refused" if row["outcome"] == "fail" else "ok"
    return f"**{word}**" if row["outcome"] == "fail" and row["level"] == "must" else word


def _is_broken(row: Mapping[str, Any]) -> bool:
    """Say whether a row's response is broken, so that a client should refuse it."""
    return str(row["title"]).startswith("refuses ")


def main(words: Sequence[str] | None = None) -> int:
    """Judge the clients, print or write both tables; return an exit code."""
    parser = program_parser("scorecard_clients", __doc__)
    parser.add_argument("names", nargs="*", metavar="CLIENT", help=f"of {', '.join(CLIENTS)}; all without one")
    parser.add_argument("--write", action="store_true", help="write them into README.md and bench/README.md")
    options = parser.parse_args(words)
    if wrong := [name for name in options.names if name not in CLIENTS]:
        parser.error(f"no client {wrong[0]!r}; there are {', '.join(CLIENTS)}")
    with open_workshop() as workshop:
        cards = list(judge_clients(workshop, options.names or tuple(CLIENTS)))
    date = f"\nJudged on {datetime.now(UTC):%Y-%m-%d}.\n"
    if options.write:
        put_between(ROOT / "README.md", "clients", short_table(cards))
        put_between(ROOT / "bench" / "README.md", "clients", whole_table(cards) + date)
    else:
        sys.stdout.write(short_table(cards) + "\n" + whole_table(cards))
    return 0 if cards else 1


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    raise SystemExit(main())
