"""The fields that well-known clients send and that may change how a hop treats a stream.

The rule here: fields of real requests (Chrome's EventSource, node's fetch, curl), in the client's order. br and zstd
are left out of Accept-Encoding, as browsers do over http, because nothing here decodes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from chunkwire.tools.probe.requests import Fields
from chunkwire.tools.probe.verdict import HopVerdict

AGENTS: Final[Mapping[str, Fields]] = {
    "browser": (
        (b"Cache-Control", b"no-cache"),
        (
            b"User-Agent",
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        (b"Accept", b"text/event-stream"),
        (b"Sec-Fetch-Site", b"same-origin"),
        (b"Sec-Fetch-Mode", b"cors"),
        (b"Sec-Fetch-Dest", b"empty"),
        (b"Accept-Encoding", b"gzip, deflate"),
        (b"Accept-Language", b"en-US,en;q=0.9"),
    ),
    "node": (
        (b"Accept", b"*/*"),
        (b"Accept-Language", b"*"),
        (b"Sec-Fetch-Mode", b"cors"),
        (b"User-Agent", b"node"),
        (b"Accept-Encoding", b"gzip, deflate"),
    ),
    "curl": ((b"User-Agent", b"curl/8.14.1"), (b"Accept", b"*/*")),
}


def differences(found: Mapping[str, Sequence[HopVerdict]]) -> Iterator[str]:
    """Yield a line for each hop that treats these clients differently.

    Args:
        found: by client, the verdicts on the same hops.
    """
    for verdicts in zip(*found.values(), strict=True):
        claims = {agent: verdict.claim for agent, verdict in zip(found, verdicts, strict=True)}
        held = {agent for agent, verdict in zip(found, verdicts, strict=True) if verdict.is_holding}
        if held and len(held) < len(claims):
            said = "; ".join(f"to {agent}: {claim}" for agent, claim in claims.items())
            yield f"{verdicts[0].hop} treats clients differently: {said}"
