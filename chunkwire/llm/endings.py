"""What ends an answer whole, a dialect a row.

The rule here: the terminal event makes an answer whole whatever follows it, were it a cut; a finish makes it whole
only together with a body that ends properly. An answer with neither is incomplete, even if its body ended properly.
`[DONE]` without a finish before it is the end too where something was said: OpenAI documents it as the end of a stream,
and Gemini's OpenAI form and several bridges never name a reason. `Stop` is missing then, and no reason is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class AnswerEnding:
    """A row.

    Attributes:
        terminal: the event, in words; "" for a dialect that has none.
        finish: what says that the model has stopped, "" for a dialect where the terminal event alone does.
    """

    terminal: str
    finish: str

    def __str__(self) -> str:
        """Return what is missed, for an error message."""
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
"""By the name of the dialect. A body that is JSON has no terminal event: its finish and its last bracket end it."""
