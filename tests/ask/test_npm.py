"""The npm package `openai` in node, in front of `chunkwire ask`."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.peers.command import serving
from tests.peers.process import run
from tests.peers.programs import program

SCRIPT = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: process.argv[2], apiKey: "k", maxRetries: 0 });
const messages = [{ role: "user", content: "Say hello to 🚂" }];
const texts = [], stream = await client.chat.completions.create({ model: "m", messages, stream: true });
for await (const chunk of stream) if (chunk.choices[0].delta.content) texts.push(chunk.choices[0].delta.content);
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", parameters } }];
const final = await client.chat.completions.stream({ model: "m", messages, tools }).finalChatCompletion();
const calls = final.choices[0].message.tool_calls.map((call) => call.function.name);
let error;
try { await client.chat.completions.create({ model: "m", messages: [] }); } catch (caught) { error = caught.param; }
console.log(JSON.stringify({ texts, calls, error }));
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script, beside the package."""
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path), "openai@6"]
    if subprocess.run(command, capture_output=True, timeout=100).returncode:
        pytest.skip("needs a registry of npm packages")
    path = tmp_path / "script.mjs"
    path.write_text(SCRIPT, "utf-8")
    return path


@pytest.mark.needs("node", "npm")
def test_the_npm_package_streams_text_and_tool_calls(script: Path) -> None:
    with serving("serve", "--time-to-first-token", "0", "--inter-token-latency", "0") as origin:
        with serving("ask", f"a=gemini:{origin.url('')}#m") as served:
            told = json.loads(run([program("node"), str(script), served.url("/v1")]).stdout)
    assert told == {"texts": ["Say", " hello", " to", " 🚂"], "calls": ["weather"], "error": "messages"}
