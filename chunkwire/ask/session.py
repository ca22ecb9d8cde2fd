"""The history of conversations, by session id, bounded in number, size and time.

The rule here: pure; the time is given. Anyone who knows an id can use the session, so it should be hard to guess.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final

from chunkwire.llm.question import Message

MAX_SESSIONS: Final = 1000  # the one answered least recently is dropped first; some 64 Mi characters in all
MAX_TURNS: Final = 20  # messages of one session: ten questions with their answers
MAX_CHARACTERS: Final = 64 * 1024  # of one session's messages: some 16,000 tokens, which each further question costs
IDLE_S: Final = 3600.0  # after its latest answer, a session is dropped

SESSION_ID: Final = re.compile(r"[0-9A-Za-z._~-]{1,64}", re.ASCII)


class Sessions:
    """The histories of all sessions."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, tuple[float, tuple[Message, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._turns)

    def history(self, name: str, now: float) -> tuple[Message, ...]:
        """Return the messages of a session, oldest first; none for a new one."""
        self._drop_idle(now)
        return self._turns.get(name, (now, ()))[1]

    def add(self, name: str, now: float, *, question: str, answer: str) -> None:
        """Keep a question and its whole answer; the oldest pairs are dropped while a session exceeds its bounds."""
        turns = [*self.history(name, now), Message("user", question), Message("assistant", answer)]
        while len(turns) > MAX_TURNS or sum(len(turn.text) for turn in turns) > MAX_CHARACTERS:
            del turns[:2]
        self._turns[name] = (now, tuple(turns))
        self._turns.move_to_end(name)
        if len(self._turns) > MAX_SESSIONS:
            self._turns.popitem(last=False)

    def _drop_idle(self, now: float) -> None:
        while self._turns and next(iter(self._turns.values()))[0] + IDLE_S <= now:
            self._turns.popitem(last=False)
