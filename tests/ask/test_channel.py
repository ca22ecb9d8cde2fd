"""The channel between the reader of a provider and the writer to a caller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from chunkwire.ask.audit import AuditEntry
from chunkwire.ask.channel import CHANNEL_ITEMS, AnswerChannel, Content, End, Item, Unsent, WriteNowait
from chunkwire.ask.responses import gather
from chunkwire.llm.answer import Reasoning, Text, ToolCall


class Caller:
    """A writing task, and a socket that takes everything, or nothing."""

    def __init__(self) -> None:
        self.channel = AnswerChannel(keeps_text=True)
        self.written: list[Content] = []
        self.batches: list[list[Item]] = []
        self.is_full = False

    def write_nowait(self, items: list[Content]) -> Unsent | None:
        self.written += items
        return Unsent(trio.lowlevel.checkpoint) if self.is_full else None

    async def run(self) -> None:
        while True:
            self.batches.append(await self.channel.next(10.0, self.write_nowait))


@asynccontextmanager
async def waiting() -> AsyncIterator[Caller]:
    caller = Caller()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(caller.run, name="caller")
        await wait_all_tasks_blocked()
        yield caller
        nursery.cancel_scope.cancel()


async def test_items_are_written_by_the_reading_task_while_the_writing_task_waits() -> None:
    async with waiting() as caller:
        assert caller.channel.put_nowait([Text("a"), Reasoning("b")]) == []
        assert caller.written == [Text("a"), Reasoning("b")]
        await wait_all_tasks_blocked()
    assert caller.batches == []
    assert caller.channel.text == "a"


async def test_items_behind_octets_that_the_socket_did_not_take_wait_in_the_channel() -> None:
    async with waiting() as caller:
        caller.is_full = True
        for text in "abc":
            assert caller.channel.put_nowait([Text(text)]) == []
        assert caller.written == [Text("a")]
        await wait_all_tasks_blocked()
    assert [type(item) for batch in caller.batches for item in batch] == [Unsent, Text, Text]
    assert len(caller.batches[0]) == 1
    assert caller.channel.text == "abc"


async def test_the_channel_holds_items_up_to_its_limit() -> None:
    channel = AnswerChannel(keeps_text=False)
    items: list[Content] = [Text("x")] * CHANNEL_ITEMS
    assert channel.put_nowait([*items, Text("one more")]) == [Text("one more")]
    assert await channel.next(0.0) == items
    assert channel.put_nowait(items) == []


async def test_a_keep_alive_is_due_only_when_nothing_was_written_for_so_long(mock_clock: MockClock) -> None:
    async with waiting() as caller:
        mock_clock.jump(6.0)
        caller.channel.put_nowait([Text("a")])
        mock_clock.jump(9.0)
        await wait_all_tasks_blocked()
        assert caller.batches == []
        mock_clock.jump(2.0)
        await wait_all_tasks_blocked()
        assert caller.batches == [[]]


async def test_items_that_were_there_when_an_answer_was_cancelled_are_given() -> None:
    channel = AnswerChannel(keeps_text=True)
    channel.put_nowait([Text("a")])
    assert await channel.next(1.0) == [Text("a")]
    with trio.CancelScope() as scope:
        scope.cancel()
        await channel.next(1.0)
    assert scope.cancelled_caught


async def test_left_over_octets_are_written_before_a_keep_alive_that_is_due(mock_clock: MockClock) -> None:
    for _ in range(30):  # in half of them the reading task is resumed before the writing one
        async with waiting() as caller:
            caller.is_full = True
            mock_clock.jump(10.0)
            await trio.lowlevel.checkpoint()
            before = len(caller.batches)
            assert caller.channel.put_nowait([Text("a")]) == []
            mock_clock.jump(10.0)
            await wait_all_tasks_blocked()
            assert caller.batches[before] == [Unsent(trio.lowlevel.checkpoint)]


class Prepared(AnswerChannel):
    """A channel whose items are all there."""

    def __init__(self, *items: Item) -> None:
        super().__init__(keeps_text=True)
        self.items = items

    async def next(self, patience: float, write_nowait: WriteNowait | None = None) -> list[Item]:
        return list(self.items)


async def test_a_tool_call_of_many_pieces_is_gathered_in_one_pass() -> None:
    pieces = [ToolCall(0, "", "", "x")] * 200_000
    channel = Prepared(ToolCall(0, "id", "name", "{"), *pieces, End())
    (call,) = await gather(channel, AuditEntry("1", "-", "json", 0.0, ""))
    assert (call.id, call.name, len(call.json)) == ("id", "name", 200_001)
