"""Print what a page in Chromium reads from a URL: with fetch, all of its text; with EventSource, its events' text.

The page writes the result into its own DOM, which Chromium prints.
"""

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FETCH = "fetch(url).then((response) => response.text()).then((text) => show('ok', text), (error) => show('no', error));"
EVENTS = """
let text = '';
const source = new EventSource(url);
source.onmessage = (event) => { text += JSON.parse(event.data).text; };
source.addEventListener('done', () => { source.close(); show('ok', text); });
source.onerror = () => { source.close(); show('no', 'error event'); };
"""
PAGE = """<!doctype html><meta charset="utf-8"><pre id="found"></pre><script>
const url = %s;
function show(verdict, text) { found.dataset.verdict = verdict; found.textContent = text; }
setTimeout(() => { if (!found.dataset.verdict) show('no', 'nothing in time'); }, 5000);
%s</script>"""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-web-security", "--virtual-time-budget=6000")

kind, url = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    page = Path(folder, "page.html")
    page.write_text(PAGE % (repr(url), FETCH if kind == "fetch" else EVENTS), "utf-8")
    argv = ["chromium", *FLAGS, f"--user-data-dir={folder}/profile", "--dump-dom", page.as_uri()]
    dom = subprocess.run(argv, capture_output=True, timeout=60, check=False).stdout.decode("utf-8")
found = re.search(r'data-verdict="(\w+)">(.*?)</pre>', dom, re.DOTALL)
if found is None or found[1] != "ok":
    sys.exit(found[2] if found else "the page has no result")
sys.stdout.write(html.unescape(found[2]))
