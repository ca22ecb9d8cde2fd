"""The lessons, done with real programs: right and wrong, and what is said of it."""

import re
from dataclasses import replace
from typing import Final

import pytest
import trio

from chunkwire.lab.lessons.judgement import Judgement
from chunkwire.lab.lessons.lesson import ShownCommand
from tests.lab.learner import POST, Learner, learning

HELLO: Final = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
KINDS: Final = ("openbsd", "traditional", "ncat", "telnet", "talk")
PROGRAMS: Final = {"openbsd": "nc", "traditional": "nc.traditional", "ncat": "ncat", "telnet": "telnet", "talk": "nc"}

# Lesson, and attempts in their order: octets, whether they are right, and what is said of them.
ATTEMPTS: Final = [
    (
        1,
        [
            ("get /hello HTTP/1.1\r\n", False, "Methods are case-sensitive"),
            ("GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", False, "no space"),
            ("GET hello HTTP/1.1", False, "begins with a slash"),
            ("GET /hello HTTP/1.", False, "the end of the line is missing"),
            (HELLO.removesuffix("\r\n"), False, "the empty line that ends the head is missing"),
            ("", False, "without sending an octet"),
            (HELLO.replace("\r\n", "\n"), True, "LF alone"),
            (HELLO, False, "Leave it out this time"),
            ("GET /hello HTTP/1.1\r\n\r\n", True, "No Host line"),
            (HELLO, False, "One request came"),
            (HELLO.replace("/hello", "/helo"), False, "This step asks for /hello"),
            (HELLO + HELLO[:-2], False, "second request is not finished"),
            (HELLO + HELLO.replace("/hello", "/none"), False, "without two answers"),
            (HELLO + HELLO, True, "Two requests and two answers"),
        ],
    ),
    (
        2,
        [
            ("GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n", True, "5, a and 1a"),
            (f"{POST}5\r\nhello\r\n0\r\n\r\n", False, "no wrong chunk"),
            (f"{POST}6\r\nhello\r\n0\r\n\r\n".replace("Host: x\r\n", ""), False, "needs a Host line"),
            (f"{POST}6\r\nhello\r\n0\r\n\r\n", True, "There it is. The size line says 6"),
            (f"{POST}20\r\nhello, chunked world\r\n0\r\n\r\n", False, "Sizes are hex: 20 means 32 octets"),
            (f"{POST}16\r\nhello, chunked world\r\n0\r\n\r\n", False, "counts the line end too"),
            (f"{POST}14\nhello, chunked world\n0\n\n", False, "LF alone"),
            (f"{POST}14\r\nhello, chunked world\r\n0\r\n", False, "empty line after the 0 line did not come"),
            (f"{POST}14\r\nhello, chunked world\r\n0\r\n\r\n", True, "14 is hex for 20"),
            (f"{POST}4\r\ncaf\xc3\xa9\r\n0\r\n\r\n", False, "4 characters, but 5 octets"),
            (f"{POST}5\r\ncaf\xc3\xa9\r\n0\r\n\r\n", True, "Five"),
        ],
    ),
    (
        3,
        [
            (f"{POST}5\r\nhello\r\n0\r\n\r\n", False, "You ended the body here"),
            (f"{POST}5\r\nhel", False, "before the first chunk was whole"),
            (f"{POST}5\r\nhello\r\n0\r\n", False, "Here is a 0 line; only the empty line after it is missing"),
            (f"{POST}5\r\nhello\r\n", True, "no end"),
            (f"{POST}6\r\nhello\r\n0\r\n\r\n", False, "size line says 6; the data up to its line end has 5 octets"),
            (f"{POST}0\r\n\r\n", False, "without a chunk"),
            (f"{POST}5\r\nhello\r\n0\r\n\r\n".replace("x", "x\r\nExpect: y", 1), False, "417 Expectation Failed."),
            (f"{POST}5\r\nhello\r\n0\r\n\r\n", True, "this is all"),
        ],
    ),
    (
        5,
        [
            (f'{POST}7\r\n{{"n":1}}\r\n0\r\n\r\n', False, "That is one chunk"),
            (f'{POST}3\r\n{{"n\r\n4\r\n":2}}\r\n0\r\n\r\n', False, "joined"),
            (f'{POST}3\r\n{{"n\r\n4\r\n":1}}\r\n0\r\n\r\n', True, "One message in 2 frames"),
            (f'{POST}7\r\n{{"n":1}}\r\n7\r\n{{"n":2}}\r\n0\r\n\r\n', False, "2 chunks (7, 7)"),
            (f'{POST}e\r\n{{"n":1}}{{"n":2}}\r\n0\r\n\r\n', False, "two lines of JSON"),
            (f'{POST}10\r\n{{"n":1}}\r\n{{"n":2}}\r\n0\r\n\r\n', True, "Two messages in one frame of 16"),
        ],
    ),
    (
        9,
        [
            (f"{POST}d\r\ndata: caf\xc3\xa9\n\n\r\n0\r\n\r\n", True, "in one chunk"),
            (f"{POST}d\r\ndata: caf\xc3\xa9\n\n\r\n0\r\n\r\n", False, "You did not cut the data"),
            (f"{POST}9\r\ndata: caf\r\n4\r\n\xc3\xa9\n\n\r\n0\r\n\r\n", False, "after 9"),
            (f"{POST}a\r\ndata: caf\xc3\r\n3\r\n\xa9\n\n\r\n0\r\n\r\n", True, "You cut inside the é"),
        ],
    ),
]


@pytest.mark.needs("nc")
@pytest.mark.parametrize("number, attempts", ATTEMPTS)
async def test_an_attempt_is_judged_by_its_octets(number: int, attempts: list[tuple[str, bool, str]]) -> None:
    async with learning(number) as learner:
        for octets, is_right, said in attempts:
            judgement = await learner.send(octets)
            assert judgement.is_right is is_right, (octets, judgement)
            assert said in judgement.sentence, (octets, judgement)
        assert learner.session.done.is_set()


async def typed(learner: Learner) -> Judgement:
    """Type the lines of the step's command as they stand."""
    return await learner.type(learner.commands[0])


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.needs(program)) for kind, program in PROGRAMS.items()]
)
async def test_each_kind_of_nc_sends_what_is_typed_with_the_flags_that_are_shown(kind: str) -> None:
    async with learning(3, kind) as learner:
        [shown] = learner.commands
        assert (await learner.type(shown, until=b"hello\r\n")).is_right
        if kind == "telnet":  # Ctrl-C is sent as octets there; the judge of a head knows them
            assert learner.session.step == 2
        assert (await typed(learner)).is_right
    async with learning(6, kind) as learner:
        judgement = await typed(learner)
        assert judgement.is_right, judgement
        await learner.run(learner.commands[0].run)
        judgement = await learner.judgement()
        assert "came in 1 read" in judgement.sentence
        assert [line.partition(" s: ")[2] for line in judgement.evidence] == [
            r"…5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n",
        ]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.needs(program, "curl")) for kind, program in PROGRAMS.items()]
)
async def test_each_kind_of_nc_serves_and_half_closes_with_the_flags_that_are_shown(kind: str) -> None:
    async with learning(8, kind) as learner:
        assert (await learner.type(learner.commands[0], serves=True)).is_right
    async with learning(10, kind) as learner:
        [endless] = learner.commands
        assert (await learner.type(endless, until=b"line 2")).is_right
        await learner.run(learner.commands[0].run)
        judgement = await learner.judgement()
        assert judgement.is_right, judgement


@pytest.mark.needs("nc", "curl")
async def test_a_server_of_the_learner_is_told_its_first_wrong_octet() -> None:
    async with learning(8) as learner:
        assert b"Nobody listens" in await learner.run(learner.commands[1].run)
        assert "Nobody listens" in (await learner.judgement()).sentence
        wrong = ShownCommand(learner.commands[0].run, ("HTTP/1.1 OK",))
        judgement = await learner.type(wrong, serves=True)
        assert judgement.caret_lines() == ("HTTP/1.1 OK\\r\\n", "        ^")
        lines = ("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "", "4", "hello")
        judgement = await learner.type(replace(wrong, lines=lines), serves=True)
        line, caret = judgement.caret_lines()  # nc may write the end of the line by itself, after the judgement
        assert (line.removesuffix("\\r\\n"), caret) == ("hello", "    ^")
        assert (await learner.type(learner.commands[0], serves=True)).is_right
        assert (await learner.type(learner.commands[0], serves=True, until=b"hello\r\n")).is_right


@pytest.mark.needs("curl")
async def test_which_stream_was_cut_is_answered_after_a_look_and_with_evidence() -> None:
    async with learning(4) as learner:
        *fetches, answer = (command.run for command in learner.commands)
        assert b"you have not fetched /first" in await learner.run(answer)
        exits = [(await learner.run(fetch))[-3:].strip() for fetch in fetches]
        assert exits == [b"0", b"0", b"18"]
        said = [
            await learner.run(answer.replace("first", name)) for name in ("first", "forth", "third", "second", "first")
        ]
        assert b"0 and an empty line" in said[0]
        assert said[1].startswith(b"Answer with first, second or third")
        assert learner.session.done.is_set()


@pytest.mark.needs("curl")
async def test_which_hop_holds_is_answered_with_the_times_that_were_seen() -> None:
    async with learning(7) as learner:
        *looks, answer = (command.run for command in learner.commands)
        assert b"Look first" in await learner.run(answer)
        async with trio.open_nursery() as nursery:
            for look in looks:
                nursery.start_soon(learner.run, look, name=look)
        refused = await learner.run(answer)
        times = {name: found.split(b", ") for name, found in re.findall(rb"(hop-[ab]): data at ([\d., ]+) s", refused)}
        assert len(times[b"hop-a"]) > len(times[b"hop-b"]) == 1  # the one that holds sends all at once
        assert await learner.run(answer.replace("hop-a", "origin")) == b"Answer with hop-a or hop-b.\n"
        assert (await learner.run(answer.replace("hop-a", "hop-b"))).startswith(b"Yes: hop-b kept everything")
        count = learner.commands[1].run
        assert b"Look at the output" in await learner.run(count)
        await learner.run(count.replace("/5", "/1"))
        assert learner.session.done.is_set()
