"""A soak test of the answer endpoint: many answers at once, whose callers leave and whose providers fail at random.

`python -m bench.answer_soak --minutes 10` runs `chunkwire ask` before two mocks, which fail 30 % and 10 % of their
requests in different ways. It runs 200 callers at once, which ask in all forms. It prints its findings, and exits 1 for
any of these: an answer that is neither whole nor clearly failed, a text that differs from the mock's, an audit line or
a counter that disagrees, no breaker that opened (of more than 1000 questions) or one that stayed open, more retries
than the budget, a descriptor or a stream left open, memory that grew.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import trio

import chunkwire.client
from bench.processes import HOST, ROOT, free_port, resident_kib_of
from bench.soak import SETTLE_SECONDS, growth, metrics_of, print_report, streams_open, wait_listening
from bench.text import program_parser
from chunkwire.ask.overload import FLOOR_REFILL_S, RETRY_FLOOR
from chunkwire.client.stream import Stream
from chunkwire.net.pool import PER_SERVER
from chunkwire.wire.errors import ChunkwireError

SAMPLES: Final = 40
COOLDOWN_SECONDS: Final = 0.5
RETRY_SHARE: Final = 0.2  # of a retry that each question earns
LEAVING: Final = 0.15  # of the questions: their callers leave
FAILING: Final = {"a": 0.3, "b": 0.1}
FORMS: Final = ("sse", "jsonl", "json", "chat", "chat-whole")
WORDS: Final = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "🚂", "zwölf", "tokens")


@dataclass
class AnswerSoak:
    """The state of a soak, and its findings.

    Attributes:
        ended: "complete" or "error", by the id of an answer that was read to its end.
        breakers: how often each state of a provider's breaker was sampled.
    """

    port: int
    dice: random.Random
    is_over: bool = False
    asked: int = 0
    left: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    ended: dict[str, str] = field(default_factory=dict)
    breakers: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    resident_kib: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)


# ---- a caller ----------------------------------------------------------------------------------------------


async def be_caller(soak: AnswerSoak) -> None:
    """Ask one question after another until the soak is over."""
    while not soak.is_over:
        form = soak.dice.choice(FORMS)
        question = f"{soak.asked}: {' '.join(soak.dice.choices(WORDS, k=soak.dice.randint(3, 40)))}"
        soak.asked += 1
        patience = soak.dice.uniform(0.0, 3.0) if soak.dice.random() < LEAVING else 120.0
        with trio.move_on_after(patience) as scope:
            try:
                await _ask(soak, form, question)
            except ChunkwireError as error:
                soak.findings.append(
                    f"{form} {question[:20]!r}: the endpoint broke off: {type(error).__name__}: {error}"
                )
        if scope.cancelled_caught:
            soak.left += 1
            if patience > 100:
                soak.findings.append(f"{form} {question[:20]!r}: no end within {patience:.0f} s")


async def _ask(soak: AnswerSoak, form: str, question: str) -> None:
    base = f"http://{HOST}:{soak.port}"
    if form.startswith("chat"):
        body = {"messages": [{"role": "user", "content": question}], "stream": form == "chat"}
        asking = chunkwire.client.open("POST", f"{base}/v1/chat/completions", json=body)
    else:
        more = {"jsonl": "&format=jsonl", "json": "&stream=false", "sse": ""}[form]
        asking = chunkwire.client.open("GET", f"{base}/ask?q={quote(question)}{more}")
    async with asking as stream:
        text, end, name = await _answer(stream, form)
    soak.ends[f"{form} {end}"] += 1
    if name:
        soak.ended[name] = end
    if end not in ("complete", "error"):
        soak.findings.append(f"{form} {question[:20]!r}: {end}")
    elif text != question if end == "complete" else not question.startswith(text):
        soak.findings.append(f"{form} {question[:20]!r}: {end} with {text[:60]!r}")


async def _answer(stream: Stream, form: str) -> tuple[str, str, str]:
    """Return the text of an answer, how it ended, and its id, "" where it has none."""
    if stream.head.status != 200:
        body = await stream.json()
        is_error = isinstance(body.get("error"), dict) and bool(body["error"].get("message"))
        end = "error" if is_error else f"status {stream.head.status} without an error"
        return str(body.get("text", "")), end, str(body["error"].get("id", "")) if is_error else ""
    if form in ("json", "chat-whole"):
        whole = await stream.json()
        text = whole["text"] if form == "json" else whole["choices"][0]["message"]["content"]
        return text, "complete", _bare(whole["id"])
    if form == "jsonl":
        parts = [json.loads(line) async for line in stream.lines() if line]
        last = parts[-1]
        name, end = next(iter(last.items()))
        text = "".join(part.get("t", "") for part in parts)
        return text, _END.get(name, f"ended in {last}"), end["id"] if name in _END else ""
    return await (_events(stream) if form == "sse" else _chunks(stream))


async def _events(stream: Stream) -> tuple[str, str, str]:
    pieces: list[str] = []
    async for event in stream.events():
        body = json.loads(event.data)
        if event.event in _END:
            return "".join(pieces), _END[event.event], body["id"]
        pieces.append(body["t"])
    return "".join(pieces), "no last event", ""


async def _chunks(stream: Stream) -> tuple[str, str, str]:
    pieces: list[str] = []
    finish, name = None, ""
    async for event in stream.events():
        if event.data == "[DONE]":
            return "".join(pieces), "complete" if finish == "stop" else f"finish_reason {finish}", name
        body: dict[str, Any] = json.loads(event.data)
        if "error" in body:
            return "".join(pieces), "error", name
        name = _bare(body["id"])
        for choice in body["choices"]:
            pieces.append(choice["delta"].get("content") or "")
            finish = choice["finish_reason"] or finish
    return "".join(pieces), "no last event", ""


_END: Final = {"done": "complete", "error": "error"}


def _bare(name: str) -> str:
    return name.removeprefix("chatcmpl-")


# ---- the endpoint -----------------------------------------------------------------------------------------


async def run(minutes: float, callers: int, *, seed: int) -> int:
    """Run the soak and print its findings; return the exit code."""
    soak, admin = AnswerSoak(free_port(), random.Random(seed)), free_port()
    mocks = {name: free_port() for name in FAILING}
    with tempfile.TemporaryDirectory() as place:
        audit = Path(place) / "audit.jsonl"
        argv = [f"{name}=openai:http://{HOST}:{port}#m" for name, port in mocks.items()]
        argv += ["-l", f"{HOST}:{soak.port}", "--admin", f"{HOST}:{admin}", "--audit", str(audit), "-q"]
        argv += ["--breaker-cooldown", f"{COOLDOWN_SECONDS}s", "--retry-share", str(RETRY_SHARE)]
        commands = [["ask", *argv]]
        pace = ["--time-to-first-token", "100ms", "--inter-token-latency", "100ms", "--llm-jitter", "0.5", "-q"]
        for name, port in mocks.items():
            commands.append(["serve", "-l", f"{HOST}:{port}", *pace, "--llm-failures", str(FAILING[name])])
        processes = [await _start(words) for words in commands]
        began = trio.current_time()
        try:
            for port in (soak.port, *mocks.values()):
                await wait_listening(port)
            before = _descriptors(processes[0].pid)
            await _load(soak, processes[0].pid, minutes, callers)
            after = await _at_rest(processes[0].pid, admin)
            text = await metrics_of(admin)
            await _check_breakers_close(soak)
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                await process.wait()
        _judge_rest(soak, before, after)
        _judge_audit(soak, [json.loads(line) for line in audit.read_text("utf-8").splitlines()], text)
        _judge_retries(soak, text, trio.current_time() - began)
    return _report(soak, before, after)


async def _start(words: Sequence[str]) -> trio.Process:
    return await trio.lowlevel.open_process([sys.executable, "-m", "chunkwire", *words], cwd=ROOT, stdin=None)


async def _load(soak: AnswerSoak, pid: int, minutes: float, callers: int) -> None:
    """Run `callers` callers for `minutes`, and sample the endpoint's memory, descriptors and breakers."""
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(be_caller, soak, name="caller")
        for _ in range(SAMPLES):
            await trio.sleep(minutes * 60 / SAMPLES)
            soak.resident_kib.append(resident_kib_of(pid))
            soak.descriptors.append(_descriptors(pid))
            for provider in await _providers(soak):
                soak.breakers[f"{provider['name']} {provider['state']}"] += 1
        soak.is_over = True


async def _providers(soak: AnswerSoak) -> list[dict[str, Any]]:
    async with chunkwire.client.open("GET", f"http://{HOST}:{soak.port}/providers") as stream:
        found: list[dict[str, Any]] = (await stream.json())["providers"]
    return found


async def _at_rest(pid: int, admin: int) -> tuple[int, int]:
    """Wait until no stream is open; return the numbers of descriptors and streams, also after the timeout."""
    found = (0, 0)
    for _ in range(int(SETTLE_SECONDS)):
        await trio.sleep(1)
        found = (_descriptors(pid), await streams_open(admin))
        if not found[1]:
            break
    return found


async def _check_breakers_close(soak: AnswerSoak) -> None:
    """Ask until every breaker is closed, since the providers answer most questions."""
    states: list[str] = []
    for _ in range(60):
        states = [provider["state"] for provider in await _providers(soak)]
        if set(states) == {"closed"}:
            return
        await _ask(soak, "json", "still there?")
        soak.asked += 1
        await trio.sleep(COOLDOWN_SECONDS / 5)
    soak.findings.append(f"breakers stayed {', '.join(states)} although the providers answer")


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---- afterwards --------------------------------------------------------------------------------------------


def _judge_rest(soak: AnswerSoak, before: int, after: tuple[int, int]) -> None:
    kept = PER_SERVER * len(FAILING)  # idle connections to providers
    if after[0] > before + kept:
        soak.findings.append(f"{after[0] - before} descriptors are left open; at most {kept} idle connections are kept")
    if after[1]:
        soak.findings.append(f"{after[1]} streams are open without a caller")
    if not any(name.endswith(" open") for name in soak.breakers) and soak.asked > 1000:
        soak.findings.append("no breaker was seen open")
    soak.findings += growth(soak.resident_kib)


def _judge_audit(soak: AnswerSoak, lines: list[dict[str, Any]], text: str) -> None:
    """Compare the audit with what the callers saw, and the counters with the audit."""
    if len(lines) != soak.asked:
        soak.findings.append(f"{soak.asked} questions, {len(lines)} lines of the audit")
    by_id = {line["id"]: line for line in lines}
    for name, end in soak.ended.items():
        if name not in by_id or by_id[name]["ended"] != end:
            soak.findings.append(f"answer {name} ended in {end}; the audit says {by_id.get(name, {}).get('ended')}")
    gone = sum(line["ended"] == "client-gone" for line in lines)
    if gone > soak.left:
        soak.findings.append(f"{soak.left} callers left, and the audit says {gone}")
    attempts = [attempt for line in lines for attempt in line["attempts"]]
    for provider in FAILING:
        made = Counter(attempt.get("error") for attempt in attempts if attempt["provider"] == provider)
        asked = made.total() - made["skipped"]
        counted = [_metric(text, f'{what}_total{{provider="{provider}"}}') for what in ("asked", "answered")]
        if not (asked - 200 <= counted[0] <= asked and counted[1] <= made[None] <= counted[1] + 200):
            soak.findings.append(f"{provider}: the audit says {dict(made)}, the counters {counted}")


def _judge_retries(soak: AnswerSoak, text: str, seconds: float) -> None:
    floor = RETRY_FLOOR * (1 + seconds / FLOOR_REFILL_S)
    spent, most = _metric(text, "retries_total"), soak.asked * RETRY_SHARE + floor
    if spent > most:
        soak.findings.append(f"{spent:.0f} retries; the budget is {most:.0f}")


def _metric(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"chunkwire_ask_{name} ")]
    return float(line.split()[-1])


def _report(soak: AnswerSoak, before: int, after: tuple[int, int]) -> int:
    memory = ", ".join(f"{kib / 1024:.0f}" for kib in soak.resident_kib[::4])
    lines = [
        *(f"{count:8}  {what}" for what, count in sorted(soak.ends.items())),
        f"{soak.left:8}  callers left",
        f"{soak.asked:8}  questions; all answers were whole or clearly failed except for the findings below",
        f"breakers, as sampled: {dict(sorted(soak.breakers.items()))}",
        f"descriptors: {before} before, {', '.join(map(str, soak.descriptors[::4]))} under load, {after[0]} after",
        f"resident MB: {memory} under load; open streams: {after[1]} after",
    ]
    return print_report(lines, soak.findings)


def main(words: Sequence[str] | None = None) -> int:
    """Run the soak of the command line."""
    parser = program_parser("answer_soak", __doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--answers", type=int, default=200, metavar="N", help="at once (default: 200)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(words)
    return trio.run(lambda: run(options.minutes, options.answers, seed=options.seed))


if __name__ == "__main__":
    sys.exit(main())
