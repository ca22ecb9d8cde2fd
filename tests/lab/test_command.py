"""The page as the verbs serve it: lab, demo --keep, serve and forward on --admin; a fixed clock; an origin's list."""

import json
import re
import sys
from urllib.request import Request, urlopen

import pytest

from chunkwire.cli.main import main
from tests.peers.command import CHUNKWIRE, chunkwire, serving
from tests.peers.process import Reader, listening_socket, started


def asked(url: str, **fields: str) -> str:
    with urlopen(Request(url, headers=fields), timeout=30) as response:
        return str(response.read().decode())


ADMIN = ("--admin", "127.0.0.1:0")


def test_serve_and_forward_serve_the_page_on_their_admin_address() -> None:
    with serving("serve", *ADMIN) as origin:
        page = origin.wait_log("admin on").split()[-1]
        assert "<title>chunkwire lab" in asked(page)
        assert json.loads(asked(f"{page}/lab/config"))["upstream"] is False
        assert asked(f"{page}/via/exact/generate?n=1").startswith("Chunk 1")
        with serving("forward", origin.url(""), *ADMIN) as gateway:
            page = gateway.wait_log("admin on").split()[-1]
            assert json.loads(asked(f"{page}/lab/config"))["upstream"] is True
            assert asked(f"{page}/up/buffer/generate?n=1").startswith("Chunk 1")
            assert "chunkwire_streams" in asked(f"{page}/metrics")


def test_a_demo_that_is_kept_serves_the_page() -> None:
    argv = (sys.executable, "-W", "error", "-m", "chunkwire", "demo", "--keep", "-n", "1", "--admin", "127.0.0.1:0")
    with started(argv) as process:
        reader, found = Reader(process.stdout, whose="chunkwire demo"), None
        while found is None:
            found = re.search(r"(http://\S+)  is a page", reader.line())
        assert "<title>chunkwire lab" in asked(found[1])


def test_a_fixed_clock_gives_each_run_the_same_octets() -> None:
    with serving("serve", "--clock", "fixed") as origin:
        for target in ("/generate?n=3&interval=1ms", "/sse?count=3&duration=2ms", "/ndjson?n=2&interval=1ms"):
            assert asked(origin.url(target)) == asked(origin.url(target))
    with serving("serve") as origin:
        assert asked(origin.url("/generate?n=1")) != asked(origin.url("/generate?n=1&interval=1ms"))


def test_the_list_of_an_origin_has_the_form_that_is_asked_for() -> None:
    with serving("serve") as origin:
        assert asked(origin.url("/"), Accept="*/*").startswith("chunkwire: each chunk")
        assert "<title>chunkwire origin" in asked(origin.url("/"), Accept="text/html,*/*;q=0.8")
        listed = json.loads(asked(origin.url("/"), Accept="application/json"))
        found = {each["path"]: each["preview"] for each in listed["resources"]}
        assert found["/generate"] == "/generate?n=5&interval=500ms"
        assert found["/echo"] is None
        assert (listed["lab"], asked(origin.url("/static/list.js"))[:2]) == (None, "//")


def test_a_lab_takes_no_other_port_for_one_that_was_given() -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]
        done = chunkwire("lab", "-l", f":{port}")
    assert (done.returncode, done.stdout) == (71, b"")
    assert f"cannot listen on 127.0.0.1:{port}: address already in use".encode() in done.stderr


def test_only_the_usual_port_of_the_lab_is_replaced_by_a_free_one() -> None:
    with listening_socket() as listener:
        port = listener.getsockname()[1]
        code = f"from chunkwire.cli import flags, main\nflags.DEFAULT_PAGE = '127.0.0.1:{port}'\nmain.main(['lab'])"
        with started([sys.executable, "-c", code]) as process:
            line = Reader(process.stdout, whose="chunkwire lab").line()
    assert re.fullmatch(r"the lab: http://127\.0\.0\.1:\d+/", line.strip())
    assert f":{port}/" not in line


@pytest.mark.parametrize(
    "listen, name, is_told",
    [
        ("127.0.0.1:0", "lab.uni.example", True),
        ("0.0.0.0:0", "lab.uni.example", False),
        ("127.0.0.1:0", "localhost", False),
    ],
)
def test_a_class_on_loopback_is_told_that_nobody_else_reaches_it(listen: str, name: str, is_told: bool) -> None:
    with started([*CHUNKWIRE, "lab", "--class", "-l", listen, "--host", name]) as process:
        Reader(process.stdout, whose="chunkwire lab").line()
        process.terminate()
        assert ("only this machine" in process.communicate()[1].decode()) is is_told


@pytest.mark.parametrize(
    "words",
    [
        ("-l", "0.0.0.0:0"),
        ("-l", "10.0.0.1:0"),
        ("--class",),
        ("--host", "lab.uni.example"),
        ("--class", "--host", "http://lab.uni.example"),
        ("--class", "--host", "lab.uni.example:8000"),
        ("--clock", "slow"),
        ("-l", "nowhere"),
    ],
)
def test_a_wrong_flag_is_refused_in_a_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["lab", *words])
    shown, said = capsys.readouterr()
    assert (code, said.count("\n"), shown) == (2, 1, "")
