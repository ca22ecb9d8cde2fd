"""The vectors as values."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VECTORS_PATH = Path(__file__).parent / "chunked_vectors.json"


@dataclass(frozen=True, slots=True)
class Vector:
    """One body and what must be said of it; the attributes are the members of the file."""

    id: str
    octets: bytes
    verdict: str
    lenient_verdict: str
    frames: Sequence[Sequence[Any]]
    trailers: Sequence[tuple[bytes, bytes]]
    consumed: int | None
    forward_max: int
    decided_at: int | None
    completes_with: bytes | None
    why: str

    def __str__(self) -> str:
        return self.id


@cache
def policy() -> dict[str, Any]:
    """Return the file without its vectors: the limits and lists that the verdicts rest on."""
    members: dict[str, Any] = json.loads(VECTORS_PATH.read_text("utf-8"))
    return {name: value for name, value in members.items() if name != "vectors"}


@cache
def load() -> tuple[Vector, ...]:
    """Return all vectors in the order of the file."""
    members = json.loads(VECTORS_PATH.read_text("utf-8"))
    return tuple(_vector(each) for each in members["vectors"])


def _vector(each: dict[str, Any]) -> Vector:
    suffix = each.get("completes_with")
    return Vector(
        id=each["id"],
        octets=bytes.fromhex(each["hex"]),
        verdict=each["verdict"],
        lenient_verdict=each.get("lenient_verdict", each["verdict"]),
        frames=each["frames"],
        trailers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in each["trailers"]],
        consumed=each["consumed"],
        forward_max=each["forward_max"],
        decided_at=each["decided_at"],
        completes_with=None if suffix is None else bytes.fromhex(suffix),
        why=each["why"],
    )
