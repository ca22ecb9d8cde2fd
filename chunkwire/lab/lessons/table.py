"""The lessons, in their order."""

from __future__ import annotations

from typing import Final

from chunkwire.lab.lessons.boundaries import CUT_INSIDE_UTF8, FRAMES_ARE_NOT_MESSAGES, FRAMES_ARE_NOT_READS
from chunkwire.lab.lessons.chunks import WHAT_THE_NUMBERS_ARE, WHO_WRITES_ZERO
from chunkwire.lab.lessons.ends import CLIENT_THAT_LEAVES, CUT_OR_EARLY_END
from chunkwire.lab.lessons.hops import HOP_THAT_HOLDS
from chunkwire.lab.lessons.lesson import Lesson
from chunkwire.lab.lessons.requests import REQUEST_BY_HAND
from chunkwire.lab.lessons.serving import YOU_ARE_THE_SERVER

LESSONS: Final[tuple[Lesson, ...]] = (
    REQUEST_BY_HAND,
    WHAT_THE_NUMBERS_ARE,
    WHO_WRITES_ZERO,
    CUT_OR_EARLY_END,
    FRAMES_ARE_NOT_MESSAGES,
    FRAMES_ARE_NOT_READS,
    HOP_THAT_HOLDS,
    YOU_ARE_THE_SERVER,
    CUT_INSIDE_UTF8,
    CLIENT_THAT_LEAVES,
)
