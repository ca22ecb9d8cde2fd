"""Each row of the quirk table through the endpoint, over real sockets: text, reasoning, verdict, breaker and audit."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chunkwire.llm.answer import AtFault
from chunkwire.origin.scenarios.quirks import QUIRKS, Quirk
from chunkwire.wire.sse import SseEvent
from tests.ask.endpoint import FAST, Fake, asking, error_of, events_of, text_of
from tests.server.peer import status_of


@pytest.mark.parametrize("quirk", QUIRKS.values(), ids=QUIRKS)
async def test_a_quirk_is_answered_as_its_row_says(quirk: Quirk) -> None:
    async with asking(Fake(replace(FAST, quirk=quirk.name), dialect=quirk.dialects[0])) as asked:
        response = await asked.ask("hi")
        (provider,) = await asked.providers()
    (line,) = asked.audit
    said = quirk.said
    if status_of(response) == 200:
        events = events_of(response)
        assert (text_of(events), reasoning_of(events)) == (said.text, said.reasoning)
        assert events[-1].event == ("done" if said.error is None else "error")
    else:
        assert (said.text, said.reasoning, error_of(response)["kind"]) == ("", "", said.error)
    assert_audited(line, quirk)
    is_theirs = said.error is not None and said.error.at_fault is not AtFault.CALLER
    assert provider["failures_in_a_row"] == (1 if is_theirs else 0)


def reasoning_of(events: Sequence[SseEvent]) -> str:
    return "".join(json.loads(event.data)["t"] for event in events if event.event == "reasoning")


def assert_audited(line: dict[str, Any], quirk: Quirk) -> None:
    said = quirk.said
    assert line["ended"] == ("complete" if said.error is None else "error")
    assert (None if line["error"] is None else line["error"]["kind"]) == said.error
    if said.error is None:
        assert line["stop"] == (None if said.stop is None else said.stop.value)
    if said.usage is not None:
        usage = line["usage"]
        assert (usage["input_tokens"], usage["output_tokens"]) == (said.usage.prompt, said.usage.completion)
