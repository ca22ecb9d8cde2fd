"""Puzzles: the same for all who take the same seed, judged by what real hops do now."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from chunkwire.cli.main import main
from chunkwire.cli.puzzle_run import MAX_ANSWER_OCTETS, READ_OCTETS, AnswerLines
from chunkwire.lab.lessons.handin import parse_line
from chunkwire.lab.lessons.judgement import Judgement
from chunkwire.lab.puzzles import (
    HOPS,
    KINDS,
    Puzzle,
    PuzzleKind,
    hop_settings,
    judge_answer,
    make_puzzle,
    parse_answer,
    set_up,
)
from chunkwire.net.listen import Address
from chunkwire.wire.errors import LocalError
from tests.peers.command import chunkwire


def test_a_seed_is_the_same_puzzle_and_another_seed_another_one() -> None:
    assert make_puzzle(2, 7) == make_puzzle(2, 7)
    made = {(puzzle.hop, puzzle.setting) for puzzle in (make_puzzle(None, seed) for seed in range(300))}
    assert made == {(hop, setting) for hop in range(1, HOPS + 1) for kind in KINDS for setting in kind.settings}


@pytest.mark.parametrize("setting", [setting for kind in KINDS for setting in kind.settings])
def test_each_setting_of_a_puzzle_is_one_of_the_gateway_and_leaves_no_mark(setting: str) -> None:
    assert hop_settings(setting).marks(is_chunked=True) == ()
    assert hop_settings(setting.partition("=")[0]) != hop_settings("exact")


@pytest.mark.parametrize("setting", ["", "nonsense", "slice=0", "buffer=3", "cut=x", "exact=1"])
def test_an_unknown_setting_is_refused_in_one_line(setting: str) -> None:
    with pytest.raises(LocalError, match="expected"):
        hop_settings(setting)


async def test_an_unknown_setting_is_answered_with_those_of_this_puzzle() -> None:
    for setting in ("nonsense", "nonsense=3"):
        with pytest.raises(LocalError, match=f"expected one of these settings: slice; got '{setting}'"):
            await judge_answer(puzzle(1, "slice=4"), (), 1, setting)


@pytest.mark.parametrize("text", ["2 buffer", "hop 2 buffer", "Hop 2 Buffer", "hop-2 buffer"])
def test_an_answer_may_name_its_hop_with_the_word(text: str) -> None:
    assert parse_answer(text.split()) == (2, "buffer")


def puzzle(hop: int, setting: str) -> Puzzle:
    return Puzzle(PuzzleKind("made for a test", (setting,)), 0, hop, setting)


async def judged(made: Puzzle, *answers: tuple[int, str]) -> list[Judgement]:
    """Return the judgements of several answers, measured at the same time."""
    found: dict[int, Judgement] = {}

    async def judge(places: Sequence[Address], number: int) -> None:
        found[number] = await judge_answer(made, places, *answers[number])

    async with set_up(made) as places, trio.open_nursery() as nursery:
        for number in range(len(answers)):
            nursery.start_soon(judge, places, number, name=str(answers[number]))
    return [found[number] for number in range(len(answers))]


async def test_a_wrong_hop_is_refuted_by_what_goes_in_and_comes_out() -> None:
    """A hop before the faulty one passes on what it gets; one behind it gets what is already changed."""
    before, behind, right = await judged(puzzle(2, "reframe"), (1, "reframe"), (3, "reframe"), (2, "reframe"))
    assert (before.is_right, behind.is_right, right.is_right) == (False, False, True)
    assert "passes on what it gets" in before.sentence
    assert before.evidence[0].split()[2:] == before.evidence[3].split()[3:]  # "origin" is one word, "hop 1" two
    assert "already differs from what the origin wrote" in behind.sentence
    assert "7;n=1    7    7   17    7    7    0  complete" in behind.evidence[0]
    assert "7    e   17    e    0  complete" in behind.evidence[3]


@pytest.mark.parametrize("number", [0, -1, len(KINDS) + 1])
def test_there_is_no_puzzle_of_another_kind(number: int) -> None:
    with pytest.raises(LocalError, match=f"from 1 to {len(KINDS)}, got {number}"):
        make_puzzle(number, 7)


async def test_a_stream_that_ends_in_another_way_is_another_stream() -> None:
    """Fails where only the octets are compared: they are the same for all three."""
    found = await judged(puzzle(1, "cut=3"), (1, "stall=3"), (1, "reset=3"), (1, "cut=3"))
    assert [judgement.is_right for judgement in found] == [False, False, True]


async def test_a_wrong_setting_is_refuted_by_a_hop_that_has_it() -> None:
    early, exact = await judged(puzzle(1, "cut=3"), (1, "early-end=3"), (1, "exact"))
    assert not early.is_right
    assert early.evidence[0].endswith("7;n=1    7    7  cut")
    assert early.evidence[2].endswith("10\\r\\nhalf of ")
    assert early.evidence[3].endswith("7;n=1    7    7    0  complete")
    assert not exact.is_right


async def test_an_equivalent_setting_is_right() -> None:
    same, other = await judged(puzzle(3, "tiny=0"), (3, "slice=1"), (3, "slice=2"))
    assert same.is_right
    assert not other.is_right


async def test_a_hop_number_out_of_range_is_refused() -> None:
    with pytest.raises(LocalError, match="from 1 to 3"):
        await judge_answer(puzzle(1, "buffer"), (), 4, "buffer")


def test_the_command_asks_until_an_answer_is_right() -> None:
    made = make_puzzle(2, 7)
    typed = f"what?\n9 buffer\n{made.hop} nonsense\nhop{made.hop} {made.setting}\n".encode()
    result = chunkwire("puzzle", "2", "--seed", "7", octets=typed)
    shown = result.stdout.decode()
    assert result.returncode == 0
    assert shown.count("hop and setting>") == 4
    assert f"✓ Yes: hop {made.hop} has {made.setting}" in shown


async def test_an_answer_that_does_not_end_is_not_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a line without an end fills the memory."""
    given = iter([b"x" * READ_OCTETS] * 9 + [b"y\n2 buffer\n"])
    monkeypatch.setattr("os.read", lambda *_: next(given))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(fileno=lambda: 0))
    answers = AnswerLines()
    assert await answers.next() == ["x" * MAX_ANSWER_OCTETS + "y"]
    assert await answers.next() == ["2", "buffer"]


def test_answer_judges_a_guess_and_end_of_input_gives_the_solution(capsys: pytest.CaptureFixture[str]) -> None:
    made = make_puzzle(2, 7)
    assert main(["puzzle", "2", "--seed", "7", "--answer", str(made.hop), "exact"]) == 1
    wrong = capsys.readouterr().out
    assert f"Hop {made.hop} is not sound" in wrong
    assert wrong.endswith("    Not solved. To look: chunkwire puzzle 2 --seed 7\n")
    assert main(["puzzle", "2", "--seed", "7", "--answer", str(made.hop), made.setting]) == 0
    assert "olved" not in capsys.readouterr().out
    given_up = chunkwire("puzzle", "2", "--seed", "7", octets=f"{made.hop} exact\n".encode())
    assert given_up.returncode == 1
    assert f"Given up. It was hop {made.hop}: {made.setting}" in given_up.stdout.decode()
    assert "Try again" not in given_up.stdout.decode()


def test_a_right_answer_on_the_command_line_is_handed_in(tmp_path: Path) -> None:
    made, saved = make_puzzle(2, 7), tmp_path / "ada.jsonl"
    words = ("puzzle", "2", "--seed", "7", "--save", str(saved), "--name", "ada", "--answer", str(made.hop))
    assert main([*words, "exact"]) == 1
    assert saved.read_text() == ""
    assert main([*words, made.setting]) == 0
    line = parse_line(saved.read_text())
    assert (line.kind, line.who, line.n, line.tries) == ("puzzle", "ada", 2, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("0",),
        ("5",),
        ("x",),
        ("1", "--seed", "x"),
        ("--seed", "1", "--answer", "x", "buffer"),
        ("--answer", "1", "buffer"),
        ("1", "2"),
    ],
)
def test_what_is_no_puzzle_is_refused_in_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["puzzle", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
