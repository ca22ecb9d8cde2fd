"""The puzzles on the page: set, answered wrong and right, given up; and on the page of `demo --keep` too."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from chunkwire.cli.demo_run import make_lab
from chunkwire.lab.puzzles import make_puzzle
from tests.lab.browser import Sight

pytestmark = pytest.mark.needs("chromium")
SEED = 7
PUZZLE = make_puzzle(1, SEED)


def answer(page: Page, hop: int, setting: str) -> None:
    page.select_option("#puzzle-hop", str(hop))
    page.select_option("#puzzle-setting", setting)
    page.click("#puzzle-text button[type=submit]")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_puzzle_is_set_and_answers_are_judged(sight: Sight, width: int) -> None:
    page = sight.page(viewport={"width": width, "height": 900})
    page.select_option("#puzzle-which", "1")
    page.fill("#puzzle-seed", str(SEED))
    page.keyboard.press("Enter")
    page.wait_for_selector("#puzzle-text .command")
    answer(page, PUZZLE.hop % 3 + 1, "buffer")
    page.locator("#puzzle-log .bad").wait_for()
    assert "size" in page.locator("#puzzle-log .evidence").first.inner_text()
    answer(page, PUZZLE.hop, PUZZLE.setting.partition("=")[0])
    page.locator("#puzzle-log .good").wait_for()
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_giving_up_shows_the_solution(sight: Sight) -> None:
    page = sight.page()
    page.select_option("#puzzle-which", "1")
    page.fill("#puzzle-seed", str(SEED))
    page.keyboard.press("Enter")
    page.click("text=Give up")
    page.wait_for_selector(f"#puzzle-log .hint:has-text('{PUZZLE.solution}')")


def test_demo_keep_has_lessons_and_puzzles_on_its_page() -> None:
    paths = {resource.path for resource in make_lab().resources}
    assert {"/lab/lessons", "/lab/puzzles"} <= paths
