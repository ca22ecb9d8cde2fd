"""Hand-in files: what is written, what is read, and what is wrong with a file that is none."""

import json
from pathlib import Path

import pytest

from chunkwire.cli.exits import ExitCode
from chunkwire.cli.lesson_run import HandInFile, read_hand_in
from chunkwire.cli.main import main
from chunkwire.lab.lessons.handin import HONESTY, MAX_LINE, HandInLine, parse_line, rows_of
from chunkwire.wire.errors import LocalError

LINE = HandInLine("lesson", "ada", 1, 1, 3, 2, 12.5, "2026-11-26T20:15:03+00:00")


def changed(**members: object) -> str:
    return json.dumps({**json.loads(LINE.to_json()), **members})


def test_a_line_is_read_as_it_was_written() -> None:
    assert parse_line(LINE.to_json()) == LINE
    assert parse_line(changed(more="of a later version")) == LINE


def test_a_line_may_be_as_long_as_its_limit_without_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    longest = LINE.to_json().ljust(MAX_LINE)
    path.write_text(f"{longest}\n{longest} \n")
    assert read_hand_in(str(path)) == ([LINE], [f"{path}:2: expected a JSON object"])


@pytest.mark.parametrize(
    "text, said",
    [
        ("no", "a JSON object"),
        ("[1]", "a JSON object"),
        ("[" * 2000, "a JSON object"),
        (changed(v=2), '"v":1'),
        (changed(kind="exam"), '"v":1'),
        (changed(n=0), '"n"'),
        (changed(n=True), '"n"'),
        (changed(n=1.0), '"n"'),
        (changed(tries=10**12), '"tries"'),
        (changed(step=4), '"step" to be at most "of"'),
        (changed(seconds=-1), '"seconds"'),
        (changed(seconds=float("nan")), '"seconds"'),
        (changed(who=""), '"who"'),
        (changed(who=["ada"]), '"who"'),
        (changed(at=None), '"at"'),
        (changed(who="a" * MAX_LINE), "a JSON object"),
    ],
)
def test_a_broken_hand_in_line_says_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(LocalError, match="expected") as caught:
        parse_line(text)
    assert said in str(caught.value)


def test_a_row_has_tries_of_whole_lessons_and_steps_of_others() -> None:
    done = [LINE, HandInLine("lesson", "ada", 1, 2, 3, 1, 1.0, "x"), HandInLine("lesson", "ada", 2, 1, 1, 4, 1.0, "x")]
    done.append(HandInLine("lesson", "ada", 1, 1, 3, 9, 1.0, "done again: the first time counts"))
    done.append(HandInLine("puzzle", "ada", 2, 1, 1, 1, 1.0, "x"))
    done.append(HandInLine("lesson", "bob", 99, 1, 1, 1, 1.0, "no such lesson"))
    ada, bob = rows_of(done, [3, 1])
    assert (ada.who, ada.cells, ada.done) == ("ada", ("2/3", "✓4", "1"), 1)
    assert (bob.who, bob.cells, bob.done) == ("bob", ("·", "·", "·"), 0)


def test_the_table_counts_good_lines_and_names_the_first_broken_one_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, broken = tmp_path / "good.jsonl", tmp_path / "broken.jsonl"
    good.write_text(LINE.to_json() + "\n\n", "utf-8")
    broken.write_bytes(LINE.to_json().replace("ada", "b\\u001b[2Job").encode() + b"\nnonsense\n\xff\xfe\n")
    assert main(["lesson", "--check", str(good), str(broken)]) == 1
    shown, said = capsys.readouterr()
    assert "ada " in shown
    assert "\x1b" not in shown
    assert HONESTY in shown
    assert said.strip() == f"chunkwire: {broken}:2: expected a JSON object (and 1 more line like it)"
    assert main(["lesson", "--check", str(good)]) == 0


def test_standard_output_is_no_file_to_hand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LocalError, match="expected a file to hand in, got -"):
        HandInFile("-", "ada")


def test_a_step_that_cannot_be_written_is_reported_once_and_is_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with HandInFile("/dev/full", "ada") as book:
        for step in (1, 2):
            book.done("lesson", 1, tries=1, step=step, of=2)
    assert book.code == ExitCode.USAGE
    said = "chunkwire: --save /dev/full: no space left on device; nothing more is written there\n"
    assert capsys.readouterr().err == said


def test_two_of_one_name_in_two_files_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    for path in paths:
        path.write_text(LINE.to_json() + "\n", "utf-8")
    assert main(["lesson", "--check", *map(str, paths)]) == 0
    shown = capsys.readouterr().out
    assert all(f"ada ({path})" in shown for path in paths)


@pytest.mark.parametrize("octets", [b"", b"\n\n", b"\x00\x00"])
def test_a_file_without_lines_is_a_finding(tmp_path: Path, octets: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(octets)
    assert main(["lesson", "--check", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_hand_in_without_an_end_is_not_read_to_its_end() -> None:
    found, broken = read_hand_in("/dev/zero")
    assert (found, broken) == ([], ["/dev/zero: expected at most 100000 lines; the rest is not read"])
