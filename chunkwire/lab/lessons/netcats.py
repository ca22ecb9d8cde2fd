"""The flags of each nc, and which of them is installed.

The rule here: a shown command can be run unchanged. `by_hand` ends each typed line with CRLF, `piped` sends octets
unchanged and half-closes at their end, `listening` is `by_hand` for the server's side.

All were run, except two, whose titles say so: the flags of GNU netcat 0.7.1 are from its help text, those of macOS's nc
from its manual.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from chunkwire.net.listen import Address

HELP_SECONDS: Final = 2.0
"""For a program to print its help; all of these print it at once."""


@dataclass(frozen=True, slots=True)
class Netcat:
    """One kind of nc; `{h}` and `{p}` in its commands are host and port, `{nc}` the program."""

    kind: str  # as `--nc` takes it
    title: str
    program: str  # what it is usually called
    by_hand: str  # type a request; each line is sent with CRLF
    piped: str  # send standard input unchanged, then half-close and read on; "" if it cannot do that
    listening: str  # accept one connection; each line is sent with CRLF; "" if it cannot listen
    leave: str = "Ctrl-C"  # how a person ends it
    mark: str = ""  # part of its help text


# GNU netcat is used on Linux and, from Homebrew, on macOS, whose `sed` differs: a shell loop works on both.
_WITH_CR: Final = "while IFS= read -r l; do printf '%s\\r\\n' \"$l\"; done | "
TALK: Final = Netcat(
    "talk",
    "chunkwire talk",
    "chunkwire talk",
    by_hand="chunkwire talk {h}:{p}",
    piped="chunkwire talk --as-is {h}:{p}",
    listening="chunkwire talk -l {h}:{p}",
)
NETCATS: Final = (
    Netcat(
        "openbsd",
        "nc of OpenBSD (Debian: netcat-openbsd)",
        "nc",
        by_hand="{nc} -C {h} {p}",
        piped="{nc} -N {h} {p}",
        listening="{nc} -C -l {h} {p}",
        mark="OpenBSD netcat",
    ),
    Netcat(
        "traditional",
        "nc of Hobbit (Debian: netcat-traditional)",
        "nc",
        by_hand="{nc} -C {h} {p}",
        piped="{nc} -q 9 {h} {p}",
        listening="{nc} -C -l -s {h} -p {p}",
        mark="[v1.10",
    ),
    Netcat(
        "gnu",
        "GNU netcat 0.7.1 (flags from its help, not run)",
        "netcat",
        by_hand=_WITH_CR + "{nc} {h} {p}",
        piped="",
        listening=_WITH_CR + "{nc} -l -s {h} -p {p}",
        mark="GNU netcat",
    ),
    Netcat(
        "macos",
        "nc of macOS (flags as published, not run)",
        "nc",
        by_hand="{nc} -c {h} {p}",
        piped="{nc} {h} {p}",
        listening="{nc} -c -l {h} {p}",
    ),
    Netcat(
        "ncat",
        "ncat of Nmap",
        "ncat",
        by_hand="{nc} -C {h} {p}",
        piped="{nc} {h} {p}",
        listening="{nc} -C -l {h} {p}",
        mark="Ncat",
    ),
    Netcat("telnet", "telnet", "telnet", by_hand="{nc} {h} {p}", piped="", listening="", leave="Ctrl-], then quit"),
    TALK,
)
KINDS: Final = {netcat.kind: netcat for netcat in NETCATS}


@dataclass(frozen=True, slots=True)
class NetcatProgram:
    """A kind of nc and the name of its program, installed or not; gives the commands for it."""

    netcat: Netcat
    program: str

    def by_hand(self, where: Address) -> str:
        """Return the command to connect and type."""
        return self._command(self.netcat.by_hand, where)

    def listening(self, where: Address) -> str:
        """Return the command to listen and type; that of `chunkwire talk` where this one cannot listen."""
        return self._command(self.netcat.listening or TALK.listening, where)

    def piped(self, octets: bytes, where: Address) -> str:
        """Return the command that sends these octets: `printing`, a pipe, and `sending`."""
        return f"{printing(octets)} | {self.sending(where)}"

    def sending(self, where: Address) -> str:
        """Return the command that sends its standard input; that of `chunkwire talk` where this one cannot."""
        return self._command(self.netcat.piped or TALK.piped, where)

    def _command(self, template: str, where: Address) -> str:
        host = f"[{where.host}]" if template.startswith("chunkwire") and ":" in where.host else where.host
        return template.format(nc=self.program, h=host, p=where.port)


def of_kind(kind: str | None) -> NetcatProgram:
    """Return a kind with the name of its program here, or else its usual name; None or "" is `detected`.

    Raises:
        KeyError: there is no such kind.
    """
    if not kind:
        return detected()
    netcat = KINDS[kind]
    return next((found for found in installed() if found.netcat is netcat), NetcatProgram(netcat, netcat.program))


def detected() -> NetcatProgram:
    """Return the first kind that is `installed`; `chunkwire talk` where there is none."""
    return next(iter(installed()), NetcatProgram(TALK, TALK.program))


def installed() -> list[NetcatProgram]:
    """Return every kind that is on PATH, each once, the one called `nc` first."""
    found: dict[str, NetcatProgram] = {}
    for program in ("nc", "ncat", "nc.openbsd", "nc.traditional", "netcat", "telnet"):
        kind = _kind_of(program)
        if kind is not None:
            found.setdefault(kind, NetcatProgram(KINDS[kind], program))
    return list(found.values())


def _kind_of(program: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    if program == "telnet":
        return "telnet"
    if sys.platform == "darwin" and path == "/usr/bin/nc":
        return "macos"
    try:
        run = subprocess.run(
            (path, "-h"), capture_output=True, stdin=subprocess.DEVNULL, timeout=HELP_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = (run.stdout + run.stderr).decode("utf-8", "replace")
    return next((netcat.kind for netcat in NETCATS if netcat.mark and netcat.mark in text), None)


def printing(octets: bytes) -> str:
    """Return the command that prints these octets."""
    return f"printf '{printf_text(octets)}'"


def printf_text(octets: bytes) -> str:
    """Return octets as the format of a shell's printf in single quotes; those that do not print in octal."""
    short = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\", 0x25: "%%", 0x27: "'\\''"}
    return "".join(short.get(n) or (chr(n) if 0x20 <= n < 0x7F else f"\\{n:03o}") for n in octets)
