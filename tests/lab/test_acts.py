"""What the page asks the server to do with octets: let clients try them, and read recordings and captures."""

import json

import pytest

from chunkwire.lab.loading import MAX_FILE_OCTETS, load_json
from chunkwire.lab.pages import PAGES
from tests.lab.serving import act, answer, get, lab_running
from tests.server.peer import body_of, status_of

BODY = b"5\r\nhello\r\n"


@pytest.mark.needs("curl", "go")
@pytest.mark.parametrize(
    "octets, state, told",
    [
        (BODY + b"0\r\n\r\n", "complete", ("exit 0, 5 octets", "5 octets", "5 octets")),
        (BODY, "valid", ("exit 18", "IncompleteRead", "unexpected EOF")),
        (BODY + b"zz\r\n", "malformed", ("exit 56", "IncompleteRead", "invalid byte in chunk length")),
    ],
)
async def test_clients_read_the_typed_octets(octets: bytes, state: str, told: tuple[str, ...]) -> None:
    async with lab_running() as (lab, where):
        said = json.loads(body_of(await answer(where, act(lab, "/lab/try"), octets)))
        assert [each["client"] for each in said["clients"]] == ["curl", "http.client", "Go net/http"]
        assert all(words in each["detail"] for each, words in zip(said["clients"], told, strict=True)), said
        assert said["verdict"]["state"] == state
        assert body_of(await answer(where, get(f"/direct/trial/{said['trial']}"))) == octets


async def test_what_is_not_installed_has_its_recorded_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chunkwire.lab.trying.shutil.which", lambda _: None)
    async with lab_running() as (lab, where):
        said = json.loads(body_of(await answer(where, act(lab, "/lab/try"), BODY)))
        curl, _, go = said["clients"]
        assert (curl["outcome"], curl["detail"]) == ("absent", "not installed here; recorded: exit 18 (curl 7.88.1)")
        assert go["detail"].endswith("recorded: unexpected EOF (Go 1.19.8)")


async def test_an_unknown_trial_is_404() -> None:
    async with lab_running() as (_, where):
        assert status_of(await answer(where, get("/direct/trial/none"))) == 404


async def test_a_recording_is_read_into_its_records() -> None:
    record = {"v": 1, "kind": "frame", "stream": 1, "point": "client.received", "way": "response", "t": 0.1, "n": 1}
    record |= {"gap": None, "read": 1, "offset": 0, "line": "2", "size": 2, "data": "hi"}
    async with lab_running() as (lab, where):
        said = json.loads(body_of(await answer(where, act(lab, "/lab/load"), json.dumps(record).encode())))
        assert [(each["line"], each["data"]) for each in said["records"]] == [("2", "hi")]


async def test_a_capture_is_read_as_watch_reads_it() -> None:
    capture = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY + b"0\r\n\r\n"
    async with lab_running() as (lab, where):
        said = json.loads(body_of(await answer(where, act(lab, "/lab/load"), capture)))
        assert [each["kind"] for each in said["records"]] == ["head", "frame", "frame", "end"]
        assert "no times" in said["notes"][0]


@pytest.mark.parametrize("file", [b"", b'{"v":2}\n', b'{"a":1}', b"{\xff"])
async def test_a_file_that_is_no_recording_is_refused_in_one_line(file: bytes) -> None:
    async with lab_running() as (lab, where):
        response = await answer(where, act(lab, "/lab/load"), file)
        assert status_of(response) == 400
        assert body_of(response).count(b"\n") == 1


@pytest.mark.parametrize("more, status", [(0, 400), (1, 413)])
async def test_a_file_has_its_limit(more: int, status: int) -> None:
    async with lab_running() as (lab, where):
        response = await answer(where, act(lab, "/lab/load"), b"{" + bytes(MAX_FILE_OCTETS - 1 + more))
        assert status_of(response) == status


@pytest.mark.parametrize(
    "query, status", [("rate=2", 200), ("rate=0", 400), ("rate=nan", 400), ("rate=1001", 400), ("paused=2", 400)]
)
async def test_a_run_is_paced_within_bounds(query: str, status: int) -> None:
    async with lab_running() as (lab, where):
        assert status_of(await answer(where, act(lab, f"/lab/run/r1?{query}"))) == status


async def test_each_page_of_help_is_linked_and_served_as_help_prints_it() -> None:
    async with lab_running() as (_, where):
        front = body_of(await answer(where, get("/"))).decode()
        for name, page in PAGES.items():
            path = f"help/{name.removeprefix('/')}"
            assert f'href="{path}"' in front
            assert body_of(await answer(where, get(f"/{path}"))) == page.text().encode()
        assert status_of(await answer(where, get("/help/nothing"))) == 404


def test_a_file_of_many_messages_among_other_octets_is_read_in_one_pass() -> None:
    count = 40_000
    loaded = json.loads(load_json(b"junk\nHTTP/1.1 100 Continue\r\n\r\n" * count))
    assert len(loaded["records"]) == 2 * count  # and each of the others is malformed
