"""README's section on tests, and the page that it links to, word for word in a project of its own."""

import re
from pathlib import Path

import pytest

from tests.peers.command import ROOT
from tests.testing.test_plugin import ALONE, run_pytest

README = ROOT.joinpath("README.md").read_text("utf-8")
SECTION = README.partition("**You develop a client or an application.**")[2].partition("\n**")[0]
PAGE = ROOT.joinpath("chunkwire/testing/README.md").read_text("utf-8")

SOUND = """
import json
import httpx2

BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}

def attempt(base_url):
    with httpx2.stream("POST", base_url + "/chat/completions", json=BODY, timeout=30) as response:
        response.raise_for_status()
        content = b"".join(response.iter_bytes()).decode()
    data = [line.removeprefix("data: ") for line in content.splitlines() if line.startswith("data: ")]
    if data[-1:] != ["[DONE]"]:
        raise EOFError("the answer has no end")
    choices = [json.loads(each)["choices"] for each in data[:-1]]
    return "".join(choice[0]["delta"].get("content") or "" for choice in choices if choice)

def ask(base_url):
    for attempts_left in (2, 1, 0):
        try:
            return attempt(base_url)
        except (httpx2.HTTPError, EOFError):
            if not attempts_left:
                raise
"""
# It decodes each read by itself, and takes a cut for the end.
NAIVE = """
import json
import httpx2

BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}

def ask(base_url):
    text = ""
    with httpx2.stream("POST", base_url + "/chat/completions", json=BODY, timeout=30) as response:
        try:
            for read in response.iter_bytes():
                for line in read.decode().split("\\n"):
                    if line.startswith("data: {"):
                        for choice in json.loads(line[6:])["choices"]:
                            text += choice["delta"].get("content") or ""
        except httpx2.HTTPError:
            pass
    return text
"""


def run_section(folder: Path, app: str, *arguments: str, text: str = SECTION) -> tuple[dict[str, str], str]:
    """Return the outcome of each test of a text, and all that pytest prints."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    folder.joinpath("app.py").write_text(app)
    printed = run_pytest(folder, block, *ALONE, *arguments)
    found = re.findall(r"^([A-Z]+) test_project\.py::(\S+)", printed, re.MULTILINE)
    return {name: outcome for outcome, name in found}, printed


def test_a_sound_client_passes_all_of_it(tmp_path: Path) -> None:
    outcomes, printed = run_section(tmp_path, SOUND)
    assert len(outcomes) > 40
    assert set(outcomes.values()) == {"PASSED"}, printed


def test_a_naive_client_fails_where_it_is_naive(tmp_path: Path) -> None:
    some = "split-utf8 or octet-per-write or event-per-chunk or trailers] or [cut] or early-end"
    outcomes, printed = run_section(tmp_path, NAIVE, "-k", some)
    failed = {name for name, outcome in outcomes.items() if outcome == "FAILED"}
    framing, half = "test_the_framing_does_not_matter", "test_half_an_answer_is_an_error"
    assert {f"{framing}[split-utf8]", f"{framing}[octet-per-write]", f"{half}[cut]", f"{half}[early-end]"} <= failed
    assert {outcomes[f"{framing}[{name}]"] for name in ("event-per-chunk", "trailers")} == {"PASSED"}
    told = "split-utf8: chunks that end inside characters of several octets; a sound client must decode UTF-8 over"
    assert f"chunkwire: {told}" in printed


def test_the_examples_of_the_page_pass_with_a_sound_client(tmp_path: Path) -> None:
    outcomes, printed = run_section(tmp_path, SOUND, text=PAGE)
    assert list(outcomes.values()) == ["PASSED"] * 4, printed


@pytest.mark.parametrize("path", re.findall(r"\]\(([\w/.]+)\)", SECTION))
def test_what_it_links_to_exists(path: str) -> None:
    assert ROOT.joinpath(path).is_file()
