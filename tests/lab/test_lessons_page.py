"""The lessons in a real browser: what nc sent is on the page as text, with its caret, and the next step follows."""

import re

import pytest
from playwright.sync_api import Browser

from chunkwire.lab.lessons import all_lessons
from chunkwire.lab.lessons.handout import handout_page
from tests.lab.browser import Sight
from tests.peers.process import run
from tests.peers.programs import program

HOSTILE = 'GET <img src=x onerror="window.struck=1"> HTTP/1.1\r\n'


def nc(run_line: str, octets: str) -> None:
    """Send octets to where a command on the page connects to."""
    found = re.search(r"nc -C (\S+) (\d+)", run_line)
    assert found
    run([program("nc"), "-N", found[1], found[2]], octets=octets.encode())


@pytest.mark.needs("chromium", "nc")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_lesson_is_watched_judged_and_goes_on(sight: Sight, width: int) -> None:
    page = sight.page(viewport={"width": width, "height": 900})
    page.select_option("#lesson-nc", "openbsd")
    page.focus("#lesson-start")
    page.keyboard.press("Enter")
    command = page.locator("#lessons .command")
    command.wait_for()
    nc(command.inner_text(), HOSTILE)
    page.locator("#lesson-log .bad").wait_for()
    line, caret = page.locator("#lesson-log .caret").inner_text().split("\n")
    assert line == HOSTILE.replace("\r\n", "\\r\\n")
    assert caret.index("^") == line.index("<")
    nc(command.inner_text(), "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
    page.wait_for_selector("#lessons h3:has-text('step 2 of 3')")
    assert page.evaluate("[window.struck, document.documentElement.scrollWidth]") == [None, width]


@pytest.mark.needs("chromium")
def test_the_handout_has_a_sheet_of_paper_for_each_lesson(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(handout_page())
    octets = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type ?/Page\b", octets)) == len(all_lessons())


@pytest.mark.needs("chromium")
def test_a_question_is_answered_on_the_page(sight: Sight) -> None:
    page = sight.page()
    page.select_option("#lesson-which", "4")
    page.click("#lesson-start")
    page.fill("#lesson-answer", "third")
    page.keyboard.press("Enter")
    page.locator("#lesson-log .bad").wait_for()
    assert "you have not fetched /first yet" in page.locator("#lesson-log .bad").inner_text()
