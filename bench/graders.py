"""The error of the latencies that benchmarks of language models report.

`python -m bench.graders` runs aiperf, guidellm, inference-perf, locust and `chunkwire bench` against our mock, in turn,
and captures the loopback interface. The true latencies are those of the capture, which has the kernel's time of each
packet; on loopback, sending and receiving are one step. A program that cannot be installed or started is named with the
reason.

Two figures, as AIPerf defines them. TTFT: from the request to the first token that is not empty. ITL: per request,
(last token - first token) / (tokens - 1). locust has neither: its file (`peers/locustfile.py`) reports TTFT, and gaps,
which are compared with the true gaps.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.processes import HOST, Trouble, free_port, need_program, running
from bench.text import print_line, program_parser
from bench.workshop import PEERS, Workshop, open_workshop, run_to_end
from chunkwire.record.values import FrameRecord
from chunkwire.tools.bench.statistics import nearest_rank
from chunkwire.tools.capture.exchanges import CapturedExchange
from chunkwire.tools.capture.load import load_exchanges
from chunkwire.wire.errors import ChunkwireError

TOKENS = 20
FIRST, BETWEEN = "200ms", "100ms"  # 1000 streams are then 10,000 tokens a second
PERCENTAGES = (50.0, 99.0)
WITHIN = 600.0  # s; of a run: some seconds of streams, and up to a minute to start
QUESTION = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}

Figures = Mapping[str, Sequence[float]]
"""For `ttft` and `itl`: the percentiles of `PERCENTAGES`, in ms."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a grader."""

    python: str
    url: str
    streams: int
    requests: int
    folder: Path

    def program(self, name: str) -> str:
        """Return the path of a program of the package."""
        return str(Path(self.python).parent / name)

    def tokenizer(self) -> str:
        """Return a folder with a tokenizer of words; the programs would download one."""
        folder = self.folder / "tokenizer"
        run_to_end([self.python, "-c", _TOKENIZER, str(folder)])
        return str(folder)


@dataclass(frozen=True, slots=True)
class Grader:
    """A program that reports latencies of tokens.

    Attributes:
        package: on PyPI; "" for ours.
        run: runs it to its end.
        read: returns its figures, from the folder of its files.
        is_by_gap: its ITL has a sample for each gap, not for each request.
    """

    name: str
    package: str
    run: Callable[[Run], None]
    read: Callable[[Path], Figures]
    is_by_gap: bool = False


_TOKENIZER = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
words = ["<unk>", "<s>", *(f"w{n}" for n in range(2000))]
tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "<s>", "pad_token": "<s>"}
fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
fast.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
fast.save_pretrained(sys.argv[1])
"""


def run_aiperf(run: Run) -> None:
    """Run NVIDIA's AIPerf."""
    words = (
        f"profile -m m --url {run.url} --endpoint-type chat --streaming --ui none --isl 10 --concurrency {run.streams}"
    )
    words += f" --request-count {run.requests} --tokenizer {run.tokenizer()} --artifact-dir {run.folder}/aiperf"
    run_to_end([run.program("aiperf"), *words.split()], within=WITHIN)


def read_aiperf(folder: Path) -> Figures:
    """Return AIPerf's figures."""
    found = json.loads((folder / "aiperf" / "profile_export_aiperf.json").read_text())
    names = {"ttft": "time_to_first_token", "itl": "inter_token_latency"}
    return {key: [found[name]["p50"], found[name]["p99"]] for key, name in names.items()}


def run_guidellm(run: Run) -> None:
    """Run GuideLLM."""
    words = f"run --backend kind=openai_http,target={run.url},model=m,validate_backend=false --disable-console"
    words += f" --profile kind=concurrent,streams={run.streams} --constraint kind=max_requests,count={run.requests}"
    words += f" --tokenizer kind=hf_auto,model={run.tokenizer()} --output kind=json,path={run.folder}/guidellm.json"
    words += f" --data kind=synthetic_text,prompt_tokens=10,output_tokens={TOKENS}"
    run_to_end([run.program("guidellm"), *words.split()], env={"HF_HUB_OFFLINE": "1"}, within=WITHIN)


def read_guidellm(folder: Path) -> Figures:
    """Return GuideLLM's figures."""
    [found] = json.loads((folder / "guidellm.json").read_text())["benchmarks"]
    names = {"ttft": "time_to_first_token_ms", "itl": "inter_token_latency_ms"}
    shares = {key: found["metrics"][name]["successful"]["percentiles"] for key, name in names.items()}
    return {key: [each["p50"], each["p99"]] for key, each in shares.items()}


def run_inference_perf(run: Run) -> None:
    """Run inference-perf of Kubernetes' working group."""
    config = {
        "api": {"type": "chat", "streaming": True},
        "server": {"type": "vllm", "model_name": "m", "base_url": run.url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": run.tokenizer()},
        "data": {"type": "mock"},
        "load": {
            "type": "concurrent",
            "stages": [{"num_requests": run.requests, "concurrency_level": run.streams}],
            "num_workers": 1,
        },
        "storage": {"local_storage": {"path": f"{run.folder}/inference-perf"}},
    }
    path = run.folder / "inference-perf.json"
    path.write_text(json.dumps(config))
    run_to_end([run.program("inference-perf"), "-c", str(path)], env={"HF_HUB_OFFLINE": "1"}, within=WITHIN)


def read_inference_perf(folder: Path) -> Figures:
    """Return inference-perf's figures, converted to ms."""
    [path] = folder.joinpath("inference-perf").rglob("summary_lifecycle_metrics.json")
    latency = json.loads(path.read_text())["successes"]["latency"]
    names = {"ttft": "time_to_first_token", "itl": "inter_token_latency"}
    return {key: [1000 * latency[name][q] for q in ("median", "p99")] for key, name in names.items()}


def run_locust(run: Run) -> None:
    """Run locust with a file that reads streams."""
    words = (
        f"-f {PEERS}/locustfile.py --headless -u {run.streams} -r {run.streams} -H {run.url} --csv {run.folder}/locust"
    )
    run_to_end([run.program("locust"), *words.split()], env={"REQUESTS": str(run.requests)}, within=WITHIN)


def read_locust(folder: Path) -> Figures:
    """Return locust's percentiles, which have two significant digits."""
    with (folder / "locust_stats.csv").open(newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    return {key: [float(rows[name][q]) for q in ("50%", "99%")] for key, name in {"ttft": "ttft", "itl": "gap"}.items()}


def run_ours(run: Run) -> None:
    """Run `chunkwire bench`."""
    url = f"{run.url}/v1/chat/completions"
    load = ["-c", str(run.streams), "-n", str(run.requests), "--json", "-H", "Content-Type: application/json"]
    command = [sys.executable, "-m", "chunkwire", "bench", url, *load, "-d", json.dumps(QUESTION)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
    if done.returncode not in (0, 1):
        raise Trouble(done.stderr.strip())
    (run.folder / "ours.json").write_text(done.stdout)


def read_ours(folder: Path) -> Figures:
    """Return our figures; NaN for a blank percentile."""
    found = json.loads((folder / "ours.json").read_text())["aliases"]
    return {key: [found[key][q] or math.nan for q in ("p50", "p99")] for key in ("ttft", "itl")}


GRADERS = (
    Grader("chunkwire bench", "", run_ours, read_ours),
    Grader("aiperf", "aiperf", run_aiperf, read_aiperf),
    Grader("guidellm", "guidellm", run_guidellm, read_guidellm),
    Grader("inference-perf", "inference-perf", run_inference_perf, read_inference_perf),
    Grader("locust", "locust", run_locust, read_locust, is_by_gap=True),
)


def true_figures(exchanges: Sequence[CapturedExchange], *, is_by_gap: bool) -> tuple[int, Figures]:
    """Return the number of answers of two tokens or more in a capture, and their figures."""
    answers = [times for each in exchanges if len(times := token_times(each)) > 1]
    firsts = [1000 * times[0] for times in answers]
    gaps = [1000 * (b - a) for times in answers for a, b in pairwise(times)]
    means = [1000 * (times[-1] - times[0]) / (len(times) - 1) for times in answers]
    figures = {"ttft": firsts, "itl": gaps if is_by_gap else means}
    return len(answers), {key: [at(each, q) for q in PERCENTAGES] for key, each in figures.items()}


def at(samples: Sequence[float], percentage: float) -> float:
    """Return a percentile by the nearest rank, also of few samples; NaN of none."""
    return sorted(samples)[nearest_rank(len(samples), percentage) - 1] if samples else math.nan


def token_times(exchange: CapturedExchange) -> list[float]:
    """Return the arrival of each token that is not empty, s since the request."""
    frames = (each for each in exchange.records if isinstance(each, FrameRecord) and each.point == "client.received")
    return [each.t for each in frames if b'"content":"' in (data := each.data or b"") and b'"content":""' not in data]


@contextmanager
def mock_served(tokens: int) -> Iterator[str]:
    """Run the mock on a free port; give its URL."""
    port = free_port()
    timing = ["--time-to-first-token", FIRST, "--inter-token-latency", BETWEEN, "--llm-tokens", str(tokens)]
    command = [sys.executable, "-m", "chunkwire", "serve", "-q", "-l", f"{HOST}:{port}", *timing]
    with running("the mock", command, port, core=None):
        yield f"http://{HOST}:{port}"


@contextmanager
def captured(url: str, path: Path) -> Iterator[None]:
    """Capture a port of the loopback interface in the with block."""
    port = url.rpartition(":")[2]
    command = [
        need_program("tcpdump"),
        "-i",
        "lo",
        "-U",
        "-B",
        "65536",
        "--time-stamp-precision=nano",
        "-w",
        str(path),
        f"tcp port {port}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        if "listening" not in line and "listening" not in process.stderr.readline():
            raise Trouble(f"tcpdump: {line.strip()}")
        try:
            yield
        finally:
            process.terminate()
            process.stderr.read()


def graded(workshop: Workshop, grader: Grader, streams: int, requests: int) -> str:
    """Run one grader and return its line.

    Raises:
        Trouble: it cannot be installed or started, or its figures cannot be read.
    """
    python = workshop.peer_python(f"requirements-{grader.package}.txt") if grader.package else sys.executable
    folder = workshop.folder / f"{grader.name.replace(' ', '-')}-{streams}"
    folder.mkdir()
    with mock_served(TOKENS) as url:
        with captured(url, folder / "lo.pcap"):
            grader.run(Run(python, url, streams, requests, folder))
    reported = grader.read(folder)
    count, truth = true_figures(
        load_exchanges((folder / "lo.pcap").read_bytes(), "lo.pcap"), is_by_gap=grader.is_by_gap
    )
    if count < requests // 2:
        raise Trouble(f"the capture has {count} answers of {requests}")
    cells = [
        f"{said:9.2f} {true:9.2f} {said - true:+8.2f}"
        for key in ("ttft", "itl")
        for said, true in zip(reported[key], truth[key], strict=True)
    ]
    return f"{streams:>7}  {grader.name:<16} {count:>6}  " + "  ".join(cells)


def heading() -> str:
    """Return the heading of the table: for each figure the reported and the true value and the error, in ms."""
    columns = "  ".join(
        f"{name:>9} {'true':>9} {'error':>8}" for name in ("ttft p50", "ttft p99", "itl p50", "itl p99")
    )
    return f"streams  {'grader':<16} {'n':>6}  {columns}"


def main(words: Sequence[str] | None = None) -> int:
    """Grade and print; return 0 where at least one was graded, else 1."""
    parser = program_parser("graders", __doc__)
    parser.add_argument("names", nargs="*", metavar="GRADER", help=f"of {', '.join(each.name for each in GRADERS)}")
    parser.add_argument("--streams", default="1,100,1000", metavar="N,…", help="at once (default: 1,100,1000)")
    parser.add_argument(
        "--requests", type=int, default=0, metavar="N", help="in all; default: twice the streams, 20 or more"
    )
    options = parser.parse_args(words)
    if not all(each.isdecimal() and int(each) > 0 for each in options.streams.split(",")):
        parser.error(f"expected numbers such as 1,100 after --streams, got {options.streams!r}")
    if wrong := [name for name in options.names if not any(name in each.name for each in GRADERS)]:
        parser.error(f"no grader {wrong[0]!r}; there are {', '.join(each.name for each in GRADERS)}")
    chosen = [each for each in GRADERS if not options.names or any(name in each.name for name in options.names)]
    print_line(heading())
    count = 0
    with open_workshop() as workshop:
        for streams in map(int, options.streams.split(",")):
            for grader in chosen:
                try:
                    print_line(graded(workshop, grader, streams, options.requests or max(20, 2 * streams)))
                    count += 1
                except (Trouble, ChunkwireError, OSError, LookupError, ValueError, subprocess.TimeoutExpired) as error:
                    print_line(f"{streams:>7}  {grader.name:<16} not graded: {' '.join(str(error).split())[-200:]}")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
