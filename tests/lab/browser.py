"""A lab in a process of its own, and pages of a headless Chromium that look at it."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.patience import PATIENCE
from tests.peers.plain import accepting
from tests.peers.process import Reader, started
from tests.peers.programs import find_program

MAPPED = "--host-resolver-rules=MAP lab.uni.example 127.0.0.1"
PATIENCE_MS = 1000 * PATIENCE


@dataclass(frozen=True, slots=True)
class RunningLab:
    """Where the page is, and the origin for nc and curl, which a class has none of."""

    page: str
    origin: str


@contextmanager
def lab_process(*words: str) -> Generator[RunningLab, None, None]:
    """Run `chunkwire lab` on free ports."""
    argv = [sys.executable, "-W", "error", "-m", "chunkwire", "lab", "-l", "127.0.0.1:0", *words]
    with started(argv) as process:
        reader = Reader(process.stdout, whose="chunkwire lab")
        text = ""
        while "Ctrl-C" not in text:
            text += reader.line()
        page, origin = re.search(r"http://(\S+?)/", text), re.search(r"origin\s+(\S+)", text)
        assert page
        yield RunningLab(page[1], origin[1] if origin else "")


@dataclass(slots=True)
class Sight:
    """Pages of one browser, and what they must never do: log an error, or ask anybody else.

    Attributes:
        errors: of the consoles and of scripts.
        strangers: URLs asked for outside the lab.
        refused: statuses of refused requests, with their URLs.
    """

    browser: Browser
    lab: RunningLab
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def context(self, **options: Any) -> BrowserContext:
        """Return a fresh profile whose pages are watched."""
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", lambda asked: self._note(asked.url))
        context.on(
            "response", lambda answered: self._note_refusal(answered)
        )  # playwright sets members on a bound method
        self._contexts.append(context)
        return context

    def page(self, target: str = "", **options: Any) -> Page:
        """Return a page of the lab in a profile of its own, ready."""
        return self.tab(self.context(**options), target)

    def tab(self, profile: BrowserContext, target: str = "") -> Page:
        """Return one more page of the lab in a profile, ready."""
        page = profile.new_page()
        page.goto(f"http://{self.lab.page}/{target}")
        page.wait_for_selector("html[data-ready]")
        page.wait_for_selector("#feed-state[data-state=live]")
        return page

    def close(self) -> None:
        """Close the pages."""
        for context in self._contexts:
            context.close()

    def _note(self, url: str) -> None:
        if not url.startswith((f"http://{self.lab.page}/", f"http://{self.lab.origin}/", "blob:", "data:")):
            self.strangers.append(url)

    def _note_refusal(self, response: Any) -> None:
        if response.status >= 400:
            self.refused.append((response.status, response.url))


@contextmanager
def chromium() -> Generator[Browser, None, None]:
    """Run a headless Chromium; as root it has no sandbox."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program("chromium"), args=["--no-sandbox", MAPPED])
        yield browser
        browser.close()


def of_lane(page: Page, lane: str, expression: str) -> Any:
    """Return what an expression gives of the `stream` of a ladder."""
    return page.evaluate(f"import('./static/lab.js').then(lab => (stream => {expression})(lab.lanes.{lane}.stream))")


def wait_until(page: Page, condition: str) -> None:
    """Wait until a JavaScript expression holds; not by `wait_for_function`, whose eval the page's policy refuses."""
    look = f"const look = async () => (await ({condition})) ? resolve() : requestAnimationFrame(look)"
    limit = f"setTimeout(() => reject(new Error('expected ' + {json.dumps(condition)})), {PATIENCE_MS})"
    page.evaluate(f"new Promise((resolve, reject) => {{ {limit}; {look}; look().catch(reject); }})")


def wait_lane(page: Page, lane: str, condition: str) -> None:
    """Wait until a condition holds for the `stream` of a ladder."""
    found = f"(stream => stream && ({condition}))(lab.lanes.{lane}.stream)"
    wait_until(page, f"import('./static/lab.js').then(lab => {found})")


def wait_text(page: Page, selector: str, text: str) -> None:
    """Wait until an element's text holds this one."""
    wait_until(page, f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})")


@contextmanager
def foreign_page() -> Generator[str, None, None]:
    """Serve an empty page of another origin; give its URL."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def serve(client: socket.socket) -> None:
        with client:
            client.recv(65536)
            client.sendall(head)

    with accepting(serve) as port:
        yield f"http://127.0.0.1:{port}/"
