"""When an answer is whole: one row per dialect.

The rule here: after the terminal event an answer is whole, even if the body is cut then. After a finish it is whole
only if the body ends properly. With neither it is incomplete, even if the body ends properly. `[DONE]` ends an answer
with content also without a finish: OpenAI documents it as the end of a stream, and Gemini's OpenAI form and several
bridges never send a reason to stop. No `Stop` is made up then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class AnswerEnding:
    """A row.

    Attributes:
        terminal: the terminal event; "" for a dialect that has none.
        finish: what reports that the model has stopped; "" where only the terminal event does.
    """

    terminal: str
    finish: str

    def __str__(self) -> str:
        """Return what was expected, for an error message."""
        return self.terminal or f"{self.finish} and the end of the body"


_CHAT: Final = AnswerEnding("data: [DONE]", "a finish_reason")
ENDINGS: Final[Mapping[str, AnswerEnding]] = {
    "openai": _CHAT,
    "azure": _CHAT,
    "openai-responses": AnswerEnding("event: response.completed", ""),
    "anthropic": AnswerEnding("event: message_stop", "a stop_reason"),
    "gemini": AnswerEnding("", "an event with a finishReason"),
    "bedrock": AnswerEnding("messageStop", ""),
}
"""By the name of the dialect. A body of JSON has no terminal event: it ends with its finish and its last bracket."""
