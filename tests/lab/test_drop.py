"""Files dropped on the page: a recording and a capture are shown, any other gets one clear line."""

import base64

import pytest
from playwright.sync_api import Page

from tests.lab.browser import Sight, of_lane, wait_lane
from tests.tools.packets import Talk, pcap

pytestmark = pytest.mark.needs("chromium")
RECORDING = (
    b'{"v":1,"kind":"frame","stream":1,"point":"client.received","way":"response","n":1,"t":0.1,"read":1,'
    b'"offset":0,"line":"5","size":5,"data":"hello"}\n'
)
PRINTED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
CAPTURE = pcap(Talk().open().ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").answer(PRINTED, 0.1).close().packets)
DROP = """([name, text]) => {
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name));
  for (const kind of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, name: str, octets: bytes) -> None:
    """Drop a file as a hand does: over the page, then let go."""
    page.evaluate(DROP, [name, base64.b64encode(octets).decode()])
    assert not page.locator("#drop").is_visible()


@pytest.mark.parametrize("name, octets", [("a.jsonl", RECORDING), ("a.pcap", CAPTURE), ("a.txt", PRINTED)])
def test_a_dropped_recording_or_capture_is_in_the_ladder(sight: Sight, name: str, octets: bytes) -> None:
    page = sight.page()
    drop(page, name, octets)
    wait_lane(page, "a", "stream.isFile && stream.base.length")
    assert of_lane(page, "a", "stream.base[0].line") == "5"


@pytest.mark.parametrize(
    "name, octets",
    [("empty.jsonl", b""), ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(200)), ("page.html", b"<b>hello</b>\n")],
)
def test_another_file_that_is_dropped_gets_one_clear_line(sight: Sight, name: str, octets: bytes) -> None:
    page = sight.page()
    drop(page, name, octets)
    line = page.locator("#predict-help")
    page.wait_for_selector(f"#predict-help:has-text('{name}: ')")
    assert "\n" not in line.inner_text()
    assert "expected" in line.inner_text()
    sight.errors.clear()  # Chromium logs that the server refused the file
