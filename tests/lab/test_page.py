"""The page in a real browser: what it shows of real streams, what it does for whom, and what it never does."""

import hashlib
import json
import re
import socket
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install 'chunkwire[test]'")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from chunkwire.record.values import DataRecord, FrameRecord, read_records
from tests.lab.browser import Sight, foreign_page, lab_process, of_lane, wait_lane, wait_text, wait_until

pytestmark = pytest.mark.needs("chromium")
HOSTILE = "<img src=x onerror='window.struck=1'><script>window.struck=1</script>"


def test_the_page_fills_as_frames_arrive_and_a_held_stream_slopes(sight: Sight) -> None:
    page = sight.page()
    page.fill("#count", "3")
    for frames in (1, 2):  # the next frame is written only when this one has been seen
        page.click("#step")
        wait_lane(page, "a", f"stream.hadAt.length === {frames}")
        wait_lane(page, "b", f"stream.base.length === {frames}")
        assert of_lane(page, "b", "[stream.reads.length, stream.passAt.length]") == [0, 0]
    page.click("#pause")
    wait_text(page, "#start", "Start again")
    wait_lane(page, "b", "stream.hadAt.length === 4 && stream.gateway.end")
    assert of_lane(page, "a", "stream.hadRead") == [1, 2, 3, 0]
    assert of_lane(page, "b", "stream.hadRead") == [1, 1, 1, 0]
    assert of_lane(page, "b", "stream.passAt[0] >= stream.base[1].at") is True
    wait_text(page, "[data-lane=b] .verdict", "holds to the end")
    wait_lane(page, "a", "stream.origin.end && stream.gateway.end")
    assert of_lane(page, "a", "stream.origin.end.sha256 === stream.gateway.end.sha256") is True


def test_with_a_fixed_clock_a_raw_client_gets_the_octets_of_the_page(sight: Sight) -> None:
    page = sight.page()
    page.fill("#count", "2")
    page.click("#start")
    wait_lane(page, "a", "stream.origin.end")
    host, port = sight.lab.origin.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /generate?n=2&interval=150ms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        octets = b"".join(iter(lambda: client.recv(65536), b""))
    body = octets.partition(b"\r\n\r\n")[2]
    assert hashlib.sha256(body).hexdigest() == of_lane(page, "a", "stream.origin.end.sha256")
    wait_text(page, "#hashes", hashlib.sha256(body).hexdigest())


def test_what_you_received_is_drawn_without_the_servers_feed(sight: Sight) -> None:
    context = sight.context()
    context.add_init_script("delete self.SharedWorker")
    context.route("**/lab/feed", lambda route: route.fulfill(status=204))
    page = context.new_page()
    page.goto(f"http://{sight.lab.page}/")
    page.wait_for_selector("html[data-ready]")
    page.fill("#count", "3")
    page.click("#start")
    wait_lane(page, "a", "stream.done && stream.reads.length")
    wait_text(page, "[data-lane=a] .counts", "reported nothing")
    assert of_lane(page, "a", "stream.base.length") == 0


@pytest.mark.parametrize(
    "preset, ext, octets",
    [("right", ";a=1", b"5;a=1\r\nhello\r\n"), ("lf", "", b"5\nhello\n"), ("hex", "", b"5x\r\nhello\r\n")],
)
def test_a_typed_frame_is_on_the_wire_octet_for_octet(sight: Sight, preset: str, ext: str, octets: bytes) -> None:
    page = sight.page()
    host, port = sight.lab.page.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /direct/hand HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(65536).endswith(b"\r\n\r\n")
        page.click(f"[data-preset={preset}]")
        page.fill("#h-ext", ext)
        page.click("#h-send")
        got = b""
        while len(got) < len(octets):
            got += client.recv(65536)
        assert got == octets
        page.click("#h-reset")
    wait_text(page, "#start", "Start again")
    sight.errors.clear()  # Chromium itself logs that a broken body is broken


def test_an_example_begins_a_stream_and_the_last_chunk_ends_the_open_one(sight: Sight) -> None:
    page = sight.page()
    for preset, size in (("long", 7), ("right", 5)):
        page.click(f"[data-preset={preset}]")
        page.click("#h-send")
        wait_lane(page, "a", f"stream.had === {size}")
        following = "chunk-data" if preset == "long" else "a size line"
        wait_text(page, "#h-said", f"new streams; so far a valid chunked body; next comes {following}")
        wait_text(page, "[data-lane=a] .verdict", "no whole frame yet" if preset == "long" else "streams")
    page.click("[data-preset=last]")
    page.click("#h-try")
    wait_text(page, "#h-said", "a strict reader: complete")
    page.click("#h-send")
    wait_text(page, "#h-said", "of 2 streams; the body is complete")
    sight.errors.clear()  # Chromium itself logs that a broken body is broken


def test_a_new_stream_keeps_no_selection_of_the_one_before(sight: Sight) -> None:
    page = sight.page("#f9.b0")
    page.click("[data-preset=long]")
    page.click("#h-send")
    wait_text(page, "#h-said", "so far a valid chunked body")
    page.click("#h-fin")
    wait_text(page, "#h-said", "the body is cut: expected chunk-data: the size line said 9, 7 of 9 octets came")
    wait_text(page, "#wire-which", "Frame 1 of the left ladder, cut")
    said = "document.getElementById('wire-which').textContent"
    begun = page.evaluate(f"import('./static/lab.js').then(lab => (lab.start(), {said}))")
    assert begun.startswith("Choose a frame")
    sight.errors.clear()


def test_an_answer_that_is_an_error_looks_like_one(sight: Sight) -> None:
    page = sight.page()
    host, port = sight.lab.origin.split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /generate?n=wrong HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        page.locator("#exchanges .bad:has-text('400 Bad Request')").first.click()
    assert "400 Bad Request" in page.inner_text("[data-lane=a] .verdict.bad")
    assert page.inner_text("[data-lane=a] .counts").startswith("not chunked · ")


def test_clients_say_what_they_make_of_typed_octets(sight: Sight) -> None:
    page = sight.page()
    page.click("[data-preset=last]")
    page.click("#h-try")
    page.wait_for_selector("#h-rows tr:nth-child(4)")
    rows = page.locator("#h-rows tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == ["curl", "fetch, this browser", "http.client", "Go net/http"]
    assert all(row.split("\t")[1] in ("ok", "absent") for row in rows)


def test_a_recording_loads_and_hostile_content_stays_text(sight: Sight, tmp_path: Path) -> None:
    records: list[dict[str, object]] = [
        {"kind": "request", "t": 0.0, "wall": 1.0, "method": "GET", "target": f"/{HOSTILE}", "fields": []},
        {"kind": "head", "t": 0.0, "status_line": "HTTP/1.1 200 OK", "fields": [["X", HOSTILE]]},
        {"kind": "frame", "t": 0.1, "n": 1, "gap": None, "read": 1, "offset": 0, "line": f"5;{HOSTILE}", "size": 5}
        | {"data": HOSTILE},
        {"kind": "frame", "t": 0.2, "n": 2, "gap": 0.1, "read": 2, "offset": 99, "line": "0", "size": 0, "data": ""},
    ]
    common = {"v": 1, "stream": 1, "point": "client.received", "way": "response"}
    file = tmp_path / f"{HOSTILE.replace('/', '')}.jsonl"
    file.write_text("".join(json.dumps(common | record) + "\n" for record in records))
    page = sight.page()
    page.set_input_files("#file", file)
    wait_lane(page, "a", "stream.hadAt.length === 2")
    page.click("#table-box summary")
    wait_text(page, "#table-rows", "onerror")
    assert HOSTILE[:40] in page.locator("[data-lane=a] .verdict").inner_text()
    inline = "[...document.scripts].filter(script => !script.src).length"
    assert page.evaluate(f"[window.struck, document.images.length, {inline}]") == [None, 0, 0]


def test_the_page_works_by_keyboard_alone(sight: Sight) -> None:
    page = sight.page()
    page.focus("#count")
    page.keyboard.press("Control+a")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    wait_lane(page, "a", "stream.hadAt.length === 4")
    page.focus("[data-lane=a] .scope")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert "frame 2, 23 octets" in (page.get_attribute("[data-lane=a] .scope", "aria-valuetext") or "")
    page.focus("#octets")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.url.endswith("#f2.b3")
    assert "octet 3 of 29: 0a, LF, in CRLF after the size" in (page.get_attribute("#octets", "aria-valuetext") or "")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#f3.b0")


def test_an_address_links_to_an_octet(sight: Sight) -> None:
    page = sight.page("#f2.b5")
    page.click("#start")
    wait_text(page, "#part-octet", "octet 5 of 29")
    assert page.inner_text("#wire-which") == "Frame 2 of the left ladder"


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_the_page_is_accessible_at_both_widths_and_in_both_schemes(sight: Sight, width: int, scheme: str) -> None:
    page = sight.page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page.fill("#count", "2")
    page.click("#start")
    wait_lane(page, "b", "stream.hadAt.length === 3")
    page.click("#table-box summary")
    page.wait_for_selector("#hashes p")
    found = [(each["id"], [node["html"] for node in each["nodes"]]) for each in Axe().run(page).response["violations"]]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_list_of_an_origin_is_a_page_with_previews(sight: Sight) -> None:
    page = sight.context().new_page()
    page.goto(f"http://{sight.lab.origin}/")
    wait_text(page, ".preview-box", "the end")
    assert re.search(r"ms  Chunk 5 \[", page.inner_text(".preview-box"))
    assert page.get_attribute("#lab", "href") == f"http://{sight.lab.page}/"
    assert Axe().run(page).response["violations"] == []


def test_what_is_on_screen_is_saved_as_a_recording(sight: Sight, tmp_path: Path) -> None:
    page = sight.page()
    page.fill("#count", "2")
    page.click("#start")
    for lane in "ab":
        wait_lane(page, lane, "stream.hadAt.length === 3 && stream.gateway.end")
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "lab.jsonl")
    with tmp_path.joinpath("lab.jsonl").open("rb") as file:
        records = list(read_records(file, "lab.jsonl"))
    seen = Counter(record.point for record in records if isinstance(record, FrameRecord | DataRecord))
    assert seen["origin.sent"] == 6
    assert seen["client.received"] == of_lane(page, "a", "stream.reads.length") + of_lane(
        page, "b", "stream.reads.length"
    )


def test_a_learner_takes_a_seat_and_sees_the_same_page(browser: Browser) -> None:
    with lab_process("--class", "--host", "lab.uni.example") as running:
        seen = Sight(browser, running)
        page = seen.context().new_page()
        page.goto(f"http://{running.page}/")
        assert Axe().run(page).response["violations"] == []
        page.click("text=Take a seat")
        page.wait_for_selector("html[data-ready]")
        assert re.search(r"/c/[\w-]{22}/$", page.url)
        page.fill("#count", "2")
        page.click("#start")
        wait_lane(page, "b", "stream.hadAt.length === 3")
        assert "direct/generate" in page.inner_text("#addresses")
        page.set_viewport_size({"width": 390, "height": 900})
        wait_until(page, "document.documentElement.scrollWidth === 390")  # once the canvases have shrunk
        seen.close()
        assert (seen.strangers, seen.errors) == ([], [])


def test_a_page_of_another_site_is_refused(sight: Sight) -> None:
    with foreign_page() as url:
        page = sight.context().new_page()
        page.goto(url)
        act = f"fetch('http://{sight.lab.page}/lab/type', {{method: 'POST', mode: 'no-cors', body: '0'}})"
        page.evaluate(act)
        read = f"fetch('http://{sight.lab.page}/lab/config').then(() => 'read', () => 'refused')"
        assert page.evaluate(read) == "refused"
        token = f"fetch('http://{sight.lab.page}/lab/type', {{method: 'POST', headers: {{'Chunkwire-Token': 'x'}}}})"
        assert page.evaluate(f"{token}.then(() => 'sent', () => 'refused')") == "refused"
        page.close()  # before its server, so that it logs no reset of its icon later
    assert (403, f"http://{sight.lab.page}/lab/type") in sight.refused
    assert sight.strangers.pop(0) == url
    sight.strangers.clear()
    sight.errors.clear()  # Chromium itself logs what it refused
