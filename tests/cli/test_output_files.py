"""Output files of verbs."""

import errno
import os
import re
import stat
import subprocess
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from pathlib import Path
from threading import Thread

import pytest

from chunkwire.cli.output_files import LineFile, check_outputs, lines_to, write_whole
from chunkwire.wire.errors import LocalError
from tests.patience import PATIENCE
from tests.peers.command import called
from tests.peers.plain import accepting


def check(*inputs: str | int, **files: str | None) -> None:
    check_outputs(Namespace(given=frozenset(files), **files), list(files), inputs)


def test_an_output_is_no_input_and_no_other_output(tmp_path: Path) -> None:
    a, b, link = tmp_path / "a", tmp_path / "b", tmp_path / "link"
    a.write_text("kept")
    link.symlink_to(a)
    check(str(a), html=str(b), json="-", junit=None, save="/dev/null", csv="/dev/null")
    with pytest.raises(LocalError, match=r"^--save: expected a file of its own, got .*link, which is read$"):
        check(str(a), save=str(link))
    with pytest.raises(LocalError, match=r"^--html and --junit: .*one file twice$"):
        check(junit=str(b), html=f"{tmp_path}/./b")
    with open(a) as file, pytest.raises(LocalError, match="which is read"):
        check(file.fileno(), save=str(a))
    assert not b.exists()


@pytest.mark.parametrize(
    "line, got",
    [
        ("watch :1 --save - --raw", "--save - and --raw"),
        ("watch :1 --save - --events", "--save - and --events"),
        ("probe :1 --junit - --json", "--junit - and --json"),
        ("check server :1 --json - --html -", "--json - and --html -"),
    ],
)
def test_standard_output_has_one_output(line: str, got: str) -> None:
    result = called(*line.split())
    said = f"chunkwire: expected one output for standard output, got {got}\n"
    assert (result.returncode, result.stderr.decode()) == (2, said)


@pytest.mark.parametrize(
    "environment, line, printed",
    [
        ("WATCH_JSON=1", "watch a.raw --save -", r"\{"),
        ("RAW=1", "watch a.raw --save -", r"\{"),
        ("RAW=1", "watch a.raw --json", r"\{"),
        ("EVENTS=1", "watch a.raw --json", r'(?!.*"kind":"event")\{'),
        ("RAW=1", "watch a.raw --events", "frames  event"),
        ("WATCH_SAVE=-", "watch a.raw --raw", "8\r\n"),
        ("PROBE_JSON=1", "probe a.jsonl --junit -", r"<\?xml"),
        ("PROBE_GATE=1", "probe a.jsonl --junit -", r"<\?xml"),
        ("JUNIT=-", "probe a.jsonl --json", r"\{"),
        ("JUNIT=-", "probe a.jsonl --report -", "<!doctype"),
    ],
)
def test_an_output_on_the_command_line_stands_above_those_of_the_environment(
    environment: str, line: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\ndata: a\n\r\n1\r\n\n\r\n0\r\n\r\n"
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("a.raw").write_bytes(octets)
    tmp_path.joinpath("a.jsonl").write_bytes(called("watch", "a.raw", "--json").stdout)
    variable, _, value = environment.partition("=")
    monkeypatch.setenv(f"CHUNKWIRE_{variable}", value)
    result = called(*line.split())
    assert re.match(printed, result.stdout.decode(), re.DOTALL), result
    assert b"expected one output" not in result.stderr


def test_what_the_environment_alone_sets_for_standard_output_is_one_thing_too() -> None:
    options = Namespace(json="-", html="-", given=frozenset())
    with pytest.raises(LocalError, match=r"got --json - and --html -$"):
        check_outputs(options, ("json", "html"))
    options.given = frozenset({"html"})
    check_outputs(options, ("json", "html"))
    assert (options.json, options.html) == (None, "-")


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="a folder that takes no file, whoever asks")
@pytest.mark.parametrize(
    "line",
    [
        "watch :1 --save OUT",
        *(f"probe :1 --{name} OUT" for name in ("report", "junit", "save")),
        *(f"bench :1 --{name} OUT" for name in ("html", "csv", "hlog", "junit", "save")),
        *(f"check server :1 --{name} OUT" for name in ("json", "junit", "html")),
        "serve -l :0 --save OUT",
        "forward :1 -l :0 --save OUT",
        "ask a=openai:http://127.0.0.1:1#m -l :0 --audit OUT",
        "lesson 1 --save OUT",
        "lesson --handout OUT",
        "puzzle --save OUT",
    ],
)
def test_a_folder_that_takes_no_file_is_one_line_and_exit_2_before_anything_is_asked(line: str) -> None:
    """Fails where root may write everywhere: then the port 1 is asked first (exit 7)."""
    result = called(*line.replace("OUT", "/proc/out").split())
    assert (result.returncode, result.stdout, result.stderr.count(b"\n")) == (2, b"", 1), result
    assert b"/proc/out" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFO")
def test_a_check_leaves_files_and_folders_as_they_were(tmp_path: Path) -> None:
    """A pipe is not opened: that would wait for its reader."""
    page, pipe = tmp_path / "a.html", tmp_path / "pipe"
    page.write_text("old")
    os.mkfifo(pipe)
    check(html=str(page), junit=str(tmp_path / "new"), save=str(pipe))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "pipe"]
    assert page.read_text() == "old"
    with pytest.raises(LocalError, match=r"^--html .*: it cannot be written \(file name too long\)$"):
        check(html=str(tmp_path / ("a" * 256)))


@pytest.mark.parametrize(
    "line",
    [
        "watch FILE --save FILE",
        "watch :1 --keylog FILE --save FILE",
        "watch :1 -d @FILE --save FILE",
        "probe :1 --keylog FILE --report FILE",
        "bench :1 --cafile FILE --csv FILE",
        "serve --replay FILE --save FILE",
        "serve --llm-answer @FILE --save FILE",
        "serve --cert FILE --save FILE",
        "forward :1 --cafile FILE --save FILE",
        "forward :1 --cert other --key FILE --save FILE",
        "ask a=openai:http://127.0.0.1:1#m --cert FILE --audit FILE",
        "check proxy :1 --upstream :1 --cafile FILE --json FILE",
    ],
)
def test_a_file_that_is_read_is_not_replaced(line: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("kept")
    result = called(*(word.replace("FILE", str(path)) for word in line.split()))
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)
    assert result.stderr.endswith(b", which is read\n")
    assert path.read_text() == "kept"


def test_a_whole_file_keeps_the_link_and_the_mode_of_the_one_that_it_replaces(tmp_path: Path) -> None:
    page, link = tmp_path / "a.html", tmp_path / "link"
    page.write_text("old")
    page.chmod(0o600)
    link.symlink_to(page)
    assert write_whole("html", str(link), "new") == ""
    assert link.is_symlink()
    assert (page.read_text(), stat.S_IMODE(page.stat().st_mode)) == ("new", 0o600)
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "link"}
    link.unlink()
    link.symlink_to(tmp_path / "no" / "a")
    with pytest.raises(LocalError, match=r"there is no directory .*no$"):
        check(html=str(link))


def test_a_file_that_none_can_replace_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / ("a" * 250)  # a longer name beside it is refused
    assert write_whole("html", str(page), "new") == ""
    assert page.read_text() == "new"

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(os, "replace", refuse)
    page = page.rename(tmp_path / "a")
    assert write_whole("html", str(page), "newer") == ""
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "newer")]


def test_a_reader_of_standard_output_that_leaves_is_no_error() -> None:
    for is_whole in (True, False):
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w") as out, redirect_stdout(out):
            if is_whole:
                assert write_whole("report", "-", "a page") == ""
                continue
            with lines_to("csv", "-", str, pytest.fail) as write:
                assert write is not None
                write("a row")


def test_octets_of_a_name_that_are_no_utf8_are_escaped_in_a_page(tmp_path: Path) -> None:
    assert write_whole("html", str(tmp_path / "a"), "\udcff") == ""
    assert (tmp_path / "a").read_bytes() == b"\\udcff"


@pytest.mark.parametrize("is_flushed", [True, False])
def test_a_full_disk_is_reported_once_and_ends_nothing(is_flushed: bool) -> None:
    assert write_whole("html", "/dev/full", "x") == "--html /dev/full: no space left on device"
    said: list[str] = []
    with lines_to("audit", "/dev/full", str, said.append, is_flushed=is_flushed, is_added_to=True) as write:
        assert write is not None
        for _ in range(10_000):
            write("x" * 100)
    assert said == ["--audit /dev/full: no space left on device"]


def test_lines_are_written_when_an_interrupt_leaves_the_block(tmp_path: Path) -> None:
    complaints: list[str] = []

    def interrupted() -> None:
        with lines_to("csv", str(tmp_path / "a"), str, complaints.append, "head") as write:
            assert write is not None
            write("row")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "a").read_text() == "head\nrow\n"
    assert complaints == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFO")
def test_lines_of_two_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    file = LineFile("save", str(path), pytest.fail)
    lengths = (300, 77, 1500)

    def write(letter: str) -> None:
        for n in range(6000):
            file.write(letter * lengths[n % 3])

    threads = [Thread(target=write, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    reader.join()
    assert sorted(received[0].splitlines()) == sorted(
        letter * length for letter in (b"a", b"b", b"c") for length in lengths for _ in range(2000)
    )


@pytest.mark.parametrize(
    "line",
    ["watch :1 --save OUT", "probe :1/probe --save OUT", *(f"bench :1 --{name} OUT" for name in ("csv", "save"))],
)
def test_an_old_file_stays_where_the_target_refuses(line: str, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("of an earlier run\n")
    assert called(*line.replace("OUT", str(old)).split()).returncode == 7
    assert old.read_text() == "of an earlier run\n"


def test_pages_of_a_bench_stay_where_nothing_was_measured(tmp_path: Path) -> None:
    old = {name: tmp_path / name for name in ("html", "hlog")}
    with accepting(lambda client: client.close()) as port:
        for path in old.values():
            path.write_text("old")
        words = [word for name, path in old.items() for word in (f"--{name}", str(path))]
        result = called("bench", f":{port}/probe", "-n", "1", "-c", "1", *words)
    assert result.stderr.endswith(b"; https:// perhaps?\n")
    assert {path.read_text() for path in old.values()} == {"old"}


def test_the_first_line_replaces_an_old_file_and_stands_below_the_heading(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("old\n")
    with lines_to("csv", str(path), str, pytest.fail, "n") as write:
        assert write is not None
        assert path.read_text() == "old\n"
        write(1)
        write(2)
    assert path.read_text() == "n\n1\n2\n"


def test_what_was_printed_stays_where_standard_output_is_the_file_too(tmp_path: Path) -> None:
    """Fails where the file is replaced by another one: what is printed goes on to the one that is gone."""
    code = (
        "from chunkwire.cli.output_files import write_whole as w; print('a'); w('x', '/dev/stdout', 'b\\n'); print('c')"
    )
    with (tmp_path / "out").open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, timeout=PATIENCE)
    assert (tmp_path / "out").read_text() == "a\nb\nc\n"
