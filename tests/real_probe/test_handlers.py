"""The handlers in bench/README.md, as they stand there: the bench reads their planned and actual moments."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.peers.command import ROOT, chunkwire, serving
from tests.peers.process import free_port, started, wait_listening
from tests.peers.programs import program
from tests.peers.writers import build_go

README = ROOT.joinpath("bench", "README.md").read_text("utf-8")


def example(language: str) -> str:
    """Return the one example of a language."""
    [text] = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(text)


def check(words: Sequence[str | Path], env: dict[str, str]) -> None:
    """The stream is measured by its stamps, and proved to stream behind a barrier without knowing of one."""
    port = free_port()
    with started(words, env={**env, "PORT": str(port)}) as process:
        wait_listening(port, process)
        url = f"http://127.0.0.1:{port}/events"
        result = chunkwire("bench", url, "-c", "1", "-n", "2", "--json", "--stamps", "process", "--force")
        quantities = json.loads(result.stdout)["quantities"]
        assert quantities["late"]["n"] == quantities["added"]["n"] == 40
        with serving("forward", f"http://127.0.0.1:{port}", "--barrier") as barrier:
            words = ("probe", barrier.url("/events"), "--barrier-at", f":{barrier.port}", "--gate")
            assert chunkwire(*map(str, words)).returncode == 0


def test_a_handler_of_fastapi_streams_and_bears_stamps(tmp_path: Path) -> None:
    path = tmp_path / "handler.py"
    path.write_text(example("python"))
    check([sys.executable, path], {})


@pytest.mark.needs("node")
def test_a_handler_of_express_streams_and_bears_stamps(node_modules: Path) -> None:
    check([program("node"), "-e", example("js")], {"NODE_PATH": str(node_modules)})


@pytest.mark.needs("go")
def test_a_handler_of_net_http_streams_and_bears_stamps(go_folder: Path) -> None:
    check([build_go(go_folder, example("go"), "handler")], {})
