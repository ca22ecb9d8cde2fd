"""`relays`: what a relay adds to a chunk, and octets per second; `tls`: the same with an HTTPS upstream;
`admin`: with and without metrics; `beside`: with a paced stream in the same run of trio.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from bench.gateways import CHUNKWIRE, PEERS_OF_DEBIAN, PEERS_OF_PYTHON, SUBJECTS, Command, Route, is_installed, subject
from bench.meter import WORKLOADS, Workload, measure, paced
from bench.newest import newest_peers
from bench.processes import Running, free_port, need_program, running
from bench.results import Round, Table
from bench.rounds import DIRECT, Plan, interleave
from bench.targets import judged
from bench.workshop import Workshop

TLS_WORKLOADS = ("rally", "one", "many", "bulk64k", "bulk1k", "bulk32")
# Half as many chunks a second: the TLS terminator shares the meter's core. More in all: 1000 handshakes come first.
TLS_MANY = paced(
    "many", "1000 streams, 10 chunks/s each", streams=1000, count=150, interval_us=100000, quick=WORKLOADS["many"].quick
)
BESIDE_WORKLOADS = ("rally", "one")
ADMIN_WORKLOADS = ("bulk64k", "bulk1k", "bulk32", "bulkmix")
# The cleartext frontend is for the row `direct`: the same hop without TLS.
TERMINATOR = """global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  option http-no-delay
frontend f
  bind 127.0.0.1:{secure} ssl crt {both} backlog 8192
  bind 127.0.0.1:{clear} backlog 8192
  default_backend b
backend b
  server s 127.0.0.1:{origin}
"""


def relay_commands(
    plan: Plan, peers: Mapping[str, Command], *, own: Sequence[str] = tuple(SUBJECTS)
) -> dict[str, Command]:
    """Return the commands of a table's relays: our own, those of --subject, and the peers.

    Peers that are not installed are left out, unless --peers names them.
    """
    variants = own if plan.variants is None else [name for name in own if name in plan.variants]
    templates = {**{name: SUBJECTS[name] for name in variants}, **plan.subjects}
    subjects = {name: subject(template) for name, template in templates.items()}
    chosen = {name: command for name, command in peers.items() if _is_wanted(plan, name)}
    return {**subjects, **chosen}


def _newest(plan: Plan, workshop: Workshop) -> dict[str, Command]:
    return newest_peers(workshop, plan.peers) if plan.is_newest else {}


def _is_wanted(plan: Plan, name: str) -> bool:
    if plan.peers is None:
        return name in PEERS_OF_PYTHON or is_installed(name)
    return name in plan.peers


def relays(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each workload."""
    peers = {**PEERS_OF_DEBIAN, **(PEERS_OF_PYTHON if plan.peers else {})}
    commands = {**relay_commands(plan, peers), **_newest(plan, workshop)}
    for name in plan.choose(WORKLOADS):
        workload, origin = WORKLOADS[name], free_port()
        measures = {
            DIRECT: _direct(plan, workshop, workload, target=origin, origin=origin),
            **{
                each: _through(plan, workshop, workload, each, command=command, origin=origin, upstream=origin)
                for each, command in commands.items()
            },
        }
        yield judged(_table(f"relays/{name}", workload, measures, plan))


def tls(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each workload through relays with an HTTPS upstream, which runs on the meter's core.

    `direct` is the upstream's cleartext port.

    Raises:
        Trouble: HAProxy or openssl is missing.
    """
    peers = {name: one for name, one in PEERS_OF_DEBIAN.items() if name != "copy"}
    commands = {**relay_commands(plan, peers), **_newest(plan, workshop)}
    for name in plan.choose(TLS_WORKLOADS):
        workload = TLS_MANY if name == "many" else WORKLOADS[name]
        secure, clear = free_port(), free_port()
        origin = None if workload.arguments["mode"] == "bulk" else free_port()
        argv = _https(plan, workshop, workload, secure=secure, clear=clear, origin=origin)
        measures = {
            DIRECT: _direct(plan, workshop, workload, target=clear, origin=origin),
            **{
                each: _through(plan, workshop, workload, each, command=command, origin=origin, upstream=secure)
                for each, command in commands.items()
            },
        }
        with running("https", argv, clear, core=workshop.cores.meter):
            yield judged(_table(f"tls/{name}", workload, measures, plan))


def _https(
    plan: Plan, workshop: Workshop, workload: Workload, *, secure: int, clear: int, origin: int | None
) -> list[str]:
    """Return the command of the HTTPS upstream: HAProxy before the meter's origin, or an origin of its own."""
    both = workshop.certificate().both
    if origin is None:
        arguments = workload.of(is_quick=plan.is_quick)
        words = [secure, clear, both, arguments["size"], arguments["count"]]
        return [sys.executable, "-m", "bench.peers.origin_tls", *map(str, words)]
    text = TERMINATOR.format(secure=secure, clear=clear, both=both, origin=origin)
    return [need_program("haproxy"), "-f", workshop.write("terminator.cfg", text)]


def admin(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each workload through our relay, with its defaults and with --admin."""
    templates = {"chunkwire": CHUNKWIRE, "admin": CHUNKWIRE + " --admin 127.0.0.1:0", **plan.subjects}
    for name in plan.choose(ADMIN_WORKLOADS):
        workload, origin = WORKLOADS[name], free_port()
        measures = {
            each: _through(plan, workshop, workload, each, command=subject(template), origin=origin, upstream=origin)
            for each, template in templates.items()
        }
        yield judged(_table(f"admin/{name}", workload, measures, plan))


def beside(plan: Plan, workshop: Workshop) -> Iterator[Table]:
    """Yield a table for each workload through a gateway alone in its run of trio, and with one paced stream.

    Target: a p99 of both within 0.3 ms.
    """
    shared = "{python} -m bench.peers.shared_run {listen} {origin_url} "
    templates = {"alone": shared + "0", "paced": shared + "1", **plan.subjects}
    for name in plan.choose(BESIDE_WORKLOADS):
        workload, origin = WORKLOADS[name], free_port()
        measures = {
            each: _through(plan, workshop, workload, each, command=subject(template), origin=origin, upstream=origin)
            for each, template in templates.items()
        }
        yield _table(f"beside/{name}", workload, measures, plan)


def _table(name: str, workload: Workload, measures: Mapping[str, Callable[[], Round]], plan: Plan) -> Table:
    return Table(name, workload.shows, workload.columns, interleave(measures, plan.rounds, what=name))


def _direct(
    plan: Plan, workshop: Workshop, workload: Workload, *, target: int, origin: int | None
) -> Callable[[], Round]:
    arguments = workload.of(is_quick=plan.is_quick)
    return lambda: measure(workshop, arguments, target=target, origin=origin)


def _through(
    plan: Plan,
    workshop: Workshop,
    workload: Workload,
    name: str,
    *,
    command: Command,
    origin: int | None,
    upstream: int,
) -> Callable[[], Round]:
    """Return a measurement of a relay. `upstream` is the meter's `origin`, or another port, which is HTTPS."""

    def once() -> Round:
        with relay(workshop, name, command, upstream=upstream, is_tls=upstream != origin) as server:
            arguments = workload.of(is_quick=plan.is_quick)
            return measure(workshop, arguments, target=server.port, origin=origin, server=server)

    return once


@contextmanager
def relay(workshop: Workshop, name: str, command: Command, *, upstream: int, is_tls: bool = False) -> Iterator[Running]:
    """Run a relay before an upstream's port."""
    route = Route(free_port(), upstream, is_tls=is_tls)
    with running(name, command(workshop, route), route.listen, core=workshop.cores.server) as server:
        yield server
