"""Tabs of one browser, which has six connections to the lab; and a tab that is loaded again."""

import pytest
from playwright.sync_api import Page

from chunkwire.lab.puzzles import make_puzzle
from tests.lab.browser import Sight, wait_text
from tests.lab.test_lessons_page import nc

pytestmark = pytest.mark.needs("chromium")
SEED = 7


def type_frame(page: Page) -> None:
    page.click("[data-preset=right]")
    page.click("#h-send")


def test_typed_frames_are_answered_in_the_last_of_seven_tabs(sight: Sight) -> None:
    """Fails where each tab has a feed of its own: the sixth takes the last connection."""
    profile = sight.context()
    tabs = [sight.tab(profile) for _ in range(7)]
    type_frame(tabs[-1])
    wait_text(tabs[-1], "#h-said", "so far a valid chunked body")
    tabs[-1].click("#start")
    sight.errors.clear()  # Chromium itself logs that the body is cut


def test_a_tab_says_that_no_connection_is_free_and_goes_on_once_one_is(sight: Sight) -> None:
    profile = sight.context()
    first, second, third = (sight.tab(profile) for _ in range(3))
    for tab in (first, second):
        type_frame(tab)
        wait_text(tab, "#h-said", "so far a valid chunked body")
    type_frame(third)
    third.wait_for_selector("#no-connection:has-text('at most 6')")
    assert not second.is_visible("#no-connection")
    first.click("#start")
    wait_text(third, "#h-said", "so far a valid chunked body")
    assert not third.is_visible("#no-connection")
    sight.errors.clear()


@pytest.mark.parametrize(
    "script",
    [
        "delete self.SharedWorker",
        "self.SharedWorker = function () { throw new DOMException('denied', 'SecurityError') }",
        "const Own = SharedWorker; self.SharedWorker = function (_, how) { return new Own('static/missing.js', how) }",
        "self.SharedWorker = class extends EventTarget { port = {} }",
    ],
    ids=["none", "throws", "fails", "silent"],
)
def test_without_shared_workers_a_tab_has_a_feed_of_its_own(sight: Sight, script: str) -> None:
    profile = sight.context()
    profile.add_init_script(script)
    page = sight.tab(profile)
    page.click("#start")
    page.wait_for_selector("[data-lane=a] .verdict:has-text('streams')")


@pytest.mark.needs("nc")
def test_a_lesson_goes_on_where_it_was_when_its_page_is_loaded_again(sight: Sight) -> None:
    page = sight.page()
    page.select_option("#lesson-nc", "openbsd")
    page.click("#lesson-start")
    command = page.locator("#lessons .command")
    nc(command.inner_text(), "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    page.wait_for_selector("#lessons h3:has-text('step 2 of 3')")
    page.reload()
    page.wait_for_selector("#lesson-log .hint:has-text('loaded again')")
    page.wait_for_selector("#lessons h3:has-text('step 2 of 3')")
    nc(command.inner_text(), "GET /hello HTTP/1.1\r\n\r\n")
    page.wait_for_selector("#lessons h3:has-text('step 3 of 3')")


def test_a_puzzle_is_set_again_when_its_page_is_loaded_again(sight: Sight) -> None:
    page = sight.page()
    page.select_option("#puzzle-which", "1")
    page.fill("#puzzle-seed", str(SEED))
    page.keyboard.press("Enter")
    page.wait_for_selector("#puzzle-text .command")
    page.reload()
    page.wait_for_selector("#puzzle-log .hint:has-text('loaded again')")
    page.click("text=Give up")
    page.wait_for_selector(f"#puzzle-log .hint:has-text('{make_puzzle(1, SEED).solution}')")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.inner_text("#puzzle-text") == ""


def test_a_lesson_that_another_tab_begins_says_so_in_the_first(sight: Sight) -> None:
    profile = sight.context()
    first, second = sight.tab(profile), sight.tab(profile)
    first.click("#lesson-start")
    first.wait_for_selector("#lessons h3:has-text('step 1 of 3')")
    second.click("#lesson-start")
    first.wait_for_selector("#lesson-log .bad:has-text('begun again in another tab')")
    sight.errors.clear()


WORKER = """async (dropped) => {
    let feed;
    globalThis.EventSource = class extends EventTarget { constructor() { super(); feed = this; } };
    globalThis.SharedWorkerGlobalScope = true;
    await import("./static/feed.js#worker");
    if (dropped) feed.dispatchEvent(new MessageEvent("dropped", { data: dropped }));
    const { port1, port2 } = new MessageChannel();
    const said = new Promise((resolve) => { port2.onmessage = (message) => resolve(message.data); });
    dispatchEvent(new MessageEvent("connect", { ports: [port1] }));
    return said;
}"""


@pytest.mark.parametrize(
    "dropped, state", [("3", "live"), ("", "connecting")], ids=["records were dropped", "the feed is not open"]
)
def test_a_tab_gets_the_state_of_a_shared_worker_at_once(sight: Sight, dropped: str, state: str) -> None:
    """Fails where a tab is told what was dropped before it came, or takes a worker for one that does not run."""
    assert sight.page().evaluate(WORKER, dropped) == ["state", state]
