"""Checks the claims of `chunkwire bench`: `python -m bench.claims agree`, `equal` or `rare`; root, Linux.

agree: the arrivals of frames by bench and by a reader in C (`meter/stampreader.c`) differ from those of a capture
(tcpdump) by at most 10 µs at p99, on the machine as it is, and beside twice as many busy processes as cores. With
`--tls` over TLS, from our origin or from nginx before it: without the reader in C, and the capture is opened by tshark.
equal: of comparisons of two equal gateways, at least 85 % show no difference.
rare: a gateway that holds one frame in 200 for 1 ms is found, by p99.9 of `added` against a gateway that does not, and
by the segment between its receive and its write.

The gateways have one core, all other programs the other one. `--realtime` runs them under `chrt -f`, with priority over
other work of the machine, and the servers with priority over the clients, whose arrivals the kernel stamps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.graders import at, captured
from bench.processes import HOST, Trouble, busy_cores, free_port, need_program, pinned, running
from bench.text import print_line, program_parser
from bench.workshop import Workshop, open_workshop
from chunkwire.record.values import FrameRecord, RequestRecord, read_records
from chunkwire.tools.capture.load import load_exchanges
from chunkwire.tools.stamps import read_stamp
from chunkwire.wire.errors import ChunkwireError

INTERVALS_MS: Mapping[int, int] = {1: 5, 10: 20, 100: 50, 1000: 500}
"""Interval of a stream's frames by the number of streams: at most 2000 frames a second."""
TOLERANCE_US = 10.0
EVERY = 200
NGINX = """worker_processes 1; daemon off; pid {folder}/nginx.pid; events {{ }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
 uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
 server {{ listen {host}:{port} ssl; ssl_certificate {made.file}; ssl_certificate_key {made.key};
  location / {{ proxy_pass http://{host}:{upstream}; proxy_http_version 1.1; proxy_buffering off; }} }} }}
"""
HELD = "read gw1 → passed on gw1"
HOLD_MS = 1.0
COMPARED = 3  # times the seconds of one run: p99.9 of a difference needs more samples than that of a segment
SERVER_PRIORITY, CLIENT_PRIORITY = 40, 20  # of SCHED_FIFO
WITHIN = 1800.0  # s; of one run of bench: `rare` samples 300 s of each gateway
MIN_EQUAL = 0.85
"""Share of the comparisons of equal gateways that must show no difference: 17 of 20."""

Arrivals = Mapping[int, int]
"""Arrival of a frame by the moment of its write, ns since the epoch; without moments at which two were written."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The options of the command line.

    Attributes:
        is_realtime: with priority over other work of the machine.
        tls: what ends TLS in `agree`, "serve" or "nginx"; empty without TLS.
    """

    workshop: Workshop
    streams: Sequence[int]
    machines: Sequence[str]
    seconds: int
    times: int
    is_realtime: bool
    tls: str = ""

    def server(self, *words: str) -> list[str]:
        """Return the command of a server in Python."""
        return self._prioritised([sys.executable, *words], SERVER_PRIORITY)

    def client(self, *words: str) -> list[str]:
        """Return the command of a client."""
        return pinned(self._prioritised(words, CLIENT_PRIORITY), self.workshop.cores.meter)

    def _prioritised(self, words: Sequence[str], priority: int) -> list[str]:
        return [need_program("chrt"), "-f", str(priority), *words] if self.is_realtime else [*words]

    def bench(self, *words: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run bench; return its JSON.

        Args:
            env: more of its environment.

        Raises:
            Trouble: it printed none.
        """
        ours = (sys.executable, "-m", "chunkwire", "bench", *words)
        command = self.client(*ours, "--json", "-q", "--force", "--limit", "errors=100%")
        environment = {**os.environ, **(env or {})}
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False, env=environment)
        if done.returncode not in (0, 1) or not done.stdout:
            raise Trouble(f"bench: {done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found


def origin(claims: Claims, stack: ExitStack, *more: str) -> tuple[int, int]:
    """Start an origin that stamps; return its port and its admin port."""
    port, admin = free_port(), free_port()
    words = ("-m", "chunkwire", "serve", "-q", "-l", f"{HOST}:{port}", "--admin", f"{HOST}:{admin}", "--stamps")
    stack.enter_context(running("origin", claims.server(*words, *more), port, core=claims.workshop.cores.meter))
    return port, admin


def secure(claims: Claims, stack: ExitStack) -> int:
    """Start what ends TLS before the origin, or is it; return its port."""
    made, folder = claims.workshop.certificate(), claims.workshop.folder
    if claims.tls == "serve":
        return origin(claims, stack, "--cert", str(made.file), "--key", str(made.key))[0]
    upstream, port = origin(claims, stack)[0], free_port()
    text = NGINX.format(folder=folder, host=HOST, port=port, made=made, upstream=upstream)
    words = [need_program("nginx"), "-e", f"{folder}/nginx.err", "-c", claims.workshop.write("nginx.conf", text)]
    stack.enter_context(running("nginx", words, port, core=claims.workshop.cores.server))
    return port


def gateway(claims: Claims, stack: ExitStack, upstream: int, *, every: int = 0) -> tuple[int, int]:
    """Start a gateway that stamps and holds one frame in `every`; return its port and its admin port."""
    port, admin = free_port(), free_port()
    words = ["-m", "bench.peers.holding_gateway", str(every), "forward", "-q", f"http://{HOST}:{upstream}"]
    words += ["-l", f"{HOST}:{port}", "--admin", f"{HOST}:{admin}", "--stamps"]
    stack.enter_context(running("gateway", claims.server(*words), port, core=claims.workshop.cores.server))
    return port, admin


def agree(claims: Claims) -> bool:
    """Print two rows for each number of streams on each machine; say whether all agree with the capture."""
    print_line(
        f"{'machine':<10} {'load':>5} {'streams':>7}  {'of a frame, µs':<18} {'frames':>7} {'p50':>6} {'p99':>6} "
        f"{'max':>7}   added p99, µs"
    )
    holds = []
    for machine in claims.machines:
        for streams in claims.streams:
            with busy_cores(2 if machine == "saturated" else 0):
                sides = _arrivals(claims, streams)
            capture = sides.pop("capture")
            for name, arrivals in sides.items():
                both = [written for written in arrivals if written in capture]
                errors = [abs(arrivals[written] - capture[written]) / 1e3 for written in both]
                added = [at([(side[w] - w) / 1e3 for w in both], 99) for side in (arrivals, capture)]
                holds.append(bool(both) and at(errors, 99) <= TOLERANCE_US)
                figures = f"{at(errors, 50):>6.2f} {at(errors, 99):>6.2f} {at(errors, 100):>7.1f}"
                print_line(
                    f"{machine:<10} {os.getloadavg()[0]:>5.1f} {streams:>7}  {name + ' - capture':<18} {len(both):>7} "
                    f"{figures}   {added[0]:.0f}, capture {added[1]:.0f}"
                )
    return all(holds)


def _arrivals(claims: Claims, streams: int) -> dict[str, Arrivals]:
    """Return the arrivals by bench, by the reader in C at the same time, and by a capture of both."""
    folder, interval = claims.workshop.folder, INTERVALS_MS.get(streams, 500)
    if claims.tls:
        return _arrivals_over_tls(claims, streams, interval)
    reader = claims.workshop.c_program("stampreader")
    saved, listed, pcap = folder / "saved.jsonl", folder / "reader.txt", folder / "lo.pcap"
    with ExitStack() as stack:
        port, _ = origin(claims, stack)
        frames = claims.seconds * 1000 // interval
        words = claims.client(reader, str(port), str(streams), str(frames), str(interval))
        with captured(f"http://{HOST}:{port}", pcap):
            with listed.open("w") as output, subprocess.Popen(words, stdout=output) as other:
                load = (*_streams(claims, streams), "--save", str(saved))
                claims.bench(f"http://{HOST}:{port}/probe?interval={interval}ms", *load)
                other.wait(WITHIN)
    rows = [tuple(map(int, line.split()))[1:] for line in listed.read_text().splitlines()]
    return {
        "bench": _saved(saved),
        "C reader": unique((written, written + added) for written, added in rows),
        "capture": unique(_captured(pcap)),
    }


def _arrivals_over_tls(claims: Claims, streams: int, interval: int) -> dict[str, Arrivals]:
    """Return the arrivals by bench and by a capture that its key log opens."""
    folder = claims.workshop.folder
    saved, pcap, keys = folder / "saved.jsonl", folder / "lo.pcap", folder / "keys.txt"
    with ExitStack() as stack:
        url = f"https://localhost:{secure(claims, stack)}"
        trust = ("--cafile", str(claims.workshop.certificate().file))
        with captured(url, pcap):
            load = (*_streams(claims, streams), *trust, "--save", str(saved))
            claims.bench(f"{url}/probe?interval={interval}ms", *load, env={"SSLKEYLOGFILE": str(keys)})
    return {"bench": _saved(saved), "capture": unique(_captured(pcap, keys))}


def _streams(claims: Claims, streams: int) -> tuple[str, ...]:
    return ("-c", str(streams), "-z", f"{claims.seconds}s", "--warmup", "0", "--stamps", "kernel")


def _saved(path: Path) -> Arrivals:
    """Return the arrivals of a recording that have kernel stamps."""
    began: dict[int, float] = {}
    found = []
    with path.open("rb") as file:
        for record in read_records(file):
            if isinstance(record, RequestRecord):
                began[record.stream] = record.wall
            elif isinstance(record, FrameRecord) and record.kernel is not None and (written := _written(record)):
                found.append((written, round((began[record.stream] + record.kernel) * 1e9)))
    return unique(found)


def _captured(path: Path, keys: Path | None = None) -> Iterator[tuple[int, int]]:
    for exchange in load_exchanges(path.read_bytes(), path.name, keylog=None if keys is None else str(keys)):
        for record in exchange.records:
            if isinstance(record, FrameRecord) and record.way == "response" and (written := _written(record)):
                yield written, exchange.began_ns + round(record.t * 1e9)


def _written(record: FrameRecord) -> int:
    stamp = read_stamp((record.data or b"").strip())
    return stamp.actual_ns if stamp is not None else 0


def unique(pairs: Iterable[tuple[int, int]]) -> Arrivals:
    """Return arrivals from pairs (written, arrived)."""
    found = list(pairs)
    counts = Counter(written for written, _ in found)
    return {written: arrived for written, arrived in found if counts[written] == 1}


def equal(claims: Claims) -> bool:
    """Compare two equal gateways repeatedly; say whether enough tables show no difference."""
    without = 0
    with ExitStack() as stack:
        port, _ = origin(claims, stack)
        (one, _), (other, _) = gateway(claims, stack, port), gateway(claims, stack, port)
        for number in range(claims.times):
            url, base = (f"http://{HOST}:{each}/probe" for each in (one, other))
            result = claims.bench(url, "--baseline", base, "-z", f"{claims.seconds}s")
            seen = list(_seen(result))
            without += not seen
            print_line(f"{number + 1:>3}  {', '.join(seen) or '~'}")
    print_line(f"without a difference: {without} of {claims.times}")
    return without >= MIN_EQUAL * claims.times


def _seen(result: Mapping[str, Any]) -> Iterator[str]:
    for quantity, figures in result["differences"].items():
        for figure, difference in figures.items():
            if difference is not None and difference["seen"]:
                yield f"{quantity} {figure} {difference['ms']:+.3f} ±{difference['half']:.3f} ms"


def rare(claims: Claims) -> bool:
    """Compare a gateway that holds few frames with one that does not; say whether each run found it in both ways."""
    print_line(f"{'':>3}  {'added p99.9: held, not':<24} {'difference':<22} {HELD + ' p99.9: held, not'}")
    found = Counter[str]()
    with ExitStack() as stack:
        port, admin = origin(claims, stack)
        holding, plain = gateway(claims, stack, port, every=EVERY), gateway(claims, stack, port)
        for number in range(claims.times):
            held, not_held = (_through(claims, admin, each) for each in (holding, plain))
            compared = _compared(claims, holding[0], plain[0])
            difference = compared["differences"]["added"]["p99.9"] or {"ms": 0.0, "half": 0.0, "seen": False}
            segments = [each["segments"][HELD]["p99.9"] or 0.0 for each in (held, not_held)]
            found["p99.9"] += difference["seen"] and difference["ms"] > 0
            found["segment"] += segments[0] >= HOLD_MS > segments[1]
            sides = [compared[side]["added"]["p99.9"] or 0.0 for side in ("quantities", "baseline")]
            shown = f"{difference['ms']:+.3f} ±{difference['half']:<14.3f} {segments[0]:.3f}, {segments[1]:.3f} ms"
            print_line(f"{number + 1:>3}  {sides[0]:<8.3f} {sides[1]:<15.3f} {shown}")
    print_line(f"found by p99.9: {found['p99.9']} of {claims.times}; by the segment: {found['segment']}")
    return min(found["p99.9"], found["segment"]) == claims.times


def _load(seconds: int) -> tuple[str, ...]:
    return ("-c", "2", "-z", f"{seconds}s", "--stamps", "kernel")


def _through(claims: Claims, admin: int, one: tuple[int, int]) -> dict[str, Any]:
    hops = ("--hop", f"http://{HOST}:{admin}", "--hop", f"http://{HOST}:{one[1]}")
    return claims.bench(f"http://{HOST}:{one[0]}/probe?interval=4ms", *_load(claims.seconds), *hops)


def _compared(claims: Claims, holding: int, plain: int) -> dict[str, Any]:
    url, base = (f"http://{HOST}:{each}/probe?interval=4ms" for each in (holding, plain))
    return claims.bench(url, "--baseline", base, *_load(COMPARED * claims.seconds))


def main(words: Sequence[str] | None = None) -> int:
    """Check one claim; return 0 where it holds, else 1."""
    claims = {"agree": agree, "equal": equal, "rare": rare}
    parser = program_parser("claims", __doc__)
    parser.add_argument("claim", choices=claims)
    parser.add_argument("--streams", default="1,100,1000", metavar="N,…", help="of agree (default: 1,100,1000)")
    parser.add_argument("--machine", default="idle,saturated", metavar="M,…", help="of agree (default: idle,saturated)")
    parser.add_argument("--seconds", type=int, metavar="N", help="of sampling a run (default: 10; rare: 100)")
    parser.add_argument("--times", type=int, metavar="N", help="of equal and rare (default: 20; rare: 3)")
    parser.add_argument("--tls", choices=("serve", "nginx"), default="", help="of agree: over TLS, which this one ends")
    parser.add_argument("--realtime", action="store_true", help="under chrt -f, with priority over other work")
    options = parser.parse_args(words)
    if not all(each.isdecimal() and int(each) > 0 for each in options.streams.split(",")):
        parser.error(f"expected numbers such as 1,100 after --streams, got {options.streams!r}")
    streams, machines = [int(each) for each in options.streams.split(",")], options.machine.split(",")
    try:
        seconds, times = (100, 3) if options.claim == "rare" else (10, 20)
        seconds, times = options.seconds or seconds, options.times or times
        with open_workshop() as workshop:
            asked = Claims(workshop, streams, machines, seconds, times, options.realtime, options.tls)
            return 0 if claims[options.claim](asked) else 1
    except (Trouble, ChunkwireError, OSError, subprocess.TimeoutExpired) as error:
        print_line(f"not measured: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
