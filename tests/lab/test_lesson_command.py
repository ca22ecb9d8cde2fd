"""`chunkwire lesson`: the list, the handout, a lesson to its end with its hand-in file, and bad input."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from chunkwire.cli.lesson_run import open_usual_session
from chunkwire.cli.main import main
from chunkwire.lab.lessons import all_lessons, netcats
from chunkwire.lab.lessons.handout import handout_page
from chunkwire.lab.lessons.netcats import NETCATS, NetcatProgram, detected, printf_text
from chunkwire.net.listen import Address, ListenError, ServedListener
from tests.peers.command import CHUNKWIRE
from tests.peers.process import LOOPBACK, Reader, listening_socket, run, started
from tests.peers.programs import program


def test_the_list_has_ten_lessons_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson"]) == 0
    shown = capsys.readouterr().out
    assert [lesson.number for lesson in all_lessons()] == list(range(1, 11))
    assert all(f"{lesson.number:>2}  {lesson.title}\n" in shown for lesson in all_lessons())
    assert "chunkwire lesson 1 " in shown


@pytest.mark.needs("nc")
def test_a_lesson_runs_to_its_end_and_leaves_its_steps_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "ada.jsonl"
    words = ("lesson", "3", "-l", "0", "--nc", "openbsd", "--save", str(saved), "--name", "ada")
    post = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with started([*CHUNKWIRE, *words]) as process:
        lines = Reader(process.stdout, whose="lesson")
        port = lines.until(b"second terminal").rpartition(b"nc -C 127.0.0.1 ")[2].split()[0].decode()
        nc = [program("nc"), "-N", LOOPBACK, port]
        run(nc, octets=post + b"0\r\n\r\n")
        assert "✗ You ended the body here" in lines.until(b"Try again.").decode()
        run(nc, octets=post)
        assert "Step 2 of 2" in lines.until(b"Step 2 of 2").decode()
        run(nc, octets=post + b"0\r\n\r\n")
        assert "Lesson 3 is done." in lines.rest().decode()
        assert process.wait(10) == 0
    steps = [json.loads(line) for line in saved.read_text("ascii").splitlines()]
    assert [(step["who"], step["n"], step["step"], step["tries"]) for step in steps] == [
        ("ada", 3, 1, 2),
        ("ada", 3, 2, 1),
    ]
    capsys.readouterr()
    assert main(["lesson", "--check", str(saved)]) == 0
    assert re.search(r"ada +· +· +✓3 ", capsys.readouterr().out)


def test_a_port_that_is_taken_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with listening_socket() as taken:
        assert main(["lesson", "1", "-l", str(taken.getsockname()[1])]) == 71
    assert capsys.readouterr().err.count("\n") == 1


async def test_a_usual_port_that_cannot_be_bound_for_another_reason_is_not_called_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(_: Address) -> list[ServedListener]:
        raise ListenError("cannot listen: permission denied")

    monkeypatch.setattr("chunkwire.cli.lesson_run.open_listeners", refuse)
    with pytest.raises(ListenError, match="permission denied"):
        async with open_usual_session(None, None):  # type: ignore[arg-type]
            pass


@pytest.mark.parametrize(
    "words, code",
    [
        (("11",), 2),
        (("x",), 2),
        (("9" * 5000,), 2),
        (("²",), 2),
        (("1", "--handout", "x.html"), 2),
        (("1", "--nc", "socat"), 2),
        (("1", "-l", "nowhere:x"), 2),
        (("1", "-l", "0", "--save", "/no/such/folder/x.jsonl"), 2),
        (("--check", "/no/such/file.jsonl"), 2),
        (("--check", "/"), 2),
        (("--handout", "/no/such/folder/x.html"), 2),
        (("--handout", "-", "-l", "192.0.2.1:8081"), 2),
        (("--handout", "-", "--nc", "macos"), 2),
        (("--check", "x.jsonl", "--name", "ada"), 2),
        (("--save", "x.jsonl"), 2),
        (("--handout", "/dev/full"), 2),
    ],
)
def test_bad_input_gets_one_line(words: Sequence[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lesson", *words]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_the_handout_is_a_sheet_a_lesson_with_the_flags_of_each_nc() -> None:
    page = handout_page()
    assert page.count("<section>") == page.count("</section>") == 10
    assert all(netcat.title in page for netcat in NETCATS)
    for command in (
        "nc -C -l 127.0.0.1 9000",
        "nc -c 127.0.0.1 8081",
        "nc -q 9 127.0.0.1 8081",
        "telnet 127.0.0.1 8081",
        "| nc -N 127.0.0.1 8081",
    ):
        assert f"{command}</code>" in page
    assert "printf &#x27;GET /numbers HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n&#x27; |</pre>" in page
    assert "| …" not in page  # … is only what a learner has to find
    assert "http" not in page.partition("<body>")[0]  # nothing is fetched
    assert not re.findall(r"\{[a-z-]+\}", page.partition("<body>")[2])  # each place has its address


@pytest.mark.needs("nc.openbsd", "nc.traditional", "ncat")
def test_each_program_is_known_by_its_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = {"openbsd": program("nc.openbsd"), "traditional": program("nc.traditional"), "ncat": program("ncat")}
    for kind, path in programs.items():
        place = tmp_path / kind
        place.mkdir()
        (place / "nc").symlink_to(path)
        monkeypatch.setenv("PATH", str(place))
        assert (detected().netcat.kind, detected().program) == (kind, "nc")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert detected().netcat is netcats.TALK


@pytest.mark.parametrize("octets", [bytes(range(256)), b"100% 'of' \\n it\r\n", b"\xff9"])
def test_what_printf_writes_is_what_was_meant(octets: bytes) -> None:
    assert run([program("bash"), "-c", f"printf '{printf_text(octets)}'"]).stdout == octets


@pytest.mark.parametrize("netcat", NETCATS, ids=lambda netcat: netcat.kind)
def test_each_kind_has_a_command_for_each_use(netcat: netcats.Netcat) -> None:
    installed, where = NetcatProgram(netcat, netcat.program), Address("127.0.0.1", 4711)
    for command in (installed.by_hand(where), installed.listening(where), installed.piped(b"x", where)):
        assert "4711" in command
        assert "{" not in command
